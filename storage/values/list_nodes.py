"""The nodes that a long list would have in Redis: their lengths and sizes, not their items.

Redis stores a long list (a "quicklist") as a chain of listpacks, and converts it back to a
single one when it has shrunk to one node of half the allowed size. So the encoding depends
on the boundaries of the nodes, which depend on the history of the list. `Nodes` tracks them:
`List` stores the items in one piece and reports every change of them here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from storage.values.listpack_sizes import OVERHEAD, entry_size

_NO_LIMIT = 1 << 62
# The most bytes of nodes whose limit is a number of entries.
_SAFE_BYTES = 8192
# The overhead of an entry that Redis assumes when it checks whether one fits.
_ESTIMATED_OVERHEAD = 8

Slice = Callable[[int, int], list[bytes]]


def node_limits(setting: int) -> tuple[int, int]:
    """Return the most bytes and entries of a node for a `list-max-listpack-size`."""
    if setting < 0:
        return 4096 << min(-setting, 5) - 1, _NO_LIMIT
    return _SAFE_BYTES, max(setting, 1)


def one_listpack(setting: int, size: int, entries: int, *, shrinking: bool) -> bool:
    """Return whether a list of a single node is to be a listpack again."""
    most_bytes, most_entries = node_limits(setting)
    if setting >= 0:
        most_bytes = _NO_LIMIT
    if shrinking:
        most_bytes //= 2
        most_entries //= 2
    return size <= most_bytes and entries <= most_entries


class Node:
    """The entries and bytes of one node. A plain node is a single huge item."""

    __slots__ = ("entries", "plain", "size")

    def __init__(self, size: int, entries: int, plain: bool = False) -> None:
        self.size = size
        self.entries = entries
        self.plain = plain


class Nodes(deque[Node]):
    """The chain of nodes, with the limits at the moment when the list became long."""

    __slots__ = ("most_bytes", "most_entries")

    def __init__(self, setting: int, nodes: Iterable[Node] = ()) -> None:
        super().__init__(nodes)
        self.most_bytes, self.most_entries = node_limits(setting)

    def duplicate(self) -> Nodes:
        twin = Nodes(0, (Node(node.size, node.entries, node.plain) for node in self))
        twin.most_bytes, twin.most_entries = self.most_bytes, self.most_entries
        return twin

    # --- at the ends -------------------------------------------------------------------

    def pushed_left(self, item: bytes) -> None:
        # Repeats the body of `_has_room` here and below, because LPUSH takes this path.
        if self:
            node = self[0]
            if (
                node.size + len(item) + _ESTIMATED_OVERHEAD <= self.most_bytes
                and node.entries < self.most_entries
            ):
                node.size += entry_size(item)
                node.entries += 1
                return
        self.appendleft(self._node_of(item))

    def pushed_right(self, item: bytes) -> None:
        if self:
            node = self[-1]
            if (
                node.size + len(item) + _ESTIMATED_OVERHEAD <= self.most_bytes
                and node.entries < self.most_entries
            ):
                node.size += entry_size(item)
                node.entries += 1
                return
        self.append(self._node_of(item))

    def popped_left(self, item: bytes) -> None:
        node = self[0]
        node.entries -= 1
        if node.entries:
            node.size -= entry_size(item)
        else:
            self.popleft()

    def popped_right(self, item: bytes) -> None:
        node = self[-1]
        node.entries -= 1
        if node.entries:
            node.size -= entry_size(item)
        else:
            self.pop()

    # --- in the middle -----------------------------------------------------------------

    def removed(self, indexes: list[int], item: bytes) -> None:
        """Report the removal of equal items, by their ascending indexes before the removal."""
        size = entry_size(item)
        emptied = False
        ends = 0
        chain = iter(self)
        for index in indexes:
            while index >= ends:
                node = next(chain)
                ends += node.entries
                here = node
            here.entries -= 1
            here.size -= size
            emptied = emptied or not here.entries
            # `ends` still counts the removed entries, because the indexes are the old ones.
        if emptied:
            kept = [node for node in self if node.entries]
            self.clear()
            self.extend(kept)

    def trimmed(self, left: list[bytes], right: list[bytes]) -> None:
        """Report the removal of these items from the two ends."""
        at = 0
        while at < len(left):
            node = self[0]
            if node.entries <= len(left) - at:
                at += node.entries
                self.popleft()
            else:
                cut = left[at:]
                node.entries -= len(cut)
                node.size -= sum(map(entry_size, cut))
                break
        at = len(right)
        while at:
            node = self[-1]
            if node.entries <= at:
                at -= node.entries
                self.pop()
            else:
                node.entries -= at
                node.size -= sum(map(entry_size, right[:at]))
                break

    def replaced(self, index: int, old: bytes, new: bytes, items: Slice) -> None:
        """Report the replacement of an item; `items` reads the list as before the change."""
        at, offset = self._find(index)
        node = self[at]
        huge = len(new) > self.most_bytes
        if node.plain:
            if huge:
                node.size = len(new)
            else:
                self.inserted(index, True, new, items)
                del self[self._find(index)[0]]
            return
        if not huge:
            node.size += entry_size(new) - entry_size(old)
            return
        first = index - offset
        if offset < node.entries - 1:
            rest = items(index + 1, first + node.entries)
            self.insert(at + 1, _packed(rest))
            node.entries -= len(rest)
            node.size -= sum(map(entry_size, rest))
        self.insert(at + 1, self._node_of(new))
        if node.entries == 1:
            del self[at]
        else:
            node.entries -= 1
            node.size -= entry_size(old)
            self._merge_around(at + 1)

    def inserted(self, index: int, after: bool, item: bytes, items: Slice) -> None:
        """Report an insertion beside the item at `index`; `items` reads the list as before."""
        at, offset = self._find(index)
        node = self[at]
        at_edge = offset == (node.entries - 1 if after else 0)
        if self._has_room(node, item):
            node.size += entry_size(item)
            node.entries += 1
            return
        huge = len(item) > self.most_bytes
        neighbour = at + 1 if after else at - 1
        if at_edge:
            if 0 <= neighbour < len(self) and self._has_room(self[neighbour], item):
                beside = self[neighbour]
                beside.size += entry_size(item)
                beside.entries += 1
            else:
                self.insert(at + 1 if after else at, self._node_of(item))
            return
        # In the middle of a full node: split it, and unless a huge item comes between the
        # pieces, merge them with their neighbours where they fit.
        first = index - offset
        cut = index + 1 if after else index
        left, right = items(first, cut), items(cut, first + node.entries)
        pieces = [_packed(left), _packed(right)]
        if huge:
            pieces.insert(1, self._node_of(item))
        else:
            grown = pieces[1] if after else pieces[0]
            grown.size += entry_size(item)
            grown.entries += 1
        del self[at]
        for piece in reversed(pieces):
            self.insert(at, piece)
        if not huge:
            self._merge_around(at if after else at + 1)

    # --- helpers -----------------------------------------------------------------------

    def _has_room(self, node: Node, item: bytes) -> bool:
        # A plain node is larger than the limit, and so never has room.
        return (
            node.size + len(item) + _ESTIMATED_OVERHEAD <= self.most_bytes
            and node.entries < self.most_entries
        )

    def _node_of(self, item: bytes) -> Node:
        if len(item) > self.most_bytes:
            return Node(len(item), 1, plain=True)
        return Node(OVERHEAD + entry_size(item), 1)

    def _find(self, index: int) -> tuple[int, int]:
        """Return the place of the node that has the item at `index`, and its offset there."""
        for at, node in enumerate(self):
            if index < node.entries:
                return at, index
            index -= node.entries
        raise IndexError(index)

    def _merge_around(self, at: int) -> None:
        """Merge nodes around `at` that fit together, as Redis does after a split."""
        if at >= 2 and self._join(at - 2):
            at -= 1
        if at + 2 < len(self):
            self._join(at + 1)
        if at >= 1 and self._join(at - 1):
            at -= 1
        if at + 1 < len(self):
            self._join(at)

    def _join(self, at: int) -> bool:
        left, right = self[at], self[at + 1]
        size, entries = left.size + right.size - OVERHEAD, left.entries + right.entries
        if left.plain or right.plain or size > self.most_bytes or entries > self.most_entries:
            return False
        left.size, left.entries = size, entries
        del self[at + 1]
        return True


def _packed(items: list[bytes]) -> Node:
    return Node(OVERHEAD + sum(map(entry_size, items)), len(items))
