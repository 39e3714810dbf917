"""Patrols over models: what else is kept of versions is brought into line with their rows.

Any client can write or delete rows with plain commands. A version is in the order if and only if
it has a row; what has no row is not archived, and nothing is said about it.
"""

from __future__ import annotations

from typing import cast

from commands.domain.calls import call_scores_of, call_texts, call_values, write
from commands.domain.models.notes import OF_MODEL
from commands.domain.models.rows import (
    ARCHIVE,
    NOTES,
    ORDER,
    VERSIONS,
    Model,
    read_version,
)
from commands.instance.context import Context
from commands.instance.patrols import PATROL_BATCH, patrol

_BATCH = b"%d" % PATROL_BATCH


def _model_of(key: bytes, prefix: bytes) -> Model | None:
    return Model(key[len(prefix) : -1]) if key.endswith(b"}") else None


def _scan(
    ctx: Context, command: bytes, key: bytes, position: bytes, *options: bytes
) -> tuple[bytes | None, list[bytes]]:
    """Some items of a key, and where the next ones are; None after the last."""
    reply = ctx.call(command, key, position or b"0", b"COUNT", _BATCH, *options)
    cursor, items = cast("tuple[bytes, list[bytes]]", reply)
    return (None if cursor == b"0" else cursor), items


def _without_rows(ctx: Context, model: Model, words: list[bytes]) -> list[bytes]:
    if not words:
        return []
    rows = call_values(ctx, b"HMGET", model.versions, *words)
    return [word for word, row in zip(words, rows, strict=True) if row is None]


@patrol(VERSIONS)
def complete_order(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Add versions that have a row to the order."""
    model = _model_of(key, VERSIONS)
    if model is None:
        return None
    following, fields = _scan(ctx, b"HSCAN", key, position, b"NOVALUES")
    words = [word for word in fields if read_version(word) is not None]
    scores = call_scores_of(ctx, model.order, *words) if words else []
    for word, score in zip(words, scores, strict=True):
        if score != int(word):
            write(ctx, b"ZADD", model.order, word, word)
    return following


@patrol(ORDER)
def thin_order(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove from the order what is no version, or has no row."""
    model = _model_of(key, ORDER)
    if model is None:
        return None
    first = int(position or b"0")
    last = first + PATROL_BATCH - 1
    members = call_texts(ctx, b"ZRANGE", key, b"%d" % first, b"%d" % last)
    odd = [member for member in members if read_version(member) is None]
    gone = odd + _without_rows(ctx, model, [word for word in members if word not in odd])
    if gone:
        write(ctx, b"ZREM", key, *gone)
    return b"%d" % (first + len(members) - len(gone)) if members else None


@patrol(ARCHIVE)
def thin_archive(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove from the archive what has no row."""
    model = _model_of(key, ARCHIVE)
    if model is None:
        return None
    following, words = _scan(ctx, b"SSCAN", key, position)
    gone = _without_rows(ctx, model, words)
    if gone:
        write(ctx, b"SREM", key, *gone)
    return following


@patrol(NOTES)
def thin_notes(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove what is said about versions that have no row."""
    model = _model_of(key, NOTES)
    if model is None:
        return None
    following, words = _scan(ctx, b"HSCAN", key, position, b"NOVALUES")
    gone = _without_rows(ctx, model, [word for word in words if word != OF_MODEL])
    if gone:
        write(ctx, b"HDEL", key, *gone)
    return following
