"""Versions whose weights are still being sent, piece by piece.

Such a version is *open*: it has a number and its facts, but is no version for anything except
MODEL.GET by number, MODEL.APPEND, MODEL.SEAL and MODEL.DROP. It lives as long as the key of its
weights, which expires when no piece has come for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, call_texts, write
from commands.domain.errors import failure
from commands.domain.models.rows import Model, Row, parse_row
from commands.domain.records import write_json
from commands.instance.context import Context

MOST_OPEN = 16


@dataclass(slots=True)
class OpenVersion:
    # To become the active version when it is sealed.
    active: bool
    facts: Row
    # How many bytes of its weights there are.
    size: int


def open_version(
    ctx: Context, model: Model, version: int, facts: Row, *, active: bool, ended: list[bytes]
) -> None:
    """Open a version in place of those that have ended."""
    if ended:
        write(ctx, b"HDEL", model.open, *ended)
    word, until = b"%d" % version, _until(ctx)
    record = write_json({"active": active, "facts": facts})
    write(ctx, b"HSET", model.open, word, record)
    write(ctx, b"PEXPIREAT", model.open, until)
    write(ctx, b"SET", model.weights(word), b"", b"PXAT", until)


def check_room(ctx: Context, model: Model) -> list[bytes]:
    """Return the open versions that have ended; an error if too many have not."""
    words = call_texts(ctx, b"HKEYS", model.open)
    ended = [word for word in words if not call_integer(ctx, b"EXISTS", model.weights(word))]
    if len(words) - len(ended) >= MOST_OPEN:
        raise failure(
            "ERR",
            "model '{}' has {} open versions, the most it can have: seal or drop one",
            model.name,
            str(MOST_OPEN),
        )
    return ended


def find_open(ctx: Context, model: Model, version: int) -> OpenVersion | None:
    """Return an open version, or None; BADRECORD if it cannot be read."""
    word = b"%d" % version
    text = call_text(ctx, b"HGET", model.open, word)
    if text is None or not call_integer(ctx, b"EXISTS", model.weights(word)):
        return None
    record = parse_row(text)
    facts = None if record is None else record.get("facts")
    if record is None or not isinstance(facts, dict):
        raise failure("BADRECORD", "open version {} of model '{}' cannot be read", word, model.name)
    size = call_integer(ctx, b"STRLEN", model.weights(word))
    return OpenVersion(record.get("active") is True, facts, size)


def renew(ctx: Context, model: Model, word: bytes) -> None:
    """Give an open version its whole time again."""
    until = _until(ctx)
    write(ctx, b"PEXPIREAT", model.weights(word), until)
    write(ctx, b"PEXPIREAT", model.open, until)


def _until(ctx: Context) -> bytes:
    return b"%d" % (ctx.now + ctx.instance.settings.model_open_ms)
