"""Rounds of sweeps: one that fails, or that is asked for much, holds up nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter_ns

import pytest

from commands.families import load
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, Sweep, sweeps
from server.sweeping import Sweeping
from storage.database import Database
from tests.support.offline import Offline
from tests.support.resp import Connection
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

PREFIX = b"redkeep:test:"
LONG_NS = 30_000_000_000


class Visits:
    """A sweep that counts its visits, and fails at some keys."""

    def __init__(self, *, failing: bytes = b"", work: int = 0) -> None:
        self.counts: Counter[tuple[int, bytes]] = Counter()
        self.order: list[bytes] = []
        self._failing = failing
        self._work = work

    def run(self, ctx: Context, key: bytes) -> bool:
        self.counts[ctx.db.index, key] += 1
        self.order.append(key)
        if key == self._failing:
            raise ZeroDivisionError
        return self.counts[ctx.db.index, key] <= self._work


@pytest.fixture
def session() -> Offline:
    load()
    return Offline(1_700_000_000_000)


def round_of(sweeping: Sweeping) -> None:
    assert sweeping.work(perf_counter_ns() + LONG_NS)


def test_a_sweep_that_fails_at_a_key_goes_on_with_the_others(
    session: Offline, caplog: pytest.LogCaptureFixture
) -> None:
    names = [PREFIX + name for name in (b"a", b"b", b"c")]
    for database in (0, 3):
        session("SELECT", database)
        for name in names:
            session("SET", name, "")
    visits, others = Visits(failing=names[1]), Visits()
    sweeping = Sweeping(
        session.instance, session.run_sweep, [Sweep(PREFIX, visits.run), Sweep(PREFIX, others.run)]
    )
    for _ in range(50):
        round_of(sweeping)
    healthy = [(database, name) for database in (0, 3) for name in names if name != names[1]]
    assert [visits.counts[place] for place in healthy] == [50] * 4
    assert visits.counts[0, names[1]] == visits.counts[3, names[1]] == 1
    assert set(others.counts.values()) == {50}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    session.advance(60_000)
    round_of(sweeping)
    assert visits.counts[0, names[1]] == 2
    session.instance.clock.advance(-3_600_000)
    session.instance.keyspace.refresh_now()
    round_of(sweeping)
    assert visits.counts[0, names[1]] == 3


def test_much_work_at_one_key_does_not_keep_others_waiting(session: Offline) -> None:
    names = [PREFIX + b"%d" % number for number in range(5)]
    for name in names:
        session("SET", name, "")
    visits = Visits(work=100)
    sweeping = Sweeping(session.instance, session.run_sweep, [Sweep(PREFIX, visits.run)])
    round_of(sweeping)
    assert visits.order == names * 101


def test_a_round_stops_when_its_time_is_over_and_continues(session: Offline) -> None:
    names = [PREFIX + b"%d" % number for number in range(5)]
    for name in names:
        session("SET", name, "")
    visits = Visits()
    sweeping = Sweeping(session.instance, session.run_sweep, [Sweep(PREFIX, visits.run)])
    for count in range(1, 6):
        assert not sweeping.work(0)
        assert visits.order == names[:count]
    assert sweeping.work(0)
    assert not sweeping.work(0)
    assert visits.order == [*names, names[0]]


def test_unreadable_records_do_not_fill_the_log(
    server: RunningServer, client: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    server.freeze(1_700_000_000_000)
    for pool in range(20):
        client("SET", f"redkeep:jobs:due:{pool:020d}:{{{pool}}}", "")
        client("SET", f"redkeep:jobs-due:{{{pool}}}", "a string")
        client("SADD", f"redkeep:queue:due:{pool:020d}:{{q}}", "a set")
        client("ZADD", f"redkeep:queue:{{{pool}}}:delayed", 1, "junk")
    due = client("JOB.SUBMIT", "p", "train", "t", "{}", "DELAY", 10)
    waiting = server.connect()
    server.block(waiting, "JOB.CLAIM", "p", "w", "BLOCK", 0)
    for _ in range(5):
        server.advance(100)
    assert due in waiting.read()
    wait_until(lambda: server.instance.statistics.bad_records > 0, "a record to be skipped")
    assert len([record for record in caplog.records if "sweep" in record.message]) <= len(sweeps())


def test_a_pool_with_much_to_do_is_swept_in_batches(session: Offline) -> None:
    for number in range(3 * BATCH):
        session("JOB.SUBMIT", "p", "train", "t", "{}", "ID", f"{number:032x}", "DELAY", 10)
    session.advance(10)
    calls = 0

    def counted(database: Database, run: Callable[[Context], bool]) -> bool:
        nonlocal calls
        calls += 1
        return session.run_sweep(database, run)

    round_of(Sweeping(session.instance, counted))
    assert calls >= 3
    assert session("ZCARD", "redkeep:jobs:{p}:ready:train") == 3 * BATCH
