"""The log, snapshots and loading.

Throughput with each fsync policy is compared with the reference under the same policy. Stalls
are the longest waits of a client that sends a PING every millisecond while a million keys are
written in the background. They are milliseconds, not ratios: a user feels the wait itself.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory

from scripts.benchmarks.drivers import request, run_load
from scripts.benchmarks.rows import Row
from scripts.benchmarks.sampling import alternate, median_ratio
from scripts.benchmarks.servers import REDKEEP, REFERENCE, Program, Server
from scripts.benchmarks.session import Session

PING = request(b"PING")
PONG = b"+PONG\r\n"
_WORK_LIMIT_SECONDS = 600


def measure(session: Session) -> Iterator[Row]:
    for policy, requests in (("no", 100_000), ("everysec", 100_000), ("always", 20_000)):
        count = session.scaled(requests, at_least=5_000)
        ratio = _throughput(session.rounds, policy, count)
        yield Row(f"SET, 50 clients, appendfsync {policy}", ratio, 0.7, 1.0)
    count = session.scaled(1_000_000, at_least=10_000)
    ours, theirs = _file_work(REDKEEP, count), _file_work(REFERENCE, count)
    for what, our_seconds, their_seconds, hold, reach in (
        ("snapshot", ours.snapshot.seconds, theirs.snapshot.seconds, 4, 2),
        ("rewrite", ours.rewrite.seconds, theirs.rewrite.seconds, 4, 2),
        ("load", ours.load_seconds, theirs.load_seconds, 8, 3),
    ):
        ratio = our_seconds / their_seconds
        yield Row(f"{what} of {count:,} keys: time", ratio, hold, reach, better="low")
    for command, work in (("BGSAVE", ours.snapshot), ("BGREWRITEAOF", ours.rewrite)):
        label = f"longest stall in {command} of {count:,} keys (ms)"
        yield Row(label, work.longest_stall_ms, 20, 5, better="low", unit="ms")


def _logging(program: Program, directory: str, policy: str) -> Server:
    return Server(program, "--appendonly", "yes", "--appendfsync", policy, directory=directory)


def _throughput(rounds: int, policy: str, requests: int) -> float:
    """The median ratio of SET requests per second."""
    load = ("-t", "set", "-n", str(requests), "-c", "50")
    with (
        TemporaryDirectory() as our_directory,
        TemporaryDirectory() as their_directory,
        _logging(REDKEEP, our_directory, policy) as ours,
        _logging(REFERENCE, their_directory, policy) as theirs,
    ):
        pairs = alternate(
            rounds, partial(run_load, ours.port, *load), partial(run_load, theirs.port, *load)
        )
    return median_ratio(
        (our_load.requests_per_second, their_load.requests_per_second)
        for our_load, their_load in pairs
    )


@dataclass(frozen=True)
class BackgroundWork:
    """How long it took, and the longest wait of a client during it."""

    seconds: float
    longest_stall_ms: float


@dataclass(frozen=True)
class FileWork:
    """What one server needs to write its keys to files and to load them."""

    snapshot: BackgroundWork
    rewrite: BackgroundWork
    load_seconds: float


def _file_work(program: Program, count: int) -> FileWork:
    with TemporaryDirectory() as directory:
        with _logging(program, directory, "everysec") as server:
            server.load_keys(count)
            snapshot = _watch(server, b"BGSAVE", b"rdb_bgsave_in_progress:1")
            rewrite = _watch(server, b"BGREWRITEAOF", b"aof_rewrite_in_progress:1")
        with _logging(program, directory, "everysec") as loaded:
            return FileWork(snapshot, rewrite, loaded.start_seconds)


def _watch(server: Server, command: bytes, running: bytes) -> BackgroundWork:
    """Start background work, and measure a pinging client until INFO says that it is over."""
    info = request(b"INFO", b"persistence")
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address) as client, socket.create_connection(address) as observer:
        checked = began = time.perf_counter()
        observer.sendall(request(command))
        observer.recv(4096)
        longest = time.perf_counter() - began
        while checked - began < _WORK_LIMIT_SECONDS:
            sent = time.perf_counter()
            client.sendall(PING)
            if client.recv(64) != PONG:
                raise RuntimeError("a PING was not answered with PONG")
            now = time.perf_counter()
            longest = max(longest, now - sent)
            time.sleep(0.001)
            if now - checked > 0.02:
                checked = now
                observer.sendall(info)
                if running not in observer.recv(1 << 16):
                    return BackgroundWork(time.perf_counter() - began, longest * 1000)
    raise RuntimeError(f"{command.decode()} took more than {_WORK_LIMIT_SECONDS} s")
