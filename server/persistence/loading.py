"""From files to keys: the log if there is one and it is wanted, else the snapshot.

Loading is a generator that pauses every few milliseconds, so that a server can answer
LOADING meanwhile; whoever has nobody to answer just runs it to its end. Nothing is written
before all has been read, and then only the end of a log that was cut off is taken away,
where the settings allow that. A file that cannot be trusted is refused, by name.

While a log is read, time stands at zero: a key that had a deadline was alive when the
commands on it ran, and what ran out then is removed by the log itself.
"""

from __future__ import annotations

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
from server.persistence.files import (
    log_directory,
    manifest_path,
    read_manifest,
    snapshot_path,
)
from storage import rdb
from storage.aof.errors import LogError, LogTruncated, ManifestError
from storage.aof.manifest import Manifest
from storage.aof.reader import LogReader
from storage.errors import WrongType

logger = logging.getLogger("redkeep")

_SNAPSHOT_MARKS = (b"REDIS", b"VALKEY")


class LoadError(Exception):
    """Why the data cannot be loaded, for a person to act on."""


def starts_with_snapshot(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6).startswith(_SNAPSHOT_MARKS)


class Loader:
    """Loads an instance's data, and tells the instance's state how far it is."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._keyspace = instance.keyspace
        self._settings = instance.settings
        self._context = Context(instance, instance.internal_client())
        self._done_before = 0

    # --- what there is -------------------------------------------------------------------

    def find(self) -> list[Path] | None:
        """The files to load, in order; None if there are none. LoadError if one is missing."""
        files: list[Path] | None = None
        if self._settings.appendonly:
            files = self._find_log()
        if files is None and snapshot_path(self._settings).exists():
            files = [snapshot_path(self._settings)]
        return files

    def manifest(self) -> Manifest | None:
        """The manifest, LoadError if it is damaged or names files that are not there."""
        path = manifest_path(self._settings)
        try:
            manifest = read_manifest(self._settings)
        except ManifestError as error:
            raise LoadError(
                f"{path}, {error}. It should list the files of the log; restore it from a "
                f"backup, or see what is there with: redkeep check {path.parent}"
            ) from None
        except OSError as error:
            raise LoadError(f"cannot read {path}: {error.strerror}") from None
        for file in manifest.files if manifest else ():
            if not (log_directory(self._settings) / file.name).exists():
                raise LoadError(
                    f"{path} lists {file.name}, which is not in {path.parent}. Restore that "
                    "file from a backup; without it the data would not be whole"
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
        """A log from before Redis 7: one file, in the data directory itself."""
        path = Path(self._settings.dir) / self._settings.appendfilename
        return path if path.is_file() else None

    # --- loading ---------------------------------------------------------------------------

    def steps(
        self, files: list[Path], *, as_log: bool | None = None, replace: bool = False
    ) -> Iterator[None]:
        """Load these files, pausing every few milliseconds; LoadError if one is damaged.

        `as_log` says whether they are a log; without it, all but the snapshot file is.
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
                self._let_time_go_on()
        finally:
            keyspace.expiry_paused = paused
            keyspace.journal = journal
            keyspace.refresh_now()
            state.end_load()
        state.saved_dirty = keyspace.dirty

    def _load_file(
        self, path: Path, as_log: bool, *, is_last: bool, replace: bool
    ) -> Iterator[int]:
        """How many bytes of the file are done, time after time."""
        try:
            start = 0
            if not as_log or starts_with_snapshot(path):
                start = yield from self._load_snapshot(path, as_log, replace)
            if as_log:
                yield from self._load_requests(path, start, is_last)
        except OSError as error:
            raise LoadError(f"cannot read {path}: {error.strerror}") from None

    def _load_snapshot(self, path: Path, as_log: bool, replace: bool) -> Generator[int, None, int]:
        """The same for a snapshot; returns where it ends."""
        state = self._instance.persistence
        with path.open("rb") as file:
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
        state.loaded_keys += reader.loaded.keys
        state.expired_at_load += reader.loaded.expired
        return reader.loaded.end

    def _load_requests(self, path: Path, start: int, is_last: bool) -> Iterator[int]:
        if path.stat().st_size <= start:
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
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
                    f"{path} is damaged: {error}. Nothing was changed. Make a copy of it, and "
                    f"see what is wrong with: redkeep check {path}"
                ) from None
        removed = path.stat().st_size - cut.whole
        os.truncate(path, cut.whole)
        logger.warning(
            "%s was cut off: its last %d bytes, an unfinished write, were removed", path, removed
        )

    def _check_may_cut(self, path: Path, error: LogTruncated, is_last: bool) -> None:
        if not is_last:
            raise LoadError(
                f"{path} ends inside a request, though it is not the last file of the log: "
                f"{error}. Restore it from a backup; see also: redkeep check {path}"
            )
        if not self._settings.aof_load_truncated:
            raise LoadError(
                f"{path} is cut off: {error}. To drop what is unfinished, set "
                f"'aof-load-truncated yes' or use: redkeep check --fix {path}"
            )

    # --- running what was logged -----------------------------------------------------------

    @contextmanager
    def _timeless(self) -> Iterator[None]:
        """While in here no deadline is past. Everybody else sees the real time."""
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
                    f"{path} is damaged, or comes from a server with other commands: near byte "
                    f"{reader.whole} there is a request '{name}' of {len(argv)} words, which is "
                    "unknown here. Nothing was changed"
                )
            try:
                found.handler(ctx, argv)
            except (CommandError, WrongType) as error:
                # As it was when it was logged: then it changed nothing.
                logger.debug("%s: %r failed: %s", path, argv[0], error)
        self._keyspace.ready.clear()

    def _let_time_go_on(self) -> None:
        """What was touched while time stood still was touched now."""
        now = self._keyspace.refresh_now()
        for database in self._keyspace.databases:
            accessed = database.accessed
            for key, at in accessed.items():
                if not at:
                    accessed[key] = now
