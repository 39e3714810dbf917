"""Bitmaps: strings as arrays of bits; bit 0 is the highest bit of the first byte.

Counting, searching and combining use big integers and the search methods of `bytes`, which
run at about memory speed; single bits are changed in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_, xor

from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Argument, ArgumentGroup, Integer, Key, OneOf, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.strings.bit_offsets import parse_bit_offset
from commands.strings.editing import clamp_range, lengthen

# Bytes per integer when counting and combining; small enough for the processor's cache.
_CHUNK = 1 << 16
_BLOCK = 1 << 12
_INVERTED = bytes(255 - byte for byte in range(256))
_COMBINE: dict[bytes, Callable[[int, int], int]] = {b"AND": and_, b"OR": or_, b"XOR": xor}
_NOT_ZEROS = re.compile(rb"[^\x00]").search
_NOT_ONES = re.compile(rb"[^\xff]").search


@command(
    "SETBIT",
    group="bitmap",
    since="2.2.0",
    flags="write denyoom",
    summary="Sets or clears a bit of a string and returns its previous value.",
    arguments=[Key("key", "RW access update"), Integer("offset"), Integer("value")],
)
def setbit(ctx: Context, argv: list[bytes]) -> Reply:
    key, db = argv[1], ctx.db
    offset = parse_bit_offset(ctx, argv[2])
    bit = argv[3]
    if bit not in (b"0", b"1"):
        raise CommandError("ERR bit is not an integer or out of range")
    at, mask = offset >> 3, 0x80 >> (offset & 7)
    value = db.fetch_buffer(key)
    if value is None:
        value = bytearray(at + 1)
        if bit == b"1":
            value[at] = mask
        db.store(key, value, "setbit")
        return 0
    missing = at + 1 - len(value)
    lengthen(value, at + 1)
    was_set = value[at] & mask != 0
    if was_set != (bit == b"1"):
        value[at] ^= mask
    elif missing <= 0:
        return int(was_set)
    db.changed(key, "setbit")
    return int(was_set)


@command(
    "GETBIT",
    group="bitmap",
    since="2.2.0",
    flags="readonly fast",
    summary="Returns a bit of a string; bits beyond the end are 0.",
    arguments=[Key("key", "RO access"), Integer("offset")],
)
def getbit(ctx: Context, argv: list[bytes]) -> Reply:
    offset = parse_bit_offset(ctx, argv[2])
    value = ctx.db.read_string(argv[1])
    at = offset >> 3
    if value is None or at >= len(value):
        return 0
    return value[at] >> (7 - (offset & 7)) & 1


def _unit(since: str) -> Argument:
    return OneOf("unit", Token("BYTE"), Token("BIT"), optional=True, since=since)


@command(
    "BITCOUNT",
    group="bitmap",
    since="2.6.0",
    flags="readonly",
    complexity="O(N) for the length N of the range.",
    summary="Counts the bits that are 1 in a string or a range of it.",
    arguments=[
        Key("key", "RO access"),
        ArgumentGroup("range", Integer("start"), Integer("end"), _unit("7.0.0"), optional=True),
    ],
    history=[("7.0.0", "Added the options `BYTE` and `BIT`.")],
)
def bitcount(ctx: Context, argv: list[bytes]) -> Reply:
    words = len(argv)
    if words == 3 or words > 5:
        raise CommandError(SYNTAX)
    start, end, in_bits = 0, -1, False
    if words > 3:
        start, end = parse_integer(argv[2]), parse_integer(argv[3])
        in_bits = words == 5 and _parse_unit(argv[4])
    value = ctx.db.read_string(argv[1])
    if value is None or (start < 0 and end < 0 and start > end):
        return 0
    start, end = _bit_range(start, end, len(value), in_bits)
    return count_bits(value, start, end)


@command(
    "BITPOS",
    group="bitmap",
    since="2.8.7",
    flags="readonly",
    complexity="O(N) for the length N of the range.",
    summary="Finds the first bit that is 1 (or 0) in a string or a range of it.",
    arguments=[
        Key("key", "RO access"),
        Integer("bit"),
        ArgumentGroup(
            "range",
            Integer("start"),
            ArgumentGroup("end-unit-block", Integer("end"), _unit("7.0.0"), optional=True),
            optional=True,
        ),
    ],
    history=[("7.0.0", "Added the options `BYTE` and `BIT`.")],
)
def bitpos(ctx: Context, argv: list[bytes]) -> Reply:
    bit = parse_integer(argv[2])
    if bit not in (0, 1):
        raise CommandError("ERR The bit argument must be 1 or 0.")
    words = len(argv)
    if words > 6:
        raise CommandError(SYNTAX)
    start = parse_integer(argv[3]) if words > 3 else 0
    in_bits = words == 6 and _parse_unit(argv[5])
    end = parse_integer(argv[4]) if words > 4 else -1
    value = ctx.db.read_string(argv[1])
    if value is None:
        # A missing string is an endless row of zeros.
        return -1 if bit else 0
    start, end = _bit_range(start, end, len(value), in_bits)
    if start >= end:
        return -1
    found = find_bit(value, bit, start, end)
    if found is None and not bit and words < 5:
        # A range without an end continues, in zeros, beyond the string.
        return end
    return -1 if found is None else found


@dataclass(slots=True)
class Combine:
    operation: bytes
    destkey: bytes
    key: list[bytes]


@command(
    "BITOP",
    group="bitmap",
    since="2.6.0",
    flags="write denyoom",
    complexity="O(N) for the length N of the longest string.",
    summary="Combines strings bit by bit and stores the result.",
    arguments=[
        OneOf("operation", Token("AND"), Token("OR"), Token("XOR"), Token("NOT")),
        Key("destkey", "OW update"),
        Key("key", "RO access", multiple=True),
    ],
    keys=[KeySpec("OW update", index=2), KeySpec("RO access", index=3, last=-1)],
    request=Combine,
)
def bitop(ctx: Context, request: Combine) -> Reply:
    operation, destination = request.operation, request.destkey
    if operation == b"NOT" and len(request.key) != 1:
        raise CommandError("ERR BITOP NOT must be called with a single source key.")
    db = ctx.db
    values = [db.read_string(key) or b"" for key in request.key]
    length = max(map(len, values))
    if not length:
        db.delete(destination, even_expired=True)
        return 0
    if operation == b"NOT":
        result = bytearray(values[0].translate(_INVERTED))
    else:
        result = bytearray(length)
        views = [memoryview(value) for value in values]
        for at in range(0, length, _CHUNK):
            end = min(at + _CHUNK, length)
            # Little-endian, so that shorter strings are padded with zeros at the end.
            numbers = (int.from_bytes(view[at:end], "little") for view in views)
            result[at:end] = reduce(_COMBINE[operation], numbers).to_bytes(end - at, "little")
    db.store(destination, result, "set")
    return length


# --- ranges ------------------------------------------------------------------------------


def _parse_unit(word: bytes) -> bool:
    """Return whether offsets are in bits."""
    unit = word.upper()
    if unit not in (b"BIT", b"BYTE"):
        raise CommandError(SYNTAX)
    return unit == b"BIT"


def _bit_range(start: int, end: int, length: int, in_bits: bool) -> tuple[int, int]:
    """Convert an inclusive range, in bits or bytes, into a slice of bits."""
    if in_bits:
        return clamp_range(start, end, length << 3)
    start, end = clamp_range(start, end, length)
    return start << 3, end << 3


def count_bits(value: bytes | bytearray, start: int, end: int) -> int:
    """Count the bits that are 1 in a slice of bits."""
    if start >= end:
        return 0
    first, beyond = start >> 3, end + 7 >> 3
    view = memoryview(value)
    count = 0
    for at in range(first, beyond, _CHUNK):
        chunk = view[at : min(at + _CHUNK, beyond)]
        count += int.from_bytes(chunk, "little").bit_count()
    count -= (value[first] & 0xFF00 >> (start & 7) & 0xFF).bit_count()
    if end & 7:
        count -= (value[beyond - 1] & 0xFF >> (end & 7)).bit_count()
    return count


def find_bit(value: bytes | bytearray, bit: int, start: int, end: int) -> int | None:
    """Return the offset of the first such bit in a slice of bits."""
    first, beyond = start >> 3, end + 7 >> 3
    flip = 0 if bit else 0xFF
    # The first byte is examined alone because it may have bits before the range.
    byte = (value[first] ^ flip) & 0xFF >> (start & 7)
    if not byte:
        # Skip uniform blocks by comparison, which is ten times as fast as the search that
        # then finds the byte.
        blank = b"\xff" * _BLOCK if flip else bytes(_BLOCK)
        first += 1
        while first + _BLOCK <= beyond and value[first : first + _BLOCK] == blank:
            first += _BLOCK
        search = _NOT_ZEROS if bit else _NOT_ONES
        found = search(value, first, beyond)
        if found is None:
            return None
        first = found.start()
        byte = value[first] ^ flip
    offset = (first << 3) + 8 - byte.bit_length()
    return offset if offset < end else None
