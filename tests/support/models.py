"""Requests and replies of MODEL.*, shortened for tests."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.support.resp import Map, Word

NOW = 1_700_000_000_000

# Sends one request and returns its reply.
Client = Callable[..., Any]


def pairs(reply: Any) -> dict[str, Any]:
    """A flat RESP2 map, or a RESP3 one, by name."""
    items = reply.items if isinstance(reply, Map) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value for name, value in items}


def get(client: Client, name: str, *words: Word) -> dict[str, Any] | None:
    """The reply to MODEL.GET by name; None if there is no such version."""
    reply = client("MODEL.GET", name, *words)
    return None if reply is None else pairs(reply)


def all_pages(client: Client, *request: Word, count: int = 3) -> list[Any]:
    """All items of a list, read in pages."""
    found: list[Any] = []
    cursor: Word = "0"
    while True:
        cursor, items = client(*request, "CURSOR", cursor, "COUNT", count)
        found += items
        if cursor == b"0":
            return found


def checksum(weights: bytes) -> str:
    return sha256(weights).hexdigest()


def upload(client: Client, name: str, weights: bytes, *options: str, size: int = 5) -> int:
    """Register a version with weights in pieces; return its number."""
    version: int = client("MODEL.REGISTER", name, "PIECES", *options)
    for start in range(0, len(weights), size):
        client("MODEL.APPEND", name, version, start, weights[start : start + size])
    assert client("MODEL.SEAL", name, version, checksum(weights)) == "OK"
    return version
