"""The errors for damaged logs and manifests."""

from __future__ import annotations

from storage.errors import StorageError


class ManifestError(StorageError):
    """An invalid manifest; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message = message
        self.line = line


class LogError(StorageError):
    """The bytes at `offset` are not a valid request. Everything before `whole` can be loaded."""

    def __init__(self, message: str, offset: int, whole: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.message = message
        self.offset = offset
        self.whole = whole


class LogTruncated(LogError):
    """The file ends inside a request or transaction that begins at `whole`."""
