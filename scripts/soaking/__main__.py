"""The command line: `scripts/soak`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from redis import Redis

_LOADS = 2
_PING_PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen of the server in one interval."""

    seconds: float
    commands: int
    clients: int
    keys: int
    memory: int
    descriptors: int
    threads: int
    worst_ping: float

    def line(self, before: Sample | None) -> str:
        passed = self.seconds - (before.seconds if before else 0.0)
        rate = (self.commands - (before.commands if before else 0)) / passed
        return (
            f"{self.seconds:7.0f} s {rate:9,.0f} commands/s {self.clients:4} clients "
            f"{self.keys:7,} keys {self.memory / 2**20:7.1f} MB {self.descriptors:4} descriptors "
            f"{self.threads:3} threads {self.worst_ping * 1000:7.1f} ms"
        )


@click.command()
@click.option("--minutes", default=5.0, show_default=True, help="How long the load runs.")
@click.option("--interval", default=10.0, show_default=True, help="Seconds between two lines.")
@click.option("--seed", default=1, show_default=True, help="Seed of the random load.")
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the server, such as appendfsync=always; repeat for several.",
)
def main(minutes: float, interval: float, seed: int, settings: tuple[str, ...]) -> None:
    """Run a mixed load of all command families and watch the server.

    Each line shows the rate of commands, connected clients, keys, resident memory, open
    descriptors, threads, and the longest time that a PING took in the interval. The summary
    compares the second quarter of the time with the last one. The exit status is 1 if the
    server failed, logged an error, or gave a reply that was not expected.
    """
    with tempfile.TemporaryDirectory(prefix="redkeep-soak-") as directory:
        faults = _soak(Path(directory), minutes * 60, interval, seed, settings)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        sys.exit(1)


def _soak(
    directory: Path, seconds: float, interval: float, seed: int, settings: tuple[str, ...]
) -> list[str]:
    words = [word for each in settings for word in _option(each)]
    with _server(directory, words) as (process, port):
        loads = [_load(port, seed + number) for number in range(_LOADS)]
        samples = list(_watch(process.pid, port, seconds, interval))
        reports = [json.loads(load.communicate()[0]) for load in loads]
        leftovers = _leftovers(process.pid, port)
    steps = sum(report["steps"] for report in reports)
    errors = sum((Counter(report["errors"]) for report in reports), Counter[str]())
    click.echo(f"\n{steps:,} steps of {_LOADS} processes, {samples[-1].commands:,} commands")
    click.echo(_summary(samples))
    click.echo(leftovers)
    faults = [f"{count} x {text}" for text, count in errors.most_common()]
    if process.returncode:
        faults.append(f"the server ended with status {process.returncode}")
    logged = (directory / "log").read_text().splitlines()
    faults += [line for line in logged if " ERROR " in line or "Traceback" in line]
    return faults


def _option(setting: str) -> tuple[str, str]:
    name, _, value = setting.partition("=")
    return f"--{name}", value


@contextmanager
def _server(directory: Path, words: list[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "redkeep", "serve", "--port", "0", "--dir", str(directory)]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [*command, *words],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)[,;\s]", process.stdout.readline())
            if found is None:
                raise click.ClickException((directory / "log").read_text())
            yield process, int(found[1])
        finally:
            process.terminate()
            process.wait()


def _load(port: int, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "scripts.soaking.load", str(port), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _watch(pid: int, port: int, seconds: float, interval: float) -> Iterator[Sample]:
    client = Redis(port=port, single_connection_client=True)
    started = time.monotonic()
    before: Sample | None = None
    while (passed := time.monotonic() - started) < seconds:
        worst = _worst_ping(client, min(interval, seconds - passed))
        sample = _sample(client, pid, time.monotonic() - started, worst)
        click.echo(sample.line(before))
        before = sample
        yield sample


def _worst_ping(client: Redis, seconds: float) -> float:
    worst, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.perf_counter()
        client.ping()
        worst = max(worst, time.perf_counter() - began)
        time.sleep(_PING_PAUSE_SECONDS)
    return worst


def _sample(client: Redis, pid: int, seconds: float, worst_ping: float) -> Sample:
    info = client.info("everything")
    status = Path(f"/proc/{pid}/status").read_text()
    memory, threads = (re.search(rf"{name}:\s+(\d+)", status) for name in ("VmRSS", "Threads"))
    assert memory is not None and threads is not None
    return Sample(
        seconds=seconds,
        commands=info["total_commands_processed"],
        clients=info["connected_clients"],
        keys=client.dbsize(),
        memory=int(memory[1]) * 1024,
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(threads[1]),
        worst_ping=worst_ping,
    )


_SUMMARIZED: dict[str, Callable[[Sample], float]] = {
    "memory in MB": lambda sample: sample.memory / 2**20,
    "keys": lambda sample: sample.keys,
    "descriptors": lambda sample: sample.descriptors,
    "threads": lambda sample: sample.threads,
}


def _summary(samples: list[Sample]) -> str:
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]

    def mean(of: list[Sample], value: Callable[[Sample], float]) -> float:
        return sum(map(value, of)) / len(of)

    lines = [
        f"{name}: {mean(second, value):,.1f} in the second quarter, {mean(last, value):,.1f} in "
        f"the last"
        for name, value in _SUMMARIZED.items()
    ]
    pings = sorted(sample.worst_ping for sample in samples)
    lines.append(
        f"longest PING: {pings[-1] * 1000:.1f} ms; the median of the intervals: "
        f"{pings[len(pings) // 2] * 1000:.1f} ms"
    )
    return "\n".join(lines)


def _leftovers(pid: int, port: int) -> str:
    """What remains when all clients are gone and all data is deleted."""
    client = Redis(port=port, single_connection_client=True)
    client.flushall()
    # Background tasks may be running, and the sockets of the load are closed in the next turns.
    time.sleep(3)
    end = _sample(client, pid, 0, 0)
    blocked = client.info("clients")["blocked_clients"]
    return (
        f"afterwards: {end.clients} client, {blocked} blocked, {end.keys} keys, "
        f"{end.descriptors} descriptors, {end.threads} threads, {end.memory / 2**20:.1f} MB"
    )


if __name__ == "__main__":
    main()
