"""Writing files while clients are served: at most one task at a time, as in Redis.

A task is a snapshot or a rewrite of the log. It says what has to be written; a method says
how: by a forked child, or in slices between two turns where the system cannot fork.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from commands.instance.instance import Instance
from commands.instance.persistence import TaskStatus
from server.persistence.children import WriteResult, start_child
from server.persistence.copier import Copier
from server.persistence.files import mode_like, write_file
from server.system.files import Files
from server.system.processes import Processes
from server.system.system import System
from storage.copying import Copy

logger = logging.getLogger("redkeep")


class Source(Protocol):
    """The data to write, and the file to write it to, for both methods."""

    @property
    def model(self) -> Path:
        """The file whose mode the new one gets."""

    def temporary(self, pid: int) -> Path:
        """Return the file to which a process writes the data."""

    def chunks(self) -> Iterable[bytes]:
        """Encode the data, in a process in which it does not change meanwhile."""

    def copy(self) -> Copy:
        """Return the data as it is now, to be encoded in slices."""


class Writer(Protocol):
    """A file that is being written: a `Child` or a `Copier`."""

    @property
    def pid(self) -> int:
        """The process that writes; its id is part of the names of temporary files."""

    async def result(self) -> WriteResult:
        """Wait until the file is written or that has failed. Called once."""

    def kill(self) -> None:
        """Stop it; no file changes after this returns. `result` returns soon."""

    def close(self) -> None:
        """Stop it when nothing waits for `result` any more."""


class Method(Protocol):
    """A way of writing a file while clients are served."""

    def start(self, source: Source) -> Writer:
        """Start writing the data as it is now; OSError if that is not possible."""


class Forking:
    """Has a forked child write the file: it keeps the data as it was at the fork."""

    def __init__(self, files: Files, processes: Processes) -> None:
        self._files = files
        self._processes = processes

    def start(self, source: Source) -> Writer:
        mode = mode_like(self._files, source.model)

        def write(check_parent: Callable[[], None]) -> None:
            chunks = _checked(source.chunks(), check_parent)
            write_file(self._files, source.temporary(os.getpid()), chunks, mode)

        return start_child(self._processes, write)


def _checked(chunks: Iterable[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for chunk in chunks:
        check()
        yield chunk
    check()


class Slicing:
    """Writes the file in slices between two turns, from a copy of the key table."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def start(self, source: Source) -> Writer:
        mode = mode_like(self._files, source.model)
        return Copier(self._files, source.copy(), source.temporary(os.getpid()), mode)


class Task(Source, Protocol):
    """A snapshot or a rewrite of the log, once."""

    @property
    def status(self) -> TaskStatus:
        """The status of all tasks of this kind."""

    @property
    def title(self) -> str:
        """What the task does, for the log of the server."""

    async def finish(self, pid: int, result: WriteResult) -> None:
        """The writer has ended: put the file to use, or remove it if writing has failed."""

    def fail(self) -> None:
        """The writer could not be started."""

    def discard(self, pid: int) -> None:
        """Remove what a stopped writer has left."""


@dataclass(slots=True)
class _Running:
    task: Task
    writer: Writer
    stopped: bool = False


class Background:
    """Runs tasks, one at a time."""

    def __init__(self, instance: Instance, system: System) -> None:
        self._instance = instance
        self._keyspace = instance.keyspace
        self._persistence = instance.persistence
        self._method: Method = (
            Forking(system.files, system.processes)
            if system.processes.can_fork
            else Slicing(system.files)
        )
        self._running: _Running | None = None
        self._begun = trio.Event()

    @property
    def is_busy(self) -> bool:
        return self._running is not None

    def start(self, task: Task) -> bool:
        """Start a task; whether that was possible. No other may be running."""
        assert self._running is None, f"{self._running} is running"
        task.status.begin(time.monotonic())
        started = time.perf_counter()
        try:
            writer = self._method.start(task)
        except OSError as error:
            logger.error("%s failed: it cannot be started: %s", task.title, error.strerror)
            task.fail()
            return False
        if writer.pid != os.getpid():
            self._count_fork(time.perf_counter() - started)
        self._persistence.begin_copy(sum(map(len, self._keyspace.databases)))
        self._running = _Running(task, writer)
        self._begun.set()
        logger.info("%s started in process %d", task.title, writer.pid)
        return True

    def _count_fork(self, seconds: float) -> None:
        self._persistence.forked(int(seconds * 1_000_000))
        latency = self._instance.latency
        if latency.threshold_ms and seconds * 1000 >= latency.threshold_ms:
            latency.record("fork", int(seconds * 1000), self._instance.clock.now_ms() // 1000)

    def stop(self, kind: TaskStatus) -> None:
        """Stop the running task if it is of this kind; its files are removed soon."""
        running = self._running
        if running is not None and running.task.status is kind:
            running.stopped = True
            running.writer.kill()

    async def run(self) -> None:
        """Wait for tasks to end, and finish them."""
        while True:
            await self._begun.wait()
            self._begun = trio.Event()
            running = self._running
            if running is not None:
                result = await running.writer.result()
                await self._end(running, result)

    async def _end(self, running: _Running, result: WriteResult) -> None:
        task, pid = running.task, running.writer.pid
        if running.stopped:
            task.discard(pid)
            task.status.cancel()
            logger.info("%s was stopped", task.title)
        else:
            await task.finish(pid, result)
        self._running = None
        self._persistence.end_copy()

    def close(self) -> None:
        """Stop the running task. `run` must have ended."""
        if self._running is not None:
            self._running.writer.close()
            self._running.task.discard(self._running.writer.pid)
            self._running = None
