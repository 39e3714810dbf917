"""Aliases: names of versions, such as `champion`, that can be moved from one to another.

An alias stands for a version that could be active: it goes when its version is archived or
deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, write
from commands.domain.errors import failure
from commands.domain.models.arguments import MODEL, check_alias, version_argument
from commands.domain.models.events import announce
from commands.domain.models.rows import checked_model, is_archived, read_version, require
from commands.engine.grammar import String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

MOST_ALIASES = 100

_ALIAS = String("alias", convert=check_alias)


@dataclass(slots=True)
class Named:
    name: bytes
    alias: bytes
    version: int


@command(
    "MODEL.ALIAS",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Names a version, or moves the name to another version.",
    arguments=[MODEL, _ALIAS, version_argument()],
    request=Named,
)
def model_alias(ctx: Context, request: Named) -> Reply:
    """`MODEL.GET spam @champion` then returns that version. An alias has up to 256 bytes, does
    not begin with `@`, and belongs to one model, which can have 100. An archived version is an
    `ARCHIVED` error. An alias is removed when its version is archived or deleted.

        > MODEL.ALIAS spam champion 2
        OK
    """
    model = checked_model(request.name)
    word = require(ctx, model, request.version)
    if is_archived(ctx, model, word):
        raise failure("ARCHIVED", "version {} of model '{}' is archived", word, model.name)
    before = call_text(ctx, b"HGET", model.aliases, request.alias)
    if before == word:
        return OK
    if before is None and call_integer(ctx, b"HLEN", model.aliases) >= MOST_ALIASES:
        raise failure(
            "ERR", "model '{}' has {} aliases, the most it can have", model.name, str(MOST_ALIASES)
        )
    write(ctx, b"HSET", model.aliases, request.alias, word)
    announce(ctx, model, "alias", alias=request.alias.decode(), version=request.version)
    return OK


@dataclass(slots=True)
class Alias:
    name: bytes
    alias: bytes


@command(
    "MODEL.UNALIAS",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(1)",
    summary="Removes an alias. Its version stays.",
    arguments=[MODEL, _ALIAS],
    request=Alias,
)
def model_unalias(ctx: Context, request: Alias) -> Reply:
    """Returns 1, or 0 if the model has no such alias.

    > MODEL.UNALIAS spam challenger
    (integer) 0
    """
    model = checked_model(request.name)
    stored = call_text(ctx, b"HGET", model.aliases, request.alias)
    if stored is None:
        return 0
    write(ctx, b"HDEL", model.aliases, request.alias)
    announce(ctx, model, "unalias", alias=request.alias.decode(), version=read_version(stored))
    return 1
