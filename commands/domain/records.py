"""Records in JSON: reading, writing, and what to do about one that cannot be read."""

from __future__ import annotations

from typing import Any

import orjson

from commands.domain.errors import failure
from commands.instance.context import Context


def read_json(text: bytes | bytearray) -> Any:
    """The value of a JSON text; ValueError if it is not valid."""
    return orjson.loads(text)


def write_json(value: Any) -> bytes:
    """Compact JSON, members in the order they were given."""
    return orjson.dumps(value)


def checked_json(text: bytes, argument: str) -> Any:
    """The value of JSON from a client; BADRECORD, naming the argument, if it is not valid."""
    try:
        return orjson.loads(text)
    except ValueError:
        raise failure("BADRECORD", "{} is not valid JSON", argument) from None


def count_poison(ctx: Context) -> None:
    """Count a stored record that cannot be read and is skipped (`bad_records` of INFO)."""
    ctx.instance.statistics.bad_records += 1
