"""Requests to queues as tests make them: to the queue `q`, as a consumer of the group `g`."""

from __future__ import annotations

from typing import Any

from tests.support.resp import NULL_ARRAY, Connection

NOW = 1_700_000_000_000
LEASE = 30_000


def read(client: Connection, *words: Any, queue: str = "q", group: str = "g") -> list[Any]:
    """The rows of a QUEUE.READ as dicts; empty for nil."""
    reply = client("QUEUE.READ", queue, group, "c", *words)
    if reply is NULL_ARRAY:
        return []
    assert isinstance(reply, list), reply
    return rows(reply)


def rows(reply: list[Any]) -> list[dict[bytes, Any]]:
    return [dict(zip(row[::2], row[1::2], strict=True)) for row in reply]


def payloads(found: list[dict[bytes, Any]]) -> list[bytes]:
    return [row[b"payload"] for row in found]


def info(client: Connection, queue: str = "q") -> dict[bytes, Any]:
    reply = client("QUEUE.INFO", queue)
    found = dict(zip(reply[::2], reply[1::2], strict=True))
    found[b"groups"] = {row[b"name"]: row for row in rows(found[b"groups"])}
    return found


def dead(client: Connection, *words: Any) -> list[dict[bytes, Any]]:
    """The first page of dead letters."""
    _, found = client("QUEUE.DEAD", "q", "g", *words)
    return rows(found)
