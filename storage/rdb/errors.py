"""What is wrong with a file or payload, and where."""

from __future__ import annotations

from storage.errors import StorageError


class RdbError(StorageError):
    """Bytes that are not what they should be. `offset` counts from the start of the source."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.message = message
        self.offset = offset
