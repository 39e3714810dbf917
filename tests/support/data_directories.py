"""Servers of all makes on the same data directory, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.oracles import Oracle, redis_binary, valkey_binary
from tests.support.resp import Connection, Error
from tests.support.servers import Loop

MAKES = ("valkey", "redis")


def binary_of(make: str) -> Path | None:
    return valkey_binary() if make == "valkey" else redis_binary()


@contextmanager
def theirs(make: str, directory: Path, *options: str) -> Iterator[Connection]:
    """A real server with its log in the directory; it shuts down in good order."""
    binary = binary_of(make)
    assert binary is not None
    oracle = Oracle(binary, make, "--dir", str(directory), "--appendonly", "yes", *options)
    try:
        with oracle.connect() as connection:
            yield connection
            connection.send("SHUTDOWN", "NOSAVE")
            connection.read_until_closed()
    finally:
        oracle.close()


@contextmanager
def ours(loop: Loop, directory: Path, **settings: str) -> Iterator[Connection]:
    server = loop.start_server(dir=str(directory), **{"appendonly": "yes", **settings})
    try:
        yield server.connect()
    finally:
        server.close()


def wait_for_rewrite(connection: Connection) -> None:
    reply = connection("BGREWRITEAOF")
    assert not isinstance(reply, Error), reply
    while b"aof_rewrite_in_progress:1" in connection("INFO", "persistence"):
        pass
