"""A process that writes files while its parent serves clients.

Where no process can be forked, `copier` does the same in slices between two turns.

A forked child has the data exactly as it was, at the cost of the pages that are changed
meanwhile. It is Python in the middle of Trio's loop, so it must touch nothing of that: it
does its work and ends at once, with `os._exit`. What it has to say goes through a pipe,
whose end also tells that the child is gone, whatever ended it.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import trio

CAN_FORK = hasattr(os, "fork")
# For systems that name no limit to how many files are open.
_LEAST_OPEN_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended: `error` is empty if it did what it should."""

    error: str = ""
    copied_bytes: int = 0


class Child:
    """A process at work. Await `outcome` once."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe = pipe
        self._status: int | None = None

    async def outcome(self) -> Outcome:
        said = bytearray()
        os.set_blocking(self._pipe, False)
        while True:
            try:
                part = os.read(self._pipe, 4096)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._pipe)
                continue
            if not part:
                break
            said += part
        self._close_pipe()
        # Nobody else has the other end, so the process is gone or just going.
        status = self._wait()
        if os.WIFSIGNALED(status):
            return Outcome(f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}")
        try:
            return Outcome(**json.loads(said))
        except (ValueError, TypeError):
            return Outcome(f"it ended with status {os.waitstatus_to_exitcode(status)}")

    def _wait(self) -> int:
        if self._status is None:
            _, self._status = os.waitpid(self.pid, 0)
        return self._status

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def kill(self) -> None:
        """End it and wait until it is gone: from here on it changes nothing."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def close(self) -> None:
        """For the end of the server, when nobody awaits the outcome any more."""
        self.kill()
        self._close_pipe()


def start_child(work: Callable[[], object]) -> Child:
    """Fork a child that does `work` and has none of our files and sockets open.

    OSError if there can be no child.
    """
    reader, writer = os.pipe()
    try:
        with warnings.catch_warnings():
            # Of threads that hold a lock: ours only ever wait for the disk.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _be_child(work, writer)
    os.close(writer)
    return Child(pid, reader)


def _be_child(work: Callable[[], object], pipe: int) -> NoReturn:
    status = 1
    try:
        # A collection would write to every object, and so copy all memory.
        gc.disable()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Else clients would not see their connections end when the parent closes them.
        os.closerange(3, pipe)
        os.closerange(pipe + 1, max(os.sysconf("SC_OPEN_MAX"), _LEAST_OPEN_MAX))
        error = ""
        try:
            work()
        except OSError as failure:
            error = failure.strerror or str(failure)
        except BaseException as failure:
            error = repr(failure)
        said = {"error": error, "copied_bytes": _own_memory()}
        os.write(pipe, json.dumps(said).encode()[:4096])
        status = bool(error)
    finally:
        os._exit(status)


def _own_memory() -> int:
    """Bytes of memory that this process does not share with its parent any more."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(size) for size in re.findall(r"Private_Dirty:\s+(\d+) kB", text)) * 1024
