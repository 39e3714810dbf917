"""The namespaces `models` and `model_versions` of ML.*.

The key of a version is `<model>@v<n>`, split at the last `@v`. Pools do not divide models:
every pool has the same ones. Any JSON may be stored here, also rows that MODEL.* cannot read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commands.domain.calls import call_integer, call_scores, call_text, call_values, write
from commands.domain.errors import failure
from commands.domain.models.alias_table import aliases_of
from commands.domain.models.events import announce
from commands.domain.models.footprint import FAMILY, model_footprint
from commands.domain.models.removal import remove
from commands.domain.models.rows import (
    HIGHEST_VERSION,
    ORDER,
    Model,
    add_version,
    checked_model,
    has_version,
    highest_given,
    is_model_name,
    model_names,
    new_row,
    note_given,
    parse_row,
    read_version,
    readable_row,
    stored_version,
    write_row,
)
from commands.domain.numbers import whole
from commands.domain.pages import END, LARGEST_PAGE, invalid_cursor, name_cursor, read_name
from commands.domain.raw_rows import RowPage, check_row, declare_namespace, is_row, stored_row
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType

# Of how many models a page has versions at most: each takes several reads.
_MOST_MODELS = 500


class ModelRows:
    """The rows of models, by name."""

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        """Store a row in place of any other; numbers that were given stay so."""
        check_row("models", key, row)
        model = checked_model(key)
        stored = call_text(ctx, b"GET", model.row)
        if stored == row:
            return
        before, after = readable_row(ctx, model), parse_row(row)
        given = max(highest_given(ctx, model, before), highest_given(ctx, model, after))
        write(ctx, b"SET", model.row, row, b"KEEPTTL")
        if given:
            note_given(ctx, model, given)
        announce(ctx, model, "put", namespace="models")

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        if not is_model_name(key):
            return None
        return stored_row("models", key, call_text(ctx, b"GET", Model(key).row))

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        """Remove the row of a model; its versions stay. Without any, the model is gone."""
        if not is_model_name(key):
            return False
        model = Model(key)
        if call_text(ctx, b"GET", model.row) is None:
            return False
        if not call_integer(ctx, b"HLEN", model.versions):
            remove(ctx, model)
            return True
        given = highest_given(ctx, model, readable_row(ctx, model))
        write(ctx, b"DEL", model.row)
        note_given(ctx, model, given)
        announce(ctx, model, "remove", namespace="models")
        return True

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        count = min(count, LARGEST_PAGE)
        rows: list[tuple[bytes, bytes]] = []
        last = read_name(cursor)
        for examined, name in enumerate(model_names(ctx, after=last)):
            if examined == count:
                assert last is not None
                return name_cursor(last), rows
            last = name
            try:
                row = stored_row("models", name, call_text(ctx, b"GET", Model(name).row))
            except (CommandError, WrongType):
                count_poison(ctx)
                continue
            if row is not None:
                rows.append((name, row))
        return END, rows


class VersionRows:
    """The rows of versions, by model and number."""

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        """Store the row of a version; create the row of its model, or raise its `latest`."""
        check_row("model_versions", key, row)
        parsed = parse_version_key(key)
        if parsed is None:
            raise failure("ERR", "a key of model_versions must be <model>@v<n>, not '{}'", key)
        name, version = parsed
        model, word = checked_model(name), b"%d" % version
        stored = call_text(ctx, b"HGET", model.versions, word)
        is_open = stored is None and call_integer(ctx, b"HEXISTS", model.open, word) == 1
        has_row = call_integer(ctx, b"EXISTS", model.row) == 1
        if stored == row and has_row:
            return
        model_row = readable_row(ctx, model)
        given = highest_given(ctx, model, model_row)
        if not has_row:
            model_row = new_row(model)
        add_version(ctx, model, version, row)
        if stored is None:
            # What an earlier version of this number left, or had sent of its weights.
            write(ctx, b"DEL", model.weights(word))
        if is_open:
            write(ctx, b"HDEL", model.open, word)
        note_given(ctx, model, max(given, version))
        if model_row is not None and (stored_version(model_row.get("latest")) or -1) < version:
            model_row["latest"] = max(given, version)
            write_row(ctx, model, model_row)
        announce(ctx, model, "put", namespace="model_versions", version=version)

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        parsed = parse_version_key(key)
        if parsed is None:
            return None
        row = call_text(ctx, b"HGET", Model(parsed[0]).versions, b"%d" % parsed[1])
        return stored_row("model_versions", key, row)

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        """Remove a version with all that belongs to it. Its number is not used again."""
        parsed = parse_version_key(key)
        if parsed is None:
            return False
        name, version = parsed
        model, word = Model(name), b"%d" % version
        if not has_version(ctx, model, word):
            return False
        has_row = call_integer(ctx, b"EXISTS", model.row) == 1
        if not has_row and call_integer(ctx, b"HLEN", model.versions) == 1:
            remove(ctx, model)
            return True
        model_row = readable_row(ctx, model)
        given = highest_given(ctx, model, model_row)
        aliases = aliases_of(ctx, model, word)
        is_archived = call_integer(ctx, b"SISMEMBER", model.archive, word) == 1
        has_note = call_integer(ctx, b"HEXISTS", model.notes, word) == 1
        write(ctx, b"HDEL", model.versions, word)
        write(ctx, b"ZREM", model.order, word)
        write(ctx, b"DEL", model.weights(word))
        if is_archived:
            write(ctx, b"SREM", model.archive, word)
        if has_note:
            write(ctx, b"HDEL", model.notes, word)
        if aliases:
            write(ctx, b"HDEL", model.aliases, *aliases)
        note_given(ctx, model, max(given, version))
        if model_row is not None and stored_version(model_row.get("active")) == version:
            model_row["active"] = None
            write_row(ctx, model, model_row)
        announce(ctx, model, "remove", namespace="model_versions", version=version)
        return True

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        after = read_name(cursor)
        last = None if after is None else parse_version_key(after)
        if after is not None and last is None:
            raise invalid_cursor(cursor)
        left = min(count, LARGEST_PAGE)
        rows: list[tuple[bytes, bytes]] = []
        for looked_at, (name, above) in enumerate(_models_from(ctx, last)):
            if not left or looked_at == _MOST_MODELS:
                assert last is not None
                return name_cursor(version_key(*last)), rows
            found = _versions_above(ctx, name, above, left + 1)
            rows += _rows_of(ctx, name, found[:left])
            if len(found) > left:
                return name_cursor(version_key(name, _place(found[left - 1], above))), rows
            left -= len(found)
            last = (name, HIGHEST_VERSION)
        return END, rows


def _models_from(ctx: Context, last: tuple[bytes, int] | None) -> Iterator[tuple[bytes, int]]:
    """Yield the names of models from a version on, and above which version to read each."""
    if last is not None and last[1] < HIGHEST_VERSION:
        yield last
    for name in model_names(ctx, after=None if last is None else last[0], among=ORDER):
        yield name, -1


def _versions_above(
    ctx: Context, name: bytes, above: int, most: int
) -> Sequence[tuple[bytes, float]]:
    """Versions of a model above one of them, with their scores, in their order."""
    try:
        return call_scores(
            ctx, b"ZRANGE", Model(name).order, b"(%d" % above, b"%d" % HIGHEST_VERSION,
            b"BYSCORE", b"LIMIT", b"0", b"%d" % most, b"WITHSCORES",
        )  # fmt: skip
    except WrongType:
        count_poison(ctx)
        return []


def _place(last: tuple[bytes, float], above: int) -> int:
    """Where the next page begins after this member of the order.

    A member that is no version may have the score of one, which is then still to be returned.
    """
    member, score = last
    version = whole(score)
    return version if read_version(member) == score or version - 1 <= above else version - 1


def _rows_of(
    ctx: Context, name: bytes, found: Sequence[tuple[bytes, float]]
) -> list[tuple[bytes, bytes]]:
    # Other commands may have added members or changed scores.
    versions = [int(score) for member, score in found if read_version(member) == score]
    if not versions:
        return []
    words = [b"%d" % version for version in versions]
    try:
        texts = call_values(ctx, b"HMGET", Model(name).versions, *words)
    except WrongType:
        count_poison(ctx)
        return []
    rows = []
    for version, text in zip(versions, texts, strict=True):
        if text is not None and is_row(text):
            rows.append((version_key(name, version), text))
        else:
            count_poison(ctx)
    return rows


# --- keys ------------------------------------------------------------------------------------


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


def _model_in(key: bytes) -> bytes:
    parsed = parse_version_key(key)
    return key if parsed is None else parsed[0]


declare_namespace("models", ModelRows(), model_footprint, FAMILY, collection=lambda key: key)
declare_namespace("model_versions", VersionRows(), model_footprint, FAMILY, collection=_model_in)
