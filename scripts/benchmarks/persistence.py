"""Snapshots, the log, and loading, beside the reference server.

Throughput is measured with each fsync policy against the reference with the same policy.
Stalls are what a client sees that pings every millisecond while a million keys are written
in the background: milliseconds, not ratios, because what a person feels is not relative.

    scripts/benchmark.py --only persistence
"""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark import Row, Target, redkeep, reference, request, run_load

PING = request(b"PING")
PONG = b"+PONG\r\n"


def options(directory: str, policy: str) -> list[str]:
    return ["--dir", directory, "--save", "", "--appendonly", "yes", "--appendfsync", policy]


def start(make: Callable[[int], list[str]], name: str, directory: str, policy: str) -> Target:
    # The last of options that are given twice is what counts.
    return Target(name, lambda port: make(port) + options(directory, policy))


def throughput(rounds: int, scale: float) -> Iterator[Row]:
    """SET with each policy."""
    for policy, requests, hold in (
        ("no", 100_000, 0.7),
        ("everysec", 100_000, 0.7),
        ("always", 20_000, 0.7),
    ):
        with tempfile.TemporaryDirectory() as mine, tempfile.TemporaryDirectory() as theirs:
            targets = [
                start(redkeep, "redkeep", mine, policy),
                start(reference, "reference", theirs, policy),
            ]
            count = str(max(5_000, int(requests * scale)))
            ratios = []
            for number in range(rounds):
                order = targets[:: 1 if number % 2 else -1]
                rates = {
                    target.name: run_load(target, "-t", "set", "-n", count, "-c", "50")[0]
                    for target in order
                }
                ratios.append(rates["redkeep"] / rates["reference"])
            for target in targets:
                target.close()
        yield Row(f"SET, 50 clients, appendfsync {policy}", statistics.median(ratios), hold, 1.0)


def million(scale: float) -> Iterator[Row]:
    """Snapshot, rewrite and load of many keys, and what clients feel of it."""
    count = max(10_000, int(1_000_000 * scale))
    seconds: dict[str, dict[str, float]] = {}
    stalls: dict[str, float] = {}
    for make, name in ((redkeep, "redkeep"), (reference, "reference")):
        with tempfile.TemporaryDirectory() as directory:
            target = start(make, name, directory, "everysec")
            target.load_keys(count)
            snapshot, snapshot_stall = watch(target, b"BGSAVE", b"rdb_bgsave_in_progress:1")
            rewrite, rewrite_stall = watch(target, b"BGREWRITEAOF", b"aof_rewrite_in_progress:1")
            target.close()
            loading = start(make, name, directory, "everysec")
            seconds[name] = {
                "snapshot": snapshot,
                "rewrite": rewrite,
                "load": loading.start_seconds,
            }
            loading.close()
            if name == "redkeep":
                stalls = {"BGSAVE": snapshot_stall, "BGREWRITEAOF": rewrite_stall}
    for what, hold, reach in (("snapshot", 4, 2), ("rewrite", 4, 2), ("load", 8, 3)):
        ratio = seconds["redkeep"][what] / seconds["reference"][what]
        yield Row(f"{what} of {count:,} keys: time", ratio, hold, reach, better="low")
    for what, stall in stalls.items():
        yield Row(f"longest stall in {what} of {count:,} keys (ms)", stall, 100, 30, "low", "ms")


def watch(target: Target, command: bytes, running: bytes) -> tuple[float, float]:
    """Seconds that a piece of background work took, and the longest wait in ms meanwhile."""
    info = request(b"INFO", b"persistence")
    with (
        socket.create_connection(("127.0.0.1", target.port)) as pinging,
        socket.create_connection(("127.0.0.1", target.port)) as asking,
    ):
        asked = began = time.perf_counter()
        asking.sendall(request(command))
        asking.recv(4096)
        longest = time.perf_counter() - began
        while True:
            sent = time.perf_counter()
            pinging.sendall(PING)
            if pinging.recv(64) != PONG:
                raise RuntimeError("no PONG")
            now = time.perf_counter()
            longest = max(longest, now - sent)
            time.sleep(0.001)
            if now - asked > 0.02:
                asked = now
                asking.sendall(info)
                if running not in asking.recv(1 << 16):
                    return time.perf_counter() - began, longest * 1000


def measure(rounds: int, scale: float) -> Iterator[Row]:
    yield from throughput(rounds, scale)
    yield from million(scale)
