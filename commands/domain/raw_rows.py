"""Namespaces of raw rows: what ML.* reads and writes.

A family that offers its rows to ML.* declares a namespace when it is imported:

    declare_namespace("jobs", JobRows(), pool_footprint, FAMILY)

It also says which collection a key belongs to, unless that is the pool: the key that ML.*
declares, like the commands of that family.

ML.* looks the namespace up by its name and imports no family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from commands.domain.errors import failure
from commands.domain.records import read_json
from commands.engine.footprints import Touched
from commands.instance.context import Context

# The cursor of the next page, b"0" after the last one, and keys with their rows.
RowPage: TypeAlias = tuple[bytes, Sequence[tuple[bytes, bytes]]]


class RawRows(Protocol):
    """The rows of one namespace. Each row is any JSON text, under a key.

    A pool has rows of its own only where the namespace says so. A key that does not have the
    form of the namespace is an error in `put`, and names no row elsewhere.
    """

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        """Store a row in place of any other; BADRECORD if it is not JSON."""

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        """Return a row, or None; BADRECORD if it cannot be read."""

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        """Remove a row; return whether there was one."""

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        """Return up to `count` rows from a cursor on; rows that cannot be read are skipped."""


@dataclass(frozen=True, slots=True)
class Namespace:
    rows: RawRows
    # The keys that belong to a collection, and the beginnings of those of all collections.
    footprint: Callable[[bytes], list[Touched]]
    family: tuple[bytes, ...]
    # The collection that a key of the namespace belongs to; None where that is the pool.
    collection: Callable[[bytes], bytes] | None


_declared: dict[bytes, Namespace] = {}


def declare_namespace(
    name: str,
    rows: RawRows,
    footprint: Callable[[bytes], list[Touched]],
    family: tuple[bytes, ...],
    *,
    collection: Callable[[bytes], bytes] | None = None,
) -> None:
    """Offer these rows to ML.* under this name."""
    if name.encode() in _declared:
        raise ValueError(f"the namespace {name} is declared twice")
    _declared[name.encode()] = Namespace(rows, footprint, family, collection)


def find_namespace(name: bytes) -> Namespace:
    """Return the namespace with this name; a NAMESPACE error if there is none."""
    namespace = _declared.get(name)
    if namespace is None:
        known = b", ".join(sorted(_declared))
        raise failure("NAMESPACE", "unknown namespace '{}', known are: {}", name, known)
    return namespace


def check_row(namespace: str, key: bytes, row: bytes) -> None:
    """Raise BADRECORD unless a row to be stored is JSON."""
    if not is_row(row):
        raise failure("BADRECORD", "the value for {} in {} is not valid JSON", key, namespace)


def stored_row(namespace: str, key: bytes, row: bytes | None) -> bytes | None:
    """Return a stored row; BADRECORD if it is not JSON."""
    if row is not None and not is_row(row):
        raise failure("BADRECORD", "the row of {} in {} is not valid JSON", key, namespace)
    return row


def is_row(text: bytes) -> bool:
    try:
        read_json(text)
    except ValueError:
        return False
    return True
