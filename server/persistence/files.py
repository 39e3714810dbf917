"""Files of the data directory: their names, and how one is replaced.

Snapshots, bases and manifests are never written in place. A file is written under another
name, synced and renamed, then the directory is synced: whenever the machine stops, either the
old file or the new one is there, complete.

A temporary file is created exclusively, and locked by the process that writes it. So nobody
can have it written through a link, and a later server can tell what a dead process has left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from commands.settings.settings import Settings
from server.system.files import PRIVATE_FILE, Files
from storage.aof.manifest import Manifest

# A long file is synced piece by piece, because one long sync at the end would slow down
# every other use of the disk.
SYNC_EVERY = 32 << 20

_LEFTOVER = re.compile(r"temp-\d+\.rdb|temp-rewriteaof-bg-\d+\.aof", re.ASCII)


class NotDurable(OSError):
    """A file has its new name, but the directory could not be synced."""


def data_directory(settings: Settings) -> Path:
    return Path(settings.dir)


def snapshot_path(settings: Settings) -> Path:
    return data_directory(settings).joinpath(settings.dbfilename)


def log_directory(settings: Settings) -> Path:
    return data_directory(settings).joinpath(settings.appenddirname)


def manifest_path(settings: Settings) -> Path:
    return log_directory(settings) / f"{settings.appendfilename}.manifest"


def temporary_snapshot(path: Path, pid: int) -> Path:
    """Return the name under which a process writes a snapshot until it is complete."""
    return path.with_name(f"temp-{pid}.rdb")


def temporary_base(settings: Settings, pid: int) -> Path:
    """Return the name under which a process writes the base of a log until it is complete."""
    return data_directory(settings) / f"temp-rewriteaof-bg-{pid}.aof"


# --- the manifest --------------------------------------------------------------------------


def read_manifest(files: Files, settings: Settings) -> Manifest | None:
    """Return the manifest of the log, if it exists; ManifestError if it is damaged."""
    try:
        text = files.read(manifest_path(settings))
    except FileNotFoundError:
        return None
    return Manifest.parse(settings.appendfilename, text.decode("utf-8", "surrogateescape"))


def write_manifest(files: Files, settings: Settings, manifest: Manifest) -> None:
    path = manifest_path(settings)
    text = manifest.format().encode("utf-8", "surrogateescape")
    replace_file(files, path, path.with_name(f"temp-{path.name}"), [text])


# --- writing and replacing ------------------------------------------------------------------


def mode_like(files: Files, path: Path) -> int:
    """Return the mode for a file that succeeds this one: private if there is none."""
    mode = files.mode_at(path)
    return PRIVATE_FILE if mode is None else mode


def replace_file(files: Files, path: Path, temporary: Path, chunks: Iterable[bytes]) -> int:
    """Replace a file and return its new size. OSError leaves the old file.

    NotDurable if the new file is there, but may be gone after a power failure.
    """
    size = write_file(files, temporary, chunks, mode_like(files, path))
    rename_file(files, temporary, path)
    sync_names(files, path.parent)
    return size


def write_file(files: Files, path: Path, chunks: Iterable[bytes], mode: int) -> int:
    """Write and sync a new file, in place of a leftover of its name; return its size."""
    size = synced = 0
    descriptor = create_file(files, path, mode)
    try:
        try:
            for chunk in chunks:
                write_all(files, descriptor, chunk)
                size += len(chunk)
                if size - synced >= SYNC_EVERY:
                    files.sync(descriptor)
                    synced = size
            files.sync(descriptor)
        finally:
            files.close(descriptor)
    except BaseException:
        remove_quietly(files, path)
        raise
    return size


def create_file(files: Files, path: Path, mode: int) -> int:
    """Create a file for appending, in place of a leftover of its name."""
    files.remove(path)
    return files.create(path, mode)


def rename_file(files: Files, source: Path, target: Path) -> None:
    """Give a file its final name, or remove it and raise OSError."""
    try:
        files.rename(source, target)
    except OSError:
        remove_quietly(files, source)
        raise


def sync_names(files: Files, directory: Path) -> None:
    """Sync a directory in which a file was renamed; NotDurable if that fails."""
    try:
        files.sync_directory(directory)
    except OSError as error:
        raise NotDurable(error.errno, error.strerror) from None


def remove_quietly(files: Files, path: Path) -> None:
    """Remove a file that is not needed, which does no harm if it stays."""
    with suppress(OSError):
        files.remove(path)


def write_all(files: Files, descriptor: int, data: bytes) -> None:
    written = files.write(descriptor, data)
    while written < len(data):
        written += files.write(descriptor, memoryview(data)[written:])


# --- the directory ---------------------------------------------------------------------------


class DirectoryLock:
    """Keeps a second server from writing the same log."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._descriptor = -1

    def take(self, path: Path) -> bool:
        """Lock the directory until `release` or the end of the process; whether that worked."""
        self.release()
        try:
            self._descriptor = self._files.lock(path)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            self._files.close(self._descriptor)
            self._descriptor = -1


def make_directory(files: Files, path: Path) -> None:
    """Make a directory if it is missing, so that it survives a power failure."""
    if not path.is_dir():
        files.make_directory(path)
        files.sync_directory(path.absolute().parent)


def remove_leftovers(files: Files, directory: Path) -> None:
    """Remove the temporary files of processes that have ended; OSError if that is not possible."""
    for name in filter(_LEFTOVER.fullmatch, files.names(directory)):
        path = directory / name
        with suppress(OSError):
            if files.mode_at(path) is not None:
                # A process that still writes the file holds this lock.
                descriptor = files.lock(path)
                try:
                    files.remove(path)
                finally:
                    files.close(descriptor)
