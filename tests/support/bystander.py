"""A client that does nothing wrong, and measures how long the server keeps it waiting.

It pings in a process of its own, because in the process of the tests it would also measure
what these do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from tests.support.resp import Connection

# Between a reply and the next PING.
_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the replies took, in seconds."""

    pings: int
    worst: float


class Bystander:
    """Pings a server from entry to exit; `waits` tells the result afterwards."""

    waits: Waits

    def __init__(self, port: int, password: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.bystander", str(port), password],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        # Its first line says that it has begun.
        assert self._process.stdout.readline(), "the bystander did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        report, _ = self._process.communicate()
        if error is None:
            self.waits = Waits(**json.loads(report))


def _ping_until_told(port: int, password: str) -> Waits:
    connection = Connection(port, timeout=120)
    if password:
        connection("AUTH", password)
    told = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        told.set()

    threading.Thread(target=listen, daemon=True).start()
    print("pinging", flush=True)
    pings, worst = 0, 0.0
    while not told.is_set():
        started = time.perf_counter()
        reply = connection("PING")
        worst = max(worst, time.perf_counter() - started)
        assert reply == "PONG", reply
        pings += 1
        time.sleep(_PAUSE_SECONDS)
    return Waits(pings, worst)


if __name__ == "__main__":
    print(json.dumps(asdict(_ping_until_told(int(sys.argv[1]), sys.argv[2]))))
