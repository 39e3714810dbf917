"""The content of one index: which entries have which values at its paths.

It is derived from the entries and kept in memory only. What it finds are candidates, which
the reader compares with the whole filter: so strings are kept without their ends, and bounds
are not exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from sortedcontainers import SortedList

from commands.domain.json_filters import Condition, follow, kind_of, split_path
from commands.domain.records import read_json
from commands.domain.store.layout import Namespace, Places, weight
from storage.database import Database

# The order of kinds among the values of a path, and a value with its kind.
_KINDS = {"null": 0, "boolean": 1, "number": 2, "string": 3}
Scalar = tuple[int, Any]
_LONGEST_STRING = 100
# How many different values a condition may allow, and how many entries a range may contain.
_MOST_VALUES = 100
_MOST_IN_RANGE = 20_000
# Greater than any place.
_TOP = b"\xff"


def stored_string(database: Database, key: bytes) -> bytes | bytearray | None:
    """The value of an entry; None if there is none. Not a use of the entry: nothing counts it."""
    value = database.peek(key)
    return value if isinstance(value, (bytes, bytearray)) else None


def cost_of(database: Database, key: bytes) -> int:
    """What reading an entry costs, in short entries."""
    value = database.data.get(key)
    return 1 + (weight(value) if isinstance(value, (bytes, bytearray)) else 0)


def _scalar(value: Any) -> Scalar | None:
    """A value as it is ordered; None for an object, an array, or nothing."""
    kind = _KINDS.get(kind_of(value))
    if kind is None:
        return None
    if value is None:
        return kind, 0
    return kind, value[:_LONGEST_STRING] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Candidates:
    """Entries that may match: how many there are, and their places in order."""

    number: int
    places: Places


class Fields:
    """The values at some paths of the entries at and below a namespace."""

    def __init__(self, paths: Sequence[str], space: Namespace) -> None:
        self.paths = tuple(paths)
        self.is_complete = False
        self._space = space
        # The place of the last entry that was read.
        self._read_to: bytes | None = None
        self._follow = [split_path(path) for path in paths]
        self._rows = [SortedList() for _ in paths]
        self._values: dict[bytes, list[Scalar | None]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def read(self, database: Database, limit: int) -> int:
        """Read the next of the entries that existed before the index; return what that cost."""
        span, spent = self._space.span(subtree=True), 0
        for place in list(islice(database.ordered.between(*span, after=self._read_to), limit)):
            key = self._space.key_at(place)
            self.put(place, stored_string(database, key))
            self._read_to = place
            spent += cost_of(database, key)
            if spent >= limit:
                return spent
        self.is_complete = True
        return spent

    def put(self, place: bytes, text: bytes | bytearray | None) -> None:
        """Note the value of an entry; None if there is no such entry."""
        values = self._scalars(text)
        before = self._values.pop(place, None)
        if values is not None:
            self._values[place] = values
        if values == before:
            return
        for rows, old in zip(self._rows, before or (), strict=False):
            if old is not None:
                rows.discard((*old, place))
        for rows, new in zip(self._rows, values or (), strict=False):
            if new is not None:
                rows.add((*new, place))

    def _scalars(self, text: bytes | bytearray | None) -> list[Scalar | None] | None:
        if text is None:
            return None
        try:
            document = read_json(text)
        except ValueError:
            return None
        values = [_scalar(follow(document, path)) for path in self._follow]
        return values if any(value is not None for value in values) else None

    # --- finding ------------------------------------------------------------------------

    def candidates(
        self, conditions: Sequence[Condition], span: tuple[bytes, bytes]
    ) -> Candidates | None:
        """The fewest entries of a span that can match all the conditions.

        None if these paths do not help.
        """
        best: Candidates | None = None
        for path, rows in zip(self.paths, self._rows, strict=True):
            given = [one for one in conditions if one.path == path]
            found: list[Candidates | None] = []
            found += [_among(rows, values, span) for values in _allowed(given)]
            found += [_in_range(rows, *bounds, span) for bounds in _bounds(given)]
            for one in found:
                if one is not None and (best is None or one.number < best.number):
                    best = one
        return best


def _allowed(conditions: Sequence[Condition]) -> Iterator[list[Scalar]]:
    """The values that each condition allows, if these are few scalars."""
    for one in conditions:
        if one.operator == "$eq":
            operands = [one.operand]
        elif one.operator == "$in" and len(one.operand) <= _MOST_VALUES:
            operands = one.operand
        else:
            continue
        scalars = [_scalar(operand) for operand in operands]
        known = [scalar for scalar in scalars if scalar is not None]
        if len(known) == len(scalars):
            yield list(dict.fromkeys(known))


def _bounds(conditions: Sequence[Condition]) -> Iterator[tuple[Scalar | None, Scalar | None]]:
    """The least and the greatest value that all the conditions allow together."""
    for kind in ("number", "string"):
        bounds = [one for one in conditions if kind_of(one.operand) == kind]
        lows = [_scalar(one.operand) for one in bounds if one.operator in ("$gt", "$gte")]
        highs = [_scalar(one.operand) for one in bounds if one.operator in ("$lt", "$lte")]
        if lows or highs:
            yield max(filter(None, lows), default=None), min(filter(None, highs), default=None)


def _among(rows: SortedList, values: list[Scalar], span: tuple[bytes, bytes]) -> Candidates:
    """The entries of a span with one of these values."""
    low, high = span

    def places(after: bytes | None) -> Iterator[bytes]:
        inclusive = after is None or after < low
        first = low if inclusive else after
        found = [
            rows.irange((*value, first), (*value, high), (inclusive, False)) for value in values
        ]
        return (row[2] for row in merge(*found, key=lambda row: row[2]))

    number = sum(
        rows.bisect_left((*value, high)) - rows.bisect_left((*value, low)) for value in values
    )
    return Candidates(number, places)


def _in_range(
    rows: SortedList, low: Scalar | None, high: Scalar | None, span: tuple[bytes, bytes]
) -> Candidates | None:
    """The entries of a span with a value between two others; None if these are very many."""
    kind = (low or high or (0,))[0]
    start = rows.bisect_left((kind,) if low is None else low)
    end = rows.bisect_left((kind + 1,) if high is None else (*high, _TOP))
    if end - start > _MOST_IN_RANGE:
        return None
    found: list[bytes] | None = None

    def places(after: bytes | None) -> Iterator[bytes]:
        nonlocal found
        if found is None:
            found = sorted(row[2] for row in rows.islice(start, end) if span[0] <= row[2] < span[1])
        return islice(found, 0 if after is None else bisect_right(found, after), None)

    return Candidates(max(0, end - start), places)
