"""A program in a terminal: its screen output and typed input."""

from __future__ import annotations

import builtins
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
            # Programs send no line editing to a dumb terminal.
            env={**os.environ, "TERM": "dumb", "LANG": "C", "HOME": "/nonexistent"},
        )
        os.close(slave)
        self.shown = ""

    def type(self, line: str) -> None:
        os.write(self._master, line.encode() + b"\n")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until matching text is shown; drop it and everything shown before it."""
        deadline = monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.shown)):
            if not self._read_before(deadline):
                raise EOFError(f"{pattern!r} is not shown, but {self.shown!r}")
        self.shown = self.shown[found.end() :]
        return found

    def _read_before(self, deadline: float) -> bool:
        """Read some output; return whether there was any before the program closed it."""
        left = deadline - monotonic()
        if left <= 0 or not select.select([self._master], [], [], left)[0]:
            raise TimeoutError(f"nothing more is shown after {self.shown!r}")
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # Linux reports this when the other side is closed
            return False
        self.shown += _NOT_TEXT.sub("", data.decode("utf-8", "replace"))
        return bool(data)

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit status of the program."""
        self._process.send_signal(signal.SIGINT)
        # Without this, a program that is writing to the full terminal could not end.
        deadline = monotonic() + TIMEOUT
        while self._read_before(deadline):
            pass
        return self._process.wait(TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: builtins.type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)
