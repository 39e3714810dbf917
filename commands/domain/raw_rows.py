"""Namespaces of raw rows: what ML.* reads and writes.

A family that offers its rows to ML.* declares a namespace when it is imported:

    declare_namespace("jobs", JobRows())

ML.* looks the namespace up by its name and imports no family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from commands.domain.errors import failure
from commands.domain.records import read_json
from commands.instance.context import Context

# The cursor of the next page, b"0" after the last one, and keys with their rows.
RowPage: TypeAlias = tuple[bytes, Sequence[tuple[bytes, bytes]]]


class RawRows(Protocol):
    """The rows of one namespace. Each row is a JSON text under a key.

    A pool has rows of its own only where the namespace says so. A key that does not have the
    form of the namespace is an error in `put`, and names no row elsewhere.
    """

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        """Store a row in place of any other; BADRECORD if it is not valid."""

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        """Return a row, or None; BADRECORD if it cannot be read."""

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        """Remove a row; return whether there was one."""

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        """Return up to `count` rows from a cursor on; rows that cannot be read are skipped."""


_declared: dict[bytes, RawRows] = {}


def declare_namespace(name: str, rows: RawRows) -> None:
    """Offer these rows to ML.* under this name."""
    if name.encode() in _declared:
        raise ValueError(f"the namespace {name} is declared twice")
    _declared[name.encode()] = rows


def find_namespace(name: bytes) -> RawRows:
    """Return the namespace with this name; a NAMESPACE error if there is none."""
    rows = _declared.get(name)
    if rows is None:
        known = b", ".join(sorted(_declared))
        raise failure("NAMESPACE", "unknown namespace '{}', known are: {}", name, known)
    return rows


def check_object(key: bytes, row: bytes) -> None:
    """Raise BADRECORD unless a row to be stored is a JSON object."""
    try:
        value = read_json(row)
    except ValueError:
        raise failure("BADRECORD", "the value of {} is not valid JSON", key) from None
    if not isinstance(value, dict):
        raise failure("BADRECORD", "the value of {} is not a JSON object", key)


def check_stored(namespace: str, key: bytes, row: bytes) -> None:
    """Raise BADRECORD unless a row that was stored is JSON."""
    try:
        read_json(row)
    except ValueError:
        raise failure(
            "BADRECORD", "the row of {} in {} is not valid JSON", key, namespace
        ) from None
