"""COMMAND as clients use it; shapes and errors are compared in tests/differential."""

from __future__ import annotations

from commands.families import load
from tests.support.resp import Connection, Map, Set


def test_command_and_command_info_describe_all_commands(client: Connection) -> None:
    every = client("COMMAND")
    assert len(every) == client("COMMAND", "COUNT") == len(load())
    assert client("COMMAND", "INFO") == every


def test_command_list_names_subcommands_with_their_container(client: Connection) -> None:
    names = client("COMMAND", "LIST")
    assert {name for name in names if b"|" not in name} == {e[0] for e in client("COMMAND")}
    assert {b"config|get", b"xinfo|stream", b"job.claim"} <= set(names)
    assert sorted(names) == sorted(client("COMMAND", "LIST", "FILTERBY", "PATTERN", "*"))


def test_command_docs_describes_all_or_the_named_commands(client3: Connection) -> None:
    every = client3("COMMAND", "DOCS")
    assert len(every.items) == len(load())
    some = client3("COMMAND", "DOCS", "config|get", "nothing", "GETSET")
    assert [name for name, _ in some.items] == [b"config|get", b"getset"]
    facts = some[b"config|get"]
    assert facts[b"group"] == b"server"
    assert facts[b"since"] == b"2.0.0"
    assert facts[b"summary"].endswith(b".")


def test_command_docs_describes_subcommands_and_key_arguments(client3: Connection) -> None:
    docs = client3("COMMAND", "DOCS", "memory", "smove")
    subcommands = dict(docs[b"memory"][b"subcommands"].items)
    assert b"memory|usage" in subcommands
    source, destination, member = docs[b"smove"][b"arguments"]
    assert source[b"key_spec_index"] == 0
    assert destination[b"key_spec_index"] == 1
    assert b"key_spec_index" not in dict(member.items)


def test_command_docs_marks_deprecated_commands(client3: Connection) -> None:
    docs = client3("COMMAND", "DOCS", "slaveof")[b"slaveof"]
    assert docs[b"doc_flags"] == Set(["deprecated"])
    assert docs[b"deprecated_since"] == b"5.0.0"
    assert docs[b"replaced_by"] == b"`REPLICAOF`"


def test_the_fields_that_clients_route_by_are_the_same_in_both_protocols(
    client: Connection, client3: Connection
) -> None:
    # Clients route requests by the first six fields.
    for connection in (client, client3):
        (entry,) = connection("COMMAND", "INFO", "mset")
        assert entry[:2] == [b"mset", -3]
        assert entry[3:6] == [1, -1, 2]
    assert client("COMMAND", "DOCS", "get")[0] == b"get"
    assert isinstance(client3("COMMAND", "DOCS", "get"), Map)


def test_getkeysandflags_returns_keys_and_their_use(client: Connection) -> None:
    assert client("COMMAND", "GETKEYS", "ZUNIONSTORE", "d", 2, "a", "b") == [b"d", b"a", b"b"]
    assert client("COMMAND", "GETKEYSANDFLAGS", "LMOVE", "a", "b", "LEFT", "LEFT") == [
        [b"a", ["RW", "access", "delete"]],
        [b"b", ["RW", "insert"]],
    ]
