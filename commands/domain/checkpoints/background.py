"""What is left to do after a command about a long thread, and the sweeps that do it.

A command handles up to a batch of checkpoints (`removal.BATCH`) itself. What is left is written
down, and the server does it in batches between the requests of clients.

`redkeep:cp-work:<tenant>:<thread>` is a hash with two kinds of fields. `prune` has the last
place that is to be removed, as cursors name places. `copy:<newthread>` has the namespace and
the place up to which the thread has been copied, `<path>:<place>`.

The checkpoints of a long thread that is removed are renamed, and are gone at once. What the
sweep still removes from the index of META is found in them.
"""

from __future__ import annotations

from commands.domain.calls import call_integer, call_text, call_texts, call_values, write
from commands.domain.checkpoints.copying import Copy, Position
from commands.domain.checkpoints.keys import TRASH_PREFIX, WORK_PREFIX, Thread, thread_at
from commands.domain.checkpoints.meta_index import Rows, change, rows
from commands.domain.checkpoints.order import newest, place_from
from commands.domain.checkpoints.removal import BATCH, fetch, remove
from commands.domain.checkpoints.storing import facts_of
from commands.domain.namespaces import escape, segment_at, unescape
from commands.domain.pages import read_place
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import sweep
from storage.errors import WrongType

PRUNE = b"prune"
COPY = b"copy:"


# --- removed threads -----------------------------------------------------------------------


def throw_away(ctx: Context, thread: Thread) -> None:
    """Remove a long thread or namespace, which has both of its main keys. Only writes."""
    by_step, by_id = thread.trash(ctx.rng.getrandbits(63))
    for key, renamed in ((thread.by_step, by_step), (thread.by_id, by_id)):
        write(ctx, b"RENAME", key, renamed)
        write(ctx, b"PERSIST", renamed)
    write(ctx, b"DEL", thread.states, thread.writes, thread.work)


@sweep(TRASH_PREFIX)
def empty_trash(ctx: Context, key: bytes) -> bool:
    """Remove a batch of the checkpoints of a removed thread; return whether there are more."""
    ctx.begin("")
    prefix, _, kind = key.rpartition(b":")
    thread = thread_at(ctx, key, TRASH_PREFIX)
    if thread is None or kind != b"bystep":
        if not call_integer(ctx, b"EXISTS", prefix + b":bystep"):
            write(ctx, b"DEL", key)
        return False
    by_id = prefix + b":byid"
    ids = call_texts(ctx, b"ZRANGE", key, b"0", b"%d" % (BATCH - 1))
    gone: Rows = set()
    kept: Rows = set()
    now = call_values(ctx, b"HMGET", thread.by_id, *ids)
    for checkpoint, old, new in zip(ids, call_values(ctx, b"HMGET", by_id, *ids), now, strict=True):
        before, after = facts_of(old, checkpoint, thread), facts_of(new, checkpoint, thread)
        if before is not None:
            gone |= rows(thread, checkpoint, before.meta)
        if after is not None:
            # The thread was created again and has this checkpoint.
            kept |= rows(thread, checkpoint, after.meta)
    change(ctx, thread, gone - kept, set())
    write(ctx, b"ZREM", key, *ids)
    write(ctx, b"HDEL", by_id, *ids)
    if len(ids) < BATCH:
        write(ctx, b"DEL", key, by_id)
        return False
    return True


# --- work on threads that exist ------------------------------------------------------------


@sweep(WORK_PREFIX)
def work_on_thread(ctx: Context, key: bytes) -> bool:
    """Do a batch of what is left to do in a thread; return whether there is more."""
    ctx.begin("")
    fields = call_texts(ctx, b"HKEYS", key)
    thread = thread_at(ctx, key, WORK_PREFIX)
    if thread is None or thread.work != key or not fields:
        write(ctx, b"DEL", key)
        return False
    field = fields[0]
    text = call_text(ctx, b"HGET", key, field) or b""
    try:
        more = _work(ctx, thread, field, text)
    except (CommandError, WrongType):
        # Another client wrote the field, or keys of another type.
        write(ctx, b"HDEL", key, field)
        more = False
    return more or len(fields) > 1


def _work(ctx: Context, thread: Thread, field: bytes, text: bytes) -> bool:
    if field == PRUNE:
        prune = Prune(ctx, thread, place_from(ctx, thread, read_place(text)))
        prune.run()
        if not prune.more:
            write(ctx, b"HDEL", thread.work, field)
        return prune.more
    path = segment_at(text, 0)
    if not field.startswith(COPY) or path is None:
        raise CommandError("ERR another client wrote this")
    target = Thread(ctx, thread.tenant.encode(), field[len(COPY) :], thread.path.encode())
    copy = Copy(ctx, thread, target, (unescape(path), text[len(path) + 1 :]))
    copy.run()
    note_copy(ctx, thread, target, copy.position)
    return copy.position is not None


class Prune:
    """The removal of a batch of the oldest checkpoints, from a place in their order on."""

    def __init__(self, ctx: Context, thread: Thread, start: int) -> None:
        self._ctx, self._thread = ctx, thread
        self.total = max(0, call_integer(ctx, b"ZCARD", thread.by_step) - start)
        batch = min(self.total, BATCH)
        ids = newest(ctx, thread, start + self.total - batch, batch)
        # If they are large, these are fewer: the oldest.
        self._removed = fetch(ctx, thread, ids[::-1])
        self.more = self.total > len(self._removed) > 0

    def run(self) -> None:
        if self._removed:
            remove(self._ctx, self._thread, self._removed)


def note_prune(ctx: Context, thread: Thread, cursor: bytes) -> None:
    """Write down that the checkpoint of this cursor and all older ones are to be removed."""
    write(ctx, b"HSET", thread.work, PRUNE, cursor)


def note_copy(ctx: Context, thread: Thread, target: Thread, position: Position | None) -> None:
    """Write down where a copy goes on, or that it is complete."""
    field = COPY + target.name.encode()
    if position is None:
        write(ctx, b"HDEL", thread.work, field)
    else:
        path, cursor = position
        write(ctx, b"HSET", thread.work, field, b"%b:%b" % (escape(path), cursor))
