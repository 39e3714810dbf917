"""The rows of models and of their versions: what MODEL.* and ML.* both read and write.

The registry is one per database; it knows no pools. A model's keys share the hash tag
`{name}`:

| key | type | holds |
|---|---|---|
| `redkeep:models:{name}` | string | the model's row, JSON: `name active latest` |
| `redkeep:model_versions:{name}` | hash | version in decimal → the version's row, JSON |
| `redkeep:model_weights:{name}` | hash | version in decimal → the blob; only where given |
| `redkeep:model_archive:{name}` | set | versions that are archived |

`active` is a version or null, `latest` the highest version there ever was: what is deleted
is not numbered again. Members of the row that are not known here are kept. A version's row
is `model version hyperparams metrics data_hash sql parent created_at created_by`, where
`hyperparams` and `metrics` are JSON texts, kept as given in opaque strings; it is written
once. Whether a version is active or archived stands beside it.

The `models` and `model_versions` of ML.* are these rows. Its pool does not divide them:
every pool sees the one registry. A version that is put without its model makes the model's
row; one that is above `latest` raises it.

Names are UTF-8, not empty, and do not start with `}`, which would leave an empty tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from commands.domain.errors import failure
from commands.domain.records import read_json, write_json
from commands.instance.context import Context

ROWS = b"redkeep:models:{"
VERSIONS = b"redkeep:model_versions:{"
HIGHEST_VERSION = 2**32 - 1

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
    """A model of a name that a model can have."""
    if not name or name.startswith(b"}"):
        raise failure("ERR", "no model can be named '{}'", name)
    try:
        name.decode()
    except UnicodeDecodeError:
        raise failure("ERR", "the name of model '{}' is not UTF-8", name) from None
    return Model(name)


def read_version(text: bytes) -> int | None:
    """A version in its only spelling, or None."""
    if not _is_version(text):
        return None
    version = int(text)
    return version if version <= HIGHEST_VERSION else None


# --- the keys of ML.* ------------------------------------------------------------------------


def version_key(model: bytes, version: int) -> bytes:
    """How ML.* names a version: `<model>@v<n>`."""
    return b"%b@v%d" % (model, version)


def parse_version_key(key: bytes) -> tuple[bytes, int] | None:
    """Model and version, split at the last `@v`; None for a key of another form."""
    name, mark, text = key.rpartition(b"@v")
    version = read_version(text)
    if not mark or version is None:
        return None
    return name, version


# --- rows of models --------------------------------------------------------------------------


def load_row(ctx: Context, model: Model) -> dict[str, Any] | None:
    """A model's row; BADRECORD if it is none, None if it is not there."""
    text = ctx.call(b"GET", model.row)
    if text is None:
        return None
    row = parse_row(text)
    if row is None:
        raise failure("BADRECORD", "the row of model '{}' cannot be read", model.name)
    return row


def parse_row(text: bytes | bytearray) -> dict[str, Any] | None:
    """A row that is a JSON object, and not nested deeper than JSON can be written."""
    try:
        row = read_json(text)
        write_json(row)
    except (ValueError, TypeError):
        return None
    return row if isinstance(row, dict) else None


def new_row(model: Model) -> dict[str, Any]:
    return {"name": model.name.decode(), "active": None}


def latest_version(ctx: Context, model: Model, row: dict[str, Any]) -> int:
    """The highest version there ever was, 0 for none; from what is there if no row says."""
    latest = whole(row.get("latest"))
    return max(versions_of(ctx, model), default=0) if latest is None else latest


def write_row(ctx: Context, model: Model, row: dict[str, Any]) -> None:
    ctx.call(b"SET", model.row, write_json(row), b"KEEPTTL")


def whole(value: Any) -> int | None:
    """A version as a row gives it; None for anything else that may stand there."""
    known = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if known and value <= HIGHEST_VERSION else None


def model_names(
    ctx: Context, prefix: bytes = b"", *, after: bytes | None = None, among: bytes = ROWS
) -> Iterator[bytes]:
    """Names of models that have a row (or, among `VERSIONS`, a version), ordered as keys are.

    Looked up as they are asked for, so that rows may come and go meanwhile.
    """
    searched = among + prefix
    start = searched if after is None else b"%b%b}\0" % (among, after)
    while (key := ctx.db.ordered.first(searched, start=start)) is not None:
        if key.endswith(b"}"):
            yield key[len(among) : -1]
        start = key + b"\0"


# --- what ML.* does --------------------------------------------------------------------------


def get_model(ctx: Context, name: bytes) -> bytes | None:
    """The text of a model's row."""
    text = ctx.call(b"GET", checked_model(name).row)
    return None if text is None else bytes(text)


def put_model(ctx: Context, name: bytes, text: bytes) -> None:
    """Replace a model's row with a text that is JSON."""
    model = checked_model(name)
    ctx.call(b"STRLEN", model.row)
    ctx.call(b"SET", model.row, text, b"KEEPTTL")


def delete_model(ctx: Context, name: bytes) -> bool:
    """Remove the row of a model; its versions stay."""
    model = checked_model(name)
    ctx.call(b"STRLEN", model.row)
    return bool(ctx.call(b"DEL", model.row))


def get_version(ctx: Context, name: bytes, version: int) -> bytes | None:
    """The text of a version's row."""
    text: bytes | None = ctx.call(b"HGET", checked_model(name).versions, b"%d" % version)
    return text


def put_version(ctx: Context, name: bytes, version: int, text: bytes) -> None:
    """Put a version's row, a text that is JSON; its model's row is made or raised."""
    model = checked_model(name)
    row = load_row(ctx, model) or new_row(model)
    ctx.call(b"HSET", model.versions, b"%d" % version, text)
    latest = max(latest_version(ctx, model, row), version)
    if row.get("latest") != latest:
        row["latest"] = latest
        write_row(ctx, model, row)


def delete_version(ctx: Context, name: bytes, version: int) -> bool:
    """Remove a version with its weights; its number is not given again."""
    model = checked_model(name)
    word = b"%d" % version
    row = load_row(ctx, model)
    ctx.call(b"HLEN", model.weights)
    ctx.call(b"SCARD", model.archive)
    if not ctx.call(b"HDEL", model.versions, word):
        return False
    ctx.call(b"HDEL", model.weights, word)
    ctx.call(b"SREM", model.archive, word)
    if row is not None and row.get("active") == version:
        row["active"] = None
        write_row(ctx, model, row)
    return True


def versions_of(ctx: Context, model: Model) -> list[int]:
    """The versions a model has, in order; what else is in the hash is passed over."""
    fields = ctx.call(b"HKEYS", model.versions)
    return sorted(version for field in fields if (version := read_version(field)) is not None)
