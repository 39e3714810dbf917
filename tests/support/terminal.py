"""A program at a terminal: what it shows, and what is typed to it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from time import monotonic
from types import TracebackType
from typing import Self

from tests.support.resp import TIMEOUT

# Colours and movements of the cursor.
_NOT_TEXT = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


class Terminal:
    """Runs a program with a terminal for its input and output."""

    def __init__(self, *command: str) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # A dumb terminal is sent no line editing.
            env={**os.environ, "TERM": "dumb", "LANG": "C", "HOME": "/nonexistent"},
        )
        os.close(slave)
        self.shown = ""

    def type(self, line: str) -> None:
        os.write(self._master, line.encode() + b"\n")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until something that matches is shown; what was shown before it is done with."""
        end = monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.shown)):
            if not select.select([self._master], [], [], max(0, end - monotonic()))[0]:
                raise TimeoutError(f"{pattern!r} does not come; shown is {self.shown!r}")
            try:
                data = os.read(self._master, 65_536)
            except OSError as error:  # how Linux says that the other side is closed
                raise EOFError(f"{pattern!r} does not come; shown is {self.shown!r}") from error
            self.shown += _NOT_TEXT.sub("", data.decode("utf-8", "replace"))
        self.shown = self.shown[found.end() :]
        return found

    def interrupt(self) -> int:
        """Press Ctrl-C; the program's exit status."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)
