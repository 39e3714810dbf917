"""Events of queues, as they are published and kept (see `commands.domain.events`)."""

from __future__ import annotations

from commands.domain.events import publish
from commands.domain.queues.layout import Queue
from commands.instance.context import Context


def announce(ctx: Context, queue: Queue, event: str, **details: object) -> None:
    """Publish a change of a queue."""
    publish(ctx, "queue", queue.name, event, **details)


def text(name: bytes) -> str:
    """A name from a client as text for JSON."""
    return name.decode("utf-8", "backslashreplace")
