"""Identifiers that the server generates: ordered by time, random otherwise."""

from __future__ import annotations

from commands.instance.context import Context


def time_ordered_hex(ctx: Context) -> bytes:
    """128 bits as 32 hex digits: 48 of time, then random ones. Later ones sort behind."""
    return b"%012x%020x" % (ctx.now & (1 << 48) - 1, ctx.rng.getrandbits(80))


def uuid7(ctx: Context) -> str:
    """A version 7 UUID of the instance's time, with hyphens."""
    bits = (ctx.now & (1 << 48) - 1) << 80 | 0x7 << 76 | ctx.rng.getrandbits(12) << 64
    bits |= 0b10 << 62 | ctx.rng.getrandbits(62)
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
