"""The keys of queues, and the agenda of what becomes due in them.

`{q}` is the name of the queue in braces, the hash tag that puts its keys in one slot; a `}` or
a backslash in the name is preceded by a backslash.

| key | type | holds |
|---|---|---|
| `redkeep:queue:{q}:stream:<p>` | stream | messages of priority p, from 0 to 9 |
| `redkeep:queue:{q}:leases:<group>` | sorted set | leased messages, by the end of the lease, or 0 |
| `redkeep:queue:{q}:returned:<group>` | sorted set | returned messages, by when they can be read |
| `redkeep:queue:{q}:dead:<group>` | sorted set | dead letters, by when they died |
| `redkeep:queue:{q}:tokens:<group>` | hash | message → the random part of its latest token |
| `redkeep:queue:{q}:turns:<group>` | hash | ORDER key → the message that has its turn |
| `redkeep:queue:{q}:behind:<group>` | sorted set | messages that wait for another of their key |
| `redkeep:queue:{q}:groups` | sorted set | groups, by when they last read |
| `redkeep:queue:{q}:idle` | sorted set | groups that are dropped unless they read, by when |
| `redkeep:queue:{q}:config` | hash | what QUEUE.CONFIG has set; `run`, the prefix of IDs |
| `redkeep:queue:{q}:clean` | string | where the removal of confirmed messages continues |
| `redkeep:queue:{q}:delayed` | sorted set | delayed messages, by when they are due |
| `redkeep:queue:{q}:late` | hash | delayed message → priority, ORDER key, payload |
| `redkeep:queue:{q}:serial` | string | how many messages were ever delayed |
| `redkeep:queue:{q}:seen` | sorted set | `group:consumer`, by their last heartbeat |
| `redkeep:queue:{q}:consumers` | hash | `group:consumer` → JSON of its other properties |
| `redkeep:queue:{q}:next` | string | when something in the queue is next due |
| `redkeep:queue:due:<ms>:{q}` | string | the same, in the agenda of all queues |
| `redkeep:queue:id:{q}:<run>:<id>` | string | the message pushed with this ID; has a TTL |
| `redkeep:queue:gone:{q}:<n>` | any | a large key of the queue that is being removed in steps |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from commands.domain import OWN_PREFIX
from commands.domain.agenda import Agenda, Entry
from commands.domain.calls import call_scores
from commands.domain.namespaces import escape, unescape_valid
from commands.engine.errors import CommandError
from commands.instance.context import Context

_PREFIX = OWN_PREFIX + b"queue:"
QUEUE_PREFIX = _PREFIX + b"{"
GONE_PREFIX = _PREFIX + b"gone:"
AGENDA = Agenda(_PREFIX + b"due:")

_TAGGED = re.compile(rb"redkeep:queue:\{((?:[^}\\]|\\[}\\])++)\}:").match
_STREAM = re.compile(rb"redkeep:queue:\{((?:[^}\\]|\\[}\\])++)\}:stream:[0-9]").fullmatch
_TAG = re.compile(rb"(?:[^}\\]|\\[}\\])++").fullmatch

# In the agenda: work that waits for no moment. The clock may be set back, so `now` would not do.
AT_ONCE = 0
LEVELS = 10
GROUP_KINDS = (b"leases", b"returned", b"dead", b"tokens", b"turns", b"behind")
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

    def of_group(self, kind: bytes, group: bytes) -> bytes:
        """The key of one of the kinds that each group has, `GROUP_KINDS`."""
        return b"%b%b:%b" % (self.base, kind, group)

    def leases(self, group: bytes) -> bytes:
        return self.of_group(b"leases", group)

    def returned(self, group: bytes) -> bytes:
        return self.of_group(b"returned", group)

    def dead(self, group: bytes) -> bytes:
        return self.of_group(b"dead", group)

    def tokens(self, group: bytes) -> bytes:
        return self.of_group(b"tokens", group)

    def turns(self, group: bytes) -> bytes:
        return self.of_group(b"turns", group)

    def behind(self, group: bytes) -> bytes:
        return self.of_group(b"behind", group)

    def pushed_as(self, run: bytes, chosen: bytes) -> bytes:
        return b"%bid:{%b}:%b:%b" % (_PREFIX, self.tag, run, chosen)

    def gone(self, number: int) -> bytes:
        return b"%b{%b}:%d" % (GONE_PREFIX, self.tag, number)

    @property
    def groups(self) -> bytes:
        return self.base + b"groups"

    @property
    def idle(self) -> bytes:
        return self.base + b"idle"

    @property
    def config(self) -> bytes:
        return self.base + b"config"

    @property
    def clean(self) -> bytes:
        return self.base + b"clean"

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
        """The priorities that have a stream, highest first."""
        ordered = ctx.db.ordered
        prefix = self.base + b"stream:"
        keys = list(islice(ordered.range(prefix), LEVELS + 1))
        if len(keys) > LEVELS:
            # Some are not of a priority, and there may be any number of them.
            streams = map(self.stream, range(LEVELS))
            keys = [key for key in streams if ordered.first(key, start=key) == key]
        found = {key[len(prefix) :] for key in keys}
        return sorted((int(level) for level in found if level in _LEVELS), reverse=True)

    def groups_with(self, ctx: Context, *kinds: bytes) -> list[bytes]:
        """The groups that have a key of one of these kinds, by name."""
        found: set[bytes] = set()
        for kind in kinds:
            prefix = b"%b%b:" % (self.base, kind)
            found.update(key[len(prefix) :] for key in ctx.db.ordered.range(prefix))
        return sorted(found)

    def agenda(self, ctx: Context) -> Entry:
        """The entry in the agenda, to be read before the first write of a command."""
        return AGENDA.entry(ctx, self.tag, self.next)


def _named(tag: bytes) -> Queue:
    return Queue(unescape_valid(tag, b"}"))


def queue_of_stream(key: bytes) -> Queue | None:
    """The queue that this stream belongs to, or None."""
    found = _STREAM(key)
    return None if found is None else _named(found[1])


def queue_of_key(key: bytes) -> tuple[Queue, bytes] | None:
    """The queue that a key belongs to, and the rest of the key; None for a key of another form."""
    found = _TAGGED(key)
    return None if found is None else (_named(found[1]), key[found.end() :])


def every_queue(ctx: Context, after: Queue | None = None) -> Iterator[Queue]:
    """The queues of the database by their tags, with one look-up each, behind another queue.

    The database may change meanwhile.
    """
    start = QUEUE_PREFIX if after is None else _behind(after)
    while (key := ctx.db.ordered.first(QUEUE_PREFIX, start=start)) is not None:
        found = queue_of_key(key)
        if found is None:
            start = key + b"\0"
            continue
        yield found[0]
        start = _behind(found[0])


def _behind(queue: Queue) -> bytes:
    """The least key behind all keys of a queue."""
    return queue.base[:-1] + b";"


def with_scores(ctx: Context, key: bytes, *bounds: bytes) -> Sequence[tuple[bytes, float]]:
    """A range of a sorted set with its scores; empty if there is no such key."""
    return call_scores(ctx, b"ZRANGE", key, *bounds, b"WITHSCORES")


def is_due(ctx: Context, key: bytes) -> bool:
    """Whether the lowest score of a sorted set, a time, has passed."""
    head = with_scores(ctx, key, b"0", b"0")
    return bool(head) and head[0][1] <= ctx.now


def queue_of_due(key: bytes) -> Queue | None:
    """The queue that a key of the agenda is of; None for a key of another form."""
    tag = AGENDA.tag_in(key)
    return _named(tag) if tag and _TAG(tag) else None
