"""One rewrite of the log: BGREWRITEAOF, a log that has grown, or one just turned on."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from commands.instance.instance import Instance
from commands.instance.persistence import TaskStatus
from server.persistence.children import WriteResult
from server.persistence.files import manifest_path
from server.persistence.rewriting import LogFiles
from server.persistence.snapshots import base, copy
from storage.copying import Copy

logger = logging.getLogger("redkeep")


class RewriteTask:
    """Writes a new base for the log, with the data as it is when this starts.

    `LogFiles.prepare` comes first.
    """

    title = "Rewriting the log"

    def __init__(self, instance: Instance, files: LogFiles) -> None:
        self._instance = instance
        self._files = files

    @property
    def status(self) -> TaskStatus:
        return self._instance.persistence.rewrite

    @property
    def model(self) -> Path:
        return manifest_path(self._instance.settings)

    def temporary(self, pid: int) -> Path:
        return self._files.temporary_base(pid)

    def chunks(self) -> Iterator[bytes]:
        return base(self._instance, self._instance.keyspace)

    def copy(self) -> Copy:
        return copy(self._instance, for_log=True)

    async def finish(self, pid: int, result: WriteResult) -> None:
        error = result.error
        if not error:
            try:
                self._files.install_base(pid)
            except OSError as failure:
                error = failure.strerror or str(failure)
        self.status.count_copied(result.copied_bytes)
        self.status.end(time.monotonic(), succeeded=not error)
        if error:
            logger.error(
                "Rewriting the log failed: %s. The files of the log stay as they are", error
            )
            self.discard(pid)
            self._retry_if_incomplete()
        else:
            self.status.count_completed()
            logger.info("Rewriting the log finished")

    def fail(self) -> None:
        self.status.end(time.monotonic(), succeeded=False)
        self._retry_if_incomplete()

    def _retry_if_incomplete(self) -> None:
        # Without its first base a log cannot be loaded.
        if self._files.turning_on:
            self.status.schedule()

    def discard(self, pid: int) -> None:
        self._files.discard_base(pid)
