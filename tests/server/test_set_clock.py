"""The machine's wall clock is set back or ahead while the server runs: durations stay the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.system.system import SYSTEM
from storage.clock import Clock
from tests.support.resp import NULL_ARRAY, Connection
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

HOUR = 3_600_000


class Machine:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def wall_ns(self) -> int:
        return time.time_ns() + self._ahead_ns

    def set_clock(self, by_ms: int) -> None:
        self._ahead_ns += by_ms * 1_000_000


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def server(loop: Loop, machine: Machine) -> Iterator[RunningServer]:
    running = loop.start_server(SYSTEM, Clock(machine.wall_ns))
    yield running
    running.close()


def test_a_blocked_client_times_out_when_the_clock_was_set_back(
    server: RunningServer, client: Connection, machine: Machine
) -> None:
    server.block(client, "BLPOP", "nothing", 0.2)
    machine.set_clock(-HOUR)
    assert client.read() is NULL_ARRAY


def test_a_blocked_client_does_not_time_out_when_the_clock_was_set_ahead(
    server: RunningServer, client: Connection, machine: Machine
) -> None:
    blocked = server.connect()
    server.block(blocked, "BLPOP", "list", HOUR // 2000)
    client("CLIENT", "PAUSE", HOUR // 2, "WRITE")
    machine.set_clock(HOUR)
    ticks = server.instance.coarse_ms
    wait_until(lambda: server.instance.coarse_ms > ticks, "a tick")
    writer = server.connect()
    writer.send("RPUSH", "list", "x")
    assert writer.is_silent(0.02)
    client("CLIENT", "UNPAUSE")
    assert writer.read() == 1
    assert blocked.read() == [b"list", b"x"]


@pytest.mark.parametrize("by_ms", [-HOUR, HOUR])
def test_idle_times_of_clients_follow_no_clock_that_is_set(
    server: RunningServer, client: Connection, machine: Machine, by_ms: int
) -> None:
    client("CONFIG", "SET", "timeout", 1000)
    idle = server.connect()
    idle("PING")
    machine.set_clock(by_ms)
    ticks = server.instance.coarse_ms
    wait_until(lambda: server.instance.coarse_ms > ticks, "a tick")
    (line,) = [line for line in client("CLIENT", "LIST").splitlines() if b"cmd=ping" in line]
    assert b" age=0 idle=0 " in line
    assert idle("PING") == "PONG"


def test_the_time_of_the_server_is_the_wall_clock(
    server: RunningServer, client: Connection, machine: Machine
) -> None:
    before = int(client("TIME")[0])
    machine.set_clock(HOUR)
    assert int(client("TIME")[0]) - before in (3600, 3601)
    assert client("SET", "k", "v", "PXAT", server.now_ms() + 50_000) == "OK"
    assert 49_000 < client("PTTL", "k") <= 50_000


def test_save_points_follow_no_clock_that_is_set(
    loop: Loop, machine: Machine, tmp_path: Path
) -> None:
    running = loop.start_server(
        SYSTEM, Clock(machine.wall_ns), dir=str(tmp_path), save="1 1", hz="100"
    )
    client = running.connect()
    machine.set_clock(-HOUR)
    client("SET", "key", 1)
    wait_until((tmp_path / "dump.rdb").exists, "a snapshot")
    running.close()
