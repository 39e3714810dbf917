"""Typed calls of ordinary commands, for the handlers of the domain families.

Each function runs a command with `Context.call` and returns its reply as the type that this
command has. Another type is a bug, not a fault of the data: keys of another type raise
WrongType before there is a reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from commands.engine.replies import Pairs
from commands.instance.context import Context


def write(ctx: Context, *words: bytes) -> None:
    """Run a command that writes.

    It returns nothing, because a handler reads all that it needs before its first write, and
    lets no reply to a write decide what it does next. So the same handler can run as an
    optimistic transaction.
    """
    ctx.call(*words)


def call_integer(ctx: Context, *words: bytes) -> int:
    """For EXISTS, HLEN, SCARD, ZCARD, ZCOUNT ..."""
    reply = ctx.call(*words)
    assert isinstance(reply, int), words[0]
    return reply


def call_text(ctx: Context, *words: bytes) -> bytes | None:
    """For GET, HGET ...: a string, or None where there is none."""
    reply = ctx.call(*words)
    if isinstance(reply, bytearray):
        # A string that was modified in place, and that the keyspace may modify again.
        return bytes(reply)
    assert reply is None or isinstance(reply, bytes), words[0]
    return reply


def call_texts(ctx: Context, *words: bytes) -> list[bytes]:
    """For ZRANGE, LRANGE, HKEYS ...: an array of strings."""
    return cast(list[bytes], ctx.call(*words))


def call_fields(ctx: Context, key: bytes) -> dict[bytes, bytes]:
    """HGETALL: the fields of a hash with their values."""
    return cast(dict[bytes, bytes], ctx.call(b"HGETALL", key))


def call_values(ctx: Context, *words: bytes) -> list[bytes | None]:
    """For MGET and HMGET: one string or None for each key or field."""
    return cast(list[bytes | None], ctx.call(*words))


def call_scores(ctx: Context, *words: bytes) -> Sequence[tuple[bytes, float]]:
    """For ZRANGE WITHSCORES ...: members with their scores."""
    reply = ctx.call(*words)
    if not isinstance(reply, Pairs):
        assert not reply, words[0]
        return []
    return cast(Sequence[tuple[bytes, float]], reply.items)


def call_rank(ctx: Context, *words: bytes) -> int | None:
    """For ZRANK and ZREVRANK: the rank of a member, or None where there is none."""
    reply = ctx.call(*words)
    assert reply is None or isinstance(reply, int), words[0]
    return reply


def call_scores_of(ctx: Context, key: bytes, *members: bytes) -> list[float | None]:
    """ZMSCORE: the score of each member, or None where there is none."""
    return cast(list[float | None], ctx.call(b"ZMSCORE", key, *members))


def call_score(ctx: Context, *words: bytes) -> float | None:
    """For ZSCORE: the score of a member, or None where there is none."""
    reply = ctx.call(*words)
    assert reply is None or isinstance(reply, float), words[0]
    return reply
