"""`redkeep export` and `redkeep import`: data files as lines of JSON, and back.

Each line is one key:

    {"db": 0, "key": "user:1", "type": "hash", "value": [["name", "ann"]], "expires_ms": null}

A string is JSON text if it is valid UTF-8, otherwise {"base64": "..."}. A list or a set is an
array, a hash or a sorted set an array of pairs, a stream an array of its entries. `then` holds
commands that restore what such a value does not show: deadlines of fields, consumer groups,
pending entries. A type that Redis does not have is restored by `then` alone; its `value` is null.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from redkeep import bundled

if TYPE_CHECKING:
    from commands.instance.context import Context
    from commands.instance.instance import Instance
    from storage.values.types import Value

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# Keys between two updates of the progress bar.
_STEP = 1000


class RecordError(ValueError):
    """Why a line of JSON is not a valid key record."""


def export(source: Path, target: IO[bytes]) -> int:
    """Write the data of a file or directory as lines of JSON. Returns the number of keys."""
    bundled.use()
    from server.persistence import inspection
    from server.progress import LoadProgress

    try:
        found = inspection.sources(source)
    except inspection.NotFound as error:
        raise click.ClickException(str(error)) from None
    # A directory may hold a log and a snapshot: a server would load the log, which is first.
    chosen = found[0]
    progress = LoadProgress()
    try:
        keyspace, problem = inspection.load(chosen, progress.show)
    except OSError as error:
        raise click.ClickException(f"cannot read {source}: {error.strerror}") from None
    finally:
        progress.close()
    if problem:
        raise click.ClickException(problem)
    total = sum(map(len, keyspace.databases))
    with _bar() as bar:
        task = bar.add_task("Exporting", total=total)
        for database in keyspace.databases:
            for number, (key, value) in enumerate(database.data.items()):
                record: dict[str, Json] = {
                    "db": database.index,
                    "key": _shown(key),
                    **_shown_value(key, value),
                    "expires_ms": database.deadline(key),
                }
                target.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
                if number % _STEP == 0:
                    bar.advance(task, _STEP)
    return total


def import_(source: IO[bytes], size: int | None, target: Path) -> int:
    """Create a snapshot from lines of JSON. Returns the number of keys."""
    bundled.use()
    from commands.engine.errors import CommandError
    from commands.families import open_instance
    from commands.instance.context import Context
    from commands.settings.settings import Settings
    from server.persistence.snapshots import write_snapshot

    if target.exists():
        raise click.ClickException(f"{target} already exists and is not overwritten")
    settings = Settings()
    settings.set(Settings.databases, 1024)
    instance = open_instance(settings)
    ctx = Context(instance, instance.internal_client())
    with _bar() as bar:
        task = bar.add_task("Importing", total=size)
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                _import_line(instance, ctx, line)
            except Exception as error:
                # Handlers run without the checks of a server, so they may fail in any way.
                reason = repr(error)
                if isinstance(error, CommandError):
                    reason = error.text.decode("utf-8", "backslashreplace")
                elif isinstance(error, ValueError):
                    reason = str(error)
                raise click.ClickException(
                    f"line {number} is not a valid key record: {reason}"
                ) from None
            if number % _STEP == 0:
                bar.update(task, completed=source.tell() if size else number)
    try:
        write_snapshot(instance, instance.keyspace, target)
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {error.strerror}") from None
    return sum(map(len, instance.keyspace.databases))


def _import_line(instance: Instance, ctx: Context, line: bytes) -> None:
    record: Json = orjson.loads(line)
    if not isinstance(record, dict):
        raise RecordError("it is not a JSON object")
    databases = instance.keyspace.databases
    index = _field(record, "db")
    if not isinstance(index, int) or not 0 <= index < len(databases):
        raise RecordError(f"db must be a number from 0 to {len(databases) - 1}")
    ctx.db = databases[index]
    for request in _requests(record):
        found = instance.find_command(request)
        if found is None:
            raise RecordError(f"there is no command {request[0].decode(errors='replace')}")
        found.handler(ctx, request)


def _bar() -> Progress:
    return Progress(console=Console(stderr=True), transient=True, disable=not os.isatty(2))


# --- values to JSON ----------------------------------------------------------------------------


def _shown(data: bytes | bytearray) -> Json:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _shown_value(key: bytes, value: Value) -> dict[str, Json]:
    """The `type`, `value` and, where needed, `then` of a record."""
    from storage.aof.rebuild import rebuild_value
    from storage.values.hashes import Hash
    from storage.values.lists import List
    from storage.values.sets import Set
    from storage.values.sorted_sets import SortedSet
    from storage.values.streams import Stream
    from storage.values.types import type_name

    shown: Json = None
    then: list[list[bytes]] = []
    match value:
        case bytes() | bytearray():
            shown = _shown(value)
        case List() | Set():
            shown = [_shown(item) for item in value]
        case SortedSet():
            shown = [[_shown(member), f"{score:.17g}"] for member, score in value.items()]
        case Hash():
            shown = [[_shown(field), _shown(content)] for field, content in value.items()]
            then = [request for request in rebuild_value(key, value) if request[0] != b"HSET"]
        case Stream():
            entries: list[Json] = []
            for request in rebuild_value(key, value):
                # XADD with MAXLEN restores an empty stream, so it adds no entry.
                if request[0] == b"XADD" and request[2] != b"MAXLEN":
                    entries.append([_shown(request[2]), [_shown(word) for word in request[3:]]])
                else:
                    then.append(request)
            shown = entries
        case _:
            then = list(rebuild_value(key, value))
    record: dict[str, Json] = {"type": type_name(value), "value": shown}
    if then:
        record["then"] = [[_shown(word) for word in request] for request in then]
    return record


# --- JSON to requests ----------------------------------------------------------------------------


def _requests(record: dict[str, Json]) -> Iterator[list[bytes]]:
    """The commands that create the key of a record."""
    from storage.values.types import TYPE_NAMES

    key, value = _bytes(_field(record, "key")), _field(record, "value")
    match _field(record, "type"):
        case "string":
            yield [b"SET", key, _bytes(value)]
        case "list":
            yield [b"RPUSH", key, *map(_bytes, _items(value))]
        case "set":
            yield [b"SADD", key, *map(_bytes, _items(value))]
        case "zset":
            pairs = map(_pair, _items(value))
            yield [b"ZADD", key, *(_bytes(w) for member, score in pairs for w in (score, member))]
        case "hash":
            pairs = map(_pair, _items(value))
            yield [b"HSET", key, *(_bytes(word) for pair in pairs for word in pair)]
        case "stream":
            for entry_id, words in map(_pair, _items(value)):
                yield [b"XADD", key, _bytes(entry_id), *map(_bytes, _items(words))]
        case other if other not in TYPE_NAMES.values():
            raise RecordError(f"there is no type {other!r}")
    for request in _items(record.get("then", [])):
        yield [_bytes(word) for word in _items(request)]
    deadline = record.get("expires_ms")
    if deadline is not None:
        if not isinstance(deadline, int | float | str):
            raise RecordError(f"expires_ms must be an integer or null, not {deadline!r}")
        yield [b"PEXPIREAT", key, b"%d" % int(deadline)]


def _field(record: dict[str, Json], name: str) -> Json:
    if name not in record:
        raise RecordError(f"{name} is missing")
    return record[name]


def _bytes(shown: Json) -> bytes:
    if isinstance(shown, dict):
        shown = _field(shown, "base64")
        if isinstance(shown, str):
            return b64decode(shown, validate=True)
    if not isinstance(shown, str):
        raise RecordError(f"{shown!r} is not a string")
    return shown.encode()


def _items(shown: Json) -> list[Json]:
    if not isinstance(shown, list):
        raise RecordError(f"{shown!r} is not an array")
    return shown


def _pair(shown: Json) -> tuple[Json, Json]:
    items = _items(shown)
    if len(items) != 2:
        raise RecordError(f"{shown!r} is not a pair")
    first, second = items
    return first, second
