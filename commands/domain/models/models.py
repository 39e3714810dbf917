"""MODEL.*: a registry of models and their versions.

Where they lie, and what ML.* has to do with it: `commands.model_rows`.
"""

from __future__ import annotations

from typing import Any

from commands.domain.errors import failure
from commands.domain.events import publish
from commands.domain.models.rows import (
    HIGHEST_VERSION,
    Model,
    checked_model,
    latest_version,
    load_row,
    model_names,
    new_row,
    parse_row,
    read_version,
    versions_of,
    whole,
    write_row,
)
from commands.domain.records import checked_json, count_poison, write_json
from commands.engine.arguments import Arguments
from commands.engine.containers import declare_family_help
from commands.engine.errors import NOT_AN_INTEGER, SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String, Token
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.errors import WrongType

# What is said of a version, from its row.
_FACTS = ("hyperparams", "metrics", "data_hash", "sql", "parent", "created_at", "created_by")
# What REGISTER takes as a text, and what the row calls it.
_TEXTS = {
    b"HYPERPARAMS": "hyperparams",
    b"METRICS": "metrics",
    b"DATAHASH": "data_hash",
    b"SQL": "sql",
    b"BY": "created_by",
}
_JSON_TEXTS = (b"HYPERPARAMS", b"METRICS")
# How many versions are read by one HMGET.
_BATCH = 1000


def _parse_version(word: bytes) -> int:
    version = read_version(word)
    if version is None:
        raise CommandError(NOT_AN_INTEGER)
    return version


def _require(ctx: Context, model: Model, version: int) -> bytes:
    """The version as a word, if the model has it."""
    word = b"%d" % version
    if not ctx.call(b"HEXISTS", model.versions, word):
        raise failure("NOTFOUND", "no version {} of model '{}'", word, model.name)
    return word


# --- writing -------------------------------------------------------------------------------


@command(
    "MODEL.REGISTER",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Adds a version to a model, made if need be.",
    arguments=[
        Key("name", "RW access insert"),
        String("blob", "WEIGHTS", optional=True),
        String("hyperparams", "HYPERPARAMS", optional=True),
        String("metrics", "METRICS", optional=True),
        String("hash", "DATAHASH", optional=True),
        String("sql", "SQL", optional=True),
        Integer("version", "PARENT", optional=True),
        String("who", "BY", optional=True),
        Token("INACTIVE", optional=True),
    ],
)
def model_register(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers its number, one above the highest there ever was.

    It becomes the active one unless `INACTIVE` is said. `HYPERPARAMS` and `METRICS` are
    JSON, kept as the text they are; `PARENT` is a version of the same model, `NOTFOUND` if
    it is not there; `WEIGHTS` may be any bytes. What is registered never changes.

        > MODEL.REGISTER spam WEIGHTS w1 METRICS '{"auc": 0.91}' BY ada
        (integer) 1
        > MODEL.REGISTER spam PARENT 1 INACTIVE
        (integer) 2
    """
    model = checked_model(argv[1])
    words = Arguments(argv, 2)
    facts: dict[str, Any] = dict.fromkeys(("model", "version", *_FACTS))
    weights: bytes | None = None
    parent: int | None = None
    active = True
    while words:
        option = words.option()
        if option in _TEXTS:
            facts[_TEXTS[option]] = _text(option, words.word())
        elif option == b"WEIGHTS":
            weights = words.word()
        elif option == b"PARENT":
            parent = _parse_version(words.word())
        elif option == b"INACTIVE":
            active = False
        else:
            raise CommandError(SYNTAX)
    row = load_row(ctx, model) or new_row(model)
    version = latest_version(ctx, model, row) + 1
    if ctx.call(b"HEXISTS", model.versions, b"%d" % version):
        # Put there behind the row's back.
        version = versions_of(ctx, model)[-1] + 1
    if version > HIGHEST_VERSION:
        raise failure("ERR", "model '{}' has used up its versions", model.name)
    if parent is not None:
        _require(ctx, model, parent)
    word = b"%d" % version
    ctx.call(b"HLEN", model.weights)
    facts["model"], facts["version"] = model.name.decode(), version
    facts["parent"], facts["created_at"] = parent, ctx.now
    ctx.call(b"HSET", model.versions, word, write_json(facts))
    if weights is not None:
        ctx.call(b"HSET", model.weights, word, weights)
    row["latest"] = version
    if active:
        row["active"] = version
    write_row(ctx, model, row)
    _announce(ctx, model, "register", version, active=active)
    return version


def _text(option: bytes, word: bytes) -> str:
    name = option.decode()
    if option in _JSON_TEXTS:
        checked_json(word, name)
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise failure("BADRECORD", f"{name} is not UTF-8") from None


def _announce(
    ctx: Context, model: Model, change: str, version: int | None = None, **facts: Any
) -> None:
    event = {"event": change, "model": model.name.decode(), **facts}
    if version is not None:
        event["version"] = version
    publish(ctx, "model", model.name, event)


@command(
    "MODEL.ACTIVATE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Makes a version the active one of its model.",
    arguments=[Key("name", "RW access update"), Integer("version")],
)
def model_activate(ctx: Context, argv: list[bytes]) -> Reply:
    """`ARCHIVED` when it is archived, `NOTFOUND` when it is not there.

    > MODEL.ACTIVATE spam 2
    OK
    """
    model, version = checked_model(argv[1]), _parse_version(argv[2])
    row = load_row(ctx, model) or new_row(model)
    word = _require(ctx, model, version)
    if ctx.call(b"SISMEMBER", model.archive, word):
        raise failure("ARCHIVED", "version {} of model '{}' is archived", word, model.name)
    if row.get("active") != version:
        row["latest"] = latest_version(ctx, model, row)
        row["active"] = version
        write_row(ctx, model, row)
        _announce(ctx, model, "activate", version)
    return OK


@command(
    "MODEL.ARCHIVE",
    group="model",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1)",
    summary="Puts a version aside, so that it cannot be active.",
    arguments=[Key("name", "RW access update"), Integer("version")],
)
def model_archive(ctx: Context, argv: list[bytes]) -> Reply:
    """Archiving the active version leaves the model without one. Repeating it is fine.

    > MODEL.ARCHIVE spam 1
    OK
    """
    model, version = checked_model(argv[1]), _parse_version(argv[2])
    row = load_row(ctx, model)
    word = _require(ctx, model, version)
    if not ctx.call(b"SADD", model.archive, word):
        return OK
    if row is not None and row.get("active") == version:
        row["active"] = None
        write_row(ctx, model, row)
    _announce(ctx, model, "archive", version)
    return OK


@command(
    "MODEL.UNARCHIVE",
    group="model",
    since="0.1.0",
    flags="write",
    complexity="O(1)",
    summary="Takes a version back out of the archive.",
    arguments=[Key("name", "RW access update"), Integer("version")],
)
def model_unarchive(ctx: Context, argv: list[bytes]) -> Reply:
    """It is not active by that. Repeating it is fine.

    > MODEL.UNARCHIVE spam 1
    OK
    """
    model, version = checked_model(argv[1]), _parse_version(argv[2])
    if ctx.call(b"SREM", model.archive, _require(ctx, model, version)):
        _announce(ctx, model, "unarchive", version)
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
    """Answers 1, or 0 when there is no such model. A model of that name begins anew.

    > MODEL.DEL nosuch
    (integer) 0
    """
    model = checked_model(argv[1])
    if not ctx.call(b"DEL", model.row, model.versions, model.weights, model.archive):
        return 0
    _announce(ctx, model, "del")
    return 1


# --- reading -------------------------------------------------------------------------------


@command(
    "MODEL.GET",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(1)",
    summary="Answers a version of a model with its weights.",
    arguments=[Key("name", "RO access"), Integer("version", optional=True)],
)
def model_get(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the active version where none is named; nil when there is none.

    A map, the weights last. What was not given at registration is nil.

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
    if len(argv) > 3:
        raise CommandError(SYNTAX)
    model = checked_model(argv[1])
    named = _parse_version(argv[2]) if len(argv) == 3 else None
    row = load_row(ctx, model)
    active = None if row is None else _active(ctx, model, row)
    version = active if named is None else named
    if version is None:
        return None
    word = b"%d" % version
    text = ctx.call(b"HGET", model.versions, word)
    if text is None:
        return None
    facts = parse_row(text)
    if facts is None:
        raise failure(
            "BADRECORD", "the row of version {} of model '{}' cannot be read", word, model.name
        )
    archived = ctx.call(b"SISMEMBER", model.archive, word)
    shown = _shown(model, version, facts, active=version == active, archived=archived == 1)
    shown[b"weights"] = ctx.call(b"HGET", model.weights, word)
    return shown


def _active(ctx: Context, model: Model, row: dict[str, Any]) -> int | None:
    """The version that is active; ML.* can write a row that names one which cannot be."""
    version = whole(row.get("active"))
    if version is None:
        return None
    word = b"%d" % version
    if ctx.call(b"SISMEMBER", model.archive, word):
        return None
    return version if ctx.call(b"HEXISTS", model.versions, word) else None


def _shown(
    model: Model, version: int, facts: dict[str, Any], *, active: bool, archived: bool
) -> dict[bytes, Reply]:
    shown: dict[bytes, Reply] = {
        b"model": model.name,
        b"version": version,
        b"active": int(active),
        b"archived": int(archived),
    }
    shown.update((name.encode(), _value(facts.get(name))) for name in _FACTS)
    return shown


def _value(value: Any) -> Reply:
    """A member of a row as a reply: a text, a number, nil, or the JSON of anything else."""
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
    summary="Answers all versions of a model, oldest first.",
    arguments=[Key("name", "RO access")],
)
def model_versions(ctx: Context, argv: list[bytes]) -> Reply:
    """A map for each, as MODEL.GET answers, without the weights.

    > MODEL.VERSIONS nosuch
    (empty array)
    """
    model = checked_model(argv[1])
    row = load_row(ctx, model)
    active = None if row is None else _active(ctx, model, row)
    versions = versions_of(ctx, model)
    archived = set(ctx.call(b"SMEMBERS", model.archive).items)
    found = []
    for start in range(0, len(versions), _BATCH):
        batch = versions[start : start + _BATCH]
        words = [b"%d" % version for version in batch]
        texts = ctx.call(b"HMGET", model.versions, *words)
        for version, word, text in zip(batch, words, texts, strict=True):
            facts = parse_row(text)
            if facts is None:
                count_poison(ctx)
                continue
            is_active, is_archived = version == active, word in archived
            found.append(_shown(model, version, facts, active=is_active, archived=is_archived))
    return found


@command(
    "MODEL.LIST",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of models answered and N of all keys",
    summary="Lists the models.",
    arguments=[String("prefix", "PREFIX", optional=True)],
)
def model_list(ctx: Context, argv: list[bytes]) -> Reply:
    """For each its name, the active version or nil, and how many there are and are archived.

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
    if len(argv) not in (1, 3) or (len(argv) == 3 and argv[1].upper() != b"PREFIX"):
        raise CommandError(SYNTAX)
    listed = []
    for name in model_names(ctx, argv[2] if len(argv) == 3 else b""):
        model = Model(name)
        try:
            row = load_row(ctx, model)
            if row is not None:
                listed.append(_summary(ctx, model, row))
        except (CommandError, WrongType):
            count_poison(ctx)
    return listed


def _summary(ctx: Context, model: Model, row: dict[str, Any]) -> dict[bytes, Reply]:
    return {
        b"name": model.name,
        b"active": _active(ctx, model, row),
        b"total": ctx.call(b"HLEN", model.versions),
        b"archived": ctx.call(b"SCARD", model.archive),
    }


declare_family_help("MODEL", group="model", since="0.1.0")
