"""What is wrong with a log."""

from __future__ import annotations

from storage.errors import StorageError


class ManifestError(StorageError):
    """A manifest that does not say what to load; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message = message
        self.line = line


class LogError(StorageError):
    """Bytes at `offset` that are no request. All before `whole` can be loaded."""

    def __init__(self, message: str, offset: int, whole: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.message = message
        self.offset = offset
        self.whole = whole


class LogTruncated(LogError):
    """The file ends inside a request or transaction, which begins at `whole`."""
