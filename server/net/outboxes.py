"""Which connections have something to send, and whether they may send it yet.

Replies leave at the end of a turn, once for every connection. Where the log must be on disk
before the replies that acknowledge it, a connection keeps these back until then.
"""

from __future__ import annotations

from typing import Protocol


class Sender(Protocol):
    """A connection with an outbox."""

    # Already in the list of outboxes to send.
    queued: bool
    # The outbox may not be sent: its replies acknowledge writes that are not on disk yet.
    awaits_disk: bool
    # The socket took less than it was given.
    wants_write: bool

    def flush(self) -> None:
        """Send the outbox; keep what the socket does not take."""

    def check_output(self) -> None:
        """Close the connection if too many replies are left unread."""


class Outboxes:
    """The outboxes of one instance's connections."""

    def __init__(self) -> None:
        self._to_send: list[Sender] = []
        self._awaiting_disk: list[Sender] = []

    def add(self, sender: Sender) -> None:
        """Send this connection's outbox at the end of the turn."""
        if not sender.queued:
            sender.queued = True
            self._to_send.append(sender)

    def send(self) -> None:
        """Send everything that was added."""
        # Sending can close a connection, and that can send messages to others.
        to_send, self._to_send = self._to_send, []
        for sender in to_send:
            sender.queued = False
            sender.flush()
            if sender.wants_write:
                sender.check_output()

    def await_disk(self, sender: Sender) -> None:
        """This connection keeps replies back until `release`."""
        self._awaiting_disk.append(sender)

    def release(self) -> None:
        """The log is on disk: send what was kept back at the end of this turn."""
        released, self._awaiting_disk = self._awaiting_disk, []
        for sender in released:
            sender.awaits_disk = False
            self.add(sender)
