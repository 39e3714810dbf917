"""Random members of a collection that is kept as a dict.

A dict cannot tell its n-th key. While it is small, stepping to that key is cheaper than
keeping an order beside it; a large one has a `ScanOrder`, which makes one pick O(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from random import Random

from storage.scan_order import ScanOrder

# With more than one in this many asked for, shuffling all of them is cheaper than picking
# single ones and throwing back those that were picked before.
_SPARSE = 3


def pick_member(live: Mapping[bytes, object], order: ScanOrder | None, rng: Random) -> bytes:
    """One random key of a dict that is not empty; `order` is None for a small one."""
    if order is not None:
        return order.pick(live, rng)
    return next(islice(live, int(rng.random() * len(live)), None))


def pick_distinct(
    live: Mapping[bytes, object], order: ScanOrder | None, count: int, rng: Random
) -> list[bytes]:
    """`count` different random keys, or all of them where there are no more."""
    if count >= len(live):
        return list(live)
    if order is None or count * _SPARSE > len(live):
        return rng.sample(list(live), count)
    picked: dict[bytes, None] = {}
    while len(picked) < count:
        picked[order.pick(live, rng)] = None
    return list(picked)
