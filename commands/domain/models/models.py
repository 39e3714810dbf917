"""MODEL.*: a registry of models and their versions.

`rows` says how they are stored; `raw_rows` offers the same rows to ML.*.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import json_text, utf8_text
from commands.domain.calls import call_integer, call_members, call_text, call_values
from commands.domain.errors import failure
from commands.domain.events import publish
from commands.domain.models.raw_rows import ModelRows, VersionRows
from commands.domain.models.rows import (
    HIGHEST_VERSION,
    Model,
    Row,
    checked_model,
    latest_version,
    load_row,
    model_names,
    new_row,
    parse_row,
    stored_version,
    versions_of,
    write_row,
)
from commands.domain.raw_rows import declare_namespace
from commands.domain.records import count_poison, write_json
from commands.engine.containers import declare_family_help
from commands.engine.errors import CommandError
from commands.engine.grammar import Argument, Integer, Key, String, Token
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.errors import WrongType

# The members of a version's row that replies show.
_FACTS = ("hyperparams", "metrics", "data_hash", "sql", "parent", "created_at", "created_by")
# How many versions are read by one HMGET.
_BATCH = 1000

declare_namespace("models", ModelRows())
declare_namespace("model_versions", VersionRows())


def _version(name: str, token: str | None = None, *, optional: bool = False) -> Argument:
    return Integer(name, token, optional=optional, low=0, high=HIGHEST_VERSION)


def _text(name: str, token: str) -> Argument:
    return String(name, token, optional=True, convert=utf8_text(token))


def _json(name: str, token: str) -> Argument:
    return String(name, token, optional=True, convert=json_text(token))


def _require(ctx: Context, model: Model, version: int) -> bytes:
    """Return the version as a word; NOTFOUND if the model does not have it."""
    word = b"%d" % version
    if not call_integer(ctx, b"HEXISTS", model.versions, word):
        raise failure("NOTFOUND", "no version {} of model '{}'", word, model.name)
    return word


def _is_archived(ctx: Context, model: Model, word: bytes) -> bool:
    return call_integer(ctx, b"SISMEMBER", model.archive, word) == 1


# --- writing -------------------------------------------------------------------------------


@dataclass(slots=True)
class Register:
    name: bytes
    weights: bytes | None = None
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
    complexity="O(1)",
    summary="Adds a version to a model, and creates the model if needed.",
    arguments=[
        Key("name", "RW access insert"),
        String("blob", "WEIGHTS", optional=True),
        _json("hyperparams", "HYPERPARAMS"),
        _json("metrics", "METRICS"),
        _text("hash", "DATAHASH"),
        _text("sql", "SQL"),
        _version("version", "PARENT", optional=True),
        _text("who", "BY"),
        Token("INACTIVE", optional=True),
    ],
    request=Register,
)
def model_register(ctx: Context, request: Register) -> Reply:
    """Returns the number of the version, one above the highest there ever was. It becomes the
    active version unless `INACTIVE` is given.

    `WEIGHTS` may be any bytes. `HYPERPARAMS` and `METRICS` are JSON, stored as the text they
    are. `PARENT` is a version of the same model; the reply is a `NOTFOUND` error if it does
    not exist. What is registered never changes.

        > MODEL.REGISTER spam WEIGHTS w1 METRICS '{"auc": 0.91}' BY ada
        (integer) 1
        > MODEL.REGISTER spam PARENT 1 INACTIVE
        (integer) 2
    """
    model = checked_model(request.name)
    row = load_row(ctx, model) or new_row(model)
    version = latest_version(ctx, model, row) + 1
    if call_integer(ctx, b"HEXISTS", model.versions, b"%d" % version):
        # The version was stored by other commands, which did not raise `latest`.
        version = versions_of(ctx, model)[-1] + 1
    if version > HIGHEST_VERSION:
        raise failure("ERR", "model '{}' has used up its versions", model.name)
    if request.parent is not None:
        _require(ctx, model, request.parent)
    # WRONGTYPE, if it comes, must come before anything is written.
    ctx.call(b"HLEN", model.weights)
    facts = {
        "model": model.name.decode(),
        "version": version,
        "hyperparams": request.hyperparams,
        "metrics": request.metrics,
        "data_hash": request.datahash,
        "sql": request.sql,
        "parent": request.parent,
        "created_at": ctx.now,
        "created_by": request.by,
    }
    word = b"%d" % version
    ctx.call(b"HSET", model.versions, word, write_json(facts))
    if request.weights is not None:
        ctx.call(b"HSET", model.weights, word, request.weights)
    row["latest"] = version
    if not request.inactive:
        row["active"] = version
    write_row(ctx, model, row)
    _publish(ctx, model, "register", version, active=not request.inactive)
    return version


def _publish(
    ctx: Context, model: Model, change: str, version: int | None = None, **facts: bool
) -> None:
    details: dict[str, object] = {"model": model.name.decode(), **facts}
    if version is not None:
        details["version"] = version
    publish(ctx, "model", model.name, change, **details)


@dataclass(slots=True)
class Version:
    """One version of a model: the request of MODEL.ACTIVATE, ARCHIVE and UNARCHIVE."""

    name: bytes
    version: int


@command(
    "MODEL.ACTIVATE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Makes a version the active one of its model.",
    arguments=[Key("name", "RW access update"), _version("version")],
    request=Version,
)
def model_activate(ctx: Context, request: Version) -> Reply:
    """An archived version is an `ARCHIVED` error, one that does not exist a `NOTFOUND` error.

    > MODEL.ACTIVATE spam 2
    OK
    """
    model, version = checked_model(request.name), request.version
    row = load_row(ctx, model) or new_row(model)
    word = _require(ctx, model, version)
    if _is_archived(ctx, model, word):
        raise failure("ARCHIVED", "version {} of model '{}' is archived", word, model.name)
    if stored_version(row.get("active")) != version:
        row["latest"] = latest_version(ctx, model, row)
        row["active"] = version
        write_row(ctx, model, row)
        _publish(ctx, model, "activate", version)
    return OK


@command(
    "MODEL.ARCHIVE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Archives a version, so that it cannot be active.",
    arguments=[Key("name", "RW access update"), _version("version")],
    request=Version,
)
def model_archive(ctx: Context, request: Version) -> Reply:
    """Archiving the active version leaves the model without one. It is safe to repeat.

    > MODEL.ARCHIVE spam 1
    OK
    """
    model, version = checked_model(request.name), request.version
    row = load_row(ctx, model)
    word = _require(ctx, model, version)
    if not call_integer(ctx, b"SADD", model.archive, word):
        return OK
    if row is not None and stored_version(row.get("active")) == version:
        row["active"] = None
        write_row(ctx, model, row)
    _publish(ctx, model, "archive", version)
    return OK


@command(
    "MODEL.UNARCHIVE",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(1)",
    summary="Takes a version back out of the archive.",
    arguments=[Key("name", "RW access update"), _version("version")],
    request=Version,
)
def model_unarchive(ctx: Context, request: Version) -> Reply:
    """This does not make the version active. It is safe to repeat.

    > MODEL.UNARCHIVE spam 1
    OK
    """
    model, version = checked_model(request.name), request.version
    if call_integer(ctx, b"SREM", model.archive, _require(ctx, model, version)):
        _publish(ctx, model, "unarchive", version)
    return OK


@command(
    "MODEL.DEL",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(N) with N the number of versions",
    summary="Removes a model with all its versions.",
    arguments=[Key("name", "RW delete")],
)
def model_del(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if there is no such model. A new model of that name starts at version 1.

    > MODEL.DEL nosuch
    (integer) 0
    """
    model = checked_model(argv[1])
    if not call_integer(ctx, b"DEL", model.row, model.versions, model.weights, model.archive):
        return 0
    _publish(ctx, model, "del")
    return 1


# --- reading -------------------------------------------------------------------------------


@dataclass(slots=True)
class Get:
    name: bytes
    version: int | None = None


@command(
    "MODEL.GET",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(1)",
    summary="Returns a version of a model, with its weights.",
    arguments=[Key("name", "RO access"), _version("version", optional=True)],
    request=Get,
)
def model_get(ctx: Context, request: Get) -> Reply:
    """Returns the active version if none is named, and nil if there is no such version.

    The reply is a map; facts that were not given at registration are nil.

        > MODEL.GET spam 1
         1) "model"
         2) "spam"
         3) "version"
         4) (integer) 1
         5) "active"
         6) (integer) 0
         7) "archived"
         8) (integer) 0
         9) "hyperparams"
        10) (nil)
        11) "metrics"
        12) "{\\"auc\\": 0.91}"
        13) "data_hash"
        14) (nil)
        15) "sql"
        16) (nil)
        17) "parent"
        18) (nil)
        19) "created_at"
        20) (integer) <time>
        21) "created_by"
        22) "ada"
        23) "weights"
        24) "w1"
    """
    model = checked_model(request.name)
    row = load_row(ctx, model)
    active = None if row is None else _active(ctx, model, row)
    version = active if request.version is None else request.version
    if version is None:
        return None
    word = b"%d" % version
    text = call_text(ctx, b"HGET", model.versions, word)
    if text is None:
        return None
    facts = parse_row(text)
    if facts is None:
        raise failure(
            "BADRECORD", "the row of version {} of model '{}' cannot be read", word, model.name
        )
    archived = _is_archived(ctx, model, word)
    shown = _shown(model, version, facts, active=version == active, archived=archived)
    shown[b"weights"] = call_text(ctx, b"HGET", model.weights, word)
    return shown


def _active(ctx: Context, model: Model, row: Row) -> int | None:
    """Return the active version.

    A row that ML.PUT stored may name a version that is archived or does not exist.
    """
    version = stored_version(row.get("active"))
    if version is None:
        return None
    word = b"%d" % version
    if _is_archived(ctx, model, word):
        return None
    return version if call_integer(ctx, b"HEXISTS", model.versions, word) else None


def _shown(
    model: Model, version: int, facts: Row, *, active: bool, archived: bool
) -> dict[bytes, Reply]:
    """Return the map that a reply shows of a version."""
    shown: dict[bytes, Reply] = {
        b"model": model.name,
        b"version": version,
        b"active": int(active),
        b"archived": int(archived),
    }
    shown.update((name.encode(), _value(facts.get(name))) for name in _FACTS)
    return shown


def _value(value: object) -> Reply:
    """Return a member of a row as a string, an integer, nil, or else as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INT64_MAX:
        return value
    return write_json(value)


@command(
    "MODEL.VERSIONS",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) with N the number of versions",
    summary="Returns all versions of a model, oldest first.",
    arguments=[Key("name", "RO access")],
)
def model_versions(ctx: Context, argv: list[bytes]) -> Reply:
    """Each version is a map as in the reply to `MODEL.GET`, without the weights.

    > MODEL.VERSIONS nosuch
    (empty array)
    """
    model = checked_model(argv[1])
    row = load_row(ctx, model)
    active = None if row is None else _active(ctx, model, row)
    versions = versions_of(ctx, model)
    archived = set(call_members(ctx, b"SMEMBERS", model.archive))
    found = []
    for start in range(0, len(versions), _BATCH):
        batch = versions[start : start + _BATCH]
        words = [b"%d" % version for version in batch]
        texts = call_values(ctx, b"HMGET", model.versions, *words)
        for version, word, text in zip(batch, words, texts, strict=True):
            facts = None if text is None else parse_row(text)
            if facts is None:
                count_poison(ctx)
                continue
            is_active, is_archived = version == active, word in archived
            found.append(_shown(model, version, facts, active=is_active, archived=is_archived))
    return found


@dataclass(slots=True)
class List:
    prefix: bytes = b""


@command(
    "MODEL.LIST",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of models returned and N of all keys",
    summary="Lists the models.",
    arguments=[String("prefix", "PREFIX", optional=True)],
    request=List,
)
def model_list(ctx: Context, request: List) -> Reply:
    """For each model the reply has its name, the active version or nil, and how many versions
    it has and how many of them are archived.

    > MODEL.LIST PREFIX sp
    1) 1) "name"
       2) "spam"
       3) "active"
       4) (integer) 2
       5) "total"
       6) (integer) 2
       7) "archived"
       8) (integer) 0
    """
    listed = []
    for name in model_names(ctx, request.prefix):
        model = Model(name)
        try:
            row = load_row(ctx, model)
            if row is not None:
                listed.append(_summary(ctx, model, row))
        except (CommandError, WrongType):
            count_poison(ctx)
    return listed


def _summary(ctx: Context, model: Model, row: Row) -> dict[bytes, Reply]:
    return {
        b"name": model.name,
        b"active": _active(ctx, model, row),
        b"total": call_integer(ctx, b"HLEN", model.versions),
        b"archived": call_integer(ctx, b"SCARD", model.archive),
    }


declare_family_help("MODEL", group="model", since="0.1.0")
