"""The stream: entries under ascending IDs, in the same nodes as in Redis.

An ID is one integer, with the milliseconds in the upper 64 bits and the sequence number in
the lower, so IDs compare and count like numbers. Entries are in a list of nodes, each of
which has a list of IDs and a parallel list of entries. Almost all appends go to the end of
the last node and almost all removals to the start of the first, which lists do well; any
other entry is found by two binary searches.

Clients can see the nodes: an approximate trim removes whole nodes, and XINFO counts them.
So a node is full at the same entry as in Redis: after a number of entries, deleted ones
included, or a number of bytes in Redis' flat encoding. The bytes are computed only when an
upper estimate reaches the limit.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from storage.values.consumer_groups import MOST_COUNTED, Group
from storage.values.limits import Limits
from storage.values.listpack_sizes import OVERHEAD, entry_size
from storage.values.radix_tree import radix_nodes

MAX_ID = (1 << 128) - 1
SEQUENCE_MASK = (1 << 64) - 1
# Redis refuses larger entries, and no node grows beyond this.
MAX_NODE_BYTES = 1 << 30

Row = tuple[bytes, ...]  # field, value, field, value, ...
Entry = tuple[int, Row]

# The most bytes that the flags, ID and count of an entry take, and the overhead of a string.
_ENTRY_OVERHEAD, _STRING_OVERHEAD, _LONG_STRING_OVERHEAD = 27, 4, 10


class EntryTooLarge(Exception):
    """The entry is larger than a node may be."""


class Node:
    """Consecutive entries, and the sizes that decide whether another one fits."""

    __slots__ = (
        "deleted",
        "estimate",
        "fields",
        "first",
        "ids",
        "last",
        "measured",
        "measured_to",
        "rows",
        "shared",
    )

    def __init__(self, first: int, fields: list[bytes]) -> None:
        # The IDs of the first and last entry ever added, whether deleted since or not.
        self.first = self.last = first
        # The names of the first entry's fields. Later entries with the same fields share
        # these objects, as they share the encoded names in Redis.
        self.fields = fields
        # The bytes that an entry saves by sharing them.
        self.shared = sum(map(len, fields)) + len(fields) * _STRING_OVERHEAD
        self.ids: list[int] = []
        self.rows: list[Row] = []
        self.deleted = 0
        # An upper estimate of the bytes, and their exact number for the entries up to the
        # ID `measured_to` and for deleted entries.
        self.estimate = self._head_size() + _LONG_STRING_OVERHEAD
        self.measured = 0
        self.measured_to = -1

    def add(self, entry_id: int, items: list[bytes], length: int) -> None:
        fields = self.fields
        most = length + len(items) * _STRING_OVERHEAD + _ENTRY_OVERHEAD
        if items[::2] == fields:
            items[::2] = fields
            most -= self.shared
        if length >= 4096:
            most += len(items) * _LONG_STRING_OVERHEAD
        self.estimate += most
        self.ids.append(entry_id)
        self.rows.append(tuple(items))
        self.last = entry_id

    def drop(self, start: int, stop: int) -> None:
        """Delete the entries between two places. Their bytes still count, as in Redis."""
        ids = self.ids
        for place in range(start, stop):
            if ids[place] > self.measured_to:
                self.measured += self._entry_size(ids[place], self.rows[place])
        del ids[start:stop]
        del self.rows[start:stop]
        self.deleted += stop - start

    def size(self) -> int:
        """Return the bytes of Redis' flat encoding, deleted entries included."""
        open_from = bisect_right(self.ids, self.measured_to)
        for place in range(open_from, len(self.ids)):
            self.measured += self._entry_size(self.ids[place], self.rows[place])
        self.measured_to = self.last
        self.estimate = self.measured + self._head_size()
        return self.estimate

    def _head_size(self) -> int:
        fields = self.fields
        return (
            OVERHEAD
            + _number_size(len(self.ids))
            + _number_size(self.deleted)
            + _number_size(len(fields))
            + sum(map(entry_size, fields))
            + _number_size(0)
        )

    def _entry_size(self, entry_id: int, row: Row) -> int:
        flags = 2
        words = 3 + len(row) // 2
        size = (
            flags
            + _number_size((entry_id >> 64) - (self.first >> 64))
            + _number_size((entry_id & SEQUENCE_MASK) - (self.first & SEQUENCE_MASK))
            + sum(map(entry_size, row[1::2]))
        )
        fields = row[::2]
        if list(fields) != self.fields:
            words += 1 + len(fields)
            size += _number_size(len(fields)) + sum(map(entry_size, fields))
        return size + _number_size(words)

    def copy(self) -> Node:
        twin = Node(self.first, self.fields)
        twin.ids = self.ids.copy()
        twin.rows = self.rows.copy()
        for name in ("last", "deleted", "estimate", "measured", "measured_to"):
            setattr(twin, name, getattr(self, name))
        return twin


def _number_size(number: int) -> int:
    return entry_size(b"%d" % number)


_FIRST = attrgetter("first")


class Stream:
    """Entries by ID, statistics of past entries, and consumer groups.

    Unlike other collections a stream continues to exist when empty, so it is always true.
    """

    __slots__ = ("_length", "entries_added", "groups", "last_id", "max_deleted_id", "nodes")

    encoding = b"stream"

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._length = 0
        self.last_id = 0
        # The largest ID that was deleted individually, not by trimming.
        self.max_deleted_id = 0
        self.entries_added = 0
        self.groups: dict[bytes, Group] = {}

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return True

    # --- adding ----------------------------------------------------------------------------

    def append(self, entry_id: int, items: list[bytes], limits: Limits) -> None:
        """Add an entry after the last ID. `items`, fields and values in turn, is modified."""
        # Most entries have two items; special-casing them saves a tenth of an append.
        length = len(items[0]) + len(items[1]) if len(items) == 2 else sum(map(len, items))
        if length > MAX_NODE_BYTES:
            raise EntryTooLarge
        node = self.nodes[-1] if self.nodes else None
        if node is not None:
            most_bytes = limits.stream_node_max_bytes
            if not 0 < most_bytes < MAX_NODE_BYTES:
                most_bytes = MAX_NODE_BYTES
            if len(node.ids) + node.deleted >= limits.stream_node_max_entries > 0 or (
                node.estimate + length >= most_bytes and node.size() + length >= most_bytes
            ):
                node = None
        if node is None:
            node = Node(entry_id, items[::2])
            self.nodes.append(node)
        node.add(entry_id, items, length)
        self._length += 1
        if self.entries_added != MOST_COUNTED:
            self.entries_added += 1
        self.last_id = entry_id

    def adopt(self, node: Node) -> None:
        """Append a node whose IDs are all greater than the existing ones."""
        self.nodes.append(node)
        self._length += len(node.ids)

    # --- reading ---------------------------------------------------------------------------

    def range(self, start: int, end: int, count: int | None = None) -> list[Entry]:
        """Return up to `count` entries between two IDs, both included."""
        found = self._ascending(start, end)
        return list(found if count is None else islice(found, count))

    def reverse_range(self, start: int, end: int, count: int | None = None) -> list[Entry]:
        """`range` in descending order."""
        found = self._descending(start, end)
        return list(found if count is None else islice(found, count))

    def get(self, entry_id: int) -> Row | None:
        place = self._find(entry_id)
        return None if place is None else self.nodes[place[0]].rows[place[1]]

    def __contains__(self, entry_id: int) -> bool:
        return self._find(entry_id) is not None

    @property
    def first_id(self) -> int:
        """The ID of the first entry; 0 if the stream is empty."""
        return next((node.ids[0] for node in self.nodes if node.ids), 0)

    @property
    def last_entry_id(self) -> int:
        """The ID of the last existing entry; 0 if the stream is empty."""
        return next((node.ids[-1] for node in reversed(self.nodes) if node.ids), 0)

    def _ascending(self, start: int, end: int) -> Iterator[Entry]:
        nodes = self.nodes
        for index in range(max(0, bisect_right(nodes, start, key=_FIRST) - 1), len(nodes)):
            node = nodes[index]
            if node.first > end:
                return
            ids = node.ids
            low = bisect_left(ids, start) if node.first < start else 0
            high = bisect_right(ids, end) if node.last > end else len(ids)
            yield from zip(islice(ids, low, high), islice(node.rows, low, high), strict=True)

    def _descending(self, start: int, end: int) -> Iterator[Entry]:
        nodes = self.nodes
        for index in range(bisect_right(nodes, end, key=_FIRST) - 1, -1, -1):
            node = nodes[index]
            if node.last < start:
                return
            ids, rows = node.ids, node.rows
            low = bisect_left(ids, start) if node.first < start else 0
            high = bisect_right(ids, end) if node.last > end else len(ids)
            for place in range(high - 1, low - 1, -1):
                yield ids[place], rows[place]

    def _find(self, entry_id: int) -> tuple[int, int] | None:
        """Return the index of the entry's node and its place in it."""
        index = bisect_right(self.nodes, entry_id, key=_FIRST) - 1
        if index < 0:
            return None
        ids = self.nodes[index].ids
        place = bisect_left(ids, entry_id)
        return (index, place) if place < len(ids) and ids[place] == entry_id else None

    # --- removing --------------------------------------------------------------------------

    def remove(self, entry_id: int) -> bool:
        """Delete one entry and return whether it existed."""
        found = self._find(entry_id)
        if found is None:
            return False
        index, place = found
        node = self.nodes[index]
        node.drop(place, place + 1)
        if not node.ids:
            del self.nodes[index]
        self._length -= 1
        self.max_deleted_id = max(self.max_deleted_id, entry_id)
        return True

    def trim_to_length(self, length: int, *, whole_nodes: bool = False, limit: int = 0) -> int:
        """Remove the oldest entries until `length` are left; return how many were removed.

        With `whole_nodes`, only whole nodes are removed. `limit` is the maximum number of
        entries to remove; a node that would exceed it is left unchanged.
        """
        excess = before = self._length - length
        gone = 0
        for node in self.nodes:
            live = len(node.ids)
            if excess <= 0 or 0 < limit < before - excess + live:
                break
            if live > excess:
                if not whole_nodes:
                    node.drop(0, excess)
                    excess = 0
                break
            excess -= live
            gone += 1
        return self._trimmed(gone, max(0, before) - max(0, excess))

    def trim_below(self, least: int, *, whole_nodes: bool = False, limit: int = 0) -> int:
        """Remove the entries with IDs below this one; see `trim_to_length`."""
        removed = gone = 0
        for node in self.nodes:
            live = len(node.ids)
            if 0 < limit < removed + live:
                break
            if node.last >= least:
                if not whole_nodes:
                    within = bisect_left(node.ids, least)
                    node.drop(0, within)
                    removed += within
                break
            removed += live
            gone += 1
        return self._trimmed(gone, removed)

    def _trimmed(self, nodes: int, entries: int) -> int:
        del self.nodes[:nodes]
        self._length -= entries
        return entries

    # --- past entries ----------------------------------------------------------------------

    def may_lack_entries_after(self, entry_id: int) -> bool:
        """Return whether an entry at or after this ID was deleted, so that counts are unknown."""
        return self._length > 0 and 0 < self.max_deleted_id >= entry_id

    def ordinal(self, entry_id: int) -> int | None:
        """Return how many entries had been added up to this ID; None if that is unknown."""
        added = self.entries_added
        if not added:
            return 0
        if not self._length and entry_id <= self.last_id:
            return added
        if 0 < entry_id < self.max_deleted_id:
            return None
        if entry_id == self.last_id:
            return added
        if entry_id > self.last_id:
            return None
        first = self.first_id
        if self.max_deleted_id < first and entry_id <= first:
            return added - self._length + (1 if entry_id == first else 0)
        return None

    # --- progress of consumer groups -----------------------------------------------------

    def advance(self, group: Group, entry_id: int) -> None:
        """Record that the group has read this entry, which lies beyond its last one."""
        if (
            group.entries_read is not None
            and group.last_id >= self.first_id
            and not self.may_lack_entries_after(group.last_id)
        ):
            group.entries_read = min(group.entries_read + 1, MOST_COUNTED)
        elif self.entries_added:
            group.entries_read = self.ordinal(entry_id)
        group.last_id = entry_id

    def lag(self, group: Group) -> int | None:
        """Return how many entries the group has not read; None if that is unknown."""
        added = self.entries_added
        if not added:
            return 0
        if group.entries_read is not None and not self.may_lack_entries_after(group.last_id):
            return added - group.entries_read
        ordinal = self.ordinal(group.last_id)
        return None if ordinal is None else added - ordinal

    # --- as a whole --------------------------------------------------------------------------

    def groups_by_name(self) -> list[tuple[bytes, Group]]:
        """Return the groups in the order in which Redis lists them."""
        return sorted(self.groups.items())

    def radix_nodes(self) -> int:
        """Return how many nodes Redis' radix tree of this stream has."""
        return radix_nodes([node.first for node in self.nodes])

    def copy(self) -> Stream:
        twin = Stream()
        twin.nodes = [node.copy() for node in self.nodes]
        for name in ("_length", "last_id", "max_deleted_id", "entries_added"):
            setattr(twin, name, getattr(self, name))
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        return twin
