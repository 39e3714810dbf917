"""Events: what the domain families publish when their data changes.

An event is a JSON object. `family`, `event`, `command` and `at` (the time in milliseconds) come
first, then what the family has to say. `command` is null for what the server does by itself.
"""

from __future__ import annotations

from contextlib import suppress

from commands.domain.calls import write
from commands.domain.records import write_json
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType

_EVENTS_KEPT = b"10000"


def has_readers(ctx: Context) -> bool:
    """Whether an event may have readers: subscribers, or readers of its stream.

    Usually there is none, and then a hot command can skip building the event.
    """
    instance = ctx.instance
    pubsub = instance.pubsub
    return bool(pubsub.channels or pubsub.patterns or instance.settings.domain_events)


def publish(ctx: Context, family: str, collection: bytes, event: str, **details: object) -> None:
    """Publish an event to `__redkeep__:<family>:<collection>`.

    With the setting `domain-events` it is also appended to the stream
    `redkeep:events:<family>:{<collection>}`.
    """
    if not has_readers(ctx):
        return
    message = write_json(
        {
            "family": family,
            "event": event,
            "command": ctx.command or None,
            "at": ctx.now,
            **details,
        }
    )
    ctx.call(b"PUBLISH", b"__redkeep__:%b:%b" % (family.encode(), collection), message)
    if ctx.instance.settings.domain_events:
        stream = _stream(family, collection)
        # The command has done its work; a stream that cannot be appended to must not fail it.
        with suppress(CommandError, WrongType):
            write(ctx, b"XADD", stream, b"MAXLEN", b"~", _EVENTS_KEPT, b"*", b"event", message)


def forget_events(ctx: Context, family: str, collection: bytes) -> None:
    """Remove the stream of a collection that is gone, after its last event was published."""
    write(ctx, b"DEL", _stream(family, collection))


def _stream(family: str, collection: bytes) -> bytes:
    return b"redkeep:events:%b:{%b}" % (family.encode(), collection)
