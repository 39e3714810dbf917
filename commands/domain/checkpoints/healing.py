"""Patrols over checkpoints: what other clients, or the end of a TTL, left behind.

- Checkpoints that other clients stored get their rows in the index of META.
- Rows whose checkpoint is gone or has another META are removed.
- Binary states and pending writes whose checkpoint is gone, or has none, are removed.
- The stream of events of a thread that is gone is removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from commands.domain.calls import (
    call_integer,
    call_scores_of,
    call_text,
    call_values,
    write,
)
from commands.domain.checkpoints.keys import (
    CHECKPOINT_PREFIX,
    EVENTS_PREFIX,
    META_PREFIX,
    Thread,
    following_path,
    thread_at,
)
from commands.domain.checkpoints.meta_index import Rows, change, is_row_of, read_row, rows
from commands.domain.checkpoints.storing import facts_of
from commands.domain.namespaces import segment_at, unescape
from commands.domain.pages import END, SortedPage, read_place
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.patrols import PATROL_BATCH, patrol
from storage.errors import WrongType

_ID_LENGTH = 36


@patrol(CHECKPOINT_PREFIX)
def look_at_thread(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Look at some checkpoints of a thread, or at what should belong to some."""
    ctx.begin("")
    thread = thread_at(ctx, key, CHECKPOINT_PREFIX)
    if thread is None:
        return None
    if key == thread.by_step:
        return _index_checkpoints(ctx, thread, position)
    if key in (thread.states, thread.writes):
        return _remove_orphans(ctx, thread, key, position)
    return None


def _index_checkpoints(ctx: Context, thread: Thread, position: bytes) -> bytes | None:
    """Add the rows of checkpoints that the index of META does not have."""
    page = SortedPage(ctx, thread.by_step, read_place(position or END))
    ids = page.take(PATROL_BATCH)
    wanted: Rows = set()
    for checkpoint, raw in zip(ids, _envelopes(ctx, thread, ids), strict=True):
        facts = facts_of(raw, checkpoint, thread)
        if facts is not None:
            wanted |= rows(thread, checkpoint, facts.meta)
    missing: Rows = set()
    for member in {name for name, _ in wanted}:
        named = [row for name, row in wanted if name == member]
        try:
            scores = call_scores_of(ctx, thread.meta(member), *named)
        except WrongType:
            continue
        missing |= {
            (member, row) for row, score in zip(named, scores, strict=True) if score is None
        }
    following = page.cursor()
    change(ctx, thread, set(), missing)
    return None if following == END else following


def _remove_orphans(ctx: Context, thread: Thread, key: bytes, position: bytes) -> bytes | None:
    """Remove binary states or pending writes whose checkpoint is gone."""
    count = b"%d" % PATROL_BATCH
    reply = ctx.call(b"HSCAN", key, position or END, b"COUNT", count, b"NOVALUES")
    assert isinstance(reply, list)
    following, fields = reply
    assert isinstance(following, bytes) and isinstance(fields, list)
    names = [name for name in fields if isinstance(name, bytes)]
    envelopes = _envelopes(ctx, thread, [name[:_ID_LENGTH] for name in names])
    gone = [
        name
        for name, raw in zip(names, envelopes, strict=True)
        if raw is None or (key == thread.states and not _has_blob(thread, name, raw))
    ]
    if gone:
        write(ctx, b"HDEL", key, *gone)
    return None if following == END else following


def _has_blob(thread: Thread, checkpoint: bytes, raw: bytes) -> bool:
    """Whether an envelope names a binary state; it may if it cannot be read."""
    facts = facts_of(raw, checkpoint, thread)
    return facts is None or facts.blob_size is not None


def _envelopes(ctx: Context, thread: Thread, ids: Iterable[bytes]) -> list[bytes | None]:
    named = list(ids)
    return call_values(ctx, b"HMGET", thread.by_id, *named) if named else []


@patrol(META_PREFIX)
def look_at_rows(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove some rows of the index of META whose checkpoint does not have them."""
    ctx.begin("")
    tenant = segment_at(key, len(META_PREFIX))
    if tenant is None:
        return None
    member = unescape(key[len(META_PREFIX) + len(tenant) + 1 :])
    if ctx.instance.settings.hash_tags:
        tenant = tenant[1:-1]
    page = SortedPage(ctx, key, read_place(position or END))
    stale = [
        row
        for row in page.take(PATROL_BATCH)
        if not _is_right(ctx, unescape(tenant), member.decode("utf-8", "replace"), row)
    ]
    following = page.cursor()
    if stale:
        write(ctx, b"ZREM", key, *stale)
    return None if following == END else following


def _is_right(ctx: Context, tenant: bytes, member: str, row: bytes) -> bool:
    place = read_row(row)
    if place is None:
        return False
    name, path, checkpoint = place
    try:
        thread = Thread(ctx, tenant, name, path)
        raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    except (CommandError, WrongType):
        return False
    facts = facts_of(raw, checkpoint, thread)
    return facts is not None and is_row_of(row, member, facts.meta)


@patrol(EVENTS_PREFIX)
def look_at_events(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove the stream of events of a thread that is gone."""
    ctx.begin("")
    thread = thread_at(ctx, key.removesuffix(b"}"), EVENTS_PREFIX + b"{")
    if (
        thread is not None
        and not call_integer(ctx, b"EXISTS", thread.by_step)
        and following_path(ctx, thread) is None
    ):
        write(ctx, b"DEL", key)
    return None
