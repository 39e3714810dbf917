"""The sizes of entries in a listpack, Redis' flat block of small entries.

Redkeep does not keep listpacks in memory, but their sizes determine when a list changes its
encoding and when a stream begins a new node.
"""

from __future__ import annotations

import re

# The bytes of an empty listpack: a header with total size and entry count, and an end mark.
OVERHEAD = 7

_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
_LONGEST_INTEGER = 20
_DIGITS = frozenset(b"%d" % digit for digit in range(10))
# (bits of a number without its sign, bytes of its entry)
_INTEGER_SIZES = ((12, 3), (15, 4), (23, 5), (31, 6), (63, 10))


def entry_size(item: bytes) -> int:
    """Return the bytes of one entry: its header, its string or number, and its length."""
    length = len(item)
    # Most items that are not numbers do not end in a digit: the cheapest test first.
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
    """Return the size of an entry whose header and content take `size` bytes."""
    if size <= 127:
        return size + 1
    if size < 16383:
        return size + 2
    if size < 2097151:
        return size + 3
    return size + (4 if size < 268435455 else 5)
