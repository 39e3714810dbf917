"""Commands that fail because of an error of ours, in the middle of their work.

The client is told and disconnected, others notice nothing, and after a restart the data is as
it was in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.instance.instance import Instance
from server.system.system import SYSTEM
from tests.support.info import info
from tests.support.offline import Recorded
from tests.support.persistence import LOG
from tests.support.resp import NULL_ARRAY, Connection, Error, request
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

NOW = 1_700_000_000_000
INTERNAL = Error("ERR internal error, see the log")


@pytest.fixture
def server(loop: Loop, tmp_path: Path) -> Iterator[RunningServer]:
    running = loop.start_server(
        SYSTEM, dir=str(tmp_path), **LOG, enable_debug_command="yes", hz="100"
    )
    yield running
    running.close()


def break_command(instance: Instance, *words: bytes) -> None:
    """Make a command fail when it is done, but before it returns."""
    bound = instance.find_command(list(words))
    assert bound is not None
    handler = bound.handler

    def failing(ctx: Context, argv: list[bytes]) -> Reply:
        handler(ctx, argv)
        raise ZeroDivisionError("an error of ours {} %s")

    bound.handler = failing


def restarted(loop: Loop, server: RunningServer) -> tuple[str, str]:
    """Restart the server; return the digests of its data before and after."""
    client = server.connect()
    before = client("DEBUG", "DIGEST")
    directory = server.call(lambda: server.instance.settings.dir)
    server.close()
    again = loop.start_server(SYSTEM, dir=directory, appendonly="yes", enable_debug_command="yes")
    after = again.connect()("DEBUG", "DIGEST")
    again.close()
    return before, after


@pytest.mark.parametrize(
    "words",
    [
        ("RPUSH", "list", "b"),
        ("LPOP", "list"),
        ("SET", "string", "x", "EX", 1000),
        ("INCR", "number"),
        ("ZADD", "zset", 3, "m"),
        ("HSET", "hash", "f", "v"),
        ("HEXPIRE", "hash", 1000, "FIELDS", 1, "a"),
        ("XADD", "stream", "*", "f", "v"),
        ("XGROUP", "CREATE", "stream", "other", 0),
        ("RENAME", "string", "list"),
        ("SMOVE", "set", "other-set", "a"),
        ("DEL", "string", "number"),
        ("FLUSHDB",),
        ("JOB.SUBMIT", "pool", "train", "spam", "{}"),
        ("STORE.PUT", "tenant:space", "key", "{}"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("way", ["plain", "transaction", "guarded"])
def test_memory_and_log_agree_afterwards(
    loop: Loop, server: RunningServer, client: Connection, words: tuple[str, ...], way: str
) -> None:
    client.pipeline(
        [
            ("SET", "string", "s", "PX", 5_000_000),
            ("SET", "number", 1),
            ("RPUSH", "list", "a"),
            ("ZADD", "zset", 1, "a"),
            ("HSET", "hash", "a", "b"),
            ("SADD", "set", "a"),
            ("XADD", "stream", "1-1", "a", "b"),
            ("XGROUP", "CREATE", "stream", "group", 0),
        ]
    )
    server.call(break_command, server.instance, *(str(word).encode() for word in words))
    other = server.connect()
    if way == "transaction":
        client.send_raw(
            request(["MULTI"]) + request(["PFADD", "before", 1]) + request(words)
            + request(["PFADD", "after", 2]) + request(["EXEC"]) + request(["PING"])
        )  # fmt: skip
        replies = client.read_until_closed()
        assert replies == ["OK", *["QUEUED"] * 3, [1, INTERNAL, 1]]
        assert other("EXISTS", "before", "after") == 1 + (words[0] != "FLUSHDB")
    else:
        if way == "guarded":
            client("CLIENT", "NO-TOUCH", "on")
        client.send_raw(request(words) + request(["PFADD", "after", 2]))
        assert client.read_until_closed() == [INTERNAL]
        assert other("EXISTS", "after") == 0
    if words[0] == "FLUSHDB":
        # It names no keys.
        wait_until(lambda: info(other, "aof_rewrites") == "1", "a rewrite of the log")
    before, after = restarted(loop, server)
    assert before == after


def test_a_domain_command_logs_what_its_calls_have_applied(
    loop: Loop, server: RunningServer, client: Connection
) -> None:
    client("JOB.SUBMIT", "pool", "train", "spam", "{}")
    before_failure = client("DEBUG", "DIGEST")
    # Called after others, and for a key that no patrol mends.
    server.call(break_command, server.instance, b"SET")
    failing = server.connect()
    assert failing("JOB.SUBMIT", "pool", "train", "spam", "{}") == INTERNAL
    assert client("DEBUG", "DIGEST") != before_failure
    before, after = restarted(loop, server)
    assert before == after


def test_a_blocked_client_whose_command_fails_does_not_harm_the_writer(
    server: RunningServer, client: Connection
) -> None:
    blocked = server.connect()
    server.block(blocked, "BLPOP", "list", 0)
    server.call(break_command, server.instance, b"BLPOP")
    client.send_raw(request(["RPUSH", "list", "a", "b"]) + request(["LRANGE", "list", 0, -1]))
    assert [client.read(), client.read()] == [2, [b"b"]]
    assert blocked.read_until_closed() == [INTERNAL]
    assert server.entries_for_blocked() == 0


def test_transactions_that_watch_a_key_of_the_command_fail(
    server: RunningServer, client: Connection
) -> None:
    watcher = server.connect()
    watcher("WATCH", "key")
    server.call(break_command, server.instance, b"SET")
    assert client("SET", "key", 1) == INTERNAL
    assert watcher.pipeline([("MULTI",), ("GET", "key"), ("EXEC",)])[-1] is NULL_ARRAY


def test_a_sweep_that_fails_logs_what_it_has_applied() -> None:
    session, replica = Recorded(NOW), Recorded(NOW)
    session("JOB.SUBMIT", "pool", "train", "spam", "{}")
    assert session("JOB.CLAIM", "pool", "worker", "LEASE", 10) is not None
    session.advance(1000)
    before = session.contents()
    break_command(session.instance, b"HSET")
    with pytest.raises(ZeroDivisionError):
        session.sweep()
    assert session.contents() != before
    replica.replay(session.take_log())
    assert replica.contents() == session.contents()
