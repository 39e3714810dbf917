"""A whole server on a failing system, in random sessions: writes, faults, kills, restarts.

A model knows for each key which value was acknowledged, and which values may be there besides
because their replies never came. Files, forks and sockets fail at random moments, writes are
short, syncs are slow, the clock jumps, and now and then the server is killed: another one starts
on a copy of its directory, made between two turns, which is what SIGKILL leaves.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from server.persistence.loading import LoadError
from server.system.system import System
from storage.clock import Clock
from tests.support.disks import NoFork
from tests.support.faults import Faults, FaultyFiles, FaultyProcesses
from tests.support.networks import FailingNetwork
from tests.support.resp import Connection, ConnectionClosed, Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

# A reply that takes longer is held back until a fault is over.
_PATIENCE_SECONDS = 0.1
_HOUR = 3_600_000

REFUSED = Error("ERR max number of clients reached")
KEYS = ("string", "list", "pair", "hash", "stream", "job")
QUICK = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
DEEP = settings(QUICK, max_examples=2000, stateful_step_count=50, derandomize=False)


class Known:
    """What a key must hold: the last acknowledged number, or one of those without a reply."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.unanswered: set[int] = set()

    def agrees(self, number: int) -> bool:
        return number == self.acknowledged or number in self.unanswered

    def is_now(self, number: int) -> None:
        self.acknowledged = number
        self.unanswered = set()


def requests_of(kind: str, number: int) -> list[tuple[str | int, ...]]:
    """The requests that bring a key from the number before to this one."""
    match kind:
        case "string":
            return [("SET", "string", number)]
        case "list":
            return [("RPUSH", "list", number)]
        case "pair":
            return [
                ("MULTI",),
                ("SET", "pair:a", number),
                ("HSET", "pair:b", "n", number),
                ("EXEC",),
            ]
        case "hash":
            return [("HINCRBY", "hash", "n", 1)]
        case "stream":
            return [("XADD", "stream", "*", "n", number)]
        case _:
            return [("JOB.SUBMIT", "pool", "train", "target", "{}")]


class SlowFiles(FaultyFiles):
    """Files whose syncs take a while, if that is asked for."""

    seconds = 0.0

    def sync(self, descriptor: int) -> None:
        time.sleep(self.seconds)
        super().sync(descriptor)


class ServerMachine(RuleBasedStateMachine):
    """Rules send requests, cause faults, and kill the server."""

    loop: Loop
    clock: Clock
    server: RunningServer

    def __init__(self) -> None:
        super().__init__()
        self._root = TemporaryDirectory(prefix="redkeep-machine-")
        self._generation = 0
        self._known = {key: Known() for key in KEYS}
        self._wall_ahead_ns = 0
        self._faults = Faults()
        self._files = SlowFiles(self._faults)
        self._network = FailingNetwork()
        self._clients: list[Connection] = []

    @property
    def _directory(self) -> Path:
        return Path(self._root.name) / str(self._generation)

    @initialize(policy=st.sampled_from(["always", "everysec"]), forks=st.booleans())
    def begin(self, policy: str, forks: bool) -> None:
        self._policy, self._forks = policy, forks
        self._directory.mkdir()
        self.server = self._start()

    def _start(self) -> RunningServer:
        faults = self._faults
        processes = FaultyProcesses(faults) if self._forks else NoFork()
        self.clock = Clock(lambda: time.time_ns() + self._wall_ahead_ns)
        return self.loop.start_server(
            System(self._files, processes, self._network),
            self.clock,
            dir=str(self._directory),
            appendonly="yes",
            appendfsync=self._policy,
            hz="500",
        )

    def _client(self) -> Connection:
        if not self._clients:
            self._clients.append(self._connect())
        return self._clients[-1]

    def _connect(self) -> Connection:
        """A connection that was not turned away for want of descriptors."""
        while True:
            client = self.server.connect()
            with suppress(ConnectionClosed):
                client.send("PING")
                if client.read() != REFUSED:
                    return client
            client.close()

    def _drop_client(self) -> None:
        """Its next reply may be an old one."""
        self._clients.pop().close()

    # --- what clients do ------------------------------------------------------------------

    @rule(kind=st.sampled_from(KEYS), times=st.integers(1, 5))
    def write(self, kind: str, times: int) -> None:
        known = self._known[kind]
        for _ in range(times):
            # What is unanswered has been done, and is held back until it is in the log.
            number = self._number_of(kind) + 1
            client = self._client()
            for request in requests_of(kind, number):
                client.send(*request)
            try:
                replies = [client.read(_PATIENCE_SECONDS) for _ in requests_of(kind, number)]
            except (TimeoutError, ConnectionClosed):
                self._drop_client()
                known.unanswered.add(number)
                return
            if isinstance(replies[-1], Error):
                assert replies[-1].code in ("MISCONF", "EXECABORT"), replies
                return
            known.is_now(number)

    @rule()
    def read(self) -> None:
        for kind in KEYS:
            self._check(kind)

    def _check(self, kind: str) -> int:
        number, known = self._number_of(kind), self._known[kind]
        assert known.agrees(number), (kind, number, known.acknowledged, known.unanswered)
        return number

    def _number_of(self, kind: str) -> int:
        with self._connect() as client:
            # A request that another client sent before has run when the second one is answered.
            client("PING")
            client("PING")
            match kind:
                case "string":
                    return int(client("GET", "string") or 0)
                case "list":
                    items = client("LRANGE", "list", 0, -1)
                    return len(items)
                case "pair":
                    first, second = client("GET", "pair:a"), client("HGET", "pair:b", "n")
                    assert first == second, "a transaction is half applied"
                    return int(first or 0)
                case "hash":
                    return int(client("HGET", "hash", "n") or 0)
                case "stream":
                    entries = client("XRANGE", "stream", "-", "+")
                    ids = [tuple(map(int, entry[0].split(b"-"))) for entry in entries]
                    assert ids == sorted(set(ids)), "ids decrease"
                    return len(entries)
                case _:
                    stats: dict[bytes, Any] = dict(_pairs(client("JOB.STATS", "pool")))
                    _, rows = client("JOB.LIST", "pool", "COUNT", 1000)
                    assert len(rows) == stats[b"total"], "an index does not agree with its rows"
                    return len(rows)

    @rule()
    def disconnect(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    # --- what operators do ----------------------------------------------------------------

    @rule(command=st.sampled_from(["BGSAVE", "BGREWRITEAOF", "SAVE"]))
    def save(self, command: str) -> None:
        with self._connect() as client:
            client(command)

    @rule(policy=st.sampled_from(["always", "everysec"]))
    def change_policy(self, policy: str) -> None:
        with self._connect() as client:
            assert client("CONFIG", "SET", "appendfsync", policy) == "OK"
        self._policy = policy

    # --- what the system does ---------------------------------------------------------------

    @rule(
        first=st.integers(1, 40),
        lasting=st.sampled_from([1, 1, 3, 10]),
        number=st.sampled_from([errno.EIO, errno.ENOSPC, errno.EMFILE]),
    )
    def fail(self, first: int, lasting: int, number: int) -> None:
        self._faults.disarm()
        self._faults.change(number, lasting)
        self._faults.arm(first)

    @rule()
    def repair(self) -> None:
        self._faults.disarm()

    @rule(seconds=st.sampled_from([0.0, 0.02]))
    def slow_down(self, seconds: float) -> None:
        self._files.seconds = seconds

    @rule(
        numbers=st.lists(
            st.sampled_from([errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED]),
            max_size=3,
        )
    )
    def refuse_connections(self, numbers: list[int]) -> None:
        self._network.fail("accept", *numbers)

    @rule(by_ms=st.sampled_from([-_HOUR, -1, 1, _HOUR]))
    def set_clock(self, by_ms: int) -> None:
        self._wall_ahead_ns += by_ms * 1_000_000

    # --- kills and restarts -------------------------------------------------------------------

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        """Kill the server, or stop it as SIGTERM does, and start another one."""
        before = self._directory
        self._clients.clear()
        if not clean:
            self._generation += 1
            copy = partial(shutil.copytree, before, self._directory)
            self.server.call(copy)
        self.server.close()
        try:
            self.server = self._start()
        except LoadError:
            # The system failed. What is there must load when it works again.
            self._faults.disarm()
            self.server = self._start()
        for kind in KEYS:
            self._known[kind].is_now(self._check(kind))

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self._faults.disarm()
            self._files.seconds = 0.0
            with self._connect() as client:
                wait_until(lambda: client("SET", "end", "1") == "OK", "a working log")
            self.restart(clean=False)
            self.restart(clean=True)
            self.server.close()
        self._root.cleanup()


def _pairs(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


@contextmanager
def no_log_lines() -> Iterator[None]:
    """The server reports each fault, thousands in all."""
    logger = logging.getLogger("redkeep")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


@pytest.mark.parametrize(
    "profile",
    [pytest.param(QUICK, id="quick"), pytest.param(DEEP, id="deep", marks=pytest.mark.deep)],
)
def test_no_session_loses_what_was_acknowledged(loop: Loop, profile: settings) -> None:
    machine = type("Machine", (ServerMachine,), {"loop": loop})
    with no_log_lines():
        run_state_machine_as_test(machine, settings=profile)
