"""The files of the log on disk: begun, rewritten, and switched without losing a request.

A rewrite starts by switching the log to a new increment, which a new manifest adds. Then all
data, as it is at that moment, is written to a new base. Once that is on disk, another manifest
replaces the old base and the increments before the switch; they are removed. Whenever the
machine stops, the manifest on disk names a complete log.
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
    """The base, the increments and the manifest of the log that is being written."""

    def __init__(self, instance: Instance, log: Log) -> None:
        self._instance = instance
        self._settings = instance.settings
        self._status = instance.persistence.log
        self._log = log
        self._manifest = Manifest(self._settings.appendfilename)
        # While the log is being turned on: an increment that no manifest names yet.
        self._first_increment: Path | None = None
        # The kind of base that is being written: the setting may change meanwhile.
        self._suffix = "rdb"

    @property
    def _directory(self) -> Path:
        return log_directory(self._settings)

    @property
    def turning_on(self) -> bool:
        """Whether the log is incomplete because its first base is still to be written."""
        return self._first_increment is not None

    # --- at the start ----------------------------------------------------------------------

    def resume(self) -> None:
        """Continue the log that was loaded, or begin one from the data; OSError."""
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
        self._open_last_increment()
        self._count_size()

    def _adopt(self, single: Path) -> Manifest:
        """Move a log of one file, as before Redis 7, into the directory as its base."""
        moved = self._directory / single.name
        with suppress(FileExistsError):
            os.link(single, moved)
        manifest = adopt(single.name)
        write_manifest(self._settings, manifest)
        single.unlink()
        return manifest

    def _begin(self) -> None:
        temporary = self.temporary_base(os.getpid())
        self._choose_suffix()
        write_base(self._instance, self._instance.keyspace, temporary)
        self._install(temporary, self._with_new_increment(), keep=1)
        self._open_last_increment()
        self._count_size()

    def _open_last_increment(self) -> None:
        self._log.open(self._directory / self._manifest.increments[-1].name)

    def _count_size(self) -> None:
        """Note that the log is complete, and the size of all its files together."""
        self._status.completed(
            sum((self._directory / file.name).stat().st_size for file in self._manifest.files)
        )

    # --- rewriting -------------------------------------------------------------------------

    def prepare(self) -> None:
        """Switch the log to a new increment, before the data is copied.

        OSError or ManifestError if that is not possible; then the log stays as it is.
        """
        make_directory(self._directory)
        self._choose_suffix()
        if not self._settings.appendonly:
            # BGREWRITEAOF while the log is off: only a base is written.
            self._manifest = read_manifest(self._settings) or self._manifest
        elif not self._status.enabled:
            # The files of an earlier log stay valid until the new one is complete.
            self._manifest = read_manifest(self._settings) or self._manifest
            increment = self._directory / f"temp-{self._manifest.prefix}.incr"
            increment.unlink(missing_ok=True)
            self._log.open(increment)
            self._first_increment = increment
        elif self._first_increment is not None:
            # A retry: the new base will hold what was logged since the first attempt.
            self._first_increment.unlink(missing_ok=True)
            self._log.restart(self._first_increment)
        else:
            if not self._log.flush():
                raise OSError(0, "the last writes cannot be written to the log")
            self._set_manifest(self._with_new_increment())
            self._open_last_increment()

    def install_base(self, pid: int) -> None:
        """Make the new base, and the increments since the switch, the log; OSError."""
        manifest = self._manifest
        if self._first_increment is not None:
            manifest = manifest.with_increment()
            named = self._directory / manifest.increments[-1].name
            os.replace(self._first_increment, named)
            self._first_increment = named
        self._install(self.temporary_base(pid), manifest, keep=int(self._status.enabled))
        # Until now no manifest named it.
        self._first_increment = None
        self._count_size()
        self._log.drop_retired()

    def discard_base(self, pid: int) -> None:
        """Remove the base that a process was writing."""
        with suppress(OSError):
            self.temporary_base(pid).unlink()

    def turn_off(self) -> None:
        """Close the log. Its files stay, unless they never became complete."""
        self._log.close()
        if self._first_increment is not None:
            with suppress(OSError):
                self._first_increment.unlink()
            self._first_increment = None

    def temporary_base(self, pid: int) -> Path:
        """Return the name under which a process writes the new base until it is complete."""
        return Path(self._settings.dir) / f"temp-rewriteaof-bg-{pid}.aof"

    def _with_new_increment(self) -> Manifest:
        manifest = self._manifest.with_increment()
        # It must exist, and be empty, when the manifest names it.
        with (self._directory / manifest.increments[-1].name).open("wb") as file:
            os.fsync(file.fileno())
        return manifest

    def _install(self, temporary: Path, manifest: Manifest, *, keep: int) -> None:
        manifest = manifest.with_base(self._suffix, keep=keep)
        assert manifest.base is not None
        os.replace(temporary, self._directory / manifest.base.name)
        self._set_manifest(manifest)
        try:
            self._remove_history()
        except OSError as error:
            logger.warning(
                "Cannot update the manifest of the log after removing old files: %s. The log is "
                "complete; the next rewrite or start tries again", error.strerror,
            )  # fmt: skip

    def _choose_suffix(self) -> None:
        self._suffix = "rdb" if self._settings.aof_use_rdb_preamble else "aof"

    def _set_manifest(self, manifest: Manifest) -> None:
        write_manifest(self._settings, manifest)
        self._manifest = manifest

    def _remove_history(self) -> None:
        """Remove the files that an installed base has replaced."""
        if not self._manifest.history:
            return
        for file in self._manifest.history:
            try:
                (self._directory / file.name).unlink(missing_ok=True)
            except OSError as error:
                logger.warning(
                    "Cannot remove %s, which is no longer part of the log: %s. Remove it by hand",
                    self._directory / file.name, error.strerror,
                )  # fmt: skip
        self._set_manifest(self._manifest.without_history())
        sync_directory(manifest_path(self._settings).parent)
