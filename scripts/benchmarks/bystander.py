"""A client that waits for nothing: what others feel while one command does much."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from scripts.benchmarks.drivers import Connection
from scripts.benchmarks.servers import Server

_PAUSE_SECONDS = 0.0005


class Bystander:
    """Sends PING all the time, in a thread of its own, and keeps the longest wait."""

    def __init__(self, server: Server) -> None:
        self.longest_ms = 0.0
        self._server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        with Connection(self._server.port) as connection:
            while not self._done.is_set():
                began = time.perf_counter()
                connection.call(b"PING")
                self.longest_ms = max(self.longest_ms, (time.perf_counter() - began) * 1000)
                time.sleep(_PAUSE_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
