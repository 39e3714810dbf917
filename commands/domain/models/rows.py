"""The rows of models and of their versions, and the keys they are stored under.

A database has one registry of models. The keys of a model share the hash tag `{name}`:

| key | type | holds |
|---|---|---|
| `redkeep:models:{name}` | string | the row of the model, JSON: `name active latest` |
| `redkeep:model_versions:{name}` | hash | version in decimal → the row of the version, JSON |
| `redkeep:model_weights:{name}` | hash | version in decimal → weights, if given |
| `redkeep:model_archive:{name}` | set | archived versions |

`active` is a version or null, `latest` the highest version there ever was: the number of a
version that was deleted is not used again. Unknown members of a row are kept.

The row of a version is `model version hyperparams metrics data_hash sql parent created_at
created_by`, where `hyperparams` and `metrics` are strings that hold JSON as it was given. It
is written once; whether the version is active or archived is stored elsewhere.

Names are UTF-8, not empty, and do not start with `}`, which would make the hash tag empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from commands.domain.calls import call_text, call_texts
from commands.domain.errors import failure
from commands.domain.records import read_json, write_json
from commands.instance.context import Context

ROWS = b"redkeep:models:{"
VERSIONS = b"redkeep:model_versions:{"
HIGHEST_VERSION = 2**32 - 1

Row: TypeAlias = dict[str, object]

_is_version = re.compile(rb"0|[1-9][0-9]{0,9}").fullmatch


class Model:
    """The keys of one model."""

    __slots__ = ("archive", "name", "row", "versions", "weights")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.row = b"%b%b}" % (ROWS, name)
        self.versions = b"%b%b}" % (VERSIONS, name)
        self.weights = b"redkeep:model_weights:{%b}" % name
        self.archive = b"redkeep:model_archive:{%b}" % name


def checked_model(name: bytes) -> Model:
    """Return the model with this name, or raise an error if no model can have it."""
    if not name or name.startswith(b"}"):
        raise failure(
            "ERR", "invalid model name '{}': it must not be empty or start with '}'", name
        )
    try:
        name.decode()
    except UnicodeDecodeError:
        raise failure("ERR", "the name of model '{}' is not valid UTF-8", name) from None
    return Model(name)


def read_version(text: bytes) -> int | None:
    """Return a version written in its only form, or None."""
    if not _is_version(text):
        return None
    version = int(text)
    return version if version <= HIGHEST_VERSION else None


def load_row(ctx: Context, model: Model) -> Row | None:
    """Return the row of a model, or None; BADRECORD if it cannot be read."""
    text = call_text(ctx, b"GET", model.row)
    if text is None:
        return None
    row = parse_row(text)
    if row is None:
        raise failure("BADRECORD", "the row of model '{}' cannot be read", model.name)
    return row


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


def latest_version(ctx: Context, model: Model, row: Row) -> int:
    """Return the highest version there ever was, or 0.

    If the row does not say, it is the highest version that exists.
    """
    latest = stored_version(row.get("latest"))
    return max(versions_of(ctx, model), default=0) if latest is None else latest


def write_row(ctx: Context, model: Model, row: Row) -> None:
    ctx.call(b"SET", model.row, write_json(row), b"KEEPTTL")


def stored_version(value: object) -> int | None:
    """Return a version that a row holds; None if the value cannot be one."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= HIGHEST_VERSION else None


def versions_of(ctx: Context, model: Model) -> list[int]:
    """Return the versions of a model in their order. Other fields of the hash are ignored."""
    fields = call_texts(ctx, b"HKEYS", model.versions)
    return sorted(version for field in fields if (version := read_version(field)) is not None)


def model_names(
    ctx: Context, prefix: bytes = b"", *, after: bytes | None = None, among: bytes = ROWS
) -> Iterator[bytes]:
    """Yield names of models that have a row (or, among `VERSIONS`, a version), as keys sort.

    Each name is looked up when it is asked for, so rows may be added and removed meanwhile.
    """
    searched = among + prefix
    start = searched if after is None else b"%b%b}\0" % (among, after)
    while (key := ctx.db.ordered.first(searched, start=start)) is not None:
        if key.endswith(b"}"):
            yield key[len(among) : -1]
        start = key + b"\0"
