"""The bit offsets of SETBIT, GETBIT and BITFIELD."""

from __future__ import annotations

from commands.engine.errors import CommandError
from commands.engine.numbers import read_integer
from commands.instance.context import Context


def parse_bit_offset(ctx: Context, text: bytes, width: int = 0) -> int:
    """Parse a bit offset. With a width, `#n` is the n-th field of that many bits."""
    if width and text[:1] == b"#":
        offset = read_integer(text[1:])
        if offset is not None:
            offset *= width
    else:
        offset = read_integer(text)
    limit = ctx.instance.settings.proto_max_bulk_len
    if offset is None or offset < 0 or offset >> 3 >= limit:
        raise CommandError("ERR bit offset is not an integer or out of range")
    return offset
