"""Fields of INFO by name."""

from __future__ import annotations

from tests.support.resp import Connection, Verbatim


def info_fields(connection: Connection, *sections: str) -> dict[str, str]:
    """All fields of some sections, or of the default ones."""
    reply = connection("INFO", *sections)
    text = reply.text if isinstance(reply, Verbatim) else reply
    named = (line.partition(":") for line in text.decode().splitlines())
    return {name: value for name, colon, value in named if colon}


def info(connection: Connection, field: str) -> str:
    """One field of the default sections."""
    return info_fields(connection)[field]
