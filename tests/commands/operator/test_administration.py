"""What an operator asks; errors are compared in tests/differential."""

from __future__ import annotations

import pytest

from commands.families import load
from tests.support.resp import Connection, Error, Verbatim
from tests.support.servers import RunningServer

NOW = 1_700_000_000_123


@pytest.mark.parametrize("words", [(), ("NOSAVE",), ("nosave", "now", "FORCE")])
def test_shutting_down(server: RunningServer, client: Connection, words: tuple[str, ...]) -> None:
    client.send("SHUTDOWN", *words)
    assert client.read_until_closed() == []
    assert server.ended.wait(5)


def test_nothing_is_queued_that_ends_the_server(client: Connection) -> None:
    client("MULTI")
    assert client("SHUTDOWN", "NOSAVE") == Error("ERR Command not allowed inside a transaction")


def test_time_follows_the_clock(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    assert client("TIME") == [b"1700000000", b"123000"]
    server.advance(1877)
    assert client("TIME") == [b"1700000002", b"0"]


def test_last_save_is_the_start(server: RunningServer, client: Connection) -> None:
    assert client("LASTSAVE") == server.instance.started_ms // 1000


def test_a_monitor_sees_what_others_ask(server: RunningServer, client: Connection) -> None:
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


def test_a_picture_has_the_size_that_was_asked_for(client3: Connection) -> None:
    drawn = client3("LOLWUT", "VERSION", 5, 10, 3)
    assert isinstance(drawn, Verbatim)
    lines = drawn.text.decode().splitlines()
    assert [len(line) for line in lines[:3]] == [10, 10, 10]
    assert lines[3:] == ["", "Redkeep, Redis ver. 7.2.4"]
    huge = client3("LOLWUT", "VERSION", 5, 1 << 40, 1 << 40).text
    assert len(huge) < 100_000


def test_following_a_master_is_refused(client: Connection) -> None:
    assert client("REPLICAOF", "127.0.0.1", 6379) == Error(
        "ERR Redkeep cannot be a replica of another server"
    )
    assert client("SLAVEOF", "NO", "ONE") == "OK"
    assert client("ROLE") == [b"master", 0, []]


def test_modules_can_be_allowed_and_still_do_not_load(loop_server: Connection) -> None:
    assert loop_server("MODULE", "LIST") == []
    assert loop_server("MODULE", "LOAD", "x.so") == Error(
        "ERR Error loading the extension. Please check the server logs."
    )
    assert loop_server("MODULE", "LOADEX", "x.so") == loop_server("MODULE", "LOAD", "x.so")
    assert loop_server("MODULE", "UNLOAD", "x") == Error(
        "ERR Error unloading module: no such module with that name"
    )


@pytest.fixture
def loop_server(loop: object) -> object:
    running = loop.start_server(enable_module_command="yes")  # type: ignore[attr-defined]
    yield running.connect()
    running.close()


# --- clusters --------------------------------------------------------------------------------


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
def test_slots_of_keys(client: Connection, key: str, slot: int) -> None:
    assert client("CLUSTER", "KEYSLOT", key) == slot


def test_all_else_says_that_there_is_no_cluster(client: Connection) -> None:
    disabled = Error("ERR This instance has cluster support disabled")
    for word, entry in load()["CLUSTER"].subcommands.items():
        if word not in ("HELP", "KEYSLOT"):
            assert client("CLUSTER", word, *["1"] * (abs(entry.arity) - 2)) == disabled, word
    for name in ("ASKING", "READONLY", "READWRITE"):
        assert client(name) == disabled
