"""XADD and the commands that read and remove entries: time and events.

What a request alone decides is compared with real servers in tests/differential.
"""

from __future__ import annotations

import pytest

from commands.streams.ids import format_id, parse_end, parse_start, read_id
from storage.values.streams import MAX_ID
from tests.support.resp import Connection, Map
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000


def test_generated_ids_follow_the_clock(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    assert client("XADD", "s", "*", "a", "b") == b"1700000000000-0"
    assert client("XADD", "s", "*", "a", "b") == b"1700000000000-1"
    server.advance(5)
    assert client("XADD", "s", "*", "a", "b") == b"1700000000005-0"


def test_generated_ids_increase_even_if_the_clock_is_set_back(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    client("XADD", "s", f"{NOW + 1000}-18446744073709551615", "a", "b")
    assert client("XADD", "s", "*", "a", "b") == b"%d-0" % (NOW + 1001)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"5", 5 << 64),
        (b"5-3", (5 << 64) + 3),
        (b" +5-007", (5 << 64) + 7),
        (b"5- -1", (6 << 64) - 1),
        (b"18446744073709551615-18446744073709551615", MAX_ID),
        (b"18446744073709551616", None),
        (b"-5", None),
        (b"5--1", None),
        (b"5-", None),
        (b"", None),
        (b"0" * 128, None),
        (b"\xef\xbc\x95", None),
    ],
)
def test_ids_are_parsed_as_milliseconds_and_sequence(text: bytes, expected: int | None) -> None:
    assert read_id(text) == expected


def test_a_missing_sequence_number_covers_the_whole_millisecond() -> None:
    assert format_id(parse_start(b"5")) == b"5-0"
    assert format_id(parse_end(b"5")) == b"5-18446744073709551615"


def test_reads_return_maps_by_key_in_resp3(client: Connection, client3: Connection) -> None:
    client("XADD", "s", "1-1", "a", "b")
    entries = [[b"1-1", [b"a", b"b"]]]
    assert client("XREAD", "STREAMS", "s", "0") == [[b"s", entries]]
    assert client3("XREAD", "STREAMS", "s", "0") == Map([(b"s", entries)])


def test_xadd_with_trimming_announces_both_changes(
    server: RunningServer, client: Connection
) -> None:
    events: list[str] = []
    server.call(
        server.instance.keyspace.observers.append,
        lambda db, key, event, change: events.append(event),
    )
    client("XADD", "s", "1-1", "a", "b")
    client("XADD", "s", "MAXLEN", "1", "1-2", "a", "b")
    client("XADD", "s", "MAXLEN", "5", "1-3", "a", "b")
    client("XTRIM", "s", "MAXLEN", "5")
    client("XDEL", "s", "1-2")
    assert events == ["new", "xadd", "xadd", "xtrim", "xadd", "xdel"]


@pytest.mark.parametrize(
    ("words", "fails"),
    [
        ("XADD s 2-1 a b", True),
        ("XDEL s 1-1", True),
        ("XTRIM s MAXLEN 0", True),
        ("XDEL s 9-9", False),
        ("XSETID s 5-0", False),
        ("XGROUP CREATE s h 0", False),
        ("XREADGROUP GROUP g c STREAMS s >", False),
    ],
)
def test_changing_the_entries_aborts_a_watching_transaction_but_groups_do_not(
    server: RunningServer, client: Connection, words: str, fails: bool
) -> None:
    client("XADD", "s", "1-1", "a", "b")
    client("XGROUP", "CREATE", "s", "g", "0")
    client("WATCH", "s")
    server.connect()(*words.split())
    client("MULTI")
    client("PING")
    assert (client("EXEC") != ["PONG"]) is fails


def test_containers_list_their_subcommands(client: Connection) -> None:
    for container, subcommands in (
        ("XGROUP", ["CREATE", "CREATECONSUMER", "DELCONSUMER", "DESTROY", "HELP", "SETID"]),
        ("XINFO", ["CONSUMERS", "GROUPS", "HELP", "STREAM"]),
    ):
        lines = client(container, "HELP")
        assert sorted(line.split()[0] for line in lines[1:] if line[:1] != " ") == subcommands
    assert client("XGROUP", "HELP", "x").code == "ERR"
    assert client("XINFO", "HELP")
