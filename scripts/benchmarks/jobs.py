"""What a job costs in a long table, and what a sweep of leases costs beside many.

Jobs have no counterpart on the reference server, so both figures compare Redkeep with
itself: the same work in a table a hundred times as long. Round trips go over one connection
to two servers in alternation; the sweep is timed inside the process, on a clock that only
the benchmark moves.

    scripts/benchmarks/jobs.py [--rounds 5] [--short 1000] [--long 100000]
"""

from __future__ import annotations

import socket
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark import ROOT, Row, Target, redkeep, request

sys.path.insert(0, str(ROOT))

from commands.domain.jobs.claims import settle_pools
from commands.families import open_instance
from commands.settings.settings import Settings
from server.offline import OfflineSession

POOL = b"bench"
# Jobs that only make the table long are of a kind that no worker asks for.
BALLAST, KIND = b"backfill", b"train"
RAN_OUT = 10
_PIPELINED = 200
_CLAIM = request(b"JOB.CLAIM", POOL, b"w", b"KINDS", b"1", KIND)
_SUBMIT = request(b"JOB.SUBMIT", POOL, KIND, b"spam", b"{}")


class Worker:
    """A connection on which jobs are submitted, claimed and completed."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def fill(self, count: int) -> None:
        """Make the table so many jobs longer."""
        submit = request(b"JOB.SUBMIT", POOL, BALLAST, b"ham", b"{}")
        for start in range(0, count, _PIPELINED):
            size = min(_PIPELINED, count - start)
            self._socket.sendall(submit * size)
            for _ in range(size):
                self._bulk()

    def round_trip(self) -> None:
        """One job from its submission to its end."""
        self._socket.sendall(_SUBMIT)
        ident = self._bulk()
        self._socket.sendall(_CLAIM)
        self._bulk()
        self._socket.sendall(request(b"JOB.COMPLETE", POOL, ident, b"WORKER", b"w"))
        assert self._reader.readline() == b"+OK\r\n"

    def rate(self, seconds: float) -> float:
        """Round trips per second."""
        started = time.perf_counter()
        done = 0
        while (elapsed := time.perf_counter() - started) < seconds:
            self.round_trip()
            done += 1
        return done / elapsed

    def _bulk(self) -> bytes:
        line = self._reader.readline()
        assert line[:1] == b"$" and line != b"$-1\r\n", line
        return self._reader.read(int(line[1:]) + 2)[:-2]


class Leases:
    """An instance without sockets in which so many jobs run, and a few run out at a time."""

    def __init__(self, running: int) -> None:
        self._instance = open_instance(Settings())
        self._instance.clock.freeze(1_700_000_000_000)
        self._session = OfflineSession(self._instance)
        self._run(*[[b"JOB.SUBMIT", POOL, BALLAST, b"ham", b"{}"] for _ in range(running)])
        self._run([b"JOB.CLAIM", POOL, b"w", b"COUNT", b"%d" % running, b"LEASE", b"1000000000"])
        submit = [b"JOB.SUBMIT", POOL, KIND, b"spam", b"{}", b"ATTEMPTS", b"1000000"]
        self._run(*[submit] * RAN_OUT)

    def _run(self, *requests: list[bytes]) -> None:
        self._session.run(*requests)

    def sweep(self) -> float:
        """Seconds that the sweep takes in which the few are queued again."""
        self._run(
            [
                b"JOB.CLAIM",
                POOL,
                b"w",
                b"LEASE",
                b"10",
                b"COUNT",
                b"%d" % RAN_OUT,
                b"KINDS",
                b"1",
                KIND,
            ]
        )
        self._instance.clock.advance(10)
        self._instance.keyspace.refresh_now()
        (database, *_) = self._instance.keyspace.databases
        due = self._due()
        started = time.perf_counter()
        assert not self._session.run_sweep(database, settle_pools)
        elapsed = time.perf_counter() - started
        assert due - self._due() == RAN_OUT
        return elapsed

    def _due(self) -> int:
        (database, *_) = self._instance.keyspace.databases
        return len(database.peek(b"redkeep:jobs-due:{%b}" % POOL) or ())


def measure(
    rounds: int, short: int = 1000, long: int = 100_000, seconds: float = 0.5
) -> Iterator[Row]:
    """The rows of the table."""
    servers = [Target("redkeep", redkeep), Target("redkeep", redkeep)]
    workers = [Worker(server.port) for server in servers]
    try:
        for worker, length in zip(workers, (short, long), strict=True):
            worker.fill(length)
        pairs = [tuple(worker.rate(seconds) for worker in workers) for _ in range(rounds)]
    finally:
        for worker in workers:
            worker.close()
        for server in servers:
            server.close()
    yield Row(
        f"jobs: submit, claim, complete with {long:,} in the table",
        statistics.median(many / few for few, many in pairs),
        0.8,
        1.0,
        unit=f"of the rate with {short:,}",
    )
    few, many = Leases(short), Leases(long)
    times = [(few.sweep(), many.sweep()) for _ in range(20 * rounds)]
    yield Row(
        f"jobs: {RAN_OUT} leases that ran out, of {long:,}",
        statistics.median(m / f for f, m in times),
        2.0,
        1.0,
        better="low",
        unit=f"of the time with {short:,}",
    )


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Alternating pairs per figure.")
@click.option("--short", default=1000, show_default=True, help="Jobs in the short table.")
@click.option("--long", "long_", default=100_000, show_default=True, help="And in the long one.")
def main(rounds: int, short: int, long_: int) -> None:
    """Measure jobs in a long table against jobs in a short one."""
    for row in measure(rounds, short, long_):
        click.echo(
            f"{row.name:<58} {row.ratio:6.2f} {row.unit}   hold {row.hold:g}  reach {row.reach:g}"
        )


if __name__ == "__main__":
    main()
