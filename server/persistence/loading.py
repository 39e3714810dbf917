"""Loading data files: the log if the settings turn it on and it exists, else the snapshot.

Loading is a generator that pauses every few milliseconds, so that a server can answer
LOADING meanwhile; other callers run it to its end. Loading changes no file, except that the
unfinished end of a truncated log is removed, after everything else was read and if the
settings allow it. A damaged file is refused, and the error names it.

While a log is replayed the time is zero: a key that had a deadline was alive when the
commands on it ran, and the log itself deletes what expired.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.instance import Instance
from commands.instance.persistence import Load
from commands.scripting.functions import libraries_of
from server.persistence.files import (
    log_directory,
    manifest_path,
    read_manifest,
    snapshot_path,
)
from server.persistence.regular_files import is_there, open_regular
from server.system.files import Files
from server.system.system import SYSTEM
from storage import rdb
from storage.aof.errors import LogError, LogTruncated, ManifestError
from storage.aof.manifest import Manifest
from storage.aof.reader import LogReader
from storage.errors import WrongType
from storage.frequencies import Frequencies

logger = logging.getLogger("redkeep")

_LARGEST_MANIFEST = 1 << 20
_SNAPSHOT_MARKS = (b"REDIS", b"VALKEY")


class LoadError(Exception):
    """The data cannot be loaded. The text says why and what to do about it."""


def starts_with_snapshot(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(6).startswith(_SNAPSHOT_MARKS)


def check_manifest_file(path: Path) -> None:
    """Raise OSError unless this is a regular file of a size that a manifest may have."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > _LARGEST_MANIFEST:
            raise OSError(errno.EFBIG, "it is too large for a manifest")


def not_kept(loaded: rdb.Loaded) -> Iterator[str]:
    """Say what a snapshot contains that the next one will not."""
    if loaded.module_facts:
        yield f"{loaded.module_facts} items of Redis modules, which are not supported"


class Loader:
    """Loads an instance's data, and keeps count of the progress in the instance's state."""

    def __init__(self, instance: Instance, files: Files = SYSTEM.files) -> None:
        self._instance = instance
        self._files = files
        self._keyspace = instance.keyspace
        self._settings = instance.settings
        self._context = Context(instance, instance.internal_client())
        self._done_before = 0

    # --- finding the files -------------------------------------------------------------------

    def find(self) -> list[Path] | None:
        """Return the files to load, in order, or None; LoadError if one is missing."""
        files: list[Path] | None = None
        if self._settings.appendonly:
            files = self._find_log()
        snapshot = snapshot_path(self._settings)
        if files is None and self._is_there(snapshot):
            files = [snapshot]
        return files

    def _is_there(self, path: Path) -> bool:
        try:
            return is_there(path)
        except OSError as error:
            raise LoadError(f"cannot read {path}: {error.strerror}") from None

    def manifest(self) -> Manifest | None:
        """Return the manifest; LoadError if it is damaged or lists files that do not exist."""
        path = manifest_path(self._settings)
        if not self._is_there(path):
            return None
        try:
            check_manifest_file(path)
            manifest = read_manifest(self._files, self._settings)
        except ManifestError as error:
            raise LoadError(
                f"{path}, {error}. It lists the files of the log. Restore it from a "
                f"backup, or inspect the directory with: redkeep check {path.parent}"
            ) from None
        except OSError as error:
            raise LoadError(f"cannot read {path}: {error.strerror}") from None
        for file in manifest.files if manifest else ():
            if not (log_directory(self._settings) / file.name).exists():
                raise LoadError(
                    f"{path} lists {file.name}, which is not in {path.parent}. Restore that "
                    "file from a backup; without it the data would be incomplete"
                )
        return manifest

    def _find_log(self) -> list[Path] | None:
        manifest = self.manifest()
        if manifest is not None:
            return self.files_of(manifest)
        single = self.single_file()
        return [single] if single is not None else None

    def files_of(self, manifest: Manifest) -> list[Path]:
        return [log_directory(self._settings) / file.name for file in manifest.files]

    def single_file(self) -> Path | None:
        """Return the log of Redis 6 and older: one file, in the data directory itself."""
        path = Path(self._settings.dir) / self._settings.appendfilename
        # A directory may have the same name: that of the log.
        return path if self._is_there(path) and not path.is_dir() else None

    # --- loading ---------------------------------------------------------------------------

    def steps(
        self, files: list[Path], *, as_log: bool | None = None, replace: bool = False
    ) -> Iterator[None]:
        """Load these files, pausing every few milliseconds; LoadError if one is damaged.

        `as_log` says whether they are a log; by default all files but the snapshot are.
        """
        state = self._instance.persistence
        keyspace = self._keyspace
        total = sum(path.stat().st_size for path in files)
        load = Load(self._instance.clock.now_ms(), total)
        state.begin_load(load)
        self._done_before = 0
        paused, keyspace.expiry_paused = keyspace.expiry_paused, True
        journal, keyspace.journal = keyspace.journal, None
        if as_log is None:
            as_log = files != [snapshot_path(self._settings)]
        try:
            for path in files:
                is_last = path == files[-1]
                for done in self._load_file(path, as_log, is_last=is_last, replace=replace):
                    load.loaded_bytes = self._done_before + done
                    yield
                self._done_before += path.stat().st_size
            if as_log:
                self._stamp_accesses()
        finally:
            keyspace.expiry_paused = paused
            keyspace.journal = journal
            keyspace.refresh_now()
            state.end_load()
        state.matches_files(keyspace.dirty)

    def _load_file(
        self, path: Path, as_log: bool, *, is_last: bool, replace: bool
    ) -> Iterator[int]:
        """Load one file; yield now and then how many of its bytes are loaded."""
        try:
            start = 0
            if not as_log or starts_with_snapshot(path):
                start = yield from self._load_snapshot(path, as_log, replace)
            if as_log:
                yield from self._load_requests(path, start, is_last)
        except OSError as error:
            raise LoadError(f"cannot read {path}: {error.strerror}") from None

    def _load_snapshot(self, path: Path, as_log: bool, replace: bool) -> Generator[int, None, int]:
        """Load a snapshot in the same way; return where it ends."""
        state = self._instance.persistence
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            reader = rdb.SnapshotReader(
                file,
                self._keyspace,
                keep_expired=as_log,
                replace=replace,
                checksum=not self._instance.skip_checksums,
            )
            try:
                yield from reader.steps()
            except rdb.RdbError as error:
                raise LoadError(
                    f"{path} is damaged: {error}. Restore it from a backup, or see what can be "
                    f"read of it with: redkeep check {path}"
                ) from None
            except MemoryError:
                raise LoadError(f"{path} does not fit into memory") from None
        end = reader.loaded.end
        if size > end and not as_log:
            raise LoadError(
                f"{path} is damaged: {size - end} bytes follow the end of the snapshot (at byte "
                f"{end}). They would be lost with the next save. If they are not needed, remove "
                f"them: truncate -s {end} {path}"
            )
        try:
            libraries_of(self._instance).add(reader.loaded.libraries, replace=replace)
        except CommandError as error:
            reason = error.text.decode("utf-8", "backslashreplace")
            raise LoadError(
                f"{path} contains a library of functions that cannot be loaded: {reason}"
            ) from None
        state.count_loaded(reader.loaded.keys, reader.loaded.expired)
        for what in not_kept(reader.loaded):
            logger.warning("%s contains %s. They will be missing from the next save", path, what)
        return end

    def _load_requests(self, path: Path, start: int, is_last: bool) -> Iterator[int]:
        if path.stat().st_size <= start:
            return
        with (
            open_regular(path) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            reader = LogReader(data, start)
            self._context.select(self._keyspace.databases[0])
            try:
                for requests in reader.batches():
                    with self._timeless():
                        self._run(requests, path, reader)
                    yield reader.whole
                return
            except LogTruncated as error:
                self._check_may_cut(path, error, is_last)
                cut = error
            except LogError as error:
                raise LoadError(
                    f"{path} is damaged: {error}. Nothing was changed. Make a copy of it, then "
                    f"inspect it with: redkeep check {path}"
                ) from None
        removed = path.stat().st_size - cut.whole
        self._truncate(path, cut.whole)
        logger.warning(
            "%s was truncated: removed its last %d bytes, an incomplete write", path, removed
        )

    def _truncate(self, path: Path, size: int) -> None:
        descriptor = self._files.open(path)
        try:
            self._files.truncate(descriptor, size)
        finally:
            self._files.close(descriptor)

    def _check_may_cut(self, path: Path, error: LogTruncated, is_last: bool) -> None:
        if not is_last:
            raise LoadError(
                f"{path} ends inside a request, though it is not the last file of the log: "
                f"{error}. Restore it from a backup; see also: redkeep check {path}"
            )
        if not self._settings.aof_load_truncated:
            raise LoadError(
                f"{path} is truncated: {error}. To drop the incomplete write, set "
                f"'aof-load-truncated yes' or use: redkeep check --fix {path}"
            )

    # --- running what was logged -----------------------------------------------------------

    @contextmanager
    def _timeless(self) -> Iterator[None]:
        """Set the time to zero, so that no key expires, and back to the real time afterwards."""
        self._keyspace.now = 0
        try:
            yield
        finally:
            self._keyspace.refresh_now()

    def _run(self, requests: list[list[bytes]], path: Path, reader: LogReader) -> None:
        ctx = self._context
        instance = self._instance
        known = instance.spellings.get
        for argv in requests:
            found = known(argv[0]) or instance.find_command(argv)
            if found is None or not found.command.accepts(len(argv)):
                name = argv[0][:64].decode("latin-1")
                raise LoadError(
                    f"{path} is damaged, or comes from a server with other commands: the request "
                    f"'{name}' of {len(argv)} words near byte {reader.whole} is unknown here. "
                    "Nothing was changed"
                )
            if not found.writes and found.command.name != "SELECT":
                # No server logs it. It could delay loading, or change settings.
                logger.info("%s: %r writes nothing and is not run", path, argv[0][:64])
                continue
            try:
                found.handler(ctx, argv)
            except (CommandError, WrongType) as error:
                # It failed in the same way when it was logged, and changed nothing then either.
                # A library, however, may need more memory than the settings allow now.
                level = logging.WARNING if found.command.group == "scripting" else logging.DEBUG
                logger.log(level, "%s: %r failed: %s", path, argv[0], error)
            except Exception as error:
                logger.exception("%s: %r failed", path, argv[0][:64])
                raise LoadError(
                    f"{path}: the request {argv[0][:64]!r} near byte {reader.whole} caused an "
                    f"internal error: {error!r}. Nothing was changed. Make a copy of the file, "
                    f"then inspect it with: redkeep check {path}"
                ) from error
        self._keyspace.ready.clear()

    def _stamp_accesses(self) -> None:
        """Date accesses during the replay, when the time was zero, at the present."""
        now = self._keyspace.refresh_now()
        for database in self._keyspace.databases:
            accessed = database.accessed
            if isinstance(accessed, Frequencies):
                accessed.date(now)
                continue
            for key, at in accessed.items():
                if not at:
                    accessed[key] = now
