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
    NotDurable,
    log_directory,
    make_directory,
    manifest_path,
    mode_like,
    read_manifest,
    remove_quietly,
    rename_file,
    sync_names,
    temporary_base,
    write_file,
    write_manifest,
)
from server.persistence.log import Log
from server.persistence.snapshots import base
from server.system.files import Files
from storage.aof.manifest import Manifest, adopt

logger = logging.getLogger("redkeep")


class LogFiles:
    """The base, the increments and the manifest of the log that is being written."""

    def __init__(self, instance: Instance, log: Log, files: Files) -> None:
        self._instance = instance
        self._files = files
        self._settings = instance.settings
        self._status = instance.persistence.log
        self._log = log
        self._manifest = Manifest(self._settings.appendfilename)
        # While the log is being turned on: an increment that no manifest names yet.
        self._first_increment: Path | None = None
        # The manifest on disk may be one that was given up, and lists another file as the last.
        self._wrong_manifest = False
        # The kind of base that is being written: the setting may change meanwhile.
        self._suffix = "rdb"

    @property
    def _directory(self) -> Path:
        return log_directory(self._settings)

    @property
    def turning_on(self) -> bool:
        """Whether the log is incomplete because its first base is still to be written."""
        return self._first_increment is not None

    @property
    def needs_rewrite(self) -> bool:
        """Whether only a rewrite mends the files on disk."""
        return self._status.enabled and (self._wrong_manifest or self._log.needs_base)

    # --- at the start ----------------------------------------------------------------------

    def resume(self) -> None:
        """Continue the log that was loaded, or begin one from the data; OSError."""
        make_directory(self._files, self._directory)
        self._remove_leftovers()
        manifest = read_manifest(self._files, self._settings)
        single = Path(self._settings.dir) / self._settings.appendfilename
        if manifest is None and single.is_file():
            manifest = self._adopt(single)
        if manifest is None:
            self._begin()
            return
        self._manifest = manifest
        self._remove_history()
        if manifest.increments:
            self._log.open(self._path(manifest.increments[-1].name))
        else:
            self._add_increment()
        self._count_size()

    def _remove_leftovers(self) -> None:
        # Nobody else writes them: the data directory is locked.
        ours = f"temp-{self._settings.appendfilename}."
        for name in self._files.names(self._directory):
            if name.startswith(ours):
                remove_quietly(self._files, self._path(name))

    def _adopt(self, single: Path) -> Manifest:
        """Move a log of one file, as before Redis 7, into the directory as its base."""
        moved = self._directory / single.name
        with suppress(FileExistsError):
            self._files.link(single, moved)
        manifest = adopt(single.name)
        write_manifest(self._files, self._settings, manifest)
        self._files.remove(single)
        return manifest

    def _begin(self) -> None:
        temporary = self.temporary_base(os.getpid())
        self._choose_suffix()
        chunks = base(self._instance, self._instance.keyspace)
        write_file(self._files, temporary, chunks, self._mode())
        manifest = self._manifest.with_increment()
        increment = self._create_increment(manifest.increments[-1].name)
        self._log.open(increment, lambda: self._install(temporary, manifest, keep=1))
        self._count_size()

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _mode(self) -> int:
        """Return the mode of new files of the log: as who owns it has set the manifest's."""
        return mode_like(self._files, manifest_path(self._settings))

    def _count_size(self) -> None:
        """Note that the log is complete, and the size of all its files together."""
        size = 0
        for file in self._manifest.files:
            # The size only decides when the next rewrite is due.
            with suppress(OSError):
                size += self._files.size_at(self._path(file.name))
        self._status.completed(size)

    # --- rewriting -------------------------------------------------------------------------

    def prepare(self) -> None:
        """Switch the log to a new increment, before the data is copied.

        OSError or ManifestError if that is not possible; then the log stays as it is.
        """
        make_directory(self._files, self._directory)
        self._choose_suffix()
        if not self._settings.appendonly:
            # BGREWRITEAOF while the log is off: only a base is written.
            self._manifest = read_manifest(self._files, self._settings) or self._manifest
        elif not self._status.enabled:
            # The files of an earlier log stay valid until the new one is complete.
            self._manifest = read_manifest(self._files, self._settings) or self._manifest
            increment = self._create_increment(f"temp-{self._manifest.prefix}.incr")
            self._log.open(increment)
            self._first_increment = increment
        elif self._first_increment is not None:
            # A retry: the new base will hold what was logged since the first attempt.
            self._log.restart(self._create_increment(self._first_increment.name))
        else:
            if not self._log.flush():
                raise OSError(0, "the last writes cannot be written to the log")
            self._add_increment()

    def install_base(self, pid: int) -> None:
        """Make the new base, and the increments since the switch, the log; OSError."""
        manifest = self._manifest
        if self._first_increment is not None:
            manifest = manifest.with_increment()
            named = self._path(manifest.increments[-1].name)
            self._files.rename(self._first_increment, named)
            self._first_increment = named
        self._install(self.temporary_base(pid), manifest, keep=int(self._status.enabled))
        # Until now no manifest named it.
        self._first_increment = None
        self._log.drop_retired()
        self._remove_history_quietly()
        self._count_size()

    def discard_base(self, pid: int) -> None:
        """Remove the base that a process was writing."""
        remove_quietly(self._files, self.temporary_base(pid))

    def turn_off(self) -> None:
        """Close the log. Its files stay, unless they never became complete."""
        self._log.close()
        if self._first_increment is not None:
            remove_quietly(self._files, self._first_increment)
            self._first_increment = None

    def temporary_base(self, pid: int) -> Path:
        """Return the name under which a process writes the new base until it is complete."""
        return temporary_base(self._settings, pid)

    def _add_increment(self) -> None:
        """Have the manifest name a new increment, and write to that from now on.

        OSError if that is not possible; then the log stays as it is.
        """
        manifest = self._manifest.with_increment()
        increment = self._create_increment(manifest.increments[-1].name)
        self._log.open(increment, lambda: self._set_manifest(manifest))

    def _create_increment(self, name: str) -> Path:
        """Create an empty increment; it must exist when a manifest names it.

        It is renamed into place, since a manifest that could not be taken back may already
        name a file that is there.
        """
        path = self._path(name)
        temporary = path.with_name(f"temp-{name}")
        write_file(self._files, temporary, (), self._mode())
        rename_file(self._files, temporary, path)
        sync_names(self._files, path.parent)
        return path

    def _install(self, temporary: Path, manifest: Manifest, *, keep: int) -> None:
        manifest = manifest.with_base(self._suffix, keep=keep)
        assert manifest.base is not None
        self._files.rename(temporary, self._path(manifest.base.name))
        self._set_manifest(manifest)

    def _choose_suffix(self) -> None:
        self._suffix = "rdb" if self._settings.aof_use_rdb_preamble else "aof"

    def _set_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest. OSError leaves the old one."""
        try:
            write_manifest(self._files, self._settings, manifest)
        except NotDurable:
            self._take_back_manifest()
            raise
        self._manifest = manifest
        self._wrong_manifest = False

    def _take_back_manifest(self) -> None:
        """The log goes on as the old manifest says, so that must be the one on disk."""
        try:
            if self._manifest.files:
                write_manifest(self._files, self._settings, self._manifest)
            else:
                self._files.remove(manifest_path(self._settings))
        except OSError as error:
            self._wrong_manifest = True
            logger.error(
                "Cannot write back the manifest of the log: %s. It lists a file that is not in "
                "use; a rewrite of the log follows", error.strerror,
            )  # fmt: skip

    def _remove_history_quietly(self) -> None:
        try:
            self._remove_history()
        except OSError as error:
            logger.warning(
                "Cannot update the manifest of the log after removing old files: %s. The log is "
                "complete; the next rewrite or start tries again", error.strerror,
            )  # fmt: skip

    def _remove_history(self) -> None:
        """Remove the files that an installed base has replaced."""
        if not self._manifest.history:
            return
        for file in self._manifest.history:
            try:
                self._files.remove(self._path(file.name))
            except OSError as error:
                logger.warning(
                    "Cannot remove %s, which is no longer part of the log: %s. Remove it by hand",
                    self._path(file.name), error.strerror,
                )  # fmt: skip
        self._set_manifest(self._manifest.without_history())
