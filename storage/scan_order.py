"""Stateless cursors and fair random picks over the keys of a dict.

A Python dict has no access by position and cannot resume an iteration, so a plain list of
its keys is kept beside it, in order of insertion. The list may also contain removed keys,
which are skipped, and swept out when they outnumber the live ones.

SCAN walks this list *downwards*, and its cursor is the number of places left to visit. New
keys are appended at the top, which the scan has passed already; sweeping only ever moves a
key down, which at worst returns it twice. So a key that exists from the first call of a
scan to its last is always returned, whatever changes in between, and the server keeps no
state per scan. The list is created by the first scan or random pick: a dict that is never
scanned pays one `is None` check per new key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

V = TypeVar("V")

_SLACK = 64
# A new scan of a list up to this long sweeps it first.
_SMALL = 4096


class ScanOrder:
    """The order in which scans walk the keys of one dict."""

    __slots__ = ("_order", "_sweep_at")

    def __init__(self) -> None:
        self._order: list[bytes] | None = None
        self._sweep_at = 0

    def added(self, key: bytes, live: Mapping[bytes, object]) -> None:
        """Must follow the insertion of a new key into the dict."""
        order = self._order
        if order is not None:
            order.append(key)
            if len(order) > self._sweep_at:
                self._sweep(live)

    def clear(self) -> None:
        """Must follow emptying or replacing the dict."""
        self._order = None

    def scan(
        self, live: Mapping[bytes, object], cursor: int, count: int
    ) -> tuple[int, list[bytes]]:
        """Return the next cursor (0 when done) and about `count` keys."""
        order = self._order
        if order is None:
            order = self._build(live)
        elif not cursor and len(live) < len(order) <= _SMALL:
            # A key that was removed and added again is listed twice. SCAN may return a key
            # twice, but clients that scan a few keys expect each of them once.
            order = self._sweep(live)
        top = len(order)
        if 0 < cursor < top:
            top = cursor
        keys: list[bytes] = []
        # Removed keys do not count towards `count`, up to a limit: a scan just before a sweep
        # should not need twice the calls.
        looked = 0
        while top > 0 and len(keys) < count and looked < count * 10:
            bottom = max(0, top - (count - len(keys)))
            looked += top - bottom
            keys.extend(key for key in order[bottom:top] if key in live)
            top = bottom
        return top, keys if len(order) == len(live) else list(dict.fromkeys(keys))

    def pick(self, live: Mapping[bytes, object], rng: Random) -> bytes:
        """Return a random key of a dict that is not empty.

        A key that was removed and added again since the last sweep is listed twice, and so
        twice as likely; Redis' own sampling of buckets is about as uneven.
        """
        order = self._order
        if order is None:
            order = self._build(live)
        elif len(order) > 2 * len(live) + _SLACK:
            order = self._sweep(live)
        while True:
            key = order[int(rng.random() * len(order))]
            if key in live:
                return key

    def sample(
        self, live: Mapping[bytes, V], count: int, rng: Random
    ) -> tuple[Sequence[bytes], Sequence[V]]:
        """Return up to `count` random keys, some of them twice, and what they map to.

        None only if there is none. Removed keys that are met leave the list, so that frequent
        samples keep it short.
        """
        order = self._order or self._build(live)
        random = rng.random
        # Not a step per key, because evictions sample many.
        while size := len(order):
            places = [int(random() * size) for _ in range(count)]
            keys = [order[place] for place in places]
            found = list(map(live.get, keys))
            if None in found:
                self._drop({place for place, one in zip(places, found, strict=True) if one is None})
                keys = [key for key, one in zip(keys, found, strict=True) if one is not None]
            if keys:
                return keys, [one for one in found if one is not None]
        return (), ()

    def _drop(self, places: set[int]) -> None:
        """Remove what is at these places."""
        order = self._order
        assert order is not None
        for place in sorted(places, reverse=True):
            # The last key takes its place: like sweeping, that only moves a key down.
            last = order.pop()
            if place < len(order):
                order[place] = last

    def _build(self, live: Iterable[bytes]) -> list[bytes]:
        self._order = order = list(live)
        self._sweep_at = 2 * len(order) + _SLACK
        return order

    def _sweep(self, live: Mapping[bytes, object]) -> list[bytes]:
        # dict.fromkeys drops duplicates (a key removed and added again) and keeps the order,
        # so that every key stays at or below its place.
        order = self._order
        assert order is not None
        order[:] = dict.fromkeys(key for key in order if key in live)
        self._sweep_at = 2 * len(order) + _SLACK
        return order
