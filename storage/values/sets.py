"""The set: distinct members, stored as sorted integers while all are integers."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from random import Random

from storage.scan_order import ScanOrder
from storage.values.limits import Limits
from storage.values.random_members import pick_distinct, pick_member

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
# Only canonical spellings are stored as numbers: "7" but not "07".
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
# Redis never lets an array of integers grow beyond this, whatever the setting.
_MOST_INTEGERS = 1 << 30


def _as_integer(member: bytes) -> int | None:
    if not _INTEGER(member):
        return None
    number = int(member)
    return number if _INT64_MIN <= number <= _INT64_MAX else None


class Set:
    """Distinct byte strings, in one of Redis' three encodings.

    A set of integers is a sorted array of 8-byte numbers, iterated in numeric order. Any
    other set is a dict without values, in insertion order; `packed` tells whether Redis
    would still keep it in one flat block. The encoding only changes in this direction,
    except by `compact`.
    """

    __slots__ = ("_integers", "_members", "_order", "packed")

    def __init__(self) -> None:
        self._integers: array[int] | None = array("q")
        self._members: dict[bytes, None] = {}
        self._order: ScanOrder | None = None
        self.packed = True

    @classmethod
    def expecting(cls, first: bytes, count: int, limits: Limits) -> Set:
        """Return an empty set in the encoding in which Redis would start adding these members."""
        new = cls()
        if count > limits.set_max_intset_entries or _as_integer(first) is None:
            new._integers = None
            new.packed = count <= limits.set_max_listpack_entries
        return new

    @classmethod
    def unsorted(cls) -> Set:
        """Return an empty set that stores integers, too, in insertion order."""
        new = cls()
        new._integers = None
        return new

    @classmethod
    def of(cls, members: list[bytes], limits: Limits) -> Set:
        """Return a set of these members, without duplicates, encoded as if loaded from a file."""
        new = cls()
        if len(members) > max(limits.set_max_intset_entries, limits.set_max_listpack_entries):
            new._integers = None
            new._members = dict.fromkeys(members)
            new.packed = False
            return new
        for member in members:
            new.add(member, limits)
        return new

    @classmethod
    def of_packed(cls, members: list[bytes], limits: Limits) -> Set:
        """`of` for members that were stored in one flat block."""
        new = cls.unsorted()
        new._members = dict.fromkeys(members)
        new.packed = (
            len(members) <= limits.set_max_listpack_entries
            and max(map(len, members), default=0) <= limits.set_max_listpack_value
        )
        return new

    @classmethod
    def of_numbers(cls, numbers: list[int], limits: Limits) -> Set:
        """`of` for ascending integers."""
        new = cls()
        new._integers = array("q", numbers)
        if len(numbers) > limits.set_max_intset_entries:
            new._leave_integers(packed=False)
        return new

    # --- reading -------------------------------------------------------------------------

    def numbers(self) -> list[int] | None:
        """Return the members in numeric order, or None if the set is not one of integers."""
        return None if self._integers is None else self._integers.tolist()

    @property
    def storage(self) -> array[int] | dict[bytes, None]:
        """Return what holds the members, not to be changed."""
        return self._members if self._integers is None else self._integers

    def __len__(self) -> int:
        integers = self._integers
        return len(self._members) if integers is None else len(integers)

    def __contains__(self, member: bytes) -> bool:
        integers = self._integers
        if integers is None:
            return member in self._members
        number = _as_integer(member)
        if number is None:
            return False
        at = bisect_left(integers, number)
        return at < len(integers) and integers[at] == number

    def __iter__(self) -> Iterator[bytes]:
        integers = self._integers
        if integers is None:
            return iter(self._members)
        return (b"%d" % number for number in integers)

    @property
    def encoding(self) -> bytes:
        if self._integers is not None:
            return b"intset"
        return b"listpack" if self.packed else b"hashtable"

    def copy(self) -> Set:
        """Return an independent set with the same members and encoding."""
        twin = Set()
        twin._integers = None if self._integers is None else self._integers[:]
        twin._members = self._members.copy()
        twin.packed = self.packed
        return twin

    # --- changing ------------------------------------------------------------------------

    def add(self, member: bytes, limits: Limits) -> bool:
        """Add a member and return whether it is new."""
        if self._integers is not None:
            return self._add_to_integers(self._integers, member, limits)
        members = self._members
        if member in members:
            return False
        members[member] = None
        if self.packed:
            self.packed = (
                len(members) <= limits.set_max_listpack_entries
                and len(member) <= limits.set_max_listpack_value
            )
        elif self._order is not None:
            self._order.added(member, members)
        return True

    def _add_to_integers(self, integers: array[int], member: bytes, limits: Limits) -> bool:
        number = _as_integer(member)
        if number is None:
            longest = (
                max(len(b"%d" % end) for end in (integers[0], integers[-1])) if integers else 0
            )
            self._leave_integers(
                packed=len(integers) < limits.set_max_listpack_entries
                and max(longest, len(member)) <= limits.set_max_listpack_value
            )
            self._members[member] = None
            return True
        at = bisect_left(integers, number)
        if at < len(integers) and integers[at] == number:
            return False
        integers.insert(at, number)
        if len(integers) > min(limits.set_max_intset_entries, _MOST_INTEGERS):
            self._leave_integers(packed=False)
        return True

    def _leave_integers(self, *, packed: bool) -> None:
        self._members = dict.fromkeys(self)
        self._integers = None
        self.packed = packed

    def expect(self, count: int, limits: Limits) -> None:
        """Must precede adding several members at once.

        Redis allocates space for all of them first, and so changes to its hash table even
        if most of them turn out to be present already.
        """
        if self._integers is not None:
            if count > limits.set_max_intset_entries:
                self._leave_integers(packed=False)
        elif count > limits.set_max_listpack_entries:
            self.packed = False

    def remove(self, member: bytes) -> bool:
        """Remove a member and return whether it existed."""
        integers = self._integers
        if integers is None:
            if member not in self._members:
                return False
            del self._members[member]
            return True
        number = _as_integer(member)
        if number is None:
            return False
        at = bisect_left(integers, number)
        if at == len(integers) or integers[at] != number:
            return False
        del integers[at]
        return True

    def compact(self, limits: Limits) -> None:
        """Change back to a set of integers if all members are integers, and not too many."""
        if self._integers is not None or len(self._members) > limits.set_max_intset_entries:
            return
        numbers = []
        for member in self._members:
            number = _as_integer(member)
            if number is None:
                return
            numbers.append(number)
        self._integers = array("q", sorted(numbers))
        self._members = {}
        self._order = None
        self.packed = True

    # --- scans and random picks ----------------------------------------------------------

    def _walk_order(self) -> ScanOrder | None:
        """Return the order for scans; None while packed, when one call returns all members."""
        if self._order is None and not self.packed:
            self._order = ScanOrder()
        return self._order

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor (0 when done) and about `count` members: all while packed."""
        order = self._walk_order()
        return (0, list(self)) if order is None else order.scan(self._members, cursor, count)

    def pick(self, rng: Random) -> bytes:
        """Return a random member of a set that is not empty."""
        integers = self._integers
        if integers is not None:
            return b"%d" % integers[int(rng.random() * len(integers))]
        return pick_member(self._members, self._walk_order(), rng)

    def pick_distinct(self, count: int, rng: Random) -> list[bytes]:
        """Return `count` different random members, or all if there are fewer."""
        if self._integers is not None:
            return rng.sample(list(self), min(count, len(self)))
        return pick_distinct(self._members, self._walk_order(), count, rng)

    def pop(self, rng: Random) -> bytes:
        """Remove and return a random member of a set that is not empty."""
        member = self.pick(rng)
        self.remove(member)
        return member
