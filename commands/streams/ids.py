"""Parsing and formatting of stream IDs: `milliseconds-sequence`, and words such as `-` and `+`."""

from __future__ import annotations

import re

from commands.engine.errors import CommandError
from commands.engine.numbers import UINT64_MAX, read_integer
from storage.values.streams import MAX_ID, SEQUENCE_MASK

INVALID_ID = "ERR Invalid stream ID specified as stream command argument"

_LONGEST = 127
# What C's strtoull accepts besides plain digits, because Redis falls back on it.
_LOOSE = re.compile(rb"[ \t-\r]*([+-]?)([0-9]+)").fullmatch


def format_id(entry_id: int) -> bytes:
    return b"%d-%d" % (entry_id >> 64, entry_id & SEQUENCE_MASK)


def read_id(text: bytes, sequence: int = 0) -> int | None:
    """Read an ID, or return None if it is invalid. `sequence` is the default of that part."""
    if len(text) > _LONGEST:
        return None
    before, dash, after = text.partition(b"-")
    milliseconds = _read_unsigned(before)
    if dash:
        number = _read_unsigned(after)
        if number is None:
            return None
        sequence = number
    return None if milliseconds is None else milliseconds << 64 | sequence


def parse_id(text: bytes, sequence: int = 0) -> int:
    found = read_id(text, sequence)
    if found is None:
        raise CommandError(INVALID_ID)
    return found


def parse_edge(text: bytes, sequence: int = 0) -> int:
    """Parse an ID, or `-` and `+` for the smallest and the greatest one."""
    if text == b"-":
        return 0
    if text == b"+":
        return MAX_ID
    return parse_id(text, sequence)


def parse_start(text: bytes) -> int:
    """Parse the smallest ID of an interval; `(` excludes the ID itself."""
    if text[:1] != b"(" or len(text) == 1:
        return parse_edge(text)
    start = parse_id(text[1:]) + 1
    if start > MAX_ID:
        raise CommandError("ERR invalid start ID for the interval")
    return start


def parse_end(text: bytes) -> int:
    """Parse the greatest ID of an interval; `(` excludes the ID itself."""
    if text[:1] != b"(" or len(text) == 1:
        return parse_edge(text, SEQUENCE_MASK)
    end = parse_id(text[1:], SEQUENCE_MASK) - 1
    if end < 0:
        raise CommandError("ERR invalid end ID for the interval")
    return end


def _read_unsigned(text: bytes) -> int | None:
    if text.isdigit():
        number = int(text)
        return number if number <= UINT64_MAX else None
    if read_integer(text) is not None:
        return None
    loose = _LOOSE(text)
    if loose is None:
        return None
    number = int(loose[2])
    if number > UINT64_MAX:
        return None
    return -number & UINT64_MAX if loose[1] == b"-" else number
