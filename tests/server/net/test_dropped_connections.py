"""Connections that end at any moment leave no descriptors, tasks or state behind."""

from __future__ import annotations

import gc
import os
import random
import socket
from pathlib import Path

import pytest
import trio

from tests.support.resp import Connection, request
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

_BATCH = 250
# What a client was doing when its connection ended, as the bytes it had sent.
STATES = {
    "nothing": b"",
    "asked": request(["PING"]),
    "half a request": b"*3\r\n$3\r\nSET\r\n$100\r\nabc",
    "half a line": b"SET a",
    "blocked": request(["BLPOP", "empty", "empty2", 0]),
    "blocked for a time": request(["BZPOPMIN", "empty", 1000]) + request(["PING"]),
    "waiting for a stream": request(["XREAD", "BLOCK", 0, "STREAMS", "empty", "$"]),
    "subscribed": request(["SUBSCRIBE", "a", "b"]) + request(["PSUBSCRIBE", "c*"]),
    "subscribed to a shard": request(["SSUBSCRIBE", "a"]),
    "in a transaction": request(["WATCH", "k", "l"])
    + request(["MULTI"])
    + request(["SET", "k", 1]),
    "monitoring": request(["MONITOR"]),
    "not reading": request(["GET", "large"]) * 10,
    "without replies": request(["CLIENT", "REPLY", "OFF"]) + request(["PING"]),
    "wrong": b"*1\r\n:1\r\n",
    "leaving": request(["QUIT"]) + request(["PING"]),
    "speaking RESP3": request(["HELLO", 3]) + request(["SUBSCRIBE", "a"]),
}


def open_and_drop(server: RunningServer, sent: list[bytes]) -> None:
    """Open a connection for each, wait until all are accepted, and close all at once."""

    def received() -> int:
        return server.call(lambda: server.instance.statistics.connections_received)

    expected = received() + len(sent)
    sockets = []
    for data in sent:
        sock = socket.create_connection(("127.0.0.1", server.port), 20)
        sock.sendall(data)
        sockets.append(sock)
    wait_until(lambda: received() == expected, f"{len(sent)} accepted connections")
    for number, sock in enumerate(sockets):
        if number % 3 == 0:
            # End it with a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    server.wait_for_clients(1)


def leftovers(server: RunningServer) -> list[object]:
    """Return all that connections can leave behind, except descriptors and tasks."""

    def look() -> list[object]:
        instance = server.instance
        pubsub = instance.pubsub
        return [
            *instance.clients.keys() - {min(instance.clients)},
            *instance.monitors,
            *pubsub.channels,
            *pubsub.patterns,
            *pubsub.shard_channels,
            *(key for db in instance.keyspace.databases for key in db.watched),
            *instance.guards,
        ]

    return [*server.call(look), *range(server.entries_for_blocked())]


def tasks(server: RunningServer) -> int:
    return server.call(lambda: trio.lowlevel.current_statistics().tasks_living)


def descriptors() -> int:
    # Sockets that earlier tests left to the garbage collector must not be counted.
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def memory() -> int:
    """Return the bytes of memory that this process occupies."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize("state", STATES)
def test_a_dropped_connection_leaves_no_state(
    server: RunningServer, client: Connection, state: str
) -> None:
    client("SET", "large", b"x" * 100_000)
    open_and_drop(server, [STATES[state]] * 5)
    assert leftovers(server) == []
    # The keys and channels they blocked on, watched or subscribed to still work.
    assert client("RPUSH", "empty", "x") == 1
    assert client("SET", "k", "v") == "OK"
    assert [client("PUBLISH", "a", "x"), client("SPUBLISH", "a", "x")] == [0, 0]
    assert client("LPOP", "empty") == b"x"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_ten_thousand_connections_leave_nothing(server: RunningServer, client: Connection) -> None:
    client("SET", "large", b"x" * 100_000)
    rng = random.Random(10_000)
    before = (descriptors(), tasks(server))
    warmed_up = 0
    for batch in range(10_000 // _BATCH):
        open_and_drop(server, rng.choices(list(STATES.values()), k=_BATCH))
        assert leftovers(server) == []
        if batch == 10_000 // _BATCH // 2:
            warmed_up = memory()
    assert (descriptors(), tasks(server)) == before
    assert memory() - warmed_up < 8 << 20
    assert client("GET", "large") == b"x" * 100_000
