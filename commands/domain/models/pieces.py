"""MODEL.APPEND, SEAL and DROP: weights that are larger than one request should be.

| state | what happens | next state |
|---|---|---|
| open | APPEND | open |
| open | SEAL with another checksum | open |
| open | SEAL with the right checksum | sealed: a version like any other |
| open | DROP, or no piece for `model-open-ms` | gone; the number is not given again |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from commands.domain.calls import call_integer, call_text, write
from commands.domain.errors import failure
from commands.domain.models.arguments import MODEL, Version, sha256_text, version_argument
from commands.domain.models.events import announce
from commands.domain.models.open_versions import OpenVersion, find_open, renew
from commands.domain.models.rows import (
    Model,
    add_version,
    checked_model,
    has_version,
    load_row,
    new_row,
    parse_row,
    write_row,
)
from commands.domain.records import write_json
from commands.engine.effects import BlockOn, Effect
from commands.engine.grammar import Integer, String
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import OK, ErrorReply, Reply
from commands.instance.context import Context
from storage.values.hashes import Hash

# How much one run of MODEL.SEAL computes the checksum of: about 4 ms of work.
_HASHED_AT_ONCE = 1 << 22
_TOO_LARGE = b"ERR weights of more than 4 MB cannot be sealed in a transaction"


def _require_open(ctx: Context, model: Model, version: int) -> OpenVersion:
    found = find_open(ctx, model, version)
    if found is not None:
        return found
    word = b"%d" % version
    if has_version(ctx, model, word):
        raise failure("TERMINAL", "version {} of model '{}' is sealed", word, model.name)
    raise failure("NOTFOUND", "no open version {} of model '{}'", word, model.name)


@dataclass(slots=True)
class Append:
    name: bytes
    version: int
    offset: int
    piece: bytes


@command(
    "MODEL.APPEND",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N) with N the length of the piece",
    summary="Adds a piece to the weights of an open version.",
    arguments=[
        MODEL,
        version_argument(),
        Integer("offset", low=0, high=INT64_MAX),
        String("piece"),
    ],
    request=Append,
)
def model_append(ctx: Context, request: Append) -> Reply:
    """Returns how many bytes there are now. `offset` is where the piece begins: the length so
    far. A piece that is already there may be sent again; any other offset is an error that
    names the right one. A version to which nothing was added for as long as the setting
    `model-open-ms` says is dropped.

        > MODEL.REGISTER big PIECES
        (integer) 1
        > MODEL.APPEND big 1 0 abc
        (integer) 3
        > MODEL.APPEND big 1 3 def
        (integer) 6
    """
    model, word = checked_model(request.name), b"%d" % request.version
    found = _require_open(ctx, model, request.version)
    key, offset, piece = model.weights(word), request.offset, request.piece
    end = offset + len(piece)
    if offset != found.size:
        # Large offsets would not fit into the range.
        there = end <= found.size and piece == call_text(
            ctx, b"GETRANGE", key, b"%d" % offset, b"%d" % max(end - 1, 0)
        )
        if not there:
            raise failure(
                "ERR",
                "offset must be {}, the length of version {} of model '{}', not {}",
                str(found.size), word, model.name, str(offset),
            )  # fmt: skip
        renew(ctx, model, word)
        return found.size
    if piece:
        write(ctx, b"APPEND", key, piece)
    renew(ctx, model, word)
    announce(ctx, model, "append", version=request.version, bytes=end)
    return end


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class _Hashing:
    """The checksum of the weights so far: what MODEL.SEAL goes on with when it runs again.

    Pieces are only ever added, so it stays right.
    """

    digest: _Digest = field(default_factory=sha256)
    done: int = 0


@dataclass(slots=True)
class Seal:
    name: bytes
    version: int
    sha256: str


@command(
    "MODEL.SEAL",
    group="model",
    since="0.1.0",
    flags="write denyoom blocking",
    complexity="O(N) with N the length of the weights",
    summary="Completes an open version, if its weights have this checksum.",
    arguments=[MODEL, version_argument(), sha256_text("sha256")],
    request=Seal,
)
def model_seal(ctx: Context, request: Seal) -> Reply | Effect:
    """The version becomes one like any other, and the active one unless it was registered with
    `INACTIVE`. `sha256` is that of the whole weights, in hexadecimal. If it is another, the reply
    is a `BADRECORD` error and the version stays open. The server computes the checksum of large
    weights in parts, so that other clients do not wait; in a transaction, weights of more than
    4 MB are an error. It is safe to repeat.

        > MODEL.SEAL big 1 bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721
        OK
    """
    model, version = checked_model(request.name), request.version
    if _is_sealed_with(ctx, model, version, request.sha256):
        return OK
    found = _require_open(ctx, model, version)
    row = load_row(ctx, model) or new_row(model)
    word = b"%d" % version
    hashing = _hashing(ctx)
    _hash_part(ctx, model.weights(word), hashing)
    if hashing.done < found.size:
        refused = ErrorReply(_TOO_LARGE)
        return BlockOn(
            [model.open], None, Hash, otherwise=refused, timed_out=None, every=1, progress=hashing
        )
    checksum = hashing.digest.hexdigest()
    if checksum != request.sha256:
        raise failure(
            "BADRECORD",
            "the weights of version {} of model '{}' have the SHA-256 {}, not {}",
            word, model.name, checksum, request.sha256,
        )  # fmt: skip
    facts = found.facts | {"weights_bytes": found.size, "checksum": checksum}
    add_version(ctx, model, version, write_json(facts))
    write(ctx, b"PERSIST", model.weights(word))
    write(ctx, b"HDEL", model.open, word)
    if found.active:
        row["active"] = version
    write_row(ctx, model, row)
    announce(ctx, model, "register", version=version, active=found.active)
    return OK


def _is_sealed_with(ctx: Context, model: Model, version: int, checksum: str) -> bool:
    text = call_text(ctx, b"HGET", model.versions, b"%d" % version)
    row = None if text is None else parse_row(text)
    return row is not None and row.get("checksum") == checksum


def _hashing(ctx: Context) -> _Hashing:
    """What this client has computed so far."""
    waiting = ctx.client.waiting if ctx.retrying else None
    if waiting is not None and isinstance(waiting.effect, BlockOn):
        progress = waiting.effect.progress
        if isinstance(progress, _Hashing):
            return progress
    return _Hashing()


def _hash_part(ctx: Context, key: bytes, hashing: _Hashing) -> None:
    first = hashing.done
    last = first + _HASHED_AT_ONCE - 1
    part = call_text(ctx, b"GETRANGE", key, b"%d" % first, b"%d" % last) or b""
    hashing.digest.update(part)
    hashing.done += len(part)


@command(
    "MODEL.DROP",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(1)",
    summary="Removes an open version with what was sent of its weights.",
    arguments=[MODEL, version_argument()],
    request=Version,
)
def model_drop(ctx: Context, request: Version) -> Reply:
    """Returns 1, or 0 if there is no such version. The number is not given again. A version that
    is sealed is a `TERMINAL` error.

        > MODEL.DROP big 7
        (integer) 0
    """
    model, word = checked_model(request.name), b"%d" % request.version
    if has_version(ctx, model, word):
        raise failure("TERMINAL", "version {} of model '{}' is sealed", word, model.name)
    there = call_integer(ctx, b"HEXISTS", model.open, word) == 1
    lives = call_integer(ctx, b"EXISTS", model.weights(word)) == 1
    if not there:
        return 0
    write(ctx, b"HDEL", model.open, word)
    write(ctx, b"DEL", model.weights(word))
    if not lives:
        return 0
    announce(ctx, model, "drop", version=request.version)
    return 1
