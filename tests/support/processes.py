"""Redkeep as its users run it: in its own process, started by its command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = (sys.executable, "-m", "redkeep")
# Far more than any command takes to end.
_MOST_SECONDS = 60
_ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


def launch(
    *words: str,
    command: Sequence[str | Path] = CHECKOUT,
    cwd: Path | str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start `redkeep` with pipes for its output, and do not wait for anything."""
    return subprocess.Popen(
        [*map(str, command), *words],
        cwd=cwd,
        env={**_ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    *words: str | Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    typed: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run `redkeep` to its end."""
    return subprocess.run(
        [*CHECKOUT, *map(str, words)],
        cwd=cwd,
        env={**_ENVIRONMENT, **(environment or {})},
        input=typed,
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
    )


class ServeProcess:
    """`redkeep serve` on a port chosen by the system; it accepts clients once constructed."""

    def __init__(
        self,
        *words: str,
        command: Sequence[str | Path] = CHECKOUT,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        # Without a directory of its own it would write to the one the tests were started in.
        self._scratch = TemporaryDirectory(prefix="redkeep-serve-") if cwd is None else None
        self._process = launch(
            *("serve", *words, "--port", "0"),
            command=command,
            cwd=cwd if self._scratch is None else self._scratch.name,
            environment=environment,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self.errors: list[str] = []
        self._drain = threading.Thread(target=self.errors.extend, args=(self._process.stderr,))
        self._drain.start()
        # A process that says nothing is killed, which ends the wait for its first line.
        watchdog = threading.Timer(_MOST_SECONDS, self._process.kill)
        watchdog.start()
        self.start_line = self._process.stdout.readline()
        watchdog.cancel()
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
        """Wait for the process to end by itself; return its exit status."""
        if self._process.stdout is None or self._process.stdout.closed:
            return self._process.wait()
        try:
            status = self._process.wait(_MOST_SECONDS)
        except subprocess.TimeoutExpired:
            # The test fails; the process must not outlive it.
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
        """End the process with SIGKILL; return its exit status."""
        self._process.kill()
        return self.wait()

    def close(self) -> int:
        """End the process with SIGTERM; return its exit status."""
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
