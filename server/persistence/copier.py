"""Writing a file beside serving clients where no process can be forked.

A slice of the data is put together, then written by another thread while the next turn
runs. To the keeper this is what a forked child is.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

import trio

from server.persistence.children import Outcome
from server.persistence.files import SYNC_EVERY, sync_data, sync_directory, write_all
from storage.copying import Copy

# A slice of copying between two looks at the sockets.
_SLICE_SECONDS = 0.003


class Copier:
    """Writes a copy of the data to a file; await `outcome` once."""

    def __init__(self, copy: Copy, temporary: Path, final: Path | None) -> None:
        """A file that is whole and on disk gets its `final` name, if there is one."""
        self.pid = os.getpid()
        self._copy = copy
        self._temporary = temporary
        self._final = final
        self._ended = False

    async def outcome(self) -> Outcome:
        try:
            await self._work()
        except OSError as failure:
            return Outcome(failure.strerror or str(failure))
        except Exception as failure:
            return Outcome(repr(failure))
        finally:
            self._copy.end()
        return Outcome("it was given up" if self._ended else "")

    async def _work(self) -> None:
        if self._ended:
            return
        with self._temporary.open("wb", buffering=0) as file:
            unsynced = 0
            while not self._copy.finished:
                data = self._copy.slice(_SLICE_SECONDS)
                unsynced += len(data)
                sync = unsynced >= SYNC_EVERY or self._copy.finished
                await trio.to_thread.run_sync(_write, file, data, sync)
                if self._ended:
                    return
                if sync:
                    unsynced = 0
        if self._final is not None:
            # Not by the thread: whoever gives the work up must be sure that nothing follows.
            os.replace(self._temporary, self._final)
            await trio.to_thread.run_sync(sync_directory, self._final.parent)

    def kill(self) -> None:
        """End it: a thread may still be writing, but to a file that has no name any more."""
        self._ended = True
        self._copy.end()
        self._temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """For the end of the server, when nobody awaits the outcome any more."""
        self.kill()


def _write(file: FileIO, data: bytes, sync: bool) -> None:
    write_all(file.fileno(), data)
    if sync:
        sync_data(file.fileno())
