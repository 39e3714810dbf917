"""Identifiers that the server generates: ordered by time, random otherwise.

Each is greater than the one before it, also within a millisecond and after the clock was set
back: it then follows the one before it instead of the clock, as the ids of streams do. A step
from one to the next is random, too.
"""

from __future__ import annotations

import re

from commands.instance.context import Context

_TIME = (1 << 48) - 1
_STEP_BITS = 32
# The bits of a UUIDv7 beside the time, its version and its variant.
_UUID7_BITS = 74

_is_uuid7 = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
).fullmatch


def time_ordered(ctx: Context, *, after: int, bits: int = 80) -> int:
    """48 bits of time and so many random ones: a number greater than another of this kind.

    After the very last numbers, which only a forged one can reach, the order begins anew.
    """
    made = (ctx.now & _TIME) << bits | ctx.rng.getrandbits(bits)
    if made > after:
        return made
    following = after + 1 + ctx.rng.getrandbits(_STEP_BITS)
    return made if following >> (48 + bits) else following


def uuid7(ctx: Context, *, after: bytes | None) -> bytes:
    """A version 7 UUID with hyphens, greater than all before it in this process.

    It is greater than `after`, too, if that is a UUID of this version. That affects this one
    alone: `after` was stored, perhaps with a time far ahead.
    """
    instance = ctx.instance
    instance.last_uuid = number = time_ordered(ctx, after=instance.last_uuid, bits=_UUID7_BITS)
    made = _uuid7_text(number)
    # UUIDs sort as their texts do.
    if after is None or made > after or not _is_uuid7(after):
        return made
    digits = int(after.replace(b"-", b""), 16)
    least = digits >> 80 << _UUID7_BITS | (digits >> 64 & 0xFFF) << 62 | digits & (1 << 62) - 1
    return _uuid7_text(time_ordered(ctx, after=least, bits=_UUID7_BITS))


def _uuid7_text(number: int) -> bytes:
    bits = number >> _UUID7_BITS << 80 | 0x7 << 76 | (number >> 62 & 0xFFF) << 64
    text = b"%032x" % (bits | 0b10 << 62 | number & (1 << 62) - 1)
    return b"-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
