"""Removing models. The data of one with many versions are deleted in the background.

`remove` then only renames the keys that hold much, so the model is gone at once, whatever its
size, and its name can be used again. A sweep deletes a batch of versions at a time.
"""

from __future__ import annotations

from contextlib import suppress

from commands.domain.calls import call_integer, call_text, call_texts, write
from commands.domain.events import forget_events
from commands.domain.models.events import announce
from commands.domain.models.rows import (
    DROPPED,
    Model,
    highest_given,
    read_version,
    readable_row,
)
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, sweep
from storage.errors import WrongType

# Models with more versions are deleted in the background.
_MOST_AT_ONCE = 500


class _Dropped:
    """The keys of a removed model whose data are still to be deleted."""

    def __init__(self, name: bytes, number: bytes) -> None:
        ends = b"%b}:%b" % (name, number)
        self.order = DROPPED + ends
        self.versions = b"redkeep:model_dropped_versions:{" + ends
        self.notes = b"redkeep:model_dropped_notes:{" + ends
        self.archive = b"redkeep:model_dropped_archive:{" + ends


def exists(ctx: Context, model: Model) -> bool:
    """Whether anything is stored of a model, besides the number it has reached."""
    keys = (model.row, model.versions, model.order, model.archive, model.aliases, model.notes)
    return call_integer(ctx, b"EXISTS", *keys, model.open) > 0


def remove(ctx: Context, model: Model) -> None:
    """Remove a model. What is stored under its keys may be anything."""
    gone = [model.row, model.aliases, model.open]
    gone += map(model.weights, _words(ctx, b"HKEYS", model.open))
    large = {
        model.versions: _size(ctx, b"HLEN", model.versions),
        model.order: _size(ctx, b"ZCARD", model.order),
        model.notes: _size(ctx, b"HLEN", model.notes),
        model.archive: _size(ctx, b"SCARD", model.archive),
    }
    at_once = max(large.values()) <= _MOST_AT_ONCE
    if at_once:
        words = _words(ctx, b"HKEYS", model.versions)
        words += _words(ctx, b"ZRANGE", model.order, b"0", b"-1")
        gone += map(model.weights, dict.fromkeys(words))
    dropped = _Dropped(model.name, _unused(ctx, model))
    names = (dropped.versions, dropped.order, dropped.notes, dropped.archive)
    given = _number(ctx, model)
    write(ctx, b"DEL", *gone)
    for (key, size), name in zip(large.items(), names, strict=True):
        # A key of another type has no size, and is deleted like a small one.
        if at_once or not size:
            write(ctx, b"DEL", key)
        else:
            write(ctx, b"RENAME", key, name)
    if not at_once and not large[model.order]:
        # The sweep looks for this key.
        write(ctx, b"ZADD", dropped.order, b"0", b"")
    if given:
        keep_ms = ctx.instance.settings.model_number_keep_ms
        expiry = (b"PXAT", b"%d" % (ctx.now + keep_ms)) if keep_ms else ()
        write(ctx, b"SET", model.latest, b"%d" % given, *expiry)
    announce(ctx, model, "del")
    forget_events(ctx, "model", model.name)


def _size(ctx: Context, *words: bytes) -> int:
    """The number of items in a key, 0 for a key of another type."""
    try:
        return call_integer(ctx, *words)
    except WrongType:
        return 0


def _words(ctx: Context, *words: bytes) -> list[bytes]:
    try:
        return call_texts(ctx, *words)
    except WrongType:
        return []


def _number(ctx: Context, model: Model) -> int:
    """The highest version ever given, as far as that can be read."""
    with suppress(WrongType):
        return highest_given(ctx, model, readable_row(ctx, model))
    with suppress(WrongType):
        return read_version(call_text(ctx, b"GET", model.latest) or b"") or 0
    return 0


def _unused(ctx: Context, model: Model) -> bytes:
    """A number that no earlier model of this name uses whose data are still being deleted."""
    number = 0
    while call_integer(ctx, b"EXISTS", _Dropped(model.name, b"%d" % number).order):
        number += 1
    return b"%d" % number


@sweep(DROPPED)
def delete_dropped(ctx: Context, key: bytes) -> bool:
    """Delete a batch of the versions of a removed model; return whether there are more."""
    name, mark, number = key[len(DROPPED) :].rpartition(b"}:")
    if not mark:
        return False
    model, dropped = Model(name), _Dropped(name, number)
    kept = _size(ctx, b"ZCARD", key)
    batch = call_texts(ctx, b"ZRANGE", key, b"0", b"%d" % (BATCH - 1)) if kept else []
    if len(batch) >= kept:
        write(ctx, b"DEL", *map(model.weights, batch), key)
        write(ctx, b"DEL", dropped.versions, dropped.notes, dropped.archive)
        return False
    fields = [
        (verb, part)
        for verb, part, size in (
            (b"HDEL", dropped.versions, _size(ctx, b"HLEN", dropped.versions)),
            (b"HDEL", dropped.notes, _size(ctx, b"HLEN", dropped.notes)),
            (b"SREM", dropped.archive, _size(ctx, b"SCARD", dropped.archive)),
        )
        if size
    ]
    write(ctx, b"DEL", *map(model.weights, batch))
    for verb, part in fields:
        write(ctx, verb, part, *batch)
    write(ctx, b"ZREM", key, *batch)
    return True
