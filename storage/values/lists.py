"""The list: an array with free space at both ends.

A Python list has free space at its end only. This one also leaves some at its head:
`_items[_head:]` are the list's items. So pushing and popping is O(1) at both ends, access
to any item or range is immediate, and all searching runs in C. In a deque, or in a chain of
blocks as in Redis, access takes time proportional to the distance from an end.

The list also tracks the sizes from which Redis chooses the encoding: its bytes as a
listpack or, when it outgrew that, its nodes (`storage.values.list_nodes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from storage.values.limits import Limits
from storage.values.list_nodes import Node, Nodes, node_limits, one_listpack
from storage.values.listpack_sizes import OVERHEAD, entry_size

# Fills the free space at the head.
_FREE = b""
_LEAST_ROOM = 4


class List:
    """A sequence of byte strings that knows its Redis encoding.

    Before adding items, pass all of them to `expect`: Redis chooses the encoding per command
    and not per item. After removing items, call `shrunk`.
    """

    __slots__ = ("_head", "_items", "nodes", "size")

    def __init__(self) -> None:
        self._items: list[bytes] = []
        self._head = 0
        # Bytes as a listpack; only maintained while the list is one.
        self.size = OVERHEAD
        self.nodes: Nodes | None = None

    @classmethod
    def of(cls, items: Iterable[bytes], limits: Limits) -> List:
        """Return a list of these items, encoded as if loaded from a file or stored as a whole."""
        made = cls()
        made._items = list(items)
        nodes = Nodes(limits.list_max_listpack_size)
        for item in made._items:
            nodes.pushed_right(item)
        made.nodes = nodes
        if len(nodes) <= 1:
            made._repack(limits, shrinking=False)
        return made

    @classmethod
    def of_nodes(cls, items: list[bytes], nodes: Iterable[Node], limits: Limits) -> List:
        """Return a list of these items in these nodes, encoded as if loaded from a file."""
        made = cls()
        made._items = items
        made.nodes = Nodes(limits.list_max_listpack_size, nodes)
        if len(made.nodes) <= 1:
            made._repack(limits, shrinking=False)
        return made

    def copy(self) -> List:
        twin = List()
        twin._items = self._items[self._head :]
        twin.size = self.size
        twin.nodes = None if self.nodes is None else self.nodes.duplicate()
        return twin

    @property
    def encoding(self) -> bytes:
        return b"listpack" if self.nodes is None else b"quicklist"

    @property
    def storage(self) -> tuple[list[bytes], int]:
        """Return the array, not to be changed, and where the items begin in it."""
        return self._items, self._head

    # --- reading -------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._items) - self._head

    def __iter__(self) -> Iterator[bytes]:
        items = self._items
        return (items[at] for at in range(self._head, len(items)))

    def __getitem__(self, index: int) -> bytes:
        """Return the item at an index from 0 on, which must exist."""
        return self._items[self._head + index]

    def window(self, start: int, stop: int) -> list[bytes]:
        """Return a copy of the items from `start` up to, not including, `stop`."""
        head = self._head
        return self._items[head + start : head + stop]

    def find(self, item: bytes, start: int, stop: int) -> int:
        """Return the first index of the item from `start` up to, excluding, `stop`; or -1."""
        head = self._head
        try:
            return self._items.index(item, head + start, head + stop) - head
        except ValueError:
            return -1

    # --- adding --------------------------------------------------------------------------

    def expect(self, items: list[bytes], limits: Limits) -> None:
        """Must precede adding these items: change to nodes now if they do not fit."""
        if self.nodes is not None:
            return
        setting = limits.list_max_listpack_size
        most_bytes, most_entries = node_limits(setting)
        if self.size + sum(map(len, items)) > most_bytes or len(self) + len(items) > most_entries:
            packed = (Node(self.size, len(self)),) if self else ()
            self.nodes = Nodes(setting, packed)

    def push_left(self, item: bytes) -> None:
        head = self._head
        if not head:
            items = self._items
            head = len(items) // 2 + _LEAST_ROOM
            items[:0] = [_FREE] * head
        self._head = head = head - 1
        self._items[head] = item
        if self.nodes is None:
            self.size += entry_size(item)
        else:
            self.nodes.pushed_left(item)

    def push_right(self, item: bytes) -> None:
        self._items.append(item)
        if self.nodes is None:
            self.size += entry_size(item)
        else:
            self.nodes.pushed_right(item)

    def insert(self, index: int, item: bytes, *, after: bool) -> None:
        """Insert an item before or after the one at `index`."""
        if self.nodes is None:
            self.size += entry_size(item)
        else:
            self.nodes.inserted(index, after, item, self.window)
        self._items.insert(self._head + index + after, item)

    def replace(self, index: int, item: bytes) -> None:
        place = self._head + index
        old = self._items[place]
        if self.nodes is None:
            self.size += entry_size(item) - entry_size(old)
        else:
            self.nodes.replaced(index, old, item, self.window)
        self._items[place] = item

    # --- removing ------------------------------------------------------------------------

    def pop_left(self) -> bytes:
        items, head = self._items, self._head
        item = items[head]
        items[head] = _FREE
        self._head = head = head + 1
        if head * 2 > len(items) + 2 * _LEAST_ROOM:
            del items[:head]
            self._head = 0
        nodes = self.nodes
        if nodes is None:
            self.size -= entry_size(item)
        else:
            nodes.popped_left(item)
        return item

    def pop_right(self) -> bytes:
        item = self._items.pop()
        nodes = self.nodes
        if nodes is None:
            self.size -= entry_size(item)
        else:
            nodes.popped_right(item)
        return item

    def remove(self, item: bytes, count: int) -> int:
        """Remove items equal to this one: all, or `count` from the head (tail if < 0)."""
        items, head = self._items, self._head
        if count >= 0:
            places: list[int] = []
            place = head - 1
            try:
                while not count or len(places) < count:
                    place = items.index(item, place + 1)
                    places.append(place)
            except ValueError:
                pass
        else:
            places = [at for at in range(len(items) - 1, head - 1, -1) if items[at] == item]
            places = places[:-count][::-1]
        if not places:
            return 0
        if self.nodes is None:
            self.size -= len(places) * entry_size(item)
        else:
            self.nodes.removed([place - head for place in places], item)
        if len(places) == 1:
            del items[places[0]]
        else:
            gone = set(places)
            self._items = [items[at] for at in range(head, len(items)) if at not in gone]
            self._head = 0
        return len(places)

    def trim(self, start: int, stop: int) -> None:
        """Keep the items from `start` up to, not including, `stop`."""
        items, head = self._items, self._head
        left, right = items[head : head + start], items[head + stop :]
        if self.nodes is None:
            self.size -= sum(map(entry_size, left)) + sum(map(entry_size, right))
        else:
            self.nodes.trimmed(left, right)
        del items[head + stop :]
        if start:
            del items[: head + start]
            self._head = 0

    def shrunk(self, limits: Limits) -> None:
        """Must follow removing or replacing items: change back to a listpack if small enough."""
        if self.nodes is not None and len(self.nodes) == 1:
            self._repack(limits, shrinking=True)

    def _repack(self, limits: Limits, *, shrinking: bool) -> None:
        nodes = self.nodes
        if not nodes:
            self.nodes, self.size = None, OVERHEAD
            return
        node = nodes[0]
        setting = limits.list_max_listpack_size
        if not node.plain and one_listpack(setting, node.size, node.entries, shrinking=shrinking):
            self.nodes, self.size = None, node.size
