"""Which keys the commands of a family touch that take the name of a collection.

`CP.PUT acme thread-1` names a tenant and a thread, and its keys begin with
`entelix:cp:acme:thread-1:`. A family declares here what such a request touches, and the rules of
users are about that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commands.engine.registry import Command


@dataclass(frozen=True, slots=True)
class Touched:
    """The key `start`, or every key that begins with it."""

    start: bytes
    exact: bool = False


# Called with the command, a request of it, and whether keys have hash tags (`hash-tags`). It may
# raise CommandError if the request names no valid collection.
Footprint = Callable[[Command, Sequence[bytes], bool], list[Touched]]


@dataclass(frozen=True, slots=True)
class _Declared:
    footprint: Footprint
    # What all keys of the family begin with.
    family: tuple[bytes, ...]


_declared: dict[str, _Declared] = {}


def declare_footprint(prefix: str, footprint: Footprint, *family: bytes) -> None:
    """Declare what the commands with this prefix touch (`CP.`).

    A request without a valid collection counts as touching the keys of the whole family.
    """
    if prefix in _declared:
        raise ValueError(f"the footprint of {prefix} is declared twice")
    _declared[prefix] = _Declared(footprint, family)


def footprint_of(command: Command) -> Footprint | None:
    """The footprint that the family of a command has declared."""
    found = _declared.get(command.name.partition(".")[0] + ".")
    return None if found is None else found.footprint


def whole_family(command: Command) -> list[Touched]:
    """All keys of the family of a command."""
    return [Touched(start) for start in _declared[command.name.partition(".")[0] + "."].family]
