"""The cost of a job in a long table, and of expired leases beside many running ones.

The reference has no jobs, so both figures compare Redkeep with itself: the same work in a
table a hundred times as long. Round trips use one connection to each of two servers, in
alternation. The sweep is timed inside this process, on a clock that only the benchmark
advances.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from time import perf_counter

from commands.domain.jobs.due import run_due_pool
from commands.domain.jobs.layout import AGENDA
from commands.families import open_instance
from commands.settings.settings import Settings
from scripts.benchmarks.drivers import Connection, request
from scripts.benchmarks.rows import Row
from scripts.benchmarks.sampling import median_ratio, rate
from scripts.benchmarks.servers import REDKEEP, Server
from scripts.benchmarks.session import Session
from server.offline import OfflineSession

POOL = b"bench"
# Ballast only makes the table long: no worker asks for this kind.
BALLAST, KIND = b"backfill", b"train"
EXPIRED = 10
DUE = b"redkeep:jobs-due:{%b}" % POOL
SHORT = 1000
_SECONDS = 0.5
_PIPELINED = 200
_CLAIM = request(b"JOB.CLAIM", POOL, b"w", b"KINDS", b"1", KIND)
_SUBMIT = request(b"JOB.SUBMIT", POOL, KIND, b"spam", b"{}")


class Worker:
    """A connection that submits, claims and completes jobs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fill(self, count: int) -> None:
        """Add `count` jobs of ballast to the table."""
        submit = request(b"JOB.SUBMIT", POOL, BALLAST, b"ham", b"{}")
        for start in range(0, count, _PIPELINED):
            size = min(_PIPELINED, count - start)
            self._connection.send(submit * size)
            for _ in range(size):
                self._text()

    def round_trip(self) -> None:
        """Submit a job, claim it and complete it."""
        self._connection.send(_SUBMIT)
        job_id = self._text()
        self._connection.send(_CLAIM)
        self._text()
        reply = self._connection.call(b"JOB.COMPLETE", POOL, job_id, b"WORKER", b"w")
        assert reply == b"+OK", reply

    def _text(self) -> bytes:
        reply = self._connection.reply()
        assert reply[:1] != b"-" and reply != b"$-1", reply
        return reply


class Leases:
    """An instance without sockets: `running` jobs run, and a few leases expire at each sweep."""

    def __init__(self, running: int) -> None:
        self._instance = open_instance(Settings())
        self._instance.clock.freeze(1_700_000_000_000)
        self._session = OfflineSession(self._instance)
        self._session.run(*[[b"JOB.SUBMIT", POOL, BALLAST, b"ham", b"{}"] for _ in range(running)])
        claim = [b"JOB.CLAIM", POOL, b"w", b"COUNT", b"100", b"LEASE", b"1000000000"]
        self._session.run(*[claim] * -(-running // 100))
        submit = [b"JOB.SUBMIT", POOL, KIND, b"spam", b"{}", b"ATTEMPTS", b"1000000"]
        self._session.run(*[submit] * EXPIRED)

    def sweep(self) -> float:
        """Seconds that the sweep takes to queue the jobs of the expired leases again."""
        claim = [b"JOB.CLAIM", POOL, b"w", b"LEASE", b"10", b"COUNT", b"%d" % EXPIRED]
        self._session.run([*claim, b"KINDS", b"1", KIND])
        self._instance.clock.advance(10)
        self._instance.keyspace.refresh_now()
        (database, *_) = self._instance.keyspace.databases
        due = self._due()
        planned = database.ordered.first(AGENDA.prefix, start=AGENDA.prefix)
        assert planned is not None
        started = perf_counter()
        assert not self._session.run_sweep(database, lambda ctx: run_due_pool(ctx, planned))
        elapsed = perf_counter() - started
        assert due - self._due() == EXPIRED
        return elapsed

    def _due(self) -> int:
        (database, *_) = self._instance.keyspace.databases
        return len(database.peek(DUE) or ())


def measure(session: Session) -> Iterator[Row]:
    long = session.scaled(100_000, at_least=2000)
    yield Row(
        f"jobs: submit, claim, complete with {long:,} in the table",
        median_ratio(_round_trip_rates(session.rounds, long)),
        0.8,
        1.0,
        unit=f"of the rate with {SHORT:,}",
    )
    few, many = Leases(SHORT), Leases(long)
    yield Row(
        f"jobs: {EXPIRED} expired leases, of {long:,}",
        median_ratio((many.sweep(), few.sweep()) for _ in range(20 * session.rounds)),
        2.0,
        1.0,
        better="low",
        unit=f"of the time with {SHORT:,}",
    )


def _round_trip_rates(rounds: int, long: int) -> list[tuple[float, float]]:
    """Round trips per second, in pairs: with the long table, with the short one."""
    with ExitStack() as stack:
        workers = []
        for length in (long, SHORT):
            server = stack.enter_context(Server(REDKEEP))
            worker = Worker(stack.enter_context(Connection(server.port)))
            worker.fill(length)
            workers.append(worker)
        in_long, in_short = workers
        return [
            (rate(in_long.round_trip, _SECONDS), rate(in_short.round_trip, _SECONDS))
            for _ in range(rounds)
        ]
