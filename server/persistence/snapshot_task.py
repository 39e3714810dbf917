"""One background snapshot: BGSAVE, or a save point that was reached."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from commands.instance.instance import Instance
from commands.instance.persistence import TaskStatus
from server.persistence.children import WriteResult
from server.persistence.files import (
    remove_quietly,
    rename_file,
    snapshot_path,
    sync_names,
    temporary_snapshot,
)
from server.persistence.snapshots import copy, snapshot
from server.system.files import Files
from storage.copying import Copy

logger = logging.getLogger("redkeep")


class SnapshotTask:
    """Replaces the snapshot file with the data as it is when this is made.

    The writer only writes a temporary file. It replaces the snapshot in `finish`, so a writer
    that outlives its server, or is no longer wanted, replaces nothing.
    """

    title = "Background saving"

    def __init__(self, instance: Instance, files: Files) -> None:
        self._instance = instance
        self._files = files
        self._persistence = instance.persistence
        # The settings and the data may be changed before the task ends.
        self._path = snapshot_path(instance.settings)
        self._dirty = instance.keyspace.dirty

    @property
    def status(self) -> TaskStatus:
        return self._persistence.snapshot

    @property
    def model(self) -> Path:
        return self._path

    def temporary(self, pid: int) -> Path:
        return temporary_snapshot(self._path, pid)

    def chunks(self) -> Iterator[bytes]:
        return snapshot(self._instance, self._instance.keyspace)

    def copy(self) -> Copy:
        return copy(self._instance, for_log=False)

    async def finish(self, pid: int, result: WriteResult) -> None:
        error = result.error
        if not error:
            try:
                rename_file(self._files, self.temporary(pid), self._path)
                # In a thread: a busy disk may take long.
                await trio.to_thread.run_sync(sync_names, self._files, self._path.parent)
            except OSError as failure:
                error = failure.strerror or str(failure)
        self.status.count_copied(result.copied_bytes)
        self._persistence.end_snapshot(time.monotonic(), succeeded=not error)
        if not error:
            self._persistence.saved(self._dirty)
            logger.info("Background saving finished: %s is written", self._path)
        else:
            logger.error(
                "Background saving to %s failed: %s. Writes are refused until a snapshot "
                "succeeds if stop-writes-on-bgsave-error is on", self._path, error,
            )  # fmt: skip
            self.discard(pid)

    def fail(self) -> None:
        self._persistence.end_snapshot(time.monotonic(), succeeded=False)

    def discard(self, pid: int) -> None:
        remove_quietly(self._files, self.temporary(pid))
