"""When Python looks for cyclic garbage.

Left alone, CPython's collector now and then walks every container there is, and with
millions of keys that is most of a second in which nobody is served. The data has no
cycles (values hold no references to each other), so walking it is pointless: it is put
aside with `gc.freeze`, and only what was made since the last round is looked at. What a
frozen cycle could leak is what a handful of closed connections held; those cut their
cycles by hand.
"""

from __future__ import annotations

import gc

import trio

_ROUND_SECONDS = 1.0
# Objects that may be made between two rounds before the collector steps in by itself: a
# backstop against a burst of cycles, beyond what a second of ordinary work makes.
_BACKSTOP = 200_000


async def schedule_collections() -> None:
    """Collect the young once a second and put the survivors aside, for ever."""
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
