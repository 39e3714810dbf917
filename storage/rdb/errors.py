"""The error for damaged files and payloads."""

from __future__ import annotations

from storage.errors import StorageError


class RdbError(StorageError):
    """Damaged or unsupported data. `offset` counts from the start of the file or payload."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.message = message
        self.offset = offset
