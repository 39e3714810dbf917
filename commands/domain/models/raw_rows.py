"""The namespaces `models` and `model_versions` of ML.*.

The key of a version is `<model>@v<n>`, split at the last `@v`. Pools do not divide models:
every pool has the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from commands.domain.calls import call_integer, call_text
from commands.domain.errors import failure
from commands.domain.models.rows import (
    VERSIONS,
    Model,
    checked_model,
    latest_version,
    load_row,
    model_names,
    new_row,
    read_version,
    stored_version,
    versions_of,
    write_row,
)
from commands.domain.pages import END, LARGEST_PAGE, invalid_cursor, name_cursor, read_name
from commands.domain.raw_rows import RowPage, check_object, check_stored
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType

# In front of the last key of a page, so that no cursor but the last is 0.


class ModelRows:
    """The rows of models, by name."""

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        check_object(key, row)
        model = checked_model(key)
        _check_row_key(ctx, model)
        ctx.call(b"SET", model.row, row, b"KEEPTTL")

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        return _model_row(ctx, key)

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        """Remove the row of a model; its versions stay."""
        model = checked_model(key)
        _check_row_key(ctx, model)
        return call_integer(ctx, b"DEL", model.row) == 1

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        return _page(self._rows(ctx, read_name(cursor)), count)

    def _rows(self, ctx: Context, after: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Yield names and rows, from behind one name on."""
        for name in model_names(ctx, after=after):
            try:
                row = _model_row(ctx, name)
            except (CommandError, WrongType):
                count_poison(ctx)
                continue
            if row is not None:
                yield name, row


class VersionRows:
    """The rows of versions, by model and number."""

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        """Store the row of a version; create the row of its model, or raise its `latest`."""
        check_object(key, row)
        parsed = parse_version_key(key)
        if parsed is None:
            raise failure("ERR", "a key of model_versions must be <model>@v<n>, not '{}'", key)
        name, version = parsed
        model = checked_model(name)
        model_row = load_row(ctx, model) or new_row(model)
        ctx.call(b"HSET", model.versions, b"%d" % version, row)
        latest = max(latest_version(ctx, model, model_row), version)
        if stored_version(model_row.get("latest")) != latest:
            model_row["latest"] = latest
            write_row(ctx, model, model_row)

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        parsed = parse_version_key(key)
        return None if parsed is None else _version_row(ctx, *parsed)

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        """Remove a version with its weights. Its number is not used again."""
        parsed = parse_version_key(key)
        if parsed is None:
            return False
        name, version = parsed
        model, word = checked_model(name), b"%d" % version
        model_row = load_row(ctx, model)
        _check_version_keys(ctx, model)
        if not call_integer(ctx, b"HDEL", model.versions, word):
            return False
        ctx.call(b"HDEL", model.weights, word)
        ctx.call(b"SREM", model.archive, word)
        if model_row is not None and stored_version(model_row.get("active")) == version:
            model_row["active"] = None
            write_row(ctx, model, model_row)
        return True

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        after = read_name(cursor)
        last = None if after is None else parse_version_key(after)
        if after is not None and last is None:
            raise invalid_cursor(cursor)
        return _page(self._rows(ctx, last), count)

    def _rows(self, ctx: Context, last: tuple[bytes, int] | None) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and rows, from behind one version on."""
        if last is not None:
            yield from self._rows_of(ctx, last[0], above=last[1])
        for name in model_names(ctx, after=None if last is None else last[0], among=VERSIONS):
            yield from self._rows_of(ctx, name)

    def _rows_of(self, ctx: Context, name: bytes, above: int = -1) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and rows of one model, from above one version on."""
        try:
            versions = versions_of(ctx, Model(name))
        except WrongType:
            count_poison(ctx)
            return
        for version in versions:
            if version <= above:
                continue
            try:
                row = _version_row(ctx, name, version)
            except (CommandError, WrongType):
                count_poison(ctx)
                continue
            if row is not None:
                yield version_key(name, version), row


# --- stored rows -----------------------------------------------------------------------------


def _model_row(ctx: Context, name: bytes) -> bytes | None:
    row = call_text(ctx, b"GET", checked_model(name).row)
    if row is not None:
        check_stored("models", name, row)
    return row


def _version_row(ctx: Context, name: bytes, version: int) -> bytes | None:
    row = call_text(ctx, b"HGET", checked_model(name).versions, b"%d" % version)
    if row is not None:
        check_stored("model_versions", version_key(name, version), row)
    return row


def _check_row_key(ctx: Context, model: Model) -> None:
    """Raise WrongType unless the key of the row can hold one; SET and DEL would not."""
    ctx.call(b"STRLEN", model.row)


def _check_version_keys(ctx: Context, model: Model) -> None:
    """Raise WrongType before anything is removed, not half-way."""
    ctx.call(b"HLEN", model.weights)
    ctx.call(b"SCARD", model.archive)


# --- keys and cursors ------------------------------------------------------------------------


def version_key(model: bytes, version: int) -> bytes:
    """Return the key of a version: `<model>@v<n>`."""
    return b"%b@v%d" % (model, version)


def parse_version_key(key: bytes) -> tuple[bytes, int] | None:
    """Return model and version, split at the last `@v`; None for a key of another form."""
    name, mark, text = key.rpartition(b"@v")
    version = read_version(text)
    if not mark or version is None:
        return None
    return name, version


def _page(rows: Iterator[tuple[bytes, bytes]], count: int) -> RowPage:
    items: list[tuple[bytes, bytes]] = []
    for item in rows:
        if len(items) == min(count, LARGEST_PAGE):
            return name_cursor(items[-1][0]), items
        items.append(item)
    return END, items
