"""The keys of models, and the rows of models and versions.

A database has one registry of models. The keys of a model share the hash tag `{name}`:

| key | type | holds |
|---|---|---|
| `redkeep:models:{name}` | string | the row of the model, JSON: `name active latest` |
| `redkeep:model_versions:{name}` | hash | version in decimal → the row of the version, JSON |
| `redkeep:model_order:{name}` | sorted set | the same versions, by their number |
| `redkeep:model_weights:{name}:<version>` | string | weights, if given; a TTL until sealed |
| `redkeep:model_archive:{name}` | set | archived versions |
| `redkeep:model_aliases:{name}` | hash | alias → version |
| `redkeep:model_notes:{name}` | hash | version, or `model` → description, tags, metrics: JSON |
| `redkeep:model_open:{name}` | hash | version that is not sealed → its facts, JSON; a TTL |
| `redkeep:model_latest:{name}` | string | the highest version ever given; a TTL without a model |
| `redkeep:model_dropped:{name}:<n>` | sorted set | versions of a removed model, to be deleted |
| `redkeep:model_dropped_versions:{name}:<n>` | hash | their rows |
| `redkeep:model_dropped_notes:{name}:<n>` | hash | their notes |
| `redkeep:model_dropped_archive:{name}:<n>` | set | those of them that were archived |

`active` is a version or null. `latest` is for readers: the number that counts is in its own key,
which stays when rows are overwritten or removed. Unknown members of a row are kept.

The row of a version is `model version hyperparams metrics data_hash sql parent created_at
created_by`, where `hyperparams` and `metrics` are strings that hold JSON as it was given. With
weights it has `weights_bytes` or `weights_ref`, and `checksum` where that is known. It is written
once; whether the version is active or archived, and what is said about it, is stored elsewhere.

Names are UTF-8, not empty, and do not start with `}`, which would make the hash tag empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from commands.domain.calls import call_integer, call_text, call_texts, write
from commands.domain.errors import failure
from commands.domain.numbers import stored_integer
from commands.domain.records import members_as_written, read_json, write_json
from commands.engine.errors import CommandError
from commands.instance.context import Context

ROWS = b"redkeep:models:{"
VERSIONS = b"redkeep:model_versions:{"
ORDER = b"redkeep:model_order:{"
ARCHIVE = b"redkeep:model_archive:{"
NOTES = b"redkeep:model_notes:{"
DROPPED = b"redkeep:model_dropped:{"
HIGHEST_VERSION = 2**32 - 1
# The members of a model's row that are known here.
_MEMBERS = frozenset(("name", "active", "latest"))
# How many numbers are tried if other clients stored versions that are not in the order yet.
_MOST_TRIED = 1000

Row: TypeAlias = dict[str, object]

_is_version = re.compile(rb"0|[1-9][0-9]{0,9}").fullmatch


class Model:
    """The keys of one model."""

    __slots__ = (
        *("aliases", "archive", "latest", "name", "notes", "open", "order", "row", "versions"),
    )

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.row = b"%b%b}" % (ROWS, name)
        self.versions = b"%b%b}" % (VERSIONS, name)
        self.order = b"%b%b}" % (ORDER, name)
        self.archive = b"%b%b}" % (ARCHIVE, name)
        self.notes = b"%b%b}" % (NOTES, name)
        self.aliases = b"redkeep:model_aliases:{%b}" % name
        self.open = b"redkeep:model_open:{%b}" % name
        self.latest = b"redkeep:model_latest:{%b}" % name

    def weights(self, version: bytes) -> bytes:
        return b"redkeep:model_weights:{%b}:%b" % (self.name, version)


# --- names and numbers ----------------------------------------------------------------------


def is_model_name(name: bytes) -> bool:
    if not name or name.startswith(b"}"):
        return False
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def checked_model(name: bytes) -> Model:
    """Return the model with this name, or raise an error if no model can have it."""
    if is_model_name(name):
        return Model(name)
    if not name or name.startswith(b"}"):
        raise failure(
            "ERR", "invalid model name '{}': it must not be empty or start with '}'", name
        )
    raise failure("ERR", "the name of model '{}' is not valid UTF-8", name)


def read_version(text: bytes) -> int | None:
    """Return a version written in its only form, or None."""
    if not _is_version(text):
        return None
    version = int(text)
    return version if version <= HIGHEST_VERSION else None


def stored_version(value: object) -> int | None:
    """Return a version that a record holds; None if the value cannot be one."""
    return stored_integer(value, 0, HIGHEST_VERSION)


def model_names(
    ctx: Context, prefix: bytes = b"", *, after: bytes | None = None, among: bytes = ROWS
) -> Iterator[bytes]:
    """Yield names of models that have a row (or, among `ORDER`, a version), as keys sort.

    Each name is looked up when it is asked for, so rows may be added and removed meanwhile.
    """
    searched = among + prefix
    start = searched if after is None else b"%b%b}\0" % (among, after)
    while (key := ctx.db.ordered.first(searched, start=start)) is not None:
        if key.endswith(b"}"):
            yield key[len(among) : -1]
        start = key + b"\0"


# --- the row of a model ---------------------------------------------------------------------


def load_row(ctx: Context, model: Model) -> Row | None:
    """Return the row of a model, or None; BADRECORD if it cannot be read.

    Members that are not known here can be written again, and nothing else.
    """
    text = call_text(ctx, b"GET", model.row)
    if text is None:
        return None
    if parse_row(text) is None:
        raise failure("BADRECORD", "the row of model '{}' cannot be read", model.name)
    return members_as_written(text, _MEMBERS)


def readable_row(ctx: Context, model: Model) -> Row | None:
    """Return the row of a model; None if there is none, or one that cannot be read."""
    try:
        return load_row(ctx, model)
    except CommandError:
        return None


def parse_row(text: bytes) -> Row | None:
    """Parse a row; None unless it is a JSON object, and not too deep to be written again."""
    try:
        row = read_json(text)
        write_json(row)
    except (ValueError, TypeError):
        return None
    return row if isinstance(row, dict) else None


def new_row(model: Model) -> Row:
    return {"name": model.name.decode(), "active": None}


def write_row(ctx: Context, model: Model, row: Row) -> None:
    write(ctx, b"SET", model.row, write_json(row), b"KEEPTTL")


# --- versions -------------------------------------------------------------------------------


def has_version(ctx: Context, model: Model, word: bytes) -> bool:
    return call_integer(ctx, b"HEXISTS", model.versions, word) == 1


def is_open(ctx: Context, model: Model, word: bytes) -> bool:
    """Whether the weights of a version are still being sent: as long as their key is there."""
    return bool(
        call_integer(ctx, b"HEXISTS", model.open, word)
        and call_integer(ctx, b"EXISTS", model.weights(word))
    )


def is_archived(ctx: Context, model: Model, word: bytes) -> bool:
    return call_integer(ctx, b"SISMEMBER", model.archive, word) == 1


def can_serve(ctx: Context, model: Model, version: int) -> bool:
    """Whether a version may be active or have an alias: it exists and is not archived.

    A row that ML.PUT stored may name any as the active one.
    """
    word = b"%d" % version
    return has_version(ctx, model, word) and not is_archived(ctx, model, word)


def active_version(ctx: Context, model: Model, row: Row | None) -> int | None:
    """Return the active version."""
    version = None if row is None else stored_version(row.get("active"))
    if version is None or not can_serve(ctx, model, version):
        return None
    return version


def highest_given(ctx: Context, model: Model, row: Row | None) -> int:
    """Return the highest version there ever was, or 0."""
    counted = stored_version(_whole_text(call_text(ctx, b"GET", model.latest)))
    named = None if row is None else stored_version(row.get("latest"))
    top = call_texts(ctx, b"ZRANGE", model.order, b"0", b"0", b"REV")
    existing = read_version(top[0]) if top else None
    return max(counted or 0, named or 0, existing or 0)


def _whole_text(text: bytes | None) -> object:
    return None if text is None else read_version(text)


def next_version(ctx: Context, model: Model, row: Row | None) -> int:
    """Return the number of a new version, which no version ever had."""
    first = highest_given(ctx, model, row) + 1
    for version in range(first, min(first + _MOST_TRIED, HIGHEST_VERSION + 1)):
        if not has_version(ctx, model, b"%d" % version):
            return version
    if first + _MOST_TRIED > HIGHEST_VERSION:
        raise failure("ERR", "model '{}' has used up its versions", model.name)
    raise failure("ERR", "versions of model '{}' are being indexed, try again later", model.name)


def note_given(ctx: Context, model: Model, version: int) -> None:
    """Remember that a number was given. The key has a TTL only while there is no model."""
    write(ctx, b"SET", model.latest, b"%d" % version)


def add_version(ctx: Context, model: Model, version: int, row: bytes) -> None:
    """Store the row of a version."""
    word = b"%d" % version
    write(ctx, b"ZADD", model.order, word, word)
    write(ctx, b"HSET", model.versions, word, row)


def require(ctx: Context, model: Model, version: int) -> bytes:
    """Return the version as a word; NOTFOUND if the model does not have it."""
    word = b"%d" % version
    if not has_version(ctx, model, word):
        if is_open(ctx, model, word):
            raise failure(
                "ERR", "version {} of model '{}' is open, MODEL.SEAL completes it", word, model.name
            )
        raise failure("NOTFOUND", "no version {} of model '{}'", word, model.name)
    return word
