"""Events: what the domain families publish when their data changes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

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


def publish(ctx: Context, family: str, collection: bytes, event: Mapping[str, object]) -> None:
    """Publish an event to `__redkeep__:<family>:<collection>`.

    With the setting `domain-events` it is also appended to the stream
    `redkeep:events:{<collection>}`.
    """
    if not has_readers(ctx):
        return
    message = write_json(event)
    ctx.call(b"PUBLISH", b"__redkeep__:%b:%b" % (family.encode(), collection), message)
    if ctx.instance.settings.domain_events:
        stream = b"redkeep:events:{%b}" % collection
        # The command has done its work; a stream that cannot be appended to must not fail it.
        with suppress(CommandError, WrongType):
            ctx.call(b"XADD", stream, b"MAXLEN", b"~", _EVENTS_KEPT, b"*", b"event", message)
