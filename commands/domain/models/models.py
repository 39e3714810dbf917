"""MODEL.*: registering versions, and which of them is active.

`rows` says how they are stored; `reading` has the commands that read them, `pieces` those for
weights that come in pieces, `notes` what may be said about a version later, and `raw_rows`
offers the rows to ML.*.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import utf8_text
from commands.domain.calls import write
from commands.domain.errors import failure
from commands.domain.models.alias_table import aliases_of
from commands.domain.models.arguments import (
    MODEL,
    Version,
    json_option,
    sha256_text,
    text_option,
    version_argument,
)
from commands.domain.models.events import announce
from commands.domain.models.open_versions import check_room, open_version
from commands.domain.models.removal import exists, remove
from commands.domain.models.rows import (
    Row,
    add_version,
    checked_model,
    is_archived,
    load_row,
    new_row,
    next_version,
    note_given,
    require,
    stored_version,
    write_row,
)
from commands.domain.records import write_json
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, OneOf, String, Token
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context


@dataclass(slots=True)
class Register:
    name: bytes
    weights: bytes | None = None
    weightsref: str | None = None
    pieces: bool = False
    checksum: str | None = None
    hyperparams: str | None = None
    metrics: str | None = None
    datahash: str | None = None
    sql: str | None = None
    parent: int | None = None
    by: str | None = None
    inactive: bool = False


@command(
    "MODEL.REGISTER",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of versions of the model",
    summary="Adds a version to a model, and creates the model if needed.",
    arguments=[
        Key("name", "RW access insert"),
        OneOf(
            "source",
            String("blob", "WEIGHTS"),
            String("uri", "WEIGHTSREF", convert=utf8_text("WEIGHTSREF")),
            Token("PIECES"),
            optional=True,
        ),
        sha256_text("CHECKSUM"),
        json_option("hyperparams", "HYPERPARAMS"),
        json_option("metrics", "METRICS"),
        text_option("hash", "DATAHASH"),
        text_option("sql", "SQL"),
        version_argument("version", "PARENT"),
        text_option("who", "BY"),
        Token("INACTIVE", optional=True),
    ],
    request=Register,
)
def model_register(ctx: Context, request: Register) -> Reply:
    """Returns the number of the version, one above the highest that was ever given for this
    name. It becomes the active version unless `INACTIVE` is given.

    `WEIGHTS` may be any bytes. `WEIGHTSREF` says where the weights are instead; the server stores
    the URI and the `CHECKSUM`, and does not fetch anything. `PIECES` opens a version whose
    weights follow with `MODEL.APPEND`; `MODEL.SEAL` completes it.

    `HYPERPARAMS` and `METRICS` are JSON, stored as the text they are. `PARENT` is a version of
    the same model; the reply is a `NOTFOUND` error if it does not exist. What is registered
    never changes.

        > MODEL.REGISTER spam WEIGHTS w1 METRICS '{"auc": 0.91}' BY ada
        (integer) 1
        > MODEL.REGISTER spam PARENT 1 INACTIVE
        (integer) 2
    """
    model = checked_model(request.name)
    if (request.weightsref is None) != (request.checksum is None):
        raise CommandError("ERR WEIGHTSREF and CHECKSUM must be given together")
    row = load_row(ctx, model) or new_row(model)
    version = next_version(ctx, model, row)
    if request.parent is not None:
        require(ctx, model, request.parent)
    ended = check_room(ctx, model) if request.pieces else []
    facts = _facts(ctx, request, version)
    row["latest"] = version
    note_given(ctx, model, version)
    if request.pieces:
        open_version(ctx, model, version, facts, active=not request.inactive, ended=ended)
        write_row(ctx, model, row)
        announce(ctx, model, "open", version=version)
        return version
    add_version(ctx, model, version, write_json(facts))
    if request.weights is not None:
        write(ctx, b"SET", model.weights(b"%d" % version), request.weights)
    if not request.inactive:
        row["active"] = version
    write_row(ctx, model, row)
    announce(ctx, model, "register", version=version, active=not request.inactive)
    return version


def _facts(ctx: Context, request: Register, version: int) -> Row:
    facts: Row = {
        "model": request.name.decode(),
        "version": version,
        "hyperparams": request.hyperparams,
        "metrics": request.metrics,
        "data_hash": request.datahash,
        "sql": request.sql,
        "parent": request.parent,
        "created_at": ctx.now,
        "created_by": request.by,
    }
    if request.weights is not None:
        facts["weights_bytes"] = len(request.weights)
    if request.weightsref is not None:
        facts["weights_ref"] = request.weightsref
        facts["checksum"] = request.checksum
    return facts


@command(
    "MODEL.ACTIVATE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Makes a version the active one of its model.",
    arguments=[MODEL, version_argument()],
    request=Version,
)
def model_activate(ctx: Context, request: Version) -> Reply:
    """An archived version is an `ARCHIVED` error, one that does not exist a `NOTFOUND` error.

    > MODEL.ACTIVATE spam 2
    OK
    """
    model, version = checked_model(request.name), request.version
    row = load_row(ctx, model) or new_row(model)
    word = require(ctx, model, version)
    if is_archived(ctx, model, word):
        raise failure("ARCHIVED", "version {} of model '{}' is archived", word, model.name)
    if stored_version(row.get("active")) != version:
        row["active"] = version
        write_row(ctx, model, row)
        announce(ctx, model, "activate", version=version)
    return OK


@command(
    "MODEL.ARCHIVE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(A) with A the number of aliases of the model",
    summary="Archives a version, so that it cannot be active or have an alias.",
    arguments=[MODEL, version_argument()],
    request=Version,
)
def model_archive(ctx: Context, request: Version) -> Reply:
    """Archiving the active version leaves the model without one. Aliases of the version are
    removed. It is safe to repeat.

        > MODEL.ARCHIVE spam 1
        OK
    """
    model, version = checked_model(request.name), request.version
    row = load_row(ctx, model)
    word = require(ctx, model, version)
    if is_archived(ctx, model, word):
        return OK
    aliases = aliases_of(ctx, model, word)
    write(ctx, b"SADD", model.archive, word)
    if aliases:
        write(ctx, b"HDEL", model.aliases, *aliases)
    if row is not None and stored_version(row.get("active")) == version:
        row["active"] = None
        write_row(ctx, model, row)
    announce(ctx, model, "archive", version=version)
    return OK


@command(
    "MODEL.UNARCHIVE",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(1)",
    summary="Takes a version back out of the archive.",
    arguments=[MODEL, version_argument()],
    request=Version,
)
def model_unarchive(ctx: Context, request: Version) -> Reply:
    """This does not make the version active, and does not restore its aliases. It is safe to
    repeat.

        > MODEL.UNARCHIVE spam 1
        OK
    """
    model, version = checked_model(request.name), request.version
    word = require(ctx, model, version)
    if is_archived(ctx, model, word):
        write(ctx, b"SREM", model.archive, word)
        announce(ctx, model, "unarchive", version=version)
    return OK


@command(
    "MODEL.DEL",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(N) with N the number of versions, up to 500; the rest is deleted later",
    summary="Removes a model with all its versions.",
    arguments=[Key("name", "RW delete")],
)
def model_del(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if there is no such model. The model is gone at once; of more than 500
    versions, the data are deleted in the background.

    The versions of a new model of that name continue after the highest one before, for as long
    as the setting `model-number-keep-ms` says.

        > MODEL.DEL nosuch
        (integer) 0
    """
    model = checked_model(argv[1])
    if not exists(ctx, model):
        return 0
    remove(ctx, model)
    return 1
