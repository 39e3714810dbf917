"""Declarations of commands in one form, from our registry and from the COMMAND of a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from commands.engine.grammar import Argument
from commands.engine.key_specs import KeySpec
from commands.engine.registry import Command
from commands.families import load
from tests.support.resp import Connection, Map, Set

# The groups of commands that Redis does not have.
DOMAIN_GROUPS = frozenset({"job", "model", "checkpoint", "store", "queue"})


@dataclass(frozen=True)
class Facts:
    """The fields of COMMAND INFO. Key specs are (flags, begin, find)."""

    arity: int
    flags: frozenset[str]
    key_range: tuple[int, int, int]
    categories: frozenset[str]
    tips: frozenset[str]
    keys: tuple[tuple[frozenset[str], tuple[Any, ...], tuple[Any, ...]], ...]


# The structure of an argument: name, type, token, flags, parts.
Structure = tuple[str, str, str | None, frozenset[str], tuple[Any, ...]]


# --- our registry -------------------------------------------------------------------------------


def our_commands() -> dict[str, Command]:
    """Return commands and subcommands by their names in COMMAND, such as "client|list"."""
    found = {}
    for top in load().values():
        for entry in (top, *top.subcommands.values()):
            found[entry.wire_name] = entry
    return found


def our_facts(entry: Command) -> Facts:
    return Facts(
        arity=entry.arity,
        flags=entry.flags,
        key_range=entry.key_range,
        categories=frozenset(f"@{name}" for name in entry.categories),
        tips=frozenset(entry.tips),
        keys=tuple(_our_spec(spec) for spec in entry.keys),
    )


def _our_spec(spec: KeySpec) -> tuple[frozenset[str], tuple[Any, ...], tuple[Any, ...]]:
    begin: tuple[Any, ...]
    find: tuple[Any, ...]
    if spec.unknown:
        begin, find = ("unknown",), ("unknown",)
    else:
        if spec.keyword is not None:
            begin = ("keyword", spec.keyword, spec.start)
        else:
            begin = ("index", spec.index)
        if spec.numkeys:
            find = ("keynum", 0, 1, spec.step)
        else:
            find = ("range", spec.last, spec.step, spec.limit)
    return frozenset(spec.access.split()), begin, find


def our_structure(arguments: tuple[Argument, ...]) -> tuple[Structure, ...]:
    return tuple(
        (
            argument.name,
            argument.kind,
            argument.token,
            frozenset(
                flag
                for flag, holds in (
                    ("optional", argument.optional),
                    ("multiple", argument.multiple),
                    ("multiple_token", argument.multiple_token),
                )
                if holds
            ),
            our_structure(argument.parts),
        )
        for argument in arguments
    )


# --- a server -------------------------------------------------------------------------


def server_facts(connection: Connection) -> dict[str, Facts]:
    """Read COMMAND over RESP3, including subcommands."""
    found = {}
    for entry in connection("COMMAND"):
        for one in (entry, *_items(entry[9])):
            found[one[0].decode()] = Facts(
                arity=one[1],
                flags=frozenset(one[2].items),
                key_range=(one[3], one[4], one[5]),
                categories=frozenset(one[6].items),
                tips=frozenset(_word(tip) for tip in one[7].items),
                keys=tuple(_server_spec(spec) for spec in _items(one[8])),
            )
    return found


def server_structures(connection: Connection) -> dict[str, tuple[Structure, ...]]:
    """Read COMMAND DOCS over RESP3, including subcommands."""
    found = {}
    for name, docs in connection("COMMAND", "DOCS").items:
        found[name.decode()] = _structure(docs)
        for subname, subdocs in dict(docs.items).get(b"subcommands", Map([])).items:
            found[subname.decode()] = _structure(subdocs)
    return found


def _structure(docs: Map) -> tuple[Structure, ...]:
    return tuple(_argument(argument) for argument in dict(docs.items).get(b"arguments", []))


def _argument(argument: Map) -> Structure:
    facts = dict(argument.items)
    token = facts.get(b"token")
    return (
        _word(facts[b"name"]),
        _word(facts[b"type"]),
        None if token is None else _word(token),
        frozenset(_word(flag) for flag in _items(facts.get(b"flags", []))),
        _structure(argument),
    )


def _server_spec(spec: Map) -> tuple[frozenset[str], tuple[Any, ...], tuple[Any, ...]]:
    begin, find = spec[b"begin_search"], spec[b"find_keys"]
    return frozenset(_word(flag) for flag in spec[b"flags"].items), _part(begin), _part(find)


def _part(part: Map) -> tuple[Any, ...]:
    numbers = (_plain(value) for _, value in part[b"spec"].items)
    return (_word(part[b"type"]), *numbers)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _word(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _items(collection: Any) -> list[Any]:
    """Return the items of an array or set: Redis 7.0 sends sets where later servers send arrays."""
    return collection.items if isinstance(collection, Set) else collection
