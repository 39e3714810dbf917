"""What puts load on a server: a connection of our own, and redis-benchmark."""

from __future__ import annotations

import re
import socket
import subprocess
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scripts.benchmarks.cores import LOAD_CORE, pin


def request(*words: bytes) -> bytes:
    """A request as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


class Connection:
    """A blocking connection that sends encoded requests and parses replies minimally.

    A full client would spend more time on each reply than the server does.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._at = 0

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def call(self, *words: bytes) -> bytes:
        """Send one request and return its reply, which is not an array."""
        self.send(request(*words))
        return self.reply()

    def reply(self) -> bytes:
        """The content of a bulk string, or the line of any other reply, its type included."""
        line = self._line()
        if line[:1] != b"$" or line == b"$-1":
            return line
        size = int(line[1:])
        while len(self._data) < self._at + size + 2:
            self._receive()
        start = self._at
        self._at = start + size + 2
        return self._data[start : start + size]

    def array(self) -> list[bytes]:
        line = self._line()
        assert line[:1] == b"*", line
        return [self.reply() for _ in range(int(line[1:]))]

    def _line(self) -> bytes:
        while (end := self._data.find(b"\r\n", self._at)) < 0:
            self._receive()
        start, self._at = self._at, end + 2
        return self._data[start:end]

    def _receive(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._data = self._data[self._at :] + data
        self._at = 0


@dataclass(frozen=True)
class Load:
    """What redis-benchmark measured."""

    requests_per_second: float
    # The 99.9th percentile of the latency.
    late_ms: float


def run_load(port: int, *options: str) -> Load:
    """Run redis-benchmark with these options."""
    finished = subprocess.run(  # noqa: S603
        ["redis-benchmark", "-p", str(port), *options],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: pin(0, LOAD_CORE),
    )
    text = finished.stdout
    throughput = re.search(r"throughput summary: ([0-9.]+) requests", text)
    assert throughput, text[-500:]
    late = [
        float(milliseconds)
        for percent, milliseconds in re.findall(r"([0-9.]+)% <= ([0-9.]+) milliseconds", text)
        if float(percent) >= 99.9
    ]
    return Load(float(throughput[1]), late[0] if late else 0.0)
