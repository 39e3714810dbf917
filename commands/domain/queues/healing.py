"""The patrol of queues: it mends what other clients have deleted or changed.

It looks at each key of each queue, a few items a step: rows about messages or groups that are
gone are removed, messages that nothing would deliver again are made readable, messages that all
groups have confirmed are deleted, and what is due is entered in the agenda.
"""

from __future__ import annotations

from typing import cast

from commands.domain.calls import (
    call_integer,
    call_score,
    call_scores_of,
    call_text,
    call_texts,
    call_values,
    write,
)
from commands.domain.namespaces import unescape_valid
from commands.domain.queues.confirming import Settling, remove_confirmed, wake_readers
from commands.domain.queues.due import upcoming
from commands.domain.queues.groups import Streams, find_pending, group_states
from commands.domain.queues.layout import AGENDA, GROUP_KINDS, QUEUE_PREFIX, Queue, queue_of_key
from commands.domain.queues.messages import read_message_id
from commands.domain.queues.removal import Removal
from commands.domain.queues.turns import read_behind
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.instance.patrols import PATROL_BATCH, patrol

_BATCH = b"%d" % PATROL_BATCH
# Keys that hold what becomes due.
_TIMED = {b"leases", b"returned", b"dead", b"groups", b"idle", b"clean", b"delayed", b"seen"}


@patrol(QUEUE_PREFIX)
def look_at_queue(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Look at some of the items of a key."""
    found = queue_of_key(key)
    if found is None:
        return None
    queue, rest = found
    kind, _, group = rest.partition(b":")
    if not position and kind in _TIMED:
        ctx.begin("")
        _enter_in_agenda(ctx, queue)
    ctx.begin("")
    if kind == b"stream":
        return _look_at_stream(ctx, queue, group, position)
    if kind in GROUP_KINDS:
        if group not in Streams(ctx, queue, ()).names:
            removal = Removal(ctx, queue)
            removal.add(key)
            removal.write()
            return None
        if kind == b"tokens":
            return _look_at_tokens(ctx, queue, group, position)
        if kind == b"turns":
            return _look_at_turns(ctx, queue, group, position)
        if kind == b"behind":
            return _look_at_behind(ctx, queue, group, position)
        return _look_at_messages(ctx, queue, group, key, position)
    if rest in (b"groups", b"idle"):
        return _look_at_groups(ctx, queue, key, position)
    if rest in (b"delayed", b"seen"):
        facts = queue.late if rest == b"delayed" else queue.consumers
        return _look_at_members(ctx, key, facts, position)
    if rest in (b"late", b"consumers"):
        members = queue.delayed if rest == b"late" else queue.seen
        return _look_at_fields(ctx, key, members, position)
    return None


def _enter_in_agenda(ctx: Context, queue: Queue) -> None:
    """Have the sweep visit the queue, if something in it is due and the agenda lacks it."""
    entry = queue.agenda(ctx)
    listed = entry.planned is not None and call_integer(
        ctx, b"EXISTS", AGENDA.key(entry.planned, queue.tag)
    )
    moment = min(upcoming(ctx, queue), default=None)
    if moment is None or (listed and entry.planned is not None and entry.planned <= moment):
        return
    if not listed:
        entry.planned = None
    entry.plan(ctx, moment)


# --- parts of keys ------------------------------------------------------------------------------


def _ranked(ctx: Context, key: bytes, position: bytes) -> tuple[int, list[bytes]]:
    """The rank where a step begins, and the members that it looks at."""
    rank = int(position or b"0")
    last = b"%d" % (rank + PATROL_BATCH - 1)
    return rank, call_texts(ctx, b"ZRANGE", key, b"%d" % rank, last)


def _next_rank(rank: int, members: list[bytes], removed: int) -> bytes | None:
    if len(members) < PATROL_BATCH:
        return None
    return b"%d" % (rank + len(members) - removed)


def _scanned(ctx: Context, key: bytes, position: bytes) -> tuple[list[bytes], bytes | None]:
    """Fields of a hash with their values, and the next position."""
    reply = cast(list[Reply], ctx.call(b"HSCAN", key, position or b"0", b"COUNT", _BATCH))
    cursor = cast(bytes, reply[0])
    return cast(list[bytes], reply[1]), None if cursor == b"0" else cursor


# --- streams and groups -------------------------------------------------------------------------


def _look_at_stream(ctx: Context, queue: Queue, level: bytes, position: bytes) -> bytes | None:
    if len(level) != 1 or not level.isdigit():
        return None
    stream = queue.stream(int(level))
    states = group_states(ctx, stream)
    if states is None:
        return None
    if not position and not states and not call_integer(ctx, b"XLEN", stream):
        write(ctx, b"DEL", stream)
        return None
    if not position and states:
        # A group that XGROUP CREATE made and nobody has read is to become idle, too.
        names = [state.name for state in states]
        known = call_scores_of(ctx, queue.groups, *names)
        leaving = call_scores_of(ctx, queue.idle, *names)
        for name, read, left in zip(names, known, leaving, strict=True):
            if read is None and left is None:
                write(ctx, b"ZADD", queue.groups, b"%d" % ctx.now, name)
        ctx.begin("")
        _enter_in_agenda(ctx, queue)
        ctx.begin("")
    return remove_confirmed(ctx, queue, int(level), position or b"0-0", PATROL_BATCH) or None


def _look_at_groups(ctx: Context, queue: Queue, key: bytes, position: bytes) -> bytes | None:
    rank, members = _ranked(ctx, key, position)
    names = Streams(ctx, queue, ()).names
    gone = [member for member in members if member not in names]
    if gone:
        write(ctx, b"ZREM", key, *gone)
    return _next_rank(rank, members, len(gone))


# --- rows about messages ------------------------------------------------------------------------


def _look_at_messages(
    ctx: Context, queue: Queue, group: bytes, key: bytes, position: bytes
) -> bytes | None:
    """Leases, returned messages and dead letters: of messages that are pending."""
    rank, members = _ranked(ctx, key, position)
    settling, entry = Settling(ctx, queue, group), queue.agenda(ctx)
    gone = 0
    for member in members:
        message = read_message_id(member)
        if message is None or settling.pending(message) is None:
            settling.forget(member)
            gone += 1
    if gone:
        settling.write(entry)
    return _next_rank(rank, members, gone)


def _look_at_tokens(ctx: Context, queue: Queue, group: bytes, position: bytes) -> bytes | None:
    """Tokens of messages that are pending, and that some row would have delivered again."""
    fields, following = _scanned(ctx, queue.tokens(group), position)
    members = fields[::2]
    listed = [
        call_scores_of(ctx, queue.of_group(kind, group), *members) if members else []
        for kind in (b"leases", b"returned", b"dead")
    ]
    gone, lost = [], []
    for member, *scores in zip(members, *listed, strict=True):
        message = read_message_id(member)
        if message is None or find_pending(ctx, queue, group, message) is None:
            gone.append(member)
        elif all(score is None for score in scores):
            lost.append(member)
    if gone:
        write(ctx, b"HDEL", queue.tokens(group), *gone)
    if lost:
        words = [word for member in lost for word in (b"0", member)]
        write(ctx, b"ZADD", queue.leases(group), *words)
        wake_readers(ctx, queue)
    return following


# --- turns --------------------------------------------------------------------------------------


def _look_at_turns(ctx: Context, queue: Queue, group: bytes, position: bytes) -> bytes | None:
    """Turns of messages that are confirmed or dead: the next one has it."""
    fields, following = _scanned(ctx, queue.turns(group), position)
    settling, entry = Settling(ctx, queue, group), queue.agenda(ctx)
    for order, holder in zip(fields[::2], fields[1::2], strict=True):
        message = read_message_id(holder)
        is_dead = call_score(ctx, b"ZSCORE", queue.dead(group), holder) is not None
        if message is None or is_dead or settling.pending(message) is None:
            settling.turns.pass_on(order)
    settling.write(entry)
    return following


def _look_at_behind(ctx: Context, queue: Queue, group: bytes, position: bytes) -> bytes | None:
    """Messages that wait for their turn: pending ones, of keys whose turn another one has."""
    key = queue.behind(group)
    rank, members = _ranked(ctx, key, position)
    settling, entry = Settling(ctx, queue, group), queue.agenda(ctx)
    gone = []
    for member in members:
        read = read_behind(member)
        if read is None or settling.pending(read[1]) is None:
            gone.append(member)
            continue
        order = unescape_valid(read[0])
        if call_text(ctx, b"HGET", queue.turns(group), order) is None:
            settling.turns.pass_on(order)
    settling.write(entry)
    if gone:
        write(ctx, b"ZREM", key, *gone)
    return _next_rank(rank, members, len(gone))


# --- sorted sets with a hash beside them --------------------------------------------------------


def _look_at_members(ctx: Context, key: bytes, facts: bytes, position: bytes) -> bytes | None:
    """Members that have no field in the hash beside their sorted set."""
    rank, members = _ranked(ctx, key, position)
    stored = call_values(ctx, b"HMGET", facts, *members) if members else []
    gone = [member for member, value in zip(members, stored, strict=True) if value is None]
    if gone:
        write(ctx, b"ZREM", key, *gone)
    return _next_rank(rank, members, len(gone))


def _look_at_fields(ctx: Context, key: bytes, members: bytes, position: bytes) -> bytes | None:
    """Fields that have no member in the sorted set beside their hash."""
    fields, following = _scanned(ctx, key, position)
    names = fields[::2]
    scores = call_scores_of(ctx, members, *names) if names else []
    gone = [name for name, score in zip(names, scores, strict=True) if score is None]
    if gone:
        write(ctx, b"HDEL", key, *gone)
    return following
