"""How many bytes things take in a listpack, Redis' flat block of small entries.

Redkeep stores nothing that way in memory, but Redis decides by these sizes when a list
changes its encoding and when a stream begins a new node.
"""

from __future__ import annotations

import re

# What an empty listpack takes: total bytes and number of entries before, an end mark after.
OVERHEAD = 7

_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
_LONGEST_INTEGER = 20


def entry_size(item: bytes) -> int:
    """The bytes of one entry: its header, its text or number, and its own length again."""
    length = len(item)
    # Most items that are not numbers do not end like one, which is the cheapest test.
    if 0 < length <= _LONGEST_INTEGER and 48 <= item[-1] <= 57 and _INTEGER(item):
        number = int(item)
        if 0 <= number <= 127:
            return 2
        if number < 0:
            number = ~number
        if number < 1 << 12:
            return 3
        if number < 1 << 15:
            return 4
        if number < 1 << 23:
            return 5
        if number < 1 << 31:
            return 6
        if number < 1 << 63:
            return 10
    if length < 64:
        return length + 2
    return with_length(length + (2 if length < 4096 else 5))


def with_length(size: int) -> int:
    """The size of an entry whose header and content take `size` bytes."""
    if size <= 127:
        return size + 1
    if size < 16383:
        return size + 2
    if size < 2097151:
        return size + 3
    return size + (4 if size < 268435455 else 5)
