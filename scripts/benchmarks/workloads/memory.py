"""The memory of what domain commands store, beside the same keys written plainly.

The same keys are restored into another server from their DUMPs. The ratio shows what a
command leaves behind besides its keys.
"""

from __future__ import annotations

from collections.abc import Iterator

from scripts.benchmarks.drivers import Connection
from scripts.benchmarks.rows import Row
from scripts.benchmarks.servers import REDKEEP, Server
from scripts.benchmarks.session import Session
from scripts.benchmarks.workloads.waits import JOB, Client, Make

_CHECKPOINT = (b"STATE", b'{"messages":["hello"]}')


def _job(n: int) -> tuple[bytes, ...]:
    return (b"JOB.SUBMIT", b"p", *JOB)


def _message(n: int) -> tuple[bytes, ...]:
    return (b"QUEUE.PUSH", b"q", b"x" * 20)


def _checkpoint(n: int) -> tuple[bytes, ...]:
    return (b"CP.PUT", b"acme", b"t%d" % (n % 100), b"STEP", b"%d" % n, *_CHECKPOINT)


def _entry(n: int) -> tuple[bytes, ...]:
    return (b"STORE.PUT", b"acme:n%d" % (n % 100), b"k%d" % n, b"x" * 20)


_KINDS: tuple[tuple[str, Make], ...] = (
    ("job", _job),
    ("message", _message),
    ("checkpoint", _checkpoint),
    ("store entry", _entry),
)


def measure(session: Session) -> Iterator[Row]:
    count = session.scaled(50_000, at_least=2000)
    for name, make in _KINDS:
        with Server(REDKEEP) as made, Server(REDKEEP) as restored:
            before = made.memory()
            Client(made).many(count, make)
            ours = made.memory() - before
            before = restored.memory()
            _copy(made, restored)
            plain = restored.memory() - before
        yield Row(
            f"memory of a {name}: {ours / count:,.0f} bytes",
            ours / plain,
            1.5,
            1.0,
            better="low",
            unit="of its keys restored",
        )


def _copy(source: Server, target: Server) -> None:
    """Copy all keys with DUMP and RESTORE."""
    with Connection(source.port) as reader, Connection(target.port) as writer:
        cursor = b"0"
        while True:
            reader.send(b"SCAN %b COUNT 1000\r\n" % cursor)
            assert reader.reply() == b"*2"
            cursor = reader.reply()
            for key in reader.array():
                payload = reader.call(b"DUMP", key)
                assert writer.call(b"RESTORE", key, b"0", payload) == b"+OK"
            if cursor == b"0":
                return
