"""Every command of Redis exists, is declared as the real servers declare it, and is exercised.

Where valkey-server and redis-server 7.0 declare a command differently, either is accepted.
Intended differences are listed in `EXCEPTIONS` with their reasons, missing commands in
docs/COMPATIBILITY.md. tests/test_domain_completeness.py checks the commands that Redis does not
have.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.declarations import (
    DOMAIN_GROUPS,
    Facts,
    Structure,
    our_commands,
    our_facts,
    our_structure,
    server_facts,
    server_structures,
)
from tests.support.exercised import exercised_names
from tests.support.oracles import Oracle, redis_binary

ROOT = Path(__file__).resolve().parent.parent

# (command, field) -> why ours differs from that of both servers. The field is one of `Facts`, or
# "arguments".
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("bitcount", "arguments"): "7.0 and 7.2 use different names; in Valkey the end is optional",
}


@pytest.fixture(scope="module")
def declared_there(
    running_valkey: Oracle, request: pytest.FixtureRequest
) -> list[dict[str, Facts]]:
    """The declarations of the servers, the reference first."""
    return [server_facts(oracle.connect(3)) for oracle in _oracles(running_valkey, request)]


@pytest.fixture(scope="module")
def documented_there(
    running_valkey: Oracle, request: pytest.FixtureRequest
) -> list[dict[str, tuple[Structure, ...]]]:
    return [server_structures(oracle.connect(3)) for oracle in _oracles(running_valkey, request)]


def _oracles(valkey: Oracle, request: pytest.FixtureRequest) -> list[Oracle]:
    if redis_binary() is None:
        return [valkey]
    return [valkey, request.getfixturevalue("running_redis7")]


OURS = {
    name: entry
    for name, entry in sorted(our_commands().items())
    if entry.group not in DOMAIN_GROUPS
}
each_command = pytest.mark.parametrize("name", OURS)


# --- existence -----------------------------------------------------------------------


@cache
def listed_as_missing() -> dict[str, str]:
    """Read the table of docs/COMPATIBILITY.md: name to reason."""
    text = (ROOT / "docs" / "COMPATIBILITY.md").read_text()
    table = text.split("<!-- missing commands: begin -->")[1]
    table = table.split("<!-- missing commands: end -->")[0]
    rows = re.findall(r"^\| ([^ ]+) \| (.+) \|$", table, re.MULTILINE)
    return {name.replace("\\|", "|"): reason for name, reason in rows if name != "name"}


def covers(listed: str, name: str) -> bool:
    if listed.endswith("*"):
        return name == listed[:-1] or name.startswith(listed[:-1] + "|")
    return name == listed


def test_every_command_of_the_oracle_is_declared_or_listed(
    declared_there: list[dict[str, Facts]],
) -> None:
    lost = [
        name
        for name in sorted(declared_there[0])
        if name not in OURS and not any(covers(listed, name) for listed in listed_as_missing())
    ]
    assert not lost, "neither declared nor listed in docs/COMPATIBILITY.md: " + " ".join(lost)


def test_no_listed_command_is_declared() -> None:
    stale = [name for name in OURS if any(covers(listed, name) for listed in listed_as_missing())]
    assert not stale, "listed as missing, but declared: " + " ".join(stale)


def test_listed_commands_exist_in_the_oracle(declared_there: list[dict[str, Facts]]) -> None:
    for listed in listed_as_missing():
        assert any(covers(listed, name) for name in declared_there[0]), listed


# --- declarations --------------------------------------------------------------


# Declared differently by Valkey 9 and Redis; Redkeep follows Redis.
REDIS_DECIDES = frozenset(
    {"multi", "exec", "watch", "georadius", "georadiusbymember", "cluster|replicate"}
)


def _skip_without_redis(name: str) -> None:
    if name in REDIS_DECIDES and redis_binary() is None:
        pytest.skip("Valkey differs from Redis, and there is no redis-server on PATH")


def _skip_if_only_redis_has_it(name: str, found: bool) -> None:
    if not found:
        assert redis_binary() is None, f"no real server has {name}"
        pytest.skip("Valkey does not have it, and there is no redis-server on PATH")


@each_command
def test_declaration_is_that_of_a_real_server(
    name: str, declared_there: list[dict[str, Facts]]
) -> None:
    _skip_without_redis(name)
    theirs = [facts[name] for facts in declared_there if name in facts]
    _skip_if_only_redis_has_it(name, bool(theirs))
    ours = our_facts(OURS[name])
    for field in fields(Facts):
        mine = getattr(ours, field.name)
        right = [getattr(facts, field.name) for facts in theirs]
        assert mine in right or (name, field.name) in EXCEPTIONS, _difference(
            name, field.name, mine, right
        )


@each_command
def test_arguments_are_those_of_a_real_server(
    name: str, documented_there: list[dict[str, tuple[Structure, ...]]]
) -> None:
    _skip_without_redis(name)
    theirs = [documented[name] for documented in documented_there if name in documented]
    _skip_if_only_redis_has_it(name, bool(theirs))
    ours = our_structure(OURS[name].arguments)
    assert ours in theirs or (name, "arguments") in EXCEPTIONS, (
        f"{name}: arguments\n--- ours\n{_tree(ours)}"
        + "".join(f"\n--- theirs\n{_tree(structure)}" for structure in theirs)
    )


def test_exceptions_are_needed(
    declared_there: list[dict[str, Facts]],
    documented_there: list[dict[str, tuple[Structure, ...]]],
) -> None:
    for name, fact in EXCEPTIONS:
        if fact == "arguments":
            mine: Any = our_structure(OURS[name].arguments)
            right: list[Any] = [there[name] for there in documented_there if name in there]
        else:
            mine = getattr(our_facts(OURS[name]), fact)
            right = [getattr(there[name], fact) for there in declared_there if name in there]
        assert mine not in right, f"{name}: {fact} no longer needs an exception"


def _difference(name: str, fact: str, mine: Any, right: list[Any]) -> str:
    lines = [f"{name}: {fact}", f"  ours   {_show(mine)}"]
    lines += [f"  theirs {_show(value)}" for value in right]
    return "\n".join(lines)


def _show(value: Any) -> str:
    if isinstance(value, frozenset):
        return "{" + " ".join(sorted(value)) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(_show(item) for item in value) + ")"
    return str(value)


def _tree(structure: tuple[Structure, ...], indent: str = "  ") -> str:
    lines = []
    for name, kind, token, flags, parts in structure:
        words = [name, kind, *([repr(token)] if token is not None else []), *sorted(flags)]
        lines.append(indent + " ".join(words))
        if parts:
            lines.append(_tree(parts, indent + "  "))
    return "\n".join(lines)


# --- use -------------------------------------------------------------------


# Containers do nothing apart from their subcommands, and tests/commands/engine/test_help.py sends
# HELP to each of them.
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in OURS.items()
        if not entry.subcommands and not entry.name.endswith(" HELP")
    ],
)
def test_command_is_exercised(name: str) -> None:
    assert name in exercised_names(), f"no test sends {OURS[name].name}"
