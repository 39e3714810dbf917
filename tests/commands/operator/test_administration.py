"""SHUTDOWN, MONITOR, ROLE and others; errors are compared in tests/differential."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from commands.families import load
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error, Verbatim
from tests.support.servers import Loop, RunningServer

NOW = 1_700_000_000_123


@pytest.mark.parametrize("words", [(), ("NOSAVE",), ("nosave", "now", "FORCE")])
def test_shutdown_closes_connections_and_ends_the_server(
    server: RunningServer, client: Connection, words: tuple[str, ...]
) -> None:
    client.send("SHUTDOWN", *words)
    assert client.read_until_closed() == []
    assert server.ended.wait(5)


def test_shutdown_is_refused_in_a_transaction(client: Connection) -> None:
    client("MULTI")
    assert client("SHUTDOWN", "NOSAVE") == Error("ERR Command not allowed inside a transaction")


def test_time_returns_the_servers_clock(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    assert client("TIME") == [b"1700000000", b"123000"]
    server.advance(1877)
    assert client("TIME") == [b"1700000002", b"0"]


def test_lastsave_is_initially_the_start_time(server: RunningServer, client: Connection) -> None:
    assert client("LASTSAVE") == server.instance.persistence.last_save_ms // 1000


def test_a_monitor_sees_the_requests_of_others(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    watcher = server.connect()
    assert watcher("MONITOR") == "OK"
    client("SET", "k", b'\x00a"\n')
    client("CONFIG", "GET", "port")
    client("SELECT", 3)
    client("GET", "k")
    port = client("CLIENT", "INFO").split(b"addr=127.0.0.1:")[1].split(b" ")[0].decode()
    head = f"1700000000.123000 [0 127.0.0.1:{port}]"
    assert watcher.read() == f'{head} "SET" "k" "\\x00a\\"\\n"'
    assert watcher.read() == f'{head} "SELECT" "3"'.replace("[0", "[3")
    assert watcher.read() == f'{head} "GET" "k"'.replace("[0", "[3")
    assert watcher.read() == f'{head} "CLIENT" "INFO"'.replace("[0", "[3")
    assert watcher("RESET") == "RESET"
    assert not server.instance.monitors


def test_a_monitor_sees_a_script_and_then_its_commands(
    server: RunningServer, client: Connection, valkey: Oracle
) -> None:
    script = "redis.call('set', 'k', 1) return redis.call('incr', 'k')"

    def shown(control: Connection, watcher: Connection) -> list[str]:
        watcher("MONITOR")
        control("EVAL", script, 0)
        control("EVALSHA", "0" * 40, 0)
        control.pipeline([("MULTI",), ("EVAL_RO", "return redis.call('get', 'k')", 0), ("EXEC",)])
        # Without the time and the port.
        lines = [watcher.read().split(" ", 1)[1] for _ in range(7)]
        return [re.sub(r"127\.0\.0\.1:\d+", "address", line) for line in lines]

    ours = shown(client, server.connect())
    assert ours[:3] == [
        f'[0 address] "EVAL" "{script}" "0"',
        '[0 lua] "set" "k" "1"',
        '[0 lua] "incr" "k"',
    ]
    assert ours == shown(valkey.connect(), valkey.connect())


def test_lolwut_draws_in_the_requested_size(client3: Connection) -> None:
    drawn = client3("LOLWUT", "VERSION", 5, 10, 3)
    assert isinstance(drawn, Verbatim)
    lines = drawn.text.decode().splitlines()
    assert [len(line) for line in lines[:3]] == [10, 10, 10]
    assert lines[3:] == ["", "Redkeep, Redis ver. 7.2.4"]
    huge = client3("LOLWUT", "VERSION", 5, 1 << 40, 1 << 40).text
    assert len(huge) < 100_000


def test_replicaof_is_refused(client: Connection) -> None:
    assert client("REPLICAOF", "127.0.0.1", 6379) == Error(
        "ERR Redkeep cannot be a replica of another server"
    )
    assert client("SLAVEOF", "NO", "ONE") == "OK"
    assert client("ROLE") == [b"master", 0, []]


def test_modules_do_not_load_even_where_the_command_is_allowed(module_client: Connection) -> None:
    assert module_client("MODULE", "LIST") == []
    assert module_client("MODULE", "LOAD", "x.so") == Error(
        "ERR Error loading the extension. Please check the server logs."
    )
    assert module_client("MODULE", "LOADEX", "x.so") == module_client("MODULE", "LOAD", "x.so")
    assert module_client("MODULE", "UNLOAD", "x") == Error(
        "ERR Error unloading module: no such module with that name"
    )


@pytest.fixture
def module_client(loop: Loop) -> Iterator[Connection]:
    """A client of a server that allows the MODULE command."""
    running = loop.start_server(enable_module_command="yes")
    yield running.connect()
    running.close()


# --- clusters ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("", 0),
        ("123456789", 12739),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", 4015),
        ("foo{bar}{zap}", 5061),
        ("foo{bar", 15278),
    ],
)
def test_keyslot_hashes_the_key_or_its_tag(client: Connection, key: str, slot: int) -> None:
    assert client("CLUSTER", "KEYSLOT", key) == slot


def test_other_cluster_commands_reply_that_it_is_disabled(client: Connection) -> None:
    disabled = Error("ERR This instance has cluster support disabled")
    for word, entry in load()["CLUSTER"].subcommands.items():
        if word not in ("HELP", "KEYSLOT"):
            assert client("CLUSTER", word, *["1"] * (abs(entry.arity) - 2)) == disabled, word
    for name in ("ASKING", "READONLY", "READWRITE"):
        assert client(name) == disabled
