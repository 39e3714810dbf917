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
_DIGITS = frozenset(b"%d" % digit for digit in range(10))
# Bits of a number without its sign, and bytes of its entry.
_INTEGER_SIZES = ((12, 3), (15, 4), (23, 5), (31, 6), (63, 10))


def entry_size(item: bytes) -> int:
    """The bytes of one entry: its header, its text or number, and its own length again."""
    length = len(item)
    # Most items that are not numbers do not end like one, which is the cheapest test.
    if length < 64 and item[-1:] not in _DIGITS:
        return length + 2
    if 0 < length <= _LONGEST_INTEGER and _INTEGER(item):
        number = int(item)
        if number < 0:
            number = ~number
        elif number < 128:
            return 2
        for bits, size in _INTEGER_SIZES:
            if number < 1 << bits:
                return size
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
