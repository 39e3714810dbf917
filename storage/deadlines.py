"""Which keys expire when, at a cost proportional to the number of expired keys.

A sorted list of every (deadline, key) would cost a search, a removal and an insertion each
time a session's TTL is renewed, and a tuple per key. Instead, keys are put in time buckets,
wide for distant deadlines and narrow for near ones, and only the few bucket times are kept
sorted. The invariant: *every key is in a bucket that opens no later than its deadline*. So
extending a deadline needs no work (when the old bucket opens, the key moves to a later one),
and every key moves only a few times in its life.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from sortedcontainers import SortedDict

from storage.scan_order import ScanOrder

# Bucket widths as powers of two, in milliseconds: about 0.13 s, 16 s and 35 min.
_FINE, _MIDDLE, _COARSE = 7, 14, 21
# How often `take_exactly_due` looks at a bucket.
_MOST_ROUNDS = 20


class Deadlines(dict[bytes, int]):
    """A dict of key to deadline (epoch ms) that also finds the keys that are due.

    Read it like any dict; change it only through `put` and `drop`.
    """

    __slots__ = ("_buckets", "_order")

    def __init__(self) -> None:
        super().__init__()
        # Created with the first deadline: most databases of most instances have none, and
        # creating an instance must be cheap.
        self._buckets: SortedDict | None = None
        # For samples; created with the first one.
        self._order: ScanOrder | None = None

    def put(self, key: bytes, deadline: int, now: int) -> None:
        previous = self.get(key)
        self[key] = deadline
        if previous is None or deadline < previous:
            self._place(key, deadline, now)
            if previous is None and self._order is not None:
                self._order.added(key, self)

    def drop(self, key: bytes) -> None:
        """Remove a key's deadline. Its bucket may still list it; `take_due` skips it."""
        self.pop(key, None)

    def forget(self, key: bytes) -> None:
        """`drop`, without leaving the key in its bucket until it would be due.

        For evictions, which may remove many times more keys than there are at any moment.
        """
        deadline = self.pop(key, None)
        if deadline is None or self._buckets is None:
            return
        for width in (_FINE, _MIDDLE, _COARSE):
            keys = self._buckets.get(deadline >> width << width)
            if keys is not None:
                keys.discard(key)

    def sample(self, count: int, rng: Random) -> tuple[Sequence[bytes], Sequence[int]]:
        """Return up to `count` random keys, some of them twice, and their deadlines.

        None only if there is none.
        """
        if self._order is None:
            self._order = ScanOrder()
        return self._order.sample(self, count, rng)

    def take_due(self, now: int, limit: int) -> list[bytes] | None:
        """Examine up to `limit` keys of the earliest open bucket and return the due ones.

        None when no bucket is open. The caller must remove every returned key: none is
        returned twice. `limit` bounds the work, so that a sweep can limit its time.
        """
        buckets = self._buckets
        if not buckets or buckets.peekitem(0)[0] > now:
            return None
        opens, keys = buckets.peekitem(0)
        due = []
        for _ in range(min(limit, len(keys))):
            key = keys.pop()
            deadline = self.get(key)
            if deadline is None:
                continue
            if deadline < now:
                due.append(key)
            else:
                self._place(key, deadline, now)
        if not keys:
            del buckets[opens]
        return due

    def due(self, now: int) -> Iterator[bytes]:
        """Yield the keys that are due, some of them twice. They must not change meanwhile."""
        if self._buckets:
            # The last bucket opens later, but may contain keys that are due already.
            for opens in self._buckets.irange(maximum=((now >> _FINE) + 1) << _FINE):
                for key in self._buckets[opens]:
                    if self.get(key, now) < now:
                        yield key

    def take_exactly_due(self, now: int, limit: int) -> list[bytes]:
        """Return up to `limit` keys that are due now; the caller must remove each.

        For callers that must not miss any: `take_due` may return a key late, by up to the
        width of a bucket. The work is bounded, so fewer keys than are due may be returned
        while very many deadlines are being moved.
        """
        taken: list[bytes] = []
        for _ in range(_MOST_ROUNDS):
            due = self.take_due(now, limit - len(taken))
            if due is None or len(taken) == limit:
                break
            taken += due
        taken += islice(self.due(now), limit - len(taken))
        # A key whose deadline was moved forward is listed in two buckets.
        return list(dict.fromkeys(taken))

    def _place(self, key: bytes, deadline: int, now: int) -> None:
        distance = deadline - now
        if distance < 1 << (_MIDDLE + 1):
            width = _FINE
        elif distance < 1 << (_COARSE + 1):
            width = _MIDDLE
        else:
            width = _COARSE
        opens = deadline >> width << width
        if opens <= now:
            # Open buckets must only shrink, so this key goes to the next one to open.
            opens = ((now >> _FINE) + 1) << _FINE
        buckets = self._buckets
        if buckets is None:
            buckets = self._buckets = SortedDict()
        keys = buckets.get(opens)
        if keys is None:
            buckets[opens] = {key}
        else:
            keys.add(key)
