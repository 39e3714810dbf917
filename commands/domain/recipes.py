"""What the domain families share: recipes over ordinary keys.

A handler of JOB, MODEL, CP, STORE, QUEUE or ML reaches data through `ctx.call` alone (and
`ctx.db.ordered` for reads by prefix), as a Redis script would: what it stores are ordinary
strings, hashes, sorted sets and streams, which any client can read and a stock server can
load, and it is logged as the ordinary commands it came down to. It keeps no state of its
own. Each recipe first checks everything, then writes: errors change nothing.

Error texts start with a word that clients switch on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson

from commands.engine.errors import CommandError
from commands.engine.key_layouts import declare_layout
from commands.instance.context import Context
from storage.errors import WrongType

# Keys of layouts that are Redkeep's own: jobs, models, queues, events.
OWN_PREFIX = b"redkeep:"
declare_layout(OWN_PREFIX)

_EVENTS_KEPT = b"10000"


def failure(word: str, text: str | bytes, *named: bytes) -> CommandError:
    """An error such as `NOTFOUND no job 00ff in pool train`.

    Each `{}` in the text is filled with one of `named`, as it came from the client.
    """
    first, *others = (text.encode() if isinstance(text, str) else text).split(b"{}")
    # Joined, not replaced: a name may have braces itself.
    line = first + b"".join(name[:256] + part for name, part in zip(named, others, strict=True))
    return CommandError(word.encode() + b" " + line)


def read_json(text: bytes | bytearray) -> Any:
    """The value of a JSON text; ValueError if it is none."""
    return orjson.loads(text)


def write_json(value: Any) -> bytes:
    """Compact JSON, members in the order they were given."""
    return orjson.dumps(value)


def checked_json(text: bytes, what: str) -> Any:
    """What a client gave as JSON, or a BADRECORD error that says which argument is wrong."""
    try:
        return orjson.loads(text)
    except ValueError:
        raise failure("BADRECORD", f"{what} is not valid JSON") from None


def count_poison(ctx: Context) -> None:
    """A stored record could not be read and was passed over."""
    ctx.instance.statistics.bad_records += 1


def publish(ctx: Context, family: str, collection: bytes, event: dict[str, Any]) -> None:
    """Tell the world of a change of state, and keep it where `domain-events` says so."""
    instance = ctx.instance
    kept = instance.settings.domain_events
    if not kept and not instance.pubsub.channels and not instance.pubsub.patterns:
        # Nobody would hear it, and most often nobody listens.
        return
    message = write_json(event)
    ctx.call(b"PUBLISH", b"__redkeep__:%b:%b" % (family.encode(), collection), message)
    if kept:
        stream = b"redkeep:events:{%b}" % collection
        # The command has done its work: that its event cannot be kept is no error of it.
        with suppress(CommandError, WrongType):
            ctx.call(b"XADD", stream, b"MAXLEN", b"~", _EVENTS_KEPT, b"*", b"event", message)


def time_ordered_hex(ctx: Context) -> bytes:
    """128 bits as 32 hex digits: 48 of time, then chance; later ones sort behind."""
    return b"%012x%020x" % (ctx.now & (1 << 48) - 1, ctx.rng.getrandbits(80))


def uuid7(ctx: Context) -> str:
    """A version 7 UUID of the instance's time, hyphenated."""
    bits = (ctx.now & (1 << 48) - 1) << 80 | 0x7 << 76 | ctx.rng.getrandbits(12) << 64
    bits |= 0b10 << 62 | ctx.rng.getrandbits(62)
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
