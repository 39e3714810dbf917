"""The sorted set: members and their scores, by member and in order.

A dict maps members to scores, and a sorted list of (score, member) gives ranks. The list is
a plain one while it is short, because moving a few hundred pointers is cheaper than any
other structure, and a SortedList above that.

A range is given by two *cuts*: it contains what is not below its low cut and is below its
high cut, and None is the cut above everything. So "up to and including x" needs no flag: it
ends at the cut right after x, which for scores is the next double and for members is x
followed by a zero byte.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from sortedcontainers import SortedList

from storage.scan_order import ScanOrder
from storage.values.limits import Limits

ScoreCut = float | None
MemberCut = bytes | None
Span = tuple[int, int]

# The most members for which the plain list is used.
_PLAIN_MOST = 512
_member_of = itemgetter(1)


def after_score(score: float) -> ScoreCut:
    """Return the cut between a score and all greater ones."""
    return None if score == math.inf else math.nextafter(score, math.inf)


def after_member(member: bytes) -> MemberCut:
    """Return the cut between a member and all greater ones."""
    return member + b"\0"


def _reaches(member: bytes, cut: MemberCut) -> bool:
    """Return whether the member is not below the cut."""
    return cut is not None and member >= cut


class SortedSet(dict[bytes, float]):
    """A dict of member to score that also maintains the order of its members.

    Read it as a dict, and by rank through `pairs`; change it through `put`, `remove` and
    `remove_span`. Spans are (start, stop) as in slices; rank 0 is the lowest score.
    """

    __slots__ = ("_sorted", "_walk", "packed")

    def __init__(self) -> None:
        super().__init__()
        self.packed = True
        # A list or, when long, a SortedList. Any, because sortedcontainers has no types.
        self._sorted: Any = []
        self._walk: ScanOrder | None = None

    @classmethod
    def build(cls, scores: Iterable[tuple[bytes, float]], limits: Limits) -> SortedSet:
        """Return a sorted set of these pairs, in the encoding for its size."""
        made = cls()
        made.update(scores)
        made.expect(len(made), max(map(len, made), default=0), limits)
        if made.packed:
            for member, score in made.items():
                made[member] = score + 0.0
        made._sorted = sorted((score, member) for member, score in made.items())
        if len(made) > _PLAIN_MOST:
            made._sorted = SortedList(made._sorted)
        return made

    @property
    def encoding(self) -> bytes:
        return b"listpack" if self.packed else b"skiplist"

    def copy(self) -> SortedSet:
        made = SortedSet()
        made.update(self)
        made.packed = self.packed
        made._sorted = self._sorted.copy()
        return made

    # --- changing ------------------------------------------------------------------------

    def expect(self, members: int, longest: int, limits: Limits) -> None:
        """Leave the compact encoding if this many members, or such long ones, are to be added."""
        if members > limits.zset_max_listpack_entries or longest > limits.zset_max_listpack_value:
            self.packed = False

    def put(self, member: bytes, score: float, limits: Limits) -> None:
        """Set the score of a new or existing member."""
        ordered = self._sorted
        before = self.get(member)
        if before is None:
            if self.packed and (
                len(self) >= limits.zset_max_listpack_entries
                or len(member) > limits.zset_max_listpack_value
            ):
                self.packed = False
        elif ordered.__class__ is list:
            del ordered[bisect_left(ordered, (before, member))]
        else:
            ordered.remove((before, member))
        if self.packed:
            # The compact encoding stores whole numbers as integers, so -0.0 becomes 0.0.
            score += 0.0
        self[member] = score
        if ordered.__class__ is list:
            insort(ordered, (score, member))
            if len(ordered) > _PLAIN_MOST:
                self._sorted = SortedList(ordered)
        else:
            ordered.add((score, member))
        if before is None and self._walk is not None:
            self._walk.added(member, self)

    def remove(self, member: bytes) -> bool:
        """Remove a member and return whether it existed."""
        score = self.pop(member, None)
        if score is None:
            return False
        ordered = self._sorted
        if ordered.__class__ is list:
            del ordered[bisect_left(ordered, (score, member))]
        else:
            ordered.remove((score, member))
        return True

    def remove_span(self, start: int, stop: int) -> list[tuple[float, bytes]]:
        """Remove the members of these ranks and return them with their scores."""
        pairs: list[tuple[float, bytes]] = self._sorted[start:stop]
        del self._sorted[start:stop]
        for _, member in pairs:
            del self[member]
        return pairs

    # --- order ---------------------------------------------------------------------------

    def pairs(self, start: int = 0, stop: int | None = None) -> list[tuple[float, bytes]]:
        """Return the (score, member) pairs of these ranks, in order."""
        found: list[tuple[float, bytes]] = self._sorted[start:stop]
        return found

    def at(self, rank: int) -> tuple[float, bytes]:
        found: tuple[float, bytes] = self._sorted[rank]
        return found

    def rank(self, member: bytes) -> int:
        """Return the rank of a member, which must exist."""
        return self._place((self[member], member))

    def span_by_score(self, low: ScoreCut, high: ScoreCut) -> Span:
        return self._score_place(low), self._score_place(high)

    def span_by_member(self, low: MemberCut, high: MemberCut, from_end: bool = False) -> Span:
        """Return the span between two members, in a set whose scores are all the same.

        With different scores there is no such span, and Redis' answer depends on how it
        searches: through a compact set from the low end, or with `from_end` from the high
        end, which this repeats. In other sets its answer is arbitrary.
        """
        if not self or self.at(0)[0] == self.at(-1)[0]:
            return self._member_place(low), self._member_place(high)
        # Redis first checks with the outermost members whether the range can be non-empty.
        if not _reaches(self.at(-1)[1], low) or _reaches(self.at(0)[1], high):
            return 0, 0
        if self.packed:
            return self._walked_span(low, high, from_end)
        ordered = self._sorted
        places = [
            len(self) if cut is None else bisect_left(ordered, cut, key=_member_of)
            for cut in (low, high)
        ]
        return places[0], places[1]

    def _walked_span(self, low: MemberCut, high: MemberCut, from_end: bool) -> Span:
        members = [member for _, member in self._sorted]
        if from_end:
            stop = len(members)
            while _reaches(members[stop - 1], high):
                stop -= 1
            start = stop
            while start and _reaches(members[start - 1], low):
                start -= 1
        else:
            start = 0
            while not _reaches(members[start], low):
                start += 1
            stop = start
            while stop < len(members) and not _reaches(members[stop], high):
                stop += 1
        return start, stop

    def _score_place(self, cut: ScoreCut) -> int:
        return len(self) if cut is None else self._place((cut,))

    def _member_place(self, cut: MemberCut) -> int:
        if cut is None or not self:
            return len(self)
        return self._place((self.at(0)[0], cut))

    def _place(self, pair: tuple[float] | tuple[float, bytes]) -> int:
        ordered = self._sorted
        if ordered.__class__ is list:
            return bisect_left(ordered, pair)
        place: int = ordered.bisect_left(pair)
        return place

    # --- scans ---------------------------------------------------------------------------

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor (0 when done) and about `count` members: all while packed."""
        if self.packed:
            return 0, [member for _, member in self._sorted]
        if self._walk is None:
            self._walk = ScanOrder()
        return self._walk.scan(self, cursor, count)
