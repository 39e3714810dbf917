"""A forked process that writes a file while its parent serves clients.

Where the system cannot fork, `copier` does the same in slices.

The child has the data exactly as it was at the fork, at the cost of copying the pages that
are changed meanwhile. The fork happens in the middle of Trio's loop, which the child must not
touch: it does its work and ends at once, with `os._exit`. It reports its result through a
pipe. The end of the pipe tells the parent that the child is gone, for whatever reason.

A child ends with its parent: nothing would use its file any more. The system kills it where it
can; elsewhere the child looks whether its parent is there before each piece that it writes.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import trio

from server.system.processes import Processes

# For systems that report no limit on open files.
_LEAST_OPEN_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How the writing of a file ended: `error` is empty if it succeeded."""

    error: str = ""
    copied_bytes: int = 0


class Orphaned(Exception):
    """The parent of this process has ended."""


class Child:
    """A child process at work. Await `result` once."""

    def __init__(self, processes: Processes, pid: int, pipe: int) -> None:
        self.pid = pid
        self._processes = processes
        self._pipe = pipe
        self._status: int | None = None

    async def result(self) -> WriteResult:
        report = bytearray()
        os.set_blocking(self._pipe, False)
        while True:
            try:
                part = os.read(self._pipe, 4096)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._pipe)
                continue
            if not part:
                break
            report += part
        self._close_pipe()
        # Only the child had the other end, so it has ended or is about to.
        status = self._wait()
        if os.WIFSIGNALED(status):
            return WriteResult(f"it was killed by {signal.Signals(os.WTERMSIG(status)).name}")
        try:
            return WriteResult(**json.loads(report))
        except (ValueError, TypeError):
            return WriteResult(f"it ended with status {os.waitstatus_to_exitcode(status)}")

    def _wait(self) -> int:
        if self._status is None:
            self._status = self._processes.wait(self.pid)
        return self._status

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def kill(self) -> None:
        """Kill it and wait until it is gone, so that it changes nothing from here on."""
        if self._status is None:
            self._processes.kill(self.pid)
            self._wait()

    def close(self) -> None:
        """Kill it at the end of the server, when nothing awaits the result any more."""
        self.kill()
        self._close_pipe()


def start_child(processes: Processes, work: Callable[[Callable[[], None]], object]) -> Child:
    """Fork a child that does `work`, with all files and sockets of the parent closed.

    `work` is given a function that raises `Orphaned` once the parent has ended; it is called
    before each step. OSError if the system cannot fork now.
    """
    parent = os.getpid()
    reader, writer = os.pipe()
    try:
        pid = processes.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _be_child(processes, parent, work, writer)
    os.close(writer)
    return Child(processes, pid, reader)


def _be_child(
    processes: Processes,
    parent: int,
    work: Callable[[Callable[[], None]], object],
    pipe: int,
) -> NoReturn:
    def check_parent() -> None:
        if processes.parent() != parent:
            raise Orphaned

    status = 1
    try:
        processes.end_with_parent()
        # It may have ended before that.
        check_parent()
        # A garbage collection would write to every object, and so copy all memory.
        gc.disable()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # A connection ends for the client only when every process has closed it.
        os.closerange(3, pipe)
        os.closerange(pipe + 1, max(os.sysconf("SC_OPEN_MAX"), _LEAST_OPEN_MAX))
        error = ""
        try:
            work(check_parent)
        except OSError as failure:
            error = failure.strerror or str(failure)
        except BaseException as failure:
            error = repr(failure)
        report = {"error": error, "copied_bytes": _own_memory()}
        os.write(pipe, json.dumps(report).encode()[:4096])
        status = bool(error)
    finally:
        os._exit(status)


def _own_memory() -> int:
    """Return how many bytes of memory this process no longer shares with its parent."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(size) for size in re.findall(r"Private_Dirty:\s+(\d+) kB", text)) * 1024
