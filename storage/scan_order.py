"""Stateless cursors and fair random picks over the keys of a dict.

A Python dict can tell neither its n-th key nor where an iteration stood, so beside it
lies a plain list of its keys, in order of arrival, that may also hold keys which have
gone (they are skipped, and swept out when they outnumber the living).

SCAN walks this list *downwards* and its cursor is simply how many places are left to
look at. New keys arrive at the top, behind the walker; sweeping and removal only ever
move a key down, which at worst shows it twice. So a key that is there from the first
call of a scan to its last is always returned, whatever happens meanwhile, and the server
keeps nothing per scan. The list is made when the first scan or random pick asks for it:
a dict that is never scanned pays one `is None` per new key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

_SLACK = 64
# Up to this many places, a new scan is worth a sweep of its own.
_SMALL = 4096


class ScanOrder:
    """The walking order over one dict (or set-like mapping) of keys."""

    __slots__ = ("_order", "_sweep_at")

    def __init__(self) -> None:
        self._order: list[bytes] | None = None
        self._sweep_at = 0

    def added(self, key: bytes, live: Mapping[bytes, object]) -> None:
        """A key that was not in the dict has been put there."""
        order = self._order
        if order is not None:
            order.append(key)
            if len(order) > self._sweep_at:
                self._sweep(live)

    def clear(self) -> None:
        """The dict was emptied or replaced."""
        self._order = None

    def scan(
        self, live: Mapping[bytes, object], cursor: int, count: int
    ) -> tuple[int, list[bytes]]:
        """The next cursor (0 when done) and the keys of about `count` places."""
        order = self._order
        if order is None:
            order = self._build(live)
        elif not cursor and len(live) < len(order) <= _SMALL:
            # A key that was removed and added again stands twice. It may be shown twice, but
            # who walks over a few keys expects each of them once.
            order = self._sweep(live)
        top = len(order)
        if 0 < cursor < top:
            top = cursor
        keys: list[bytes] = []
        # Places of the dead are passed over without being counted, within reason: an
        # iteration over a list just before its sweep should not need twice the calls.
        looked = 0
        while top > 0 and len(keys) < count and looked < count * 10:
            bottom = max(0, top - (count - len(keys)))
            looked += top - bottom
            keys.extend(key for key in order[bottom:top] if key in live)
            top = bottom
        return top, keys if len(order) == len(live) else list(dict.fromkeys(keys))

    def pick(self, live: Mapping[bytes, object], rng: Random) -> bytes:
        """A random key of a dict that is not empty.

        A key that was removed and added again since the last sweep stands twice and is
        that much likelier; Redis' own bucket sampling is uneven in the same degree.
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

    def _build(self, live: Iterable[bytes]) -> list[bytes]:
        self._order = order = list(live)
        self._sweep_at = 2 * len(order) + _SLACK
        return order

    def _sweep(self, live: Mapping[bytes, object]) -> list[bytes]:
        # dict.fromkeys drops second mentions (a key deleted and added again) and keeps
        # the order; assigning to the same list keeps everything at or below its place.
        order = self._order
        assert order is not None
        order[:] = dict.fromkeys(key for key in order if key in live)
        self._sweep_at = 2 * len(order) + _SLACK
        return order
