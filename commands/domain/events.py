"""Events: what the domain families publish when their data changes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from commands.domain.records import write_json
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType

_EVENTS_KEPT = b"10000"


def publish(ctx: Context, family: str, collection: bytes, event: dict[str, Any]) -> None:
    """Publish an event to `__redkeep__:<family>:<collection>`.

    With the setting `domain-events` it is also appended to the stream
    `redkeep:events:{<collection>}`.
    """
    instance = ctx.instance
    kept = instance.settings.domain_events
    if not kept and not instance.pubsub.channels and not instance.pubsub.patterns:
        # Without subscribers, the common case, the event need not be encoded.
        return
    message = write_json(event)
    ctx.call(b"PUBLISH", b"__redkeep__:%b:%b" % (family.encode(), collection), message)
    if kept:
        stream = b"redkeep:events:{%b}" % collection
        # The command has done its work; a stream that cannot be appended to must not fail it.
        with suppress(CommandError, WrongType):
            ctx.call(b"XADD", stream, b"MAXLEN", b"~", _EVENTS_KEPT, b"*", b"event", message)
