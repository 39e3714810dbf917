"""A descriptor in reserve, for the moment when the process has no other left."""

from __future__ import annotations

from contextlib import suppress

from server.system.descriptors import Descriptors


class SpareDescriptor:
    """A descriptor that is given up to accept a client when no other is left.

    Without it such a client could only be left waiting in the queue, and the queue of the
    listening socket would stay readable.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._descriptor: int | None = None

    def take(self) -> None:
        """Open the spare descriptor, if it is not open and one is left."""
        if self._descriptor is None:
            with suppress(OSError):
                self._descriptor = self._descriptors.spare()

    def give_up(self) -> bool:
        """Close the spare descriptor; whether it was open."""
        if self._descriptor is None:
            # Another file may have been closed since the spare descriptor could not be opened.
            self.take()
        if self._descriptor is None:
            return False
        self._descriptors.close(self._descriptor)
        self._descriptor = None
        return True
