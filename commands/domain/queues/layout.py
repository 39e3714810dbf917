"""The keys of queues, and the agenda of what becomes due in them.

`{q}` is the name of the queue in braces, the hash tag that puts its keys in one slot; a `}` or
a backslash in the name is preceded by a backslash.

| key | type | holds |
|---|---|---|
| `redkeep:queue:{q}:stream:<p>` | stream | messages of priority p, 0 to 9: field `payload` |
| `redkeep:queue:{q}:leases:<group>` | sorted set | leased messages, by when the lease ends |
| `redkeep:queue:{q}:dead:<group>` | sorted set | dead letters, by when they died |
| `redkeep:queue:{q}:delayed` | sorted set | delayed messages, by when they are due |
| `redkeep:queue:{q}:late` | hash | delayed message → priority, space, payload |
| `redkeep:queue:{q}:serial` | string | how many messages were ever delayed |
| `redkeep:queue:{q}:id:<id>` | string | the id of the message pushed with this ID; has a TTL |
| `redkeep:queue:{q}:seen` | sorted set | `group:consumer`, by their last heartbeat |
| `redkeep:queue:{q}:consumers` | hash | `group:consumer` → JSON of its other properties |
| `redkeep:queue:{q}:next` | string | when something in the queue is next due |
| `redkeep:queue:due:<ms>:{q}` | string | the same, in the agenda of all queues |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from commands.domain import OWN_PREFIX
from commands.domain.agenda import Agenda
from commands.domain.calls import call_scores
from commands.domain.namespaces import escape, unescape_valid
from commands.engine.errors import CommandError
from commands.instance.context import Context

QUEUE_PREFIX = OWN_PREFIX + b"queue:{"
AGENDA = Agenda(OWN_PREFIX + b"queue:due:")

_TAGGED = re.compile(rb"redkeep:queue:\{((?:[^}\\]|\\[}\\])++)\}:").match
_STREAM = re.compile(rb"redkeep:queue:\{((?:[^}\\]|\\[}\\])++)\}:stream:[0-9]").fullmatch
_TAG = re.compile(rb"(?:[^}\\]|\\[}\\])++").fullmatch

LEVELS = 10
_LEVELS = frozenset(b"%d" % level for level in range(LEVELS))


class Queue:
    """A queue by its name, and its keys."""

    __slots__ = ("base", "name", "tag")

    def __init__(self, name: bytes) -> None:
        if not name:
            raise CommandError("ERR the name of the queue is empty")
        self.name = name
        self.tag = tag = escape(name, b"}")
        self.base = QUEUE_PREFIX + tag + b"}:"

    def stream(self, level: int) -> bytes:
        return b"%bstream:%d" % (self.base, level)

    def leases(self, group: bytes) -> bytes:
        return b"%bleases:%b" % (self.base, group)

    def dead(self, group: bytes) -> bytes:
        return b"%bdead:%b" % (self.base, group)

    def pushed_as(self, chosen: bytes) -> bytes:
        return b"%bid:%b" % (self.base, chosen)

    @property
    def delayed(self) -> bytes:
        return self.base + b"delayed"

    @property
    def late(self) -> bytes:
        return self.base + b"late"

    @property
    def serial(self) -> bytes:
        return self.base + b"serial"

    @property
    def seen(self) -> bytes:
        return self.base + b"seen"

    @property
    def consumers(self) -> bytes:
        return self.base + b"consumers"

    @property
    def next(self) -> bytes:
        return self.base + b"next"

    def exists(self, ctx: Context) -> bool:
        return ctx.db.ordered.first(self.base, start=self.base) is not None

    def levels(self, ctx: Context) -> list[int]:
        """The priorities that have a stream, and 0 in any case; highest first."""
        ordered = ctx.db.ordered
        prefix = self.base + b"stream:"
        keys = list(islice(ordered.range(prefix), LEVELS + 1))
        if len(keys) <= 1 and keys == [self.stream(0)][: len(keys)]:
            return [0]
        if len(keys) > LEVELS:
            # Some are not of a priority, and there may be any number of them.
            streams = map(self.stream, range(LEVELS))
            keys = [key for key in streams if ordered.first(key, start=key) == key]
        found = {key[len(prefix) :] for key in keys}
        return sorted({int(level) for level in found if level in _LEVELS} | {0}, reverse=True)

    def groups_with(self, ctx: Context, kind: bytes) -> list[bytes]:
        """The groups that have a key of this kind: `leases`, `dead`."""
        prefix = b"%b%b:" % (self.base, kind)
        return [key[len(prefix) :] for key in ctx.db.ordered.range(prefix)]


def _named(tag: bytes) -> Queue:
    return Queue(unescape_valid(tag, b"}"))


def queue_of_stream(key: bytes) -> Queue | None:
    """The queue that this stream belongs to, or None."""
    found = _STREAM(key)
    return None if found is None else _named(found[1])


def every_queue(ctx: Context) -> Iterator[Queue]:
    """All queues of the database, with one look-up each. The database may change meanwhile."""
    start = QUEUE_PREFIX
    while (key := ctx.db.ordered.first(QUEUE_PREFIX, start=start)) is not None:
        found = _TAGGED(key)
        if found is None:
            start = key + b"\0"
            continue
        yield _named(found[1])
        start = found[0][:-1] + b";"


def with_scores(ctx: Context, key: bytes, *bounds: bytes) -> Sequence[tuple[bytes, float]]:
    """A range of a sorted set with its scores; empty if there is no such key."""
    return call_scores(ctx, b"ZRANGE", key, *bounds, b"WITHSCORES")


def is_due(ctx: Context, key: bytes) -> bool:
    """Whether the lowest score of a sorted set, a time, has passed."""
    head = with_scores(ctx, key, b"0", b"0")
    return bool(head) and head[0][1] <= ctx.now


# --- the agenda --------------------------------------------------------------------------------


def schedule(ctx: Context, queue: Queue, moment: int) -> None:
    """Have the sweep visit the queue no later than at this time."""
    AGENDA.entry(ctx, queue.tag, queue.next).plan(ctx, moment)


def queue_of_due(key: bytes) -> Queue | None:
    """The queue that a key of the agenda is of; None for a key of another form."""
    tag = AGENDA.tag_in(key)
    return _named(tag) if tag and _TAG(tag) else None
