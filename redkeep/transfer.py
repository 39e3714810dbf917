"""`redkeep export` and `redkeep import`: data files as lines of JSON, and back.

Each line is one key:

    {"db": 0, "key": "user:1", "type": "hash", "value": [["name", "ann"]], "expires_ms": null}

Strings are texts where they are UTF-8, and {"base64": "..."} where they are not. A list or
set is a list, a hash or sorted set a list of pairs. A stream is its entries, and `then` the
commands that restore the rest: ids, groups, and what is pending.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from redkeep import bundled

# Keys between two looks at the bar.
_STEP = 1000


def export(source: Path, target: IO[bytes]) -> int:
    """Write the data of a file or directory as lines; how many keys there were."""
    bundled.use()
    from server.persistence import inspection
    from server.progress import LoadProgress

    try:
        found = inspection.sources(source)
    except inspection.NotFound as error:
        raise click.ClickException(str(error)) from None
    # A directory may have both: the log is what a server would load.
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
                line = {
                    "db": database.index,
                    "key": _text(key),
                    **_value(key, value),
                    "expires_ms": database.deadline(key),
                }
                target.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                if number % _STEP == 0:
                    bar.advance(task, _STEP)
    return total


def import_(source: IO[bytes], size: int | None, target: Path) -> int:
    """Make a snapshot of lines; how many keys it has."""
    bundled.use()
    from commands.families import open_instance
    from commands.instance.context import Context
    from commands.settings.settings import Settings
    from server.persistence.snapshots import write_snapshot

    if target.exists():
        raise click.ClickException(f"{target} exists; it is not overwritten")
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
                row = orjson.loads(line)
                ctx.db = instance.keyspace.databases[row["db"]]
                for request in _requests(row):
                    found = instance.find_command(request)
                    assert found is not None
                    found.handler(ctx, request)
            except Exception as error:
                # Whatever is wrong with it, the line is what a person has to look at.
                raise click.ClickException(f"line {number} is no key: {error!r}") from None
            if number % _STEP == 0:
                bar.update(task, completed=source.tell() if size else number)
    try:
        write_snapshot(instance, instance.keyspace, target)
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {error.strerror}") from None
    return sum(map(len, instance.keyspace.databases))


def _bar() -> Progress:
    return Progress(console=Console(stderr=True), transient=True, disable=not os.isatty(2))


# --- values to JSON ----------------------------------------------------------------------------


def _text(data: bytes | bytearray) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _value(key: bytes, value: Any) -> dict[str, Any]:
    from storage.aof.rebuild import rebuild_value
    from storage.values.types import type_name

    kind = type_name(value)
    shown: Any
    if kind == "string":
        shown = _text(value)
    elif kind in ("list", "set"):
        shown = [_text(item) for item in value]
    elif kind == "zset":
        shown = [[_text(member), f"{score:.17g}"] for member, score in value.items()]
    else:
        requests = list(rebuild_value(key, value))
        name = b"HSET" if kind == "hash" else b"XADD"
        rest = [[_text(word) for word in r] for r in requests if r[0] != name]
        if kind == "hash":
            shown = [[_text(field), _text(content)] for field, content in value.items()]
        else:
            added = [r for r in requests if r[0] == name and r[2] != b"MAXLEN"]
            shown = [[_text(r[2]), [_text(word) for word in r[3:]]] for r in added]
            rest = [[_text(word) for word in r] for r in requests if r not in added]
        return {"type": kind, "value": shown, "then": rest} if rest else {
            "type": kind, "value": shown,
        }  # fmt: skip
    return {"type": kind, "value": shown}


# --- JSON to requests ----------------------------------------------------------------------------


def _bytes(shown: Any) -> bytes:
    if isinstance(shown, dict):
        return b64decode(shown["base64"], validate=True)
    if not isinstance(shown, str):
        raise TypeError(f"{shown!r} is no string")
    return shown.encode()


def _requests(row: dict[str, Any]) -> Iterator[list[bytes]]:
    key, value = _bytes(row["key"]), row["value"]
    match row["type"]:
        case "string":
            yield [b"SET", key, _bytes(value)]
        case "list":
            yield [b"RPUSH", key, *map(_bytes, value)]
        case "set":
            yield [b"SADD", key, *map(_bytes, value)]
        case "zset":
            yield [b"ZADD", key, *(_bytes(w) for member, score in value for w in (score, member))]
        case "hash":
            yield [b"HSET", key, *(_bytes(word) for pair in value for word in pair)]
        case "stream":
            for entry_id, words in value:
                yield [b"XADD", key, _bytes(entry_id), *map(_bytes, words)]
        case other:
            raise ValueError(f"there is no type {other!r}")
    for request in row.get("then", ()):
        yield [_bytes(word) for word in request]
    deadline = row.get("expires_ms")
    if deadline is not None:
        yield [b"PEXPIREAT", key, b"%d" % int(deadline)]
