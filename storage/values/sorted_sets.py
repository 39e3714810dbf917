"""The sorted set: members, their scores, and both in order.

A dict answers "which score", a sorted list of (score, member) answers "which place". The
list is a plain one while it is short, where moving a few hundred pointers costs less than
any cleverness, and a SortedList beyond.

Ranges are given by their two *cuts*: a range holds what is not below its low cut and is
below its high one, and None is the cut above everything. So "up to and including x" needs
no flag: it ends at the cut right after x, which for scores is the next double and for
members is x with a zero byte behind it.
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

# From how many members on the plain list is given up.
_PLAIN_MOST = 512
_member_of = itemgetter(1)


def after_score(score: float) -> ScoreCut:
    """The cut between a score and all greater ones."""
    return None if score == math.inf else math.nextafter(score, math.inf)


def after_member(member: bytes) -> MemberCut:
    """The cut between a member and all greater ones."""
    return member + b"\0"


def _reaches(member: bytes, cut: MemberCut) -> bool:
    """Whether the member is not below the cut."""
    return cut is not None and member >= cut


class SortedSet(dict[bytes, float]):
    """A dict of member to score that also knows the order of its members.

    Read it as a dict, and by rank through `pairs`; change it through `put`, `remove` and
    `remove_span`. Spans are (start, stop) like slices, ranks count from the lowest.
    """

    __slots__ = ("_sorted", "_walk", "packed")

    def __init__(self) -> None:
        super().__init__()
        self.packed = True
        self._sorted: Any = []
        self._walk: ScanOrder | None = None

    @classmethod
    def build(cls, scores: Iterable[tuple[bytes, float]], limits: Limits) -> SortedSet:
        """A set of these couples, in the encoding its size asks for."""
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
        """Leave the compact encoding if that many members, or so long ones, are to come."""
        if members > limits.zset_max_listpack_entries or longest > limits.zset_max_listpack_value:
            self.packed = False

    def put(self, member: bytes, score: float, limits: Limits) -> None:
        """Give a member, new or known, this score."""
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
            # The compact encoding keeps whole numbers as integers: they lose a minus zero.
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
        """Take a member out; whether it was there."""
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
        """Take out the members of these ranks, and return them with their scores."""
        pairs: list[tuple[float, bytes]] = self._sorted[start:stop]
        del self._sorted[start:stop]
        for _, member in pairs:
            del self[member]
        return pairs

    # --- order ---------------------------------------------------------------------------

    def pairs(self, start: int = 0, stop: int | None = None) -> list[tuple[float, bytes]]:
        """(score, member) of these ranks, in order."""
        found: list[tuple[float, bytes]] = self._sorted[start:stop]
        return found

    def at(self, rank: int) -> tuple[float, bytes]:
        found: tuple[float, bytes] = self._sorted[rank]
        return found

    def rank(self, member: bytes) -> int:
        """How many members stand before this one, which must be there."""
        return self._place((self[member], member))

    def span_by_score(self, low: ScoreCut, high: ScoreCut) -> Span:
        return self._score_place(low), self._score_place(high)

    def span_by_member(self, low: MemberCut, high: MemberCut, from_end: bool = False) -> Span:
        """The span between two members, in a set whose scores are all the same.

        Where they are not, there is no such span, and what Redis answers depends on how
        it walks: in a compact set from the low end, or with `from_end` from the high one,
        which we do too; in others by chance.
        """
        if not self or self.at(0)[0] == self.at(-1)[0]:
            return self._member_place(low), self._member_place(high)
        # Redis first asks the outermost members whether the range can hold anything.
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

    # --- walking -------------------------------------------------------------------------

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next cursor and about `count` members; all of a compact set at once."""
        if self.packed:
            return 0, [member for _, member in self._sorted]
        if self._walk is None:
            self._walk = ScanOrder()
        return self._walk.scan(self, cursor, count)
