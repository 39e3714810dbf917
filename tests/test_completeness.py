"""Every command is there, declared as the real servers declare it, and exercised.

Where valkey-server and redis-server 7.0 declare a command differently, either is right.
What is different on purpose stands in `EXCEPTIONS`, with its reason; commands that are
missing stand in docs/COMPATIBILITY.md.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from commands.engine.registry import Command
from tests.support.declarations import (
    Facts,
    Structure,
    our_commands,
    our_facts,
    our_structure,
    server_facts,
    server_structures,
)
from tests.support.oracles import Oracle, redis_binary

ROOT = Path(__file__).resolve().parent.parent

# (command, fact) -> why ours is different from both servers'. The fact is a field of
# `Facts`, or "arguments".
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("bitcount", "arguments"): "7.0 names them otherwise than 7.2; Valkey lets the end be left out",
    ("geosearch", "arguments"): "BYPOLYGON is Valkey's own; 7.0 names them otherwise than 7.2",
    ("geosearchstore", "arguments"): "BYPOLYGON is Valkey's own; 7.0 names them otherwise than 7.2",
}

# The groups of commands that Redis does not have.
OWN_GROUPS = frozenset({"job", "model", "checkpoint", "store", "queue"})


@pytest.fixture(scope="module")
def declared_there(
    running_valkey: Oracle, request: pytest.FixtureRequest
) -> list[dict[str, Facts]]:
    """What the servers declare, the reference first."""
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
    name: entry for name, entry in sorted(our_commands().items()) if entry.group not in OWN_GROUPS
}
each_command = pytest.mark.parametrize("name", OURS)


# --- is it there? ------------------------------------------------------------------------


@cache
def listed_as_missing() -> dict[str, str]:
    """The table of docs/COMPATIBILITY.md: name to reason."""
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


# --- is it declared alike? -----------------------------------------------------------------


# Declared otherwise by Valkey 9 than by Redis, which Redkeep follows.
REDIS_DECIDES = frozenset(
    {"multi", "exec", "watch", "georadius", "georadiusbymember", "cluster|replicate"}
)


def _skip_without_redis(name: str) -> None:
    if name in REDIS_DECIDES and redis_binary() is None:
        pytest.skip("Valkey differs from Redis, and there is no redis-server on PATH")


@each_command
def test_declaration(name: str, declared_there: list[dict[str, Facts]]) -> None:
    _skip_without_redis(name)
    theirs = [facts[name] for facts in declared_there if name in facts]
    if not theirs:
        pytest.skip("none of the installed servers has it")
    ours = our_facts(OURS[name])
    for field in fields(Facts):
        mine = getattr(ours, field.name)
        right = [getattr(facts, field.name) for facts in theirs]
        assert mine in right or (name, field.name) in EXCEPTIONS, _difference(
            name, field.name, mine, right
        )


@each_command
def test_arguments(name: str, documented_there: list[dict[str, tuple[Structure, ...]]]) -> None:
    _skip_without_redis(name)
    theirs = [documented[name] for documented in documented_there if name in documented]
    if not theirs:
        pytest.skip("none of the installed servers documents it")
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
        assert mine not in right, f"{name}: {fact} is no exception any more"


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


# --- is it exercised? ----------------------------------------------------------------------


@cache
def exercised_names() -> frozenset[str]:
    """What stands in the tests where a command's name stands in a request.

    That is the first word (or first two) of a call's arguments, of a tuple or list, or of
    a string of words.
    """
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path == Path(__file__).resolve():
            continue
        for words in _sequences(ast.parse(path.read_text())):
            found.add(words[0])
            found.add("|".join(words[:2]))
    return frozenset(found)


def _sequences(tree: ast.AST) -> Iterator[list[str]]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in prose:
            continue
        if isinstance(node, ast.Call):
            yield from _leading_words(node.args)
        elif isinstance(node, (ast.Tuple, ast.List)):
            yield from _leading_words(node.elts)
        elif isinstance(node, ast.Constant):
            words = _text(node).split()
            if words:
                yield [word.lower() for word in words[:2]]


def _leading_words(nodes: list[ast.expr]) -> Iterator[list[str]]:
    words = []
    for node in nodes[:2]:
        if not isinstance(node, ast.Constant) or not _text(node):
            break
        words.append(_text(node).lower())
    if words:
        yield words


def _text(node: ast.Constant) -> str:
    if isinstance(node.value, bytes):
        return node.value.decode("latin-1")
    return node.value if isinstance(node.value, str) else ""


@each_command
def test_is_exercised(name: str) -> None:
    entry: Command = OURS[name]
    if entry.subcommands:
        pytest.skip("a container is nothing apart from its subcommands")
    if entry.name.endswith(" HELP"):
        pytest.skip("tests/commands/engine/test_help.py asks every container for help")
    assert name in exercised_names(), f"no test sends {entry.name}"
