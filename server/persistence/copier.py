"""Writing a file while clients are served, where the system cannot fork.

The data is encoded in slices, between turns; each slice is written by another thread while
the next turn runs. A copier has the same interface as a forked child.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

import trio

from server.persistence.children import WriteResult
from server.persistence.files import SYNC_EVERY, sync_data, sync_directory, write_all
from storage.copying import Copy

# How long encoding runs before clients are served for a moment.
_SLICE_SECONDS = 0.003


class Copier:
    """Writes a copy of the data to a file; await `result` once."""

    def __init__(self, copy: Copy, temporary: Path, final: Path | None) -> None:
        """When the file is complete and synced it is renamed to `final`, if given."""
        self.pid = os.getpid()
        self._copy = copy
        self._temporary = temporary
        self._final = final
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
        with self._temporary.open("wb", buffering=0) as file:
            unsynced = 0
            while not self._copy.finished:
                data = self._copy.slice(_SLICE_SECONDS)
                unsynced += len(data)
                sync = unsynced >= SYNC_EVERY or self._copy.finished
                await trio.to_thread.run_sync(_write, file, data, sync)
                if self._killed:
                    return
                if sync:
                    unsynced = 0
        if self._final is not None:
            # Not in the thread: after `kill` returns, the file must not be replaced.
            os.replace(self._temporary, self._final)
            await trio.to_thread.run_sync(sync_directory, self._final.parent)

    def kill(self) -> None:
        """Stop. A thread may still be writing, but only to a file that has been unlinked."""
        self._killed = True
        self._copy.end()
        self._temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop at the end of the server, when nothing awaits the result any more."""
        self.kill()


def _write(file: FileIO, data: bytes, sync: bool) -> None:
    write_all(file.fileno(), data)
    if sync:
        sync_data(file.fileno())
