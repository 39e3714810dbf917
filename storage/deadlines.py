"""What runs out when, at a cost that follows what runs out.

A sorted list of every (deadline, key) would cost a search and two insertions each time
a session's TTL is renewed, and a tuple per key. Instead keys lie in buckets of time,
coarse when far away and fine when near, and only the few bucket times are kept sorted.
The rule that makes this cheap: *a key lies in some bucket that opens no later than its
deadline*. So pushing a deadline out needs no work at all (the key is looked at when its
old bucket opens, and laid further on), and every key is moved at most a handful of times
in its life.
"""

from __future__ import annotations

from sortedcontainers import SortedDict

# Bucket widths as powers of two, in milliseconds: about 0.13 s, 16 s and 35 min.
_FINE, _MIDDLE, _COARSE = 7, 14, 21


class Deadlines(dict[bytes, int]):
    """A dict of key to deadline (epoch ms) that can also tell which keys are due.

    Read it like any dict; write it only through `put` and `drop`.
    """

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        super().__init__()
        # Made when the first deadline comes: most databases of most instances have none,
        # and an instance must be cheap to make.
        self._buckets: SortedDict | None = None

    def put(self, key: bytes, deadline: int, now: int) -> None:
        before = self.get(key)
        self[key] = deadline
        if before is None or deadline < before:
            self._lay(key, deadline, now)

    def drop(self, key: bytes) -> None:
        """Forget a key's deadline. Its bucket may still name it; `take_due` will not."""
        self.pop(key, None)

    def take_due(self, now: int, limit: int) -> list[bytes] | None:
        """Look at up to `limit` keys of the open buckets; the due ones among them.

        None when no bucket is open. The caller removes each key it is given; a key is
        not offered twice. Work is bounded by `limit`, so a sweep can watch its time.
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
                self._lay(key, deadline, now)
        if not keys:
            del buckets[opens]
        return due

    def take_all_due(self, now: int) -> list[bytes]:
        """Every key that is due at this very moment; the caller removes each.

        For who must not miss any: `take_due` offers a key up to a bucket's width late.
        """
        taken: list[bytes] = []
        while (due := self.take_due(now, 1000)) is not None:
            taken += due
        buckets = self._buckets
        last = ((now >> _FINE) + 1) << _FINE
        if buckets and buckets.peekitem(0)[0] <= last:
            # The one bucket in which keys can lie that ran out before it opens.
            keys = buckets[last]
            due = [key for key in keys if self.get(key, now) < now]
            keys.difference_update(due)
            taken += due
        # A deadline that came nearer left the key's name in two buckets.
        return list(dict.fromkeys(taken))

    def next_check(self) -> int | None:
        """When `take_due` may next have something to say."""
        buckets = self._buckets
        return buckets.peekitem(0)[0] if buckets else None

    def _lay(self, key: bytes, deadline: int, now: int) -> None:
        distance = deadline - now
        if distance < 1 << (_MIDDLE + 1):
            width = _FINE
        elif distance < 1 << (_COARSE + 1):
            width = _MIDDLE
        else:
            width = _COARSE
        opens = deadline >> width << width
        if opens <= now:
            # An open bucket must only ever shrink, so this key waits for the next tick.
            opens = ((now >> _FINE) + 1) << _FINE
        buckets = self._buckets
        if buckets is None:
            buckets = self._buckets = SortedDict()
        keys = buckets.get(opens)
        if keys is None:
            buckets[opens] = {key}
        else:
            keys.add(key)
