"""The hash: fields, values, and deadlines of single fields."""

from __future__ import annotations

from itertools import chain
from random import Random
from typing import Any

from sortedcontainers import SortedList

from storage.scan_order import ScanOrder
from storage.values.limits import Limits
from storage.values.random_members import pick_distinct, pick_member


class Hash(dict[bytes, bytes]):
    """A dict of fields that knows its Redis encoding and when its fields expire.

    Read it as a dict; change it through `put` and `remove`, which maintain the encoding,
    the scan order and the deadlines.
    """

    __slots__ = ("_agenda", "deadlines", "order", "packed")

    def __init__(self) -> None:
        super().__init__()
        # Small enough for Redis to keep it in one flat block; once false, always false.
        self.packed = True
        self.order: ScanOrder | None = None
        # None until the first field gets a deadline; Redis' encoding changes at that point.
        self.deadlines: dict[bytes, int] | None = None
        # A SortedList of (deadline, field), so that a read can check for expired fields in
        # constant time. Any, because sortedcontainers has no types.
        self._agenda: Any = None

    @classmethod
    def of(cls, fields: dict[bytes, bytes], limits: Limits) -> Hash:
        """Return a hash of these fields, encoded as if it was loaded from a file."""
        made = cls()
        made.update(fields)
        made.packed = len(fields) <= limits.hash_max_listpack_entries and (
            max(map(len, chain.from_iterable(fields.items())), default=0)
            <= limits.hash_max_listpack_value
        )
        return made

    def put(self, field: bytes, value: bytes, limits: Limits, *, keep_ttl: bool = False) -> bool:
        """Set a field and, unless `keep_ttl`, remove its deadline; return whether it is new."""
        if self.deadlines and not keep_ttl:
            self.clear_deadline(field)
        before = len(self)
        self[field] = value
        if self.packed:
            longest = limits.hash_max_listpack_value
            if (
                len(self) > limits.hash_max_listpack_entries
                or len(value) > longest
                or len(field) > longest
            ):
                self.packed = False
        if len(self) == before:
            return False
        if self.order is not None:
            self.order.added(field, self)
        return True

    def remove(self, field: bytes) -> bool:
        if self.deadlines:
            self.clear_deadline(field)
        return self.pop(field, None) is not None

    def copy(self) -> Hash:
        """Return an independent hash with the same fields, encoding and deadlines."""
        twin = Hash()
        twin.update(self)
        twin.packed = self.packed
        if self.deadlines is not None:
            twin.deadlines = self.deadlines.copy()
            twin._agenda = SortedList(self._agenda)
        return twin

    @property
    def encoding(self) -> bytes:
        if not self.packed:
            return b"hashtable"
        return b"listpack" if self.deadlines is None else b"listpackex"

    # --- deadlines of fields -------------------------------------------------------------

    def set_deadline(self, field: bytes, deadline: int) -> None:
        if self.deadlines is None:
            self.deadlines, self._agenda = {}, SortedList()
        self.clear_deadline(field)
        self.deadlines[field] = deadline
        self._agenda.add((deadline, field))

    def clear_deadline(self, field: bytes) -> bool:
        """Remove the field's deadline and return whether it had one."""
        if not self.deadlines:
            return False
        deadline = self.deadlines.pop(field, None)
        if deadline is None:
            return False
        self._agenda.remove((deadline, field))
        return True

    def deadline(self, field: bytes) -> int | None:
        """Return when the field expires, in epoch ms; None if it does not or does not exist."""
        return self.deadlines.get(field) if self.deadlines else None

    def next_deadline(self) -> int | None:
        deadline: int | None = self._agenda[0][0] if self.deadlines else None
        return deadline

    def expired_fields(self, now: int) -> list[bytes]:
        """Return the fields whose deadline is before `now`, earliest first."""
        if not self.deadlines or self._agenda[0][0] >= now:
            return []
        return [field for _, field in self._agenda.irange(maximum=(now,), inclusive=(True, False))]

    # --- scans and random picks ----------------------------------------------------------

    def walk_order(self) -> ScanOrder | None:
        """Return the order for scans and random picks, creating it on first use.

        None while the hash is packed: one scan call then returns all fields.
        """
        if self.order is None and not self.packed:
            self.order = ScanOrder()
        return self.order

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the next cursor (0 when done) and about `count` fields: all while packed."""
        order = self.walk_order()
        return (0, list(self)) if order is None else order.scan(self, cursor, count)

    def pick(self, rng: Random) -> bytes:
        """Return a random field of a hash that is not empty."""
        return pick_member(self, self.walk_order(), rng)

    def pick_distinct(self, count: int, rng: Random) -> list[bytes]:
        """Return `count` different random fields, or all if there are fewer."""
        return pick_distinct(self, self.walk_order(), count, rng)
