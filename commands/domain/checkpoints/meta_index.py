"""The index of META, by which CP.SEARCH finds checkpoints in all threads of a tenant.

Each member of META has a sorted set, in which all scores are 0 and the order is that of the
bytes. A row is `<value>`, a zero byte, and `<thread>:<path>:<id>`, each escaped. The value is
written so that rows have the order of values: a letter for the type, then a number as 16
hexadecimal digits, or the first bytes of a string. Rows of objects and arrays have no value.

A row says where to look, not what is there: whoever reads one compares it with the checkpoint.
So rows may outlive their checkpoints for a while (`healing`), and a sorted set of another type
does not make a command fail that writes checkpoints.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from commands.domain.calls import write
from commands.domain.checkpoints.arguments import MOST_META_MEMBERS
from commands.domain.checkpoints.keys import Thread
from commands.domain.namespaces import render, split, unescape_valid
from commands.domain.records import read_json
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType

# Of strings that begin alike, the index finds all.
_LONGEST_STRING = 48
_NOT_SCALAR = b"o"

# The rows of each sorted set: (member of META, row).
Rows = set[tuple[bytes, bytes]]
# The lowest and highest value of rows.
Range = tuple[bytes, bytes]


def encode(value: Any) -> bytes:
    """A value of META as rows have it."""
    if value is None:
        return b"z"
    if value is True or value is False:
        return b"t" if value else b"f"
    if isinstance(value, (int, float)):
        (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
        # Doubles sort like these numbers: the sign is inverted, and so is what is negative.
        bits ^= 0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63
        return b"n%016x" % bits
    if isinstance(value, str):
        return b"s" + value.encode().partition(b"\0")[0][:_LONGEST_STRING]
    return _NOT_SCALAR


def rows(thread: Thread, checkpoint: bytes, meta: Any) -> Rows:
    """The rows of a checkpoint with this META."""
    if not isinstance(meta, dict):
        return set()
    place = render([thread.name.encode(), thread.path.encode(), checkpoint])
    named = list(meta.items())[:MOST_META_MEMBERS]
    return {(name.encode(), b"%b\0%b" % (encode(value), place)) for name, value in named}


def rows_of_text(thread: Thread, checkpoint: bytes, meta: bytes | None) -> Rows:
    return set() if meta is None else rows(thread, checkpoint, read_json(meta))


def change(ctx: Context, thread: Thread, removed: Rows, added: Rows) -> None:
    """Write the difference between two sets of rows."""
    for name, group in _by_member(removed - added):
        with suppress(CommandError, WrongType):
            write(ctx, b"ZREM", thread.meta(name), *group)
    for name, group in _by_member(added - removed):
        with suppress(CommandError, WrongType):
            write(ctx, b"ZADD", thread.meta(name), *[w for row in group for w in (b"0", row)])


def _by_member(changed: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, list[bytes]]]:
    grouped: dict[bytes, list[bytes]] = {}
    # The order decides what the log says, so it must not depend on hashes.
    for name, row in sorted(changed):
        grouped.setdefault(name, []).append(row)
    yield from grouped.items()


def read_row(row: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Thread, path and id of a row; None if it does not have the form of one."""
    _, mark, place = row.partition(b"\0")
    try:
        parts = split(place)
    except CommandError:
        return None
    if not mark or len(parts) != 3:
        return None
    thread, path, checkpoint = map(unescape_valid, parts)
    return thread, path, checkpoint


def is_row_of(row: bytes, name: str, meta: Any) -> bool:
    """Whether a checkpoint with this META has this row for a member."""
    if not isinstance(meta, dict) or name not in meta:
        return False
    return row.partition(b"\0")[0] == encode(meta[name])


# --- which rows a filter needs -------------------------------------------------------------


def ranges(condition: Any, *, nested: bool) -> list[Range] | None:
    """The ranges of values that can meet a condition of a filter; None if any value can.

    `nested` says that the condition is about something inside of the member.
    """
    operators = condition if _has_operators(condition) else {"$eq": condition}
    found: list[Range] | None = None
    for name, operand in operators.items():
        one = _ranges_of(name, operand, nested=nested)
        # Each operator has to hold, so the rows of any one will do; equality needs the fewest.
        if one is not None and (found is None or name in ("$eq", "$in")):
            found = one
    return found


def _has_operators(condition: Any) -> bool:
    return isinstance(condition, dict) and any(name.startswith("$") for name in condition)


def _ranges_of(name: str, operand: Any, *, nested: bool) -> list[Range] | None:
    if name in ("$ne", "$nin") or (name == "$exists" and operand is False):
        return None
    if nested:
        return [(_NOT_SCALAR, _NOT_SCALAR)]
    if name == "$eq":
        return [(encode(operand), encode(operand))]
    if name == "$in":
        return sorted({(encode(one), encode(one)) for one in operand})
    if name == "$exists":
        return [(b"", b"\xff")]
    value = encode(operand)
    if name in ("$gt", "$gte"):
        return [(value, value[:1] + b"\xff")]
    return [(value[:1], value)]
