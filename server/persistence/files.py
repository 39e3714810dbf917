"""Files of the data directory: their names, and how one is replaced.

Snapshots, bases and manifests are never written in place. A file is written under another
name, synced and renamed, then the directory is synced: whenever the machine stops, either the
old file or the new one is there, complete.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from commands.settings.settings import Settings
from storage.aof.manifest import Manifest

# A long file is synced piece by piece, because one long sync at the end would slow down
# every other use of the disk.
SYNC_EVERY = 32 << 20


def data_directory(settings: Settings) -> Path:
    return Path(settings.dir)


def snapshot_path(settings: Settings) -> Path:
    return data_directory(settings).joinpath(settings.dbfilename)


def log_directory(settings: Settings) -> Path:
    return data_directory(settings).joinpath(settings.appenddirname)


def manifest_path(settings: Settings) -> Path:
    return log_directory(settings) / f"{settings.appendfilename}.manifest"


def read_manifest(settings: Settings) -> Manifest | None:
    """Return the manifest of the log, if it exists; ManifestError if it is damaged."""
    try:
        text = manifest_path(settings).read_bytes()
    except FileNotFoundError:
        return None
    return Manifest.parse(settings.appendfilename, text.decode("utf-8", "surrogateescape"))


def write_manifest(settings: Settings, manifest: Manifest) -> None:
    path = manifest_path(settings)
    text = manifest.format().encode("utf-8", "surrogateescape")
    replace_file(path, path.with_name(f"temp-{path.name}"), [text])


def replace_file(path: Path, temporary: Path, chunks: Iterable[bytes]) -> int:
    """Replace a file and return its new size. OSError leaves the old file."""
    try:
        size = write_file(temporary, chunks)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)
    return size


def write_file(path: Path, chunks: Iterable[bytes]) -> int:
    """Write and sync a new file; return its size."""
    size = synced = 0
    with path.open("wb", buffering=0) as file:
        for chunk in chunks:
            write_all(file.fileno(), chunk)
            size += len(chunk)
            if size - synced >= SYNC_EVERY:
                sync_data(file.fileno())
                synced = size
        os.fsync(file.fileno())
    return size


def write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


# Syncs the bytes and the size only, where the system can leave out the other metadata.
sync_data = getattr(os, "fdatasync", os.fsync)


class DirectoryLock:
    """Keeps a second server from writing the same log."""

    def __init__(self) -> None:
        self._descriptor = -1

    def take(self, path: Path) -> bool:
        """Lock the directory until `release` or the end of the process; whether that worked."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def make_directory(path: Path) -> None:
    """Make a directory if it is missing, so that it survives a power failure."""
    if not path.is_dir():
        path.mkdir()
        sync_directory(path.absolute().parent)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
