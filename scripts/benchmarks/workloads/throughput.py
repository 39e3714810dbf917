"""Requests per second of single commands, as redis-benchmark sends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from scripts.benchmarks.drivers import Connection, request
from scripts.benchmarks.rows import Row
from scripts.benchmarks.session import Session

IDLE_CLIENTS = 1000


def strings(session: Session) -> Iterator[Row]:
    """GET and SET, with and without pipelining."""
    for test in ("get", "set"):
        label = f"{test.upper()}, 50 clients"
        yield _row(session, label, test, requests=200_000, hold=0.85, reach=1.05)
        yield _row(
            session, f"{label}, pipeline 16", test,
            requests=1_000_000, pipeline=16, hold=0.4, reach=0.8,
        )  # fmt: skip


def types(session: Session) -> Iterator[Row]:
    """One write command of each data type."""
    for test in ("lpush", "hset", "zadd", "incr", "sadd"):
        label = f"{test.upper()}, 50 clients"
        yield _row(session, label, test, requests=100_000, hold=0.8, reach=1.0)
    count = str(session.scaled(100_000, at_least=10_000))
    ratio = session.throughput(
        *("-n", count, "-c", "50", "-r", "100000"), *("XADD", "mystream", "*", "myfield", "xxx")
    )
    yield Row("XADD, 50 clients", ratio, 0.8, 1.0)


def idle(session: Session) -> Iterator[Row]:
    """GET and SET while a thousand other clients are connected and silent."""
    with ExitStack() as stack:
        for server in (session.ours, session.theirs):
            for _ in range(IDLE_CLIENTS):
                stack.enter_context(Connection(server.port))
        for test in ("get", "set"):
            label = f"{test.upper()}, 50 clients, {IDLE_CLIENTS:,} idle ones"
            yield _row(session, label, test, requests=200_000, hold=0.85, reach=1.05)


def messages(session: Session) -> Iterator[Row]:
    """GET while the clients track what they read, and SET while events are published.

    Somebody listens to one of the events that do not happen, as a session store does.
    """
    tracking = ("-3", "--enable-tracking")
    label = "GET with tracking on, 50 clients"
    yield _row(session, label, "get", *tracking, requests=200_000, hold=0.5, reach=0.9)
    yield _row(
        session, f"{label}, pipeline 16", "get", *tracking,
        requests=1_000_000, pipeline=16, hold=0.4, reach=0.8,
    )  # fmt: skip
    with ExitStack() as stack:
        for server in (session.ours, session.theirs):
            listener = stack.enter_context(Connection(server.port))
            listener.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"KEA")
            listener.send(request(b"SUBSCRIBE", b"__keyevent@0__:expired"))
        label = "SET with notifications on, 50 clients"
        yield _row(session, label, "set", requests=200_000, hold=0.5, reach=0.9)
        yield _row(
            session, f"{label}, pipeline 16", "set",
            requests=1_000_000, pipeline=16, hold=0.4, reach=0.8,
        )  # fmt: skip
    for server in (session.ours, session.theirs):
        with Connection(server.port) as control:
            control.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"")


def _row(
    session: Session,
    label: str,
    test: str,
    *options: str,
    requests: int,
    pipeline: int = 1,
    hold: float,
    reach: float,
) -> Row:
    count = str(session.scaled(requests, at_least=10_000))
    ratio = session.throughput("-t", test, "-n", count, "-c", "50", "-P", str(pipeline), *options)
    return Row(label, ratio, hold, reach)
