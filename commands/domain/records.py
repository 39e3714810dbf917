"""Records in JSON: reading, writing, and what to do about one that cannot be read."""

from __future__ import annotations

from collections.abc import Collection
from json import JSONDecoder
from typing import Any

import orjson

from commands.domain.errors import failure
from commands.instance.context import Context


def read_json(text: bytes | bytearray) -> Any:
    """The value of a JSON text; ValueError if it is not valid."""
    return orjson.loads(text)


def write_json(value: Any) -> bytes:
    """Compact JSON, members in the order they were given."""
    # orjson returns the front of a buffer that keeps its size of several kilobytes; a copy takes
    # no more memory than its text.
    return bytes(memoryview(orjson.dumps(value)))


def members_as_written(text: bytes | bytearray, names: Collection[str]) -> dict[str, Any]:
    """The members of a JSON object, all but these as the text they are, for `write_json`.

    A record that is rewritten keeps members that are not known here, down to the last digit.
    """
    members = read_json(text)
    if members.keys() <= set(names):
        return dict(members)
    source = bytes(text).decode()
    at = _behind_spaces(source, source.index("{") + 1)
    while source[at] != "}":
        name, at = _SCANNER.raw_decode(source, at)
        start = _behind_spaces(source, _behind_spaces(source, at) + 1)
        _, at = _SCANNER.raw_decode(source, start)
        if name not in names:
            members[name] = orjson.Fragment(source[start:at])
        at = _behind_spaces(source, at)
        if source[at] == ",":
            at = _behind_spaces(source, at + 1)
    return dict(members)


# It finds where values end. Numbers need not be understood, however long they are.
_SCANNER = JSONDecoder(parse_int=str, parse_float=str)


def _behind_spaces(source: str, at: int) -> int:
    while source[at] in " \t\n\r":
        at += 1
    return at


def checked_json(text: bytes, argument: str) -> Any:
    """The value of JSON from a client; BADRECORD, naming the argument, if it is not valid."""
    try:
        return orjson.loads(text)
    except ValueError:
        raise failure("BADRECORD", "{} is not valid JSON", argument) from None


def count_poison(ctx: Context) -> None:
    """Count a stored record that cannot be read and is skipped (`bad_records` of INFO)."""
    ctx.instance.statistics.bad_records += 1
