"""Writing a file while clients are served, where the system cannot fork.

The data is encoded in slices, between turns; each slice is written by another thread while
the next turn runs. A copier has the same interface as a forked child.
"""

from __future__ import annotations

import os
from pathlib import Path

import trio

from server.persistence.children import WriteResult
from server.persistence.files import SYNC_EVERY, create_file, remove_quietly, write_all
from server.system.files import Files
from storage.copying import Copy

# How long encoding runs before clients are served for a moment.
_SLICE_SECONDS = 0.003


class Copier:
    """Writes a copy of the data to a file; await `result` once."""

    def __init__(self, files: Files, copy: Copy, temporary: Path, mode: int) -> None:
        self.pid = os.getpid()
        self._files = files
        self._copy = copy
        self._temporary = temporary
        self._mode = mode
        self._killed = False

    async def result(self) -> WriteResult:
        try:
            await self._work()
        except OSError as failure:
            return WriteResult(failure.strerror or str(failure))
        except Exception as failure:
            return WriteResult(repr(failure))
        finally:
            self._copy.end()
        return WriteResult("it was stopped" if self._killed else "")

    async def _work(self) -> None:
        if self._killed:
            return
        descriptor = create_file(self._files, self._temporary, self._mode)
        try:
            unsynced = 0
            while not self._copy.finished and not self._killed:
                data = self._copy.slice(_SLICE_SECONDS)
                unsynced += len(data)
                sync = unsynced >= SYNC_EVERY or self._copy.finished
                await trio.to_thread.run_sync(self._write, descriptor, data, sync)
                if sync:
                    unsynced = 0
        finally:
            self._files.close(descriptor)

    def kill(self) -> None:
        """Stop. A thread may still be writing, but only to a file that has been unlinked."""
        self._killed = True
        self._copy.end()
        remove_quietly(self._files, self._temporary)

    def close(self) -> None:
        """Stop at the end of the server, when nothing awaits the result any more."""
        self.kill()

    def _write(self, descriptor: int, data: bytes, sync: bool) -> None:
        write_all(self._files, descriptor, data)
        if sync:
            self._files.sync(descriptor)
