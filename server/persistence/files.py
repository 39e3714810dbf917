"""Files of the data directory: their names, and how one is replaced.

A file that others rely on is never written in place. It is written under another name,
forced to disk, given its name, and the directory is forced to disk too: whenever the
machine stops, either the old file is there or the new one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from commands.settings.settings import Settings
from storage.aof.manifest import Manifest

# A long file is forced to disk piece by piece, so that the last piece does not stall the
# disk for everybody.
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
    """The manifest of the log, None if there is none; ManifestError if it is damaged."""
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
    """Write a file as a whole; how many bytes it has. OSError leaves the old one."""
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
    """Write a new file and force it to disk; how many bytes it has."""
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


# Only the size and the bytes must be on disk; some systems cannot leave the rest out.
sync_data = getattr(os, "fdatasync", os.fsync)


class DirectoryLock:
    """Keeps two servers from writing the same log: the second is refused."""

    def __init__(self) -> None:
        self._descriptor = -1

    def take(self, path: Path) -> bool:
        """Whether the directory is ours now, until `release` or the end of the process."""
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
    """Make a directory if it is missing, so that it is still there after a power cut."""
    if not path.is_dir():
        path.mkdir()
        sync_directory(path.absolute().parent)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
