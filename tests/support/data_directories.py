"""Servers of all makes on the same data directory, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.oracles import STARTERS
from tests.support.resp import Connection
from tests.support.servers import Loop


@contextmanager
def theirs(make: str, directory: Path, *options: str) -> Iterator[Connection]:
    """A real server with its log in the directory; it is shut down in the end."""
    oracle = STARTERS[make]("--dir", str(directory), "--appendonly", "yes", *options)
    try:
        with oracle.connect() as connection:
            yield connection
            connection.send("SHUTDOWN", "NOSAVE")
            connection.read_until_closed()
    finally:
        oracle.close()


@contextmanager
def ours(loop: Loop, directory: Path, **settings: str) -> Iterator[Connection]:
    """Redkeep with its log in the directory."""
    server = loop.start_server(**{"dir": str(directory), "appendonly": "yes", **settings})
    try:
        yield server.connect()
    finally:
        server.close()
