"""Reading data files without serving them, for `redkeep check` and `redkeep export`."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import BinaryIO

from commands.families import open_instance
from commands.instance.instance import Instance
from commands.settings.settings import Settings
from server.persistence.loading import (
    Loader,
    LoadError,
    check_manifest_file,
    not_kept,
    starts_with_snapshot,
)
from server.persistence.regular_files import open_regular
from storage import rdb
from storage.aof.errors import LogError, LogTruncated, ManifestError
from storage.aof.manifest import Manifest
from storage.aof.reader import LogReader
from storage.keyspace import Keyspace
from storage.memory_usage import size_of
from storage.values.types import type_name

_MANIFEST = ".manifest"


class NotFound(Exception):
    """A path has no data files."""


class NotALog(Exception):
    """A file cannot be cut, because it is not certain to be a log; the text says why."""


@dataclass(slots=True)
class FileReport:
    """The type of one file, its contents, and what is wrong with it."""

    path: Path
    kind: str
    size: int
    facts: list[str] = field(default_factory=list)
    problem: str = ""
    # Whether it is a log whose requests are damaged, how many bytes of it can be loaded, and
    # whether it is only truncated.
    can_be_cut: bool = False
    whole_bytes: int = 0
    is_cut: bool = False
    # Where the requests begin: after the snapshot, if the log begins with one.
    requests_at: int = 0


@dataclass(slots=True)
class Source:
    """Files that are loaded together: a snapshot or a log."""

    title: Path
    files: list[Path]
    problem: str = ""


def sources(path: Path) -> list[Source]:
    """Find the data at a path: a data directory, a log's directory, or a single file."""
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    if path.is_file():
        return [_log(path) if path.name.endswith(_MANIFEST) else Source(path, [path])]
    found = [_log(manifest) for manifest in sorted(path.glob(f"*{_MANIFEST}"))]
    if found:
        return found
    found = [_log(manifest) for manifest in sorted(path.glob(f"*/*{_MANIFEST}"))]
    found += [Source(file, [file]) for file in sorted(path.glob("*.rdb"))]
    found += [Source(file, [file]) for file in sorted(path.glob("*.aof"))]
    if not found:
        raise NotFound(f"there are no data files in {path}")
    return found


def _log(manifest_file: Path) -> Source:
    try:
        check_manifest_file(manifest_file)
        text = manifest_file.read_bytes().decode("utf-8", "surrogateescape")
        manifest = Manifest.parse(manifest_file.name.removesuffix(_MANIFEST), text)
    except ManifestError as error:
        return Source(manifest_file, [], str(error))
    except OSError as error:
        return Source(manifest_file, [], f"cannot read it: {error.strerror}")
    files = [manifest_file.parent / file.name for file in manifest.files]
    missing = [file.name for file in files if not file.exists()]
    problem = f"it lists files that do not exist: {', '.join(missing)}" if missing else ""
    return Source(manifest_file, [file for file in files if file.exists()], problem)


# --- single files ------------------------------------------------------------------------------


def examine(path: Path, progress: Callable[[int, int], None]) -> FileReport:
    """Read a whole file; `progress` is told how many bytes of how many are read."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
    if size == 0:
        return FileReport(path, "log", size, ["no requests"])
    start = 0
    report = FileReport(path, "log", size)
    if starts_with_snapshot(path):
        report.kind = "snapshot"
        start = _examine_snapshot(report, lambda done: progress(done, size))
        if report.problem or start == size:
            return report
        if path.suffix == ".rdb":
            report.problem = f"{size - start} bytes follow its end (at byte {start})"
            return report
        report.kind = "log that begins with a snapshot"
    _examine_log(report, start, lambda done: progress(done, size))
    return report


def _examine_snapshot(report: FileReport, progress: Callable[[int], None]) -> int:
    keyspace = _scratch().keyspace
    with open_regular(report.path) as file:
        reader = rdb.SnapshotReader(file, keyspace, keep_expired=True)
        try:
            for done in reader.steps():
                progress(done)
        except rdb.RdbError as error:
            report.problem = str(error)
    loaded = reader.loaded
    if loaded.version:
        report.facts.append(f"version {loaded.version}")
    writer = loaded.facts.get(b"redis-ver") or loaded.facts.get(b"valkey-ver")
    if writer:
        report.facts.append(f"written by {writer.decode('latin-1')}")
    report.facts.append(f"{loaded.keys:,} keys")
    if loaded.libraries:
        report.facts.append(f"{len(loaded.libraries):,} libraries of functions")
    report.facts += not_kept(loaded)
    return loaded.end


def _examine_log(report: FileReport, start: int, progress: Callable[[int], None]) -> None:
    requests = 0
    report.requests_at = start
    with (
        open_regular(report.path) as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        reader = LogReader(data, start)
        try:
            for batch in reader.batches():
                requests += len(batch)
                progress(reader.whole)
        except LogError as error:
            report.problem = str(error)
            report.can_be_cut = True
            report.whole_bytes = error.whole
            report.is_cut = isinstance(error, LogTruncated)
    report.facts.append(f"{requests:,} requests")


@contextmanager
def open_to_cut(report: FileReport) -> Iterator[BinaryIO]:
    """Open the log of a report for reading and writing; OSError, or NotALog if it is none.

    The file may be one that a manifest of somebody else names, or a link to such a file.
    """
    try:
        descriptor = os.open(report.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotALog("it is a symbolic link. Name the file itself") from None
        raise
    with os.fdopen(descriptor, "r+b") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotALog("it is not a regular file")
        if status.st_nlink > 1:
            raise NotALog(
                "it has other names (hard links), whose content would be cut too. Replace it "
                "by a copy of its own first"
            )
        if status.st_size != report.size:
            raise NotALog("it changed meanwhile. Stop the server that writes it")
        if not report.requests_at and not _begins_as_log(descriptor):
            raise NotALog(
                "it does not begin with a valid request or a snapshot, so it may not be a log at "
                "all. If it is a log without a single intact request, remove the file yourself"
            )
        yield file


def _begins_as_log(descriptor: int) -> bool:
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
        return LogReader(data).begins_with_request()


# --- the whole data ------------------------------------------------------------------------


@dataclass(slots=True)
class Contents:
    """A summary of the data."""

    # By the number of the database: how many keys of each type.
    types: dict[int, dict[str, int]]
    with_deadline: int
    # Approximate bytes of memory, elements, database, key, type; the largest first.
    largest: list[tuple[int, int, int, bytes, str]]


def load(source: Source, progress: Callable[[int, int], None]) -> tuple[Instance, str]:
    """Return the data as far as it can be loaded, and the problem that stopped loading."""
    instance = _scratch()
    loader = Loader(instance)
    problem = source.problem
    try:
        for _ in loader.steps(source.files, as_log=not _is_snapshot(source)):
            state = instance.persistence.load
            assert state is not None
            progress(state.loaded_bytes, state.total_bytes)
    except LoadError as error:
        problem = problem or str(error)
    return instance, problem


def _is_snapshot(source: Source) -> bool:
    return len(source.files) == 1 and source.files[0].suffix == ".rdb"


def _scratch() -> Instance:
    """Return an instance that never changes files and has room for any number of databases."""
    settings = Settings()
    settings.set(Settings.aof_load_truncated, False)
    settings.set(Settings.databases, 1024)
    return open_instance(settings)


def contents(keyspace: Keyspace, largest: int) -> Contents:
    types: dict[int, dict[str, int]] = {}
    for database in keyspace.databases:
        counts: dict[str, int] = {}
        for value in database.data.values():
            kind = type_name(value)
            counts[kind] = counts.get(kind, 0) + 1
        if counts:
            types[database.index] = counts
    return Contents(
        types,
        sum(len(database.expires) for database in keyspace.databases),
        nlargest(largest, _sizes(keyspace)),
    )


def _sizes(keyspace: Keyspace) -> Iterator[tuple[int, int, int, bytes, str]]:
    for database in keyspace.databases:
        for key, value in database.data.items():
            yield size_of(value), len(value), database.index, key, type_name(value)
