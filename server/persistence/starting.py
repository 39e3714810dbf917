"""The start of an instance: its directory is locked, its data loaded, its log opened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import trio

from commands.instance.instance import Instance
from server.persistence.files import DirectoryLock, data_directory, remove_leftovers
from server.persistence.loading import Loader, LoadError
from server.persistence.rewriting import LogFiles
from server.system.files import Files

logger = logging.getLogger("redkeep")

# How long loading runs before clients are served for a moment.
_SLICE_SECONDS = 0.01


class Starter:
    """Starts one instance, and holds the lock on its directory."""

    def __init__(
        self,
        instance: Instance,
        loader: Loader,
        files: LogFiles,
        system_files: Files,
        on_progress: Callable[[int, int], None],
    ) -> None:
        """`on_progress` is told how many bytes of how many are loaded."""
        self._instance = instance
        self._settings = instance.settings
        self._persistence = instance.persistence
        self._loader = loader
        self._files = files
        self._system_files = system_files
        self._on_progress = on_progress
        self._lock = DirectoryLock(system_files)

    async def start(self) -> None:
        """Load the data, a slice at a time, and open the log; LoadError says why not."""
        if self._settings.appendonly:
            self.lock_directory()
        if self._settings.appendonly or self._settings.save:
            self._remove_leftovers()
        files = self._loader.find()
        if files is not None:
            await self._load(files)
        if self._settings.appendonly:
            try:
                self._files.resume()
            except OSError as error:
                raise LoadError(
                    f"cannot write the log in {self._settings.dir}: {error.strerror}"
                ) from None

    def lock_directory(self) -> None:
        """Let no other server write a log in the directory; LoadError if one does."""
        directory = data_directory(self._settings)
        try:
            locked = self._lock.take(directory)
        except OSError as error:
            raise LoadError(f"cannot use the directory {directory}: {error.strerror}") from None
        if not locked:
            raise LoadError(
                f"another server keeps its data in {directory}. Give this one its own: --dir"
            )

    def _remove_leftovers(self) -> None:
        directory = data_directory(self._settings)
        try:
            remove_leftovers(self._system_files, directory)
        except OSError as error:
            logger.warning("Cannot look for temporary files in %s: %s", directory, error.strerror)

    async def _load(self, files: list[Path]) -> None:
        started = time.perf_counter()
        slice_end = started + _SLICE_SECONDS
        for _ in self._loader.steps(files):
            if time.perf_counter() > slice_end:
                load = self._persistence.load
                assert load is not None
                self._on_progress(load.loaded_bytes, load.total_bytes)
                await trio.lowlevel.checkpoint()
                slice_end = time.perf_counter() + _SLICE_SECONDS
        self._persistence.loaded()
        keys = sum(map(len, self._instance.keyspace.databases))
        logger.info("Loaded %d keys in %.3f seconds", keys, time.perf_counter() - started)

    def release(self) -> None:
        """Let other servers use the directory."""
        self._lock.release()
