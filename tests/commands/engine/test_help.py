"""HELP of containers, as derived from declarations."""

from __future__ import annotations

import pytest

from commands.families import load
from tests.support.resp import Connection

CONTAINERS = sorted(name for name, entry in load().items() if entry.subcommands)


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_lists_its_subcommands(client: Connection, name: str) -> None:
    lines = client(name, "HELP")
    assert lines[0] == f"{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    shown = [line.split(" ")[0] for line in lines[1:] if not line.startswith(" ")]
    assert sorted(shown) == sorted(load()[name].subcommands)
    assert shown[-1] == "HELP"
    assert all(len(line) < 80 for line in lines)


def test_an_entry_is_the_syntax_above_the_summary(client: Connection) -> None:
    lines = client("CLIENT", "HELP")
    at = lines.index("PAUSE timeout [WRITE | ALL]")
    assert lines[at + 1] == "    Suspends the requests of all connections for a time."
