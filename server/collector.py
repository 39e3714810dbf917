"""The schedule of Python's cyclic garbage collection.

By default CPython's collector now and then traverses every container, which with millions
of keys stalls all clients for most of a second. The data has no cycles (values hold no
references to each other), so traversing it is pointless: `gc.freeze` excludes it, and only
objects created since the last round are examined. A frozen cycle is never freed; closed
connections are the only ones, and they cut their cycles by hand.
"""

from __future__ import annotations

import gc

import trio

_ROUND_SECONDS = 1.0
# Objects created between two rounds before the collector runs by itself: a backstop
# against a burst of cycles, more than a second of ordinary work creates.
_BACKSTOP = 200_000


async def schedule_collections() -> None:
    """Once a second, collect young objects and freeze the survivors; never returns."""
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    gc.set_threshold(_BACKSTOP, 1_000, 1_000)
    try:
        while True:
            await trio.sleep(_ROUND_SECONDS)
            gc.collect(0)
            gc.freeze()
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
