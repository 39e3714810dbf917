"""Redkeep as its users run it: a process of its own, started by its command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = (sys.executable, "-m", "redkeep")
_ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


class ServeProcess:
    """`redkeep serve` on a port of the system's choice, up when this is constructed."""

    def __init__(
        self,
        *words: str,
        command: Sequence[str | Path] = CHECKOUT,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        # By default nothing is left behind where the tests were started.
        self._scratch = TemporaryDirectory(prefix="redkeep-serve-") if cwd is None else None
        self._process = subprocess.Popen(
            [*map(str, command), "serve", *words, "--port", "0"],
            cwd=cwd or (self._scratch and self._scratch.name),
            env={**_ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self.errors: list[str] = []
        self._drain = threading.Thread(target=self.errors.extend, args=(self._process.stderr,))
        self._drain.start()
        self.start_line = self._process.stdout.readline()
        if not self.start_line:
            self.wait()
            raise RuntimeError(f"redkeep did not start: {''.join(self.errors)}")
        found = re.search(r":(\d+)[,;\s]", self.start_line)
        self.port = int(found[1]) if found else 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the process to end by itself; its exit status."""
        if self._process.stdout is None or self._process.stdout.closed:
            return self._process.wait()
        try:
            status = self._process.wait(30)
        except subprocess.TimeoutExpired:
            # It stays for a reason that the test shows; nobody else would end it.
            self._process.kill()
            raise
        self._drain.join()
        if self._scratch is not None:
            self._scratch.cleanup()
        assert self._process.stdout is not None and self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()
        return status

    def kill(self) -> int:
        """End the process as a power cut would; its exit status."""
        self._process.kill()
        return self.wait()

    def close(self) -> int:
        """End the process as an administrator would; its exit status."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
