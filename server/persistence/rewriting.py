"""The log's files: begun, written anew, and switched without losing a request.

A rewrite first lets the log go on in a new increment, then has a child write all data as it
is at that moment as a new base. Once that is on disk, a new manifest makes it and the new
increment the log; what came before is history and is removed. Whenever the machine stops,
one manifest or the other names a whole log.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from commands.instance.instance import Instance
from server.persistence.files import (
    log_directory,
    make_directory,
    manifest_path,
    read_manifest,
    sync_directory,
    write_manifest,
)
from server.persistence.log import Log
from server.persistence.snapshots import write_base
from storage.aof.manifest import Manifest, adopt

logger = logging.getLogger("redkeep")


class LogFiles:
    """The files of the log that is being written."""

    def __init__(self, instance: Instance, log: Log) -> None:
        self._instance = instance
        self._settings = instance.settings
        self._state = instance.persistence
        self._log = log
        self._manifest = Manifest(self._settings.appendfilename)
        # While the log is being turned on: an increment that no manifest names yet.
        self._first_increment: Path | None = None
        # What kind of base is being written: the setting may be changed meanwhile.
        self._suffix = "rdb"

    @property
    def _directory(self) -> Path:
        return log_directory(self._settings)

    @property
    def turning_on(self) -> bool:
        """Whether the log is not whole yet: its first base is still being written."""
        return self._first_increment is not None

    # --- at the start ----------------------------------------------------------------------

    def resume(self) -> None:
        """Go on with the log that was loaded, or begin one with the data as it is."""
        make_directory(self._directory)
        manifest = read_manifest(self._settings)
        single = Path(self._settings.dir) / self._settings.appendfilename
        if manifest is None and single.is_file():
            manifest = self._adopt(single)
        if manifest is None:
            self._begin()
            return
        self._manifest = manifest
        self._remove_history()
        if not manifest.increments:
            self._set_manifest(self._with_new_increment())
        self._open_last()
        self._measure()

    def _adopt(self, single: Path) -> Manifest:
        """Take a log of one file, as before Redis 7, into the directory as its base."""
        moved = self._directory / single.name
        with suppress(FileExistsError):
            os.link(single, moved)
        manifest = adopt(single.name)
        write_manifest(self._settings, manifest)
        single.unlink()
        return manifest

    def _begin(self) -> None:
        temporary = self.temporary(os.getpid())
        self._choose_suffix()
        write_base(self._instance, self._instance.keyspace, temporary)
        self._install(temporary, self._with_new_increment(), keep=1)
        self._open_last()
        self._measure()

    def _open_last(self) -> None:
        self._log.open(self._directory / self._manifest.increments[-1].name)
        self._state.logging = True

    def _measure(self) -> None:
        """Tell that the log is whole, and how long it is, all files together."""
        sizes = {
            file: (self._directory / file.name).stat().st_size for file in self._manifest.files
        }
        self._state.log_size = sum(sizes.values())
        self._state.log_base_size = self._state.log_size
        self._state.log_whole = self._state.logging

    # --- rewriting -------------------------------------------------------------------------

    def before_rewrite(self) -> None:
        """Let the log go on in a new file. OSError if that cannot be; then nothing changed."""
        make_directory(self._directory)
        self._choose_suffix()
        if not self._settings.appendonly:
            # BGREWRITEAOF without a log: only what one could begin with is written.
            self._manifest = read_manifest(self._settings) or self._manifest
        elif not self._state.logging:
            # What is on disk of an earlier log stays valid until the new one is whole.
            self._manifest = read_manifest(self._settings) or self._manifest
            self._first_increment = self._directory / f"temp-{self._manifest.prefix}.incr"
            self._first_increment.unlink(missing_ok=True)
            self._log.open(self._first_increment)
            self._state.logging = True
        elif self._first_increment is not None:
            # A retry: what was logged since the first attempt is in the data by now.
            self._log.settle()
            self._first_increment.unlink(missing_ok=True)
            self._log.open(self._first_increment)
        else:
            if not self._log.settle():
                raise OSError(0, "what was logged before cannot be written")
            self._set_manifest(self._with_new_increment())
            self._open_last()

    def write(self) -> None:
        """Write the new base: what the child does."""
        write_base(self._instance, self._instance.keyspace, self.temporary(os.getpid()))

    def after_rewrite(self, pid: int) -> None:
        """Make what was written the log."""
        manifest = self._manifest
        if self._first_increment is not None:
            manifest = manifest.with_increment()
            named = self._directory / manifest.increments[-1].name
            os.replace(self._first_increment, named)
            self._first_increment = named
        self._install(self.temporary(pid), manifest, keep=int(self._state.logging))
        # Only now is there a manifest that names it.
        self._first_increment = None
        self._measure()

    def discard(self, pid: int) -> None:
        """Remove what a rewrite that failed has left."""
        with suppress(OSError):
            self.temporary(pid).unlink()

    def turn_off(self) -> None:
        """Keep no log any more. What is on disk stays."""
        self._log.close()
        self._state.logging = self._state.log_whole = False
        if self._first_increment is not None:
            with suppress(OSError):
                self._first_increment.unlink()
            self._first_increment = None

    def temporary(self, pid: int) -> Path:
        """Under which name a process writes the new base until it is whole."""
        return Path(self._settings.dir) / f"temp-rewriteaof-bg-{pid}.aof"

    def _with_new_increment(self) -> Manifest:
        manifest = self._manifest.with_increment()
        # It must be there when the manifest names it, and empty.
        with (self._directory / manifest.increments[-1].name).open("wb") as file:
            os.fsync(file.fileno())
        return manifest

    def _install(self, temporary: Path, manifest: Manifest, *, keep: int) -> None:
        manifest = manifest.with_base(self._suffix, keep=keep)
        assert manifest.base is not None
        os.replace(temporary, self._directory / manifest.base.name)
        self._set_manifest(manifest)
        self._remove_history()

    def _choose_suffix(self) -> None:
        self._suffix = "rdb" if self._settings.aof_use_rdb_preamble else "aof"

    def _set_manifest(self, manifest: Manifest) -> None:
        write_manifest(self._settings, manifest)
        self._manifest = manifest

    def _remove_history(self) -> None:
        if not self._manifest.history:
            return
        for file in self._manifest.history:
            try:
                (self._directory / file.name).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("Cannot remove %s: %s", file.name, error.strerror)
        self._set_manifest(self._manifest.without_history())
        sync_directory(manifest_path(self._settings).parent)
