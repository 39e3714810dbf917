"""MODEL.GET, WEIGHTS, VERSIONS and LIST."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import (
    call_integer,
    call_text,
    call_values,
)
from commands.domain.errors import failure
from commands.domain.models.alias_table import aliases_of, by_version, read_aliases
from commands.domain.models.arguments import (
    MODEL_READ,
    Selector,
    find_selected,
    selected,
)
from commands.domain.models.notes import (
    OF_MODEL,
    Note,
    parse_note,
    read_note,
    shown_note,
)
from commands.domain.models.open_versions import find_open
from commands.domain.models.rows import (
    Model,
    Row,
    active_version,
    checked_model,
    is_archived,
    load_row,
    model_names,
    parse_row,
    read_version,
)
from commands.domain.pages import (
    END,
    NAME,
    PAGE,
    PAGE_SIZE,
    PLACE,
    Place,
    SortedPage,
    name_cursor,
)
from commands.domain.records import count_poison, write_json
from commands.engine.containers import declare_family_help
from commands.engine.errors import CommandError
from commands.engine.grammar import Integer, String, Token
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.errors import WrongType

# The members of a version's row that replies show.
_FACTS = ("hyperparams", "metrics", "data_hash", "sql", "parent", "created_at", "created_by")
_OF_WEIGHTS = ("weights_bytes", "weights_ref", "checksum")
# Showing a version, and reading a model, take longer than most items of a page.
_MOST_VERSIONS = 500
_MOST_MODELS = 200


@dataclass(slots=True)
class Get:
    name: bytes
    version: Selector | None = None
    noweights: bool = False


@command(
    "MODEL.GET",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(1)",
    summary="Returns a version of a model, with its weights.",
    arguments=[MODEL_READ, selected(optional=True), Token("NOWEIGHTS", optional=True)],
    request=Get,
)
def model_get(ctx: Context, request: Get) -> Reply:
    """Returns the active version if none is named, and nil if there is no such version. A version
    may be named by an alias, as in `MODEL.GET spam @champion`.

    The reply is a map; facts that were not given at registration are nil. `weights` is the last
    one, and left out with `NOWEIGHTS`. `sealed` is 0 for a version whose weights are still
    being sent.

        > MODEL.GET spam 1 NOWEIGHTS
         1) "model"
         2) "spam"
         3) "version"
         4) (integer) 1
         5) "active"
         6) (integer) 0
         7) "archived"
         8) (integer) 0
         9) "sealed"
        10) (integer) 1
        11) "aliases"
        12) (empty array)
        13) "description"
        14) "The first one."
        15) "tags"
        16) 1) "stage"
            2) "testing"
        17) "reported_metrics"
        18) "{\\"precision\\":{\\"value\\":0.9,\\"at\\":<time>}}"
        19) "hyperparams"
        20) (nil)
        21) "metrics"
        22) "{\\"auc\\": 0.91}"
        23) "data_hash"
        24) (nil)
        25) "sql"
        26) (nil)
        27) "parent"
        28) (nil)
        29) "created_at"
        30) (integer) <time>
        31) "created_by"
        32) "ada"
        33) "weights_bytes"
        34) (integer) 2
        35) "weights_ref"
        36) (nil)
        37) "checksum"
        38) (nil)
    """
    model = checked_model(request.name)
    version, active = find_selected(ctx, model, request.version)
    if version is None:
        return None
    word = b"%d" % version
    text = call_text(ctx, b"HGET", model.versions, word)
    if text is None:
        return _shown_open(ctx, model, version, request)
    facts = parse_row(text)
    if facts is None:
        raise failure(
            "BADRECORD", "the row of version {} of model '{}' cannot be read", word, model.name
        )
    shown = _shown(
        model,
        version,
        facts,
        read_note(ctx, model, word),
        active=version == active,
        archived=is_archived(ctx, model, word),
        aliases=sorted(aliases_of(ctx, model, word)),
    )
    if not request.noweights:
        shown[b"weights"] = call_text(ctx, b"GET", model.weights(word))
    return shown


def _shown_open(ctx: Context, model: Model, version: int, request: Get) -> Reply:
    found = find_open(ctx, model, version)
    if found is None:
        return None
    facts = found.facts | {"weights_bytes": found.size}
    shown = _shown(model, version, facts, Note(), sealed=False)
    if not request.noweights:
        shown[b"weights"] = None
    return shown


def _shown(
    model: Model,
    version: int,
    facts: Row,
    note: Note,
    *,
    active: bool = False,
    archived: bool = False,
    sealed: bool = True,
    aliases: list[bytes] | list[Reply] | None = None,
) -> dict[bytes, Reply]:
    """Return the map that a reply shows of a version."""
    shown: dict[bytes, Reply] = {
        b"model": model.name,
        b"version": version,
        b"active": int(active),
        b"archived": int(archived),
        b"sealed": int(sealed),
        b"aliases": aliases or [],
        **shown_note(note),
    }
    shown.update((name.encode(), _value(facts.get(name))) for name in _FACTS + _OF_WEIGHTS)
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


@dataclass(slots=True)
class Weights:
    name: bytes
    version: Selector
    offset: int = 0
    length: int | None = None


@command(
    "MODEL.WEIGHTS",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(N) with N the length of the returned part",
    summary="Returns the weights of a version, or a part of them.",
    arguments=[
        MODEL_READ,
        selected(),
        Integer("bytes", "OFFSET", optional=True, low=0, high=INT64_MAX, unit="bytes"),
        Integer("bytes", "LENGTH", optional=True, low=1, high=INT64_MAX, unit="bytes"),
    ],
    request=Weights,
)
def model_weights(ctx: Context, request: Weights) -> Reply:
    """Returns up to `LENGTH` bytes from `OFFSET` on, all if they are left out, an empty string
    behind the end, and nil if there is no such version or it has no weights. Large weights are
    best read in parts of a few megabytes.

        > MODEL.WEIGHTS spam 1 OFFSET 1 LENGTH 10
        "1"
    """
    model = checked_model(request.name)
    version = find_selected(ctx, model, request.version)[0]
    if version is None:
        return None
    word = b"%d" % version
    key = model.weights(word)
    if not call_integer(ctx, b"HEXISTS", model.versions, word):
        return None
    if not request.offset and request.length is None:
        return call_text(ctx, b"GET", key)
    size = call_integer(ctx, b"STRLEN", key)
    if not size and not call_integer(ctx, b"EXISTS", key):
        return None
    if request.offset >= size:
        return b""
    end = size if request.length is None else min(size, request.offset + request.length)
    return call_text(ctx, b"GETRANGE", key, b"%d" % request.offset, b"%d" % (end - 1))


@dataclass(slots=True)
class Versions:
    name: bytes
    cursor: Place = None
    count: int = PAGE_SIZE


@command(
    "MODEL.VERSIONS",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) with N the number of versions and M of those returned",
    summary="Lists the versions of a model, oldest first, a page at a time.",
    arguments=[MODEL_READ, PLACE, PAGE],
    request=Versions,
)
def model_versions(ctx: Context, request: Versions) -> Reply:
    """Returns a cursor and maps as in the reply to `MODEL.GET`, without weights. Pass the cursor
    to the next call until it is 0. A page has at most `COUNT` versions (default 100, never more
    than 500). Rows that cannot be read are skipped.

        > MODEL.VERSIONS nosuch
        1) "0"
        2) (empty array)
    """
    model = checked_model(request.name)
    active = active_version(ctx, model, load_row(ctx, model))
    page = SortedPage(ctx, model.order, request.cursor)
    members = page.take(min(request.count, _MOST_VERSIONS))
    if not members:
        return [END, []]
    texts = call_values(ctx, b"HMGET", model.versions, *members)
    notes = call_values(ctx, b"HMGET", model.notes, *members)
    archived = ctx.call(b"SMISMEMBER", model.archive, *members)
    assert isinstance(archived, list)
    aliases = by_version(read_aliases(ctx, model))
    found = []
    for word, text, said, is_set_aside in zip(members, texts, notes, archived, strict=True):
        version = read_version(word)
        facts = None if text is None else parse_row(text)
        note = parse_note(said)
        if version is None or facts is None or note is None:
            count_poison(ctx)
            continue
        found.append(
            _shown(
                model,
                version,
                facts,
                note,
                active=version == active,
                archived=bool(is_set_aside),
                aliases=aliases.get(word),
            )
        )
    return [page.cursor(), found]


@dataclass(slots=True)
class List:
    prefix: bytes = b""
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "MODEL.LIST",
    group="model",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of models returned and N of all keys",
    summary="Lists the models, a page at a time.",
    arguments=[String("prefix", "PREFIX", optional=True), NAME, PAGE],
    request=List,
)
def model_list(ctx: Context, request: List) -> Reply:
    """Returns a cursor and a map for each model: its name, the active version or nil, how many
    versions it has and how many of them are archived, its aliases with their versions, and its
    description. Pass the cursor to the next call until it is 0. A page has at most `COUNT` models
    (default 100, never more than 200).

        > MODEL.LIST PREFIX sp
        1) "0"
        2) 1)  1) "name"
               2) "spam"
               3) "active"
               4) (integer) 2
               5) "total"
               6) (integer) 2
               7) "archived"
               8) (integer) 0
               9) "aliases"
              10) 1) "champion"
                  2) (integer) 2
              11) "description"
              12) "Finds unwanted mail."
    """
    listed: list[Reply] = []
    most = min(request.count, _MOST_MODELS)
    last = request.cursor
    for examined, name in enumerate(model_names(ctx, request.prefix, after=last)):
        if examined == most:
            assert last is not None
            return [name_cursor(last), listed]
        last = name
        model = Model(name)
        try:
            row = load_row(ctx, model)
            if row is not None:
                listed.append(_summary(ctx, model, row))
        except (CommandError, WrongType):
            count_poison(ctx)
    return [END, listed]


def _summary(ctx: Context, model: Model, row: Row) -> dict[bytes, Reply]:
    aliases = read_aliases(ctx, model)
    versions = {alias: read_version(word) for alias, word in sorted(aliases.items())}
    description = read_note(ctx, model, OF_MODEL).description
    return {
        b"name": model.name,
        b"active": active_version(ctx, model, row),
        b"total": call_integer(ctx, b"ZCARD", model.order),
        b"archived": call_integer(ctx, b"SCARD", model.archive),
        b"aliases": {alias: version for alias, version in versions.items() if version is not None},
        b"description": None if description is None else description.encode(),
    }


declare_family_help("MODEL", group="model", since="0.1.0")
