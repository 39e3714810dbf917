"""One background snapshot: BGSAVE, or a save point that was reached."""

from __future__ import annotations

import logging
import os
import time

from commands.instance.instance import Instance
from commands.instance.persistence import TaskStatus
from server.persistence.children import WriteResult
from server.persistence.copier import Copier
from server.persistence.files import snapshot_path
from server.persistence.snapshots import copy, temporary_snapshot, write_snapshot

logger = logging.getLogger("redkeep")


class SnapshotTask:
    """Replaces the snapshot file with the data as it is when this is made."""

    title = "Background saving"

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._persistence = instance.persistence
        # The settings and the data may be changed before the task ends.
        self._path = snapshot_path(instance.settings)
        self._dirty = instance.keyspace.dirty

    @property
    def status(self) -> TaskStatus:
        return self._persistence.snapshot

    def write(self) -> None:
        write_snapshot(self._instance, self._instance.keyspace, self._path)

    def make_copier(self) -> Copier:
        temporary = temporary_snapshot(self._path, os.getpid())
        return Copier(copy(self._instance, for_log=False), temporary, self._path)

    def finish(self, pid: int, result: WriteResult) -> None:
        succeeded = not result.error
        self.status.count_copied(result.copied_bytes)
        self._persistence.end_snapshot(time.monotonic(), succeeded=succeeded)
        if succeeded:
            self._persistence.saved(self._instance.clock.now_ms(), self._dirty)
            logger.info("Background saving finished: %s is written", self._path)
        else:
            logger.error(
                "Background saving failed: %s. The old %s stays; writes are refused until a "
                "snapshot succeeds if stop-writes-on-bgsave-error is on",
                result.error, self._path,
            )  # fmt: skip
            self.discard(pid)

    def fail(self) -> None:
        self._persistence.end_snapshot(time.monotonic(), succeeded=False)

    def discard(self, pid: int) -> None:
        temporary_snapshot(self._path, pid).unlink(missing_ok=True)
