"""Random members of a collection that is stored as a dict.

A dict has no access by position. In a small one, iterating to the n-th key is cheaper than
maintaining an order beside it; a large one has a `ScanOrder`, which makes a pick O(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from random import Random

from storage.scan_order import ScanOrder

# If more than one key in this many is requested, sampling from a list of all keys is cheaper
# than picking single ones and discarding duplicates.
_SPARSE = 3


def pick_member(live: Mapping[bytes, object], order: ScanOrder | None, rng: Random) -> bytes:
    """Return a random key of a dict that is not empty; `order` is None for a small one."""
    if order is not None:
        return order.pick(live, rng)
    return next(islice(live, int(rng.random() * len(live)), None))


def pick_distinct(
    live: Mapping[bytes, object], order: ScanOrder | None, count: int, rng: Random
) -> list[bytes]:
    """Return `count` different random keys, or all of them if there are fewer."""
    if count >= len(live):
        return list(live)
    if order is None or count * _SPARSE > len(live):
        return rng.sample(list(live), count)
    picked: dict[bytes, None] = {}
    while len(picked) < count:
        picked[order.pick(live, rng)] = None
    return list(picked)
