"""The hash: fields, values, and deadlines of single fields."""

from __future__ import annotations

from typing import Any

from sortedcontainers import SortedList

from storage.scan_order import ScanOrder
from storage.values.limits import Limits


class Hash(dict[bytes, bytes]):
    """A dict of fields that knows its Redis encoding and which fields run out when.

    Read it as a dict; change it through `put` and `remove`, so that encoding, scan order
    and deadlines follow.
    """

    __slots__ = ("_agenda", "deadlines", "order", "packed")

    def __init__(self) -> None:
        super().__init__()
        self.packed = True
        self.order: ScanOrder | None = None
        self.deadlines: dict[bytes, int] | None = None
        # The same deadlines in order, so that a read can tell at once whether any is past.
        self._agenda: Any = None

    def put(self, field: bytes, value: bytes, limits: Limits, *, keep_ttl: bool = False) -> bool:
        """Set a field, dropping its deadline unless told otherwise; whether it is new."""
        if self.deadlines and not keep_ttl:
            self.clear_deadline(field)
        new = field not in self
        self[field] = value
        if self.packed:
            longest = limits.hash_max_listpack_value
            if (
                len(self) > limits.hash_max_listpack_entries
                or len(value) > longest
                or len(field) > longest
            ):
                self.packed = False
        if new and self.order is not None:
            self.order.added(field, self)
        return new

    def remove(self, field: bytes) -> bool:
        if self.deadlines:
            self.clear_deadline(field)
        return self.pop(field, None) is not None

    @property
    def encoding(self) -> bytes:
        return b"listpack" if self.packed else b"hashtable"

    # --- deadlines of fields -------------------------------------------------------------

    def set_deadline(self, field: bytes, deadline: int) -> None:
        if self.deadlines is None:
            self.deadlines, self._agenda = {}, SortedList()
        self.clear_deadline(field)
        self.deadlines[field] = deadline
        self._agenda.add((deadline, field))

    def clear_deadline(self, field: bytes) -> bool:
        """Let the field live for ever; whether it had a deadline."""
        if not self.deadlines:
            return False
        deadline = self.deadlines.pop(field, None)
        if deadline is None:
            return False
        self._agenda.remove((deadline, field))
        return True

    def next_deadline(self) -> int | None:
        deadline: int | None = self._agenda[0][0] if self.deadlines else None
        return deadline

    def expired_fields(self, now: int) -> list[bytes]:
        """Fields whose deadline lies before `now`, soonest first."""
        if not self.deadlines or self._agenda[0][0] >= now:
            return []
        return [field for _, field in self._agenda.irange(maximum=(now,), inclusive=(True, False))]

    # --- walking -------------------------------------------------------------------------

    def walk_order(self) -> ScanOrder:
        """The order for scans and random picks, made when first asked for."""
        if self.order is None:
            self.order = ScanOrder()
        return self.order
