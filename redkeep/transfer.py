"""`redkeep export` and `redkeep import`: data files as lines of JSON, and back.

Each line is one key:

    {"db": 0, "key": "user:1", "type": "hash", "value": [["name", "ann"]], "expires_ms": null}

A string is JSON text if it is valid UTF-8, otherwise {"base64": "..."}. A list or a set is an
array, a hash or a sorted set an array of pairs, a stream an array of its entries. `then` holds
commands that restore what such a value does not show: deadlines of fields, consumer groups,
pending entries. A type that Redis does not have is restored by `then` alone; its `value` is null.

A library of functions is a line of its own: {"library": "#!lua name=..."}.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, TypeGuard

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from redkeep import bundled
from redkeep.new_files import created

if TYPE_CHECKING:
    from commands.engine.effects import Outcome
    from commands.instance.context import Context
    from commands.instance.instance import Instance
    from storage.keyspace import Keyspace
    from storage.values.types import Value

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# Keys between two updates of the progress bar.
_STEP = 1000


class RecordError(ValueError):
    """Why a line of JSON is not a valid key record."""


def export(source: Path, target: IO[bytes]) -> int:
    """Write the data of a file or directory as lines of JSON. Returns the number of keys."""
    bundled.use()
    from commands.scripting.functions import libraries_of
    from server.persistence import inspection
    from server.progress import LoadProgress

    try:
        found = inspection.sources(source)
    except inspection.NotFound as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot read {source}: {error.strerror}") from None
    # A directory may hold a log and a snapshot: a server would load the log, which is first.
    chosen = found[0]
    progress = LoadProgress()
    try:
        instance, problem = inspection.load(chosen, progress.show)
    except OSError as error:
        raise click.ClickException(f"cannot read {source}: {error.strerror}") from None
    finally:
        progress.close()
    if problem:
        raise click.ClickException(problem)
    keyspace = instance.keyspace
    total = sum(map(len, keyspace.databases))
    for code in libraries_of(instance).codes():
        target.write(orjson.dumps({"library": _shown(code)}, option=orjson.OPT_APPEND_NEWLINE))
    with _bar() as bar:
        task = bar.add_task("Exporting", total=total)
        for number, line in enumerate(records(keyspace)):
            target.write(line)
            if number % _STEP == 0:
                bar.advance(task, _STEP)
    return total


def records(keyspace: Keyspace) -> Iterator[bytes]:
    """Yield each key as a line of JSON."""
    for database in keyspace.databases:
        for key, value in database.data.items():
            record: dict[str, Json] = {
                "db": database.index,
                "key": _shown(key),
                **_shown_value(key, value),
                "expires_ms": database.deadline(key),
            }
            yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def import_(source: IO[bytes], size: int | None, target: Path) -> int:
    """Create a snapshot from lines of JSON. Returns the number of keys."""
    bundled.use()
    from commands.engine.errors import CommandError
    from commands.families import open_instance
    from commands.instance.context import Context
    from commands.instance.instance import COMPATIBLE_VERSION
    from commands.scripting.functions import libraries_of
    from commands.settings.settings import Settings
    from storage import rdb
    from storage.errors import WrongType

    settings = Settings()
    settings.set(Settings.databases, 1024)
    instance = open_instance(settings)
    ctx = Context(instance, instance.internal_client())
    with created(target) as file, _bar() as bar:
        task = bar.add_task("Importing", total=size)
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                import_record(instance, ctx, line)
            except Exception as error:
                # Handlers run without the checks of a server, so they may fail in any way.
                reason = repr(error)
                if isinstance(error, CommandError):
                    reason = error.text.decode("utf-8", "backslashreplace")
                elif isinstance(error, WrongType):
                    reason = "a request in 'then' is for another type of value"
                elif isinstance(error, ValueError):
                    reason = str(error)
                raise click.ClickException(
                    f"line {number} is not a valid key record: {reason}"
                ) from None
            if number % _STEP == 0:
                bar.update(task, completed=source.tell() if size else number)
        facts = {"redis-ver": COMPATIBLE_VERSION}
        libraries = libraries_of(instance).codes()
        for chunk in rdb.save(instance.keyspace, facts, libraries=libraries):
            file.write(chunk)
    return sum(map(len, instance.keyspace.databases))


def import_record(instance: Instance, ctx: Context, line: bytes) -> None:
    """Create what a line describes; ValueError, CommandError or WrongType if it is not valid."""
    from commands.scripting.functions import libraries_of

    record: Json = orjson.loads(line)
    if not isinstance(record, dict):
        raise RecordError("it is not a JSON object")
    if "library" in record:
        libraries_of(instance).load(_bytes(record["library"]), replace=False)
        return
    databases = instance.keyspace.databases
    index = _field(record, "db")
    if not _is_integer(index) or not 0 <= index < len(databases):
        raise RecordError(f"db must be a number from 0 to {len(databases) - 1}")
    ctx.db = db = databases[index]
    key = _bytes(_field(record, "key"))
    if key in db.data:
        raise RecordError(f"an earlier line has the key {_field(record, 'key')!r} of db {index}")
    for request, reply in _value_requests(key, record):
        if _run(instance, ctx, request) != reply:
            raise RecordError("the value has an element twice, or an ID that is not complete")
    for words in _items(record.get("then", [])):
        request = [_bytes(word) for word in _items(words)]
        _check_is_for(instance, key, request)
        _run(instance, ctx, request)
    deadline = _deadline(record)
    if key not in db.data:
        raise RecordError("it contains no value")
    if deadline is not None:
        _run(instance, ctx, [b"PEXPIREAT", key, b"%d" % deadline])


def _run(instance: Instance, ctx: Context, request: list[bytes]) -> Outcome:
    found = instance.find_command(request)
    assert found is not None
    outcome: Outcome = found.handler(ctx, request)
    return outcome


def _check_is_for(instance: Instance, key: bytes, request: list[bytes]) -> None:
    """Check that this request of a record's `then` writes its key and nothing else."""
    found = instance.find_command(request) if request else None
    if found is None:
        name = request[0].decode(errors="replace") if request else ""
        raise RecordError(f"there is no command {name}")
    command = found.command
    if not command.accepts(len(request)):
        raise RecordError(f"{command.name} has a wrong number of arguments")
    keys = {request[place] for place in command.key_indexes(request)}
    if not command.writes or keys != {key}:
        raise RecordError(f"{command.name} in 'then' must write the key of the record")


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


def _value_requests(key: bytes, record: dict[str, Json]) -> Iterator[tuple[list[bytes], Outcome]]:
    """The commands that create the value of a record, each with the reply of a valid record."""
    from commands.engine.replies import OK
    from storage.values.types import TYPE_NAMES

    value = _field(record, "value")
    match _field(record, "type"):
        case "string":
            yield [b"SET", key, _bytes(value)], OK
        case "list":
            yield _adding(b"RPUSH", key, [[_bytes(item)] for item in _items(value)])
        case "set":
            yield _adding(b"SADD", key, [[_bytes(item)] for item in _items(value)])
        case "zset":
            pairs = map(_pair, _items(value))
            rows = [[_bytes(score), _bytes(member)] for member, score in pairs]
            yield _adding(b"ZADD", key, rows)
        case "hash":
            yield _adding(
                b"HSET", key, [[*map(_bytes, pair)] for pair in map(_pair, _items(value))]
            )
        case "stream":
            for entry_id, words in map(_pair, _items(value)):
                fields = [_bytes(word) for word in _items(words)]
                if not fields or len(fields) % 2:
                    raise RecordError(f"{words!r} is not a list of fields and values")
                yield [b"XADD", key, _bytes(entry_id), *fields], _bytes(entry_id)
        case other if other not in TYPE_NAMES.values():
            raise RecordError(f"there is no type {other!r}")


def _adding(name: bytes, key: bytes, rows: list[list[bytes]]) -> tuple[list[bytes], int]:
    if not rows:
        raise RecordError("the value has no elements")
    return [name, key, *(word for row in rows for word in row)], len(rows)


def _deadline(record: dict[str, Json]) -> int | None:
    deadline = record.get("expires_ms")
    if deadline is None:
        return None
    if not _is_integer(deadline):
        raise RecordError(f"expires_ms must be an integer or null, not {deadline!r}")
    if not -(1 << 63) <= deadline < 1 << 63:
        raise RecordError(f"expires_ms is out of range: {deadline}")
    return deadline


def _is_integer(value: Json) -> TypeGuard[int]:
    # JSON has booleans of its own, which are integers in Python.
    return isinstance(value, int) and not isinstance(value, bool)


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
