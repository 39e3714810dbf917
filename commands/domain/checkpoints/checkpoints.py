"""CP.*: checkpoints, the states of a thread of work after each step.

`envelopes` describes how a checkpoint is stored, `keys` where. A client that writes the same
keys with ZADD and HSET and one that uses these commands see each other's checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_rank, call_text, call_texts, call_values
from commands.domain.checkpoints.envelopes import (
    canonical_id,
    check,
    checked_id,
    compose,
    members,
    read,
    timestamp,
)
from commands.domain.checkpoints.keys import Thread
from commands.domain.errors import failure
from commands.domain.events import has_readers, publish
from commands.domain.ids import uuid7
from commands.domain.json_filters import Predicate, parse_filter
from commands.domain.records import checked_json, count_poison, write_json
from commands.engine.errors import CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import INT64_MAX, UINT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# How many envelopes CP.HISTORY reads at once.
_BATCH = 1000
# Fewer brackets than this cannot nest too deep.
_LEVELS = 1000


# --- arguments -----------------------------------------------------------------------------


def _state(word: bytes) -> bytes:
    _check_json(word, "STATE")
    return word


def _meta(word: bytes) -> bytes:
    if not isinstance(_check_json(word, "META"), dict):
        raise failure("BADRECORD", "META is not a JSON object")
    return word


def _check_json(word: bytes, argument: str) -> Any:
    """The value of a JSON text that is also valid inside an envelope."""
    value = checked_json(word, argument)
    # The parser has a limit of depth, and an envelope adds two levels.
    if word.count(b"[") + word.count(b"{") > _LEVELS:
        checked_json(b"[[%b]]" % word, argument)
    return value


def _node(word: bytes) -> bytes:
    """The name of a node as JSON."""
    try:
        return write_json(word.decode())
    except UnicodeDecodeError:
        raise failure("BADRECORD", "NEXT is not UTF-8") from None


# --- writing -------------------------------------------------------------------------------


@dataclass(slots=True)
class Put:
    tenant: bytes
    thread: bytes
    step: int
    state: bytes
    id: bytes | None = None
    parent: bytes | None = None
    next: bytes = b"null"
    meta: bytes | None = None
    ttl: int | None = None


@command(
    "CP.PUT",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Stores a checkpoint in a thread and creates the thread if needed.",
    arguments=[
        Key("tenant", "RW update"),
        String("thread"),
        Integer("step", "STEP", low=0),
        String("state", "STATE", convert=_state),
        String("id", "ID", optional=True, convert=lambda word: checked_id(word, "ID")),
        String("parent", "PARENT", optional=True, convert=lambda word: checked_id(word, "PARENT")),
        String("node", "NEXT", optional=True, convert=_node),
        String("meta", "META", optional=True, convert=_meta),
        Milliseconds("milliseconds", "TTL"),
    ],
    request=Put,
)
def cp_put(ctx: Context, request: Put) -> Reply:
    """Returns the id of the checkpoint: the one given, or a new UUIDv7.

    The state is JSON and is kept as the text that was sent. A checkpoint with the same id is
    replaced; if only its timestamp would change, it is left as it is. `PARENT` is stored but
    not checked. `META` is a JSON object that `CP.HISTORY` can filter by. `TTL` applies to the
    whole thread: all its keys expire together. A put without `TTL` leaves the TTL as it is.

        > CP.PUT acme thread-1 STEP 0 STATE {} ID 01890a5d-ac96-774b-bcce-b302099a8057
        "01890a5d-ac96-774b-bcce-b302099a8057"
    """
    thread = Thread(ctx, request.tenant, request.thread)
    checkpoint = _new_id(ctx, thread) if request.id is None else request.id
    step = b"%d" % request.step

    def envelope(moment: bytes) -> bytes:
        return compose(
            thread,
            checkpoint,
            parent=request.parent,
            step=step,
            state=request.state,
            next_node=request.next,
            moment=moment,
            meta=request.meta,
        )

    # This read also raises WRONGTYPE for the hash before anything is written.
    before = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    ctx.call(b"ZADD", thread.by_step, step, checkpoint)
    if before is None or envelope(_timestamp_of(before, checkpoint, thread)) != before:
        ctx.call(b"HSET", thread.by_id, checkpoint, envelope(timestamp(ctx.now)))
    if request.ttl is not None:
        _expire(ctx, thread, ctx.now + request.ttl)
    announce(ctx, thread, "put", checkpoint)
    return checkpoint


def _timestamp_of(envelope: bytes, checkpoint: bytes, thread: Thread) -> bytes:
    """The timestamp of a stored envelope; empty if the envelope is invalid."""
    try:
        moment: str = read(envelope, checkpoint, thread)["timestamp"]
    except CommandError:
        return b""
    return moment.encode()


def _expire(ctx: Context, thread: Thread, deadline: int) -> None:
    """Set the time at which all keys of a thread expire."""
    for key in (thread.by_step, thread.by_id, *thread.all_writes(ctx)):
        ctx.call(b"PEXPIREAT", key, b"%d" % deadline)


def announce(ctx: Context, thread: Thread, change: str, checkpoint: bytes | None) -> None:
    """Publish a change of one checkpoint, or of a whole thread (None)."""
    if not has_readers(ctx):
        return
    details = {} if checkpoint is None else {"id": checkpoint.decode("utf-8", "replace")}
    publish(ctx, "checkpoint", thread.collection, change, **details)


@dataclass(slots=True)
class Update:
    tenant: bytes
    thread: bytes
    parent: bytes
    state: bytes


@command(
    "CP.UPDATE",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Stores a changed state as the step after a checkpoint.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("parent", convert=canonical_id),
        String("state", "STATE", convert=_state),
    ],
    request=Update,
)
def cp_update(ctx: Context, request: Update) -> Reply:
    """Returns the id of the new checkpoint.

    Its step is that of the parent plus one, and its next node is the parent's. `NOTFOUND` if
    the thread has no such parent.

        > CP.UPDATE acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 STATE '{"messages": [1]}'
        "<id>"
    """
    thread = Thread(ctx, request.tenant, request.thread)
    raw, body = load(ctx, thread, request.parent, "parent")
    return add(
        ctx,
        thread,
        parent=request.parent,
        step=min(body["step"] + 1, UINT64_MAX),
        state=request.state,
        next_node=members(raw).get("next_node", b"null"),
        meta=None,
    )


def add(
    ctx: Context,
    thread: Thread,
    *,
    parent: bytes,
    step: int,
    state: bytes,
    next_node: bytes,
    meta: bytes | None,
) -> bytes:
    """Store a checkpoint with a new id. The caller must have written nothing before."""
    checkpoint = _new_id(ctx, thread)
    envelope = compose(
        thread,
        checkpoint,
        parent=parent,
        step=b"%d" % step,
        state=state,
        next_node=next_node,
        moment=timestamp(ctx.now),
        meta=meta,
    )
    require_hash(ctx, thread)
    ctx.call(b"ZADD", thread.by_step, score(step), checkpoint)
    ctx.call(b"HSET", thread.by_id, checkpoint, envelope)
    announce(ctx, thread, "put", checkpoint)
    return checkpoint


def _new_id(ctx: Context, thread: Thread) -> bytes:
    """An id that is greater than the latest of the thread, also if the clock was set back."""
    latest = call_texts(ctx, b"ZREVRANGE", thread.by_step, b"0", b"0")
    return uuid7(ctx, after=latest[0] if latest else None)


def score(step: int) -> bytes:
    """The score of a step; those beyond a signed integer share the highest."""
    return b"%d" % min(step, INT64_MAX)


def require_hash(ctx: Context, thread: Thread) -> None:
    """Raise WRONGTYPE for a wrong type of the thread's hash, before the first write."""
    ctx.call(b"HLEN", thread.by_id)


# --- reading -------------------------------------------------------------------------------


def load(
    ctx: Context, thread: Thread, checkpoint: bytes, what: str = "checkpoint"
) -> tuple[bytes, dict[str, Any]]:
    """The envelope of a checkpoint and its body; NOTFOUND if it does not exist."""
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is None:
        raise thread.failure("NOTFOUND", "no " + what, checkpoint)
    return raw, read(raw, checkpoint, thread)


@command(
    "CP.LATEST",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Returns the checkpoint of the highest step.",
    arguments=[Key("tenant", "RO access"), String("thread")],
)
def cp_latest(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns the envelope, or nil if the thread has no checkpoint.

    Among checkpoints of the same step, the one with the greater id is later.

        > CP.LATEST acme thread-2
        (nil)
    """
    thread = Thread(ctx, argv[1], argv[2])
    ids = call_texts(ctx, b"ZREVRANGE", thread.by_step, b"0", b"0")
    if not ids:
        return None
    raw = call_text(ctx, b"HGET", thread.by_id, ids[0])
    if raw is not None:
        check(raw, ids[0], thread)
    return raw


@command(
    "CP.GET",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(1)",
    summary="Returns a checkpoint by its id.",
    arguments=[Key("tenant", "RO access"), String("thread"), String("id")],
)
def cp_get(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns the envelope, or nil if the thread has no such checkpoint.

    `SCHEMA` if the envelope has another version, `BADRECORD` if it is not an envelope of this
    thread.

        > CP.GET acme thread-1 00000000-0000-0000-0000-000000000000
        (nil)
    """
    thread = Thread(ctx, argv[1], argv[2])
    checkpoint = canonical_id(argv[3])
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is not None:
        read(raw, checkpoint, thread)
    return raw


@dataclass(slots=True)
class History:
    tenant: bytes
    thread: bytes
    limit: int = 0
    before: bytes | None = None
    filter: Predicate | None = None


@command(
    "CP.HISTORY",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) with N the number of checkpoints and M of those read",
    summary="Returns the checkpoints of a thread, newest first.",
    arguments=[
        Key("tenant", "RO access"),
        String("thread"),
        Integer("count", "LIMIT", optional=True, low=0),
        String("id", "BEFORE", optional=True, convert=canonical_id),
        String("filter", "FILTER", optional=True, convert=parse_filter),
    ],
    request=History,
)
def cp_history(ctx: Context, request: History) -> Reply:
    """Returns envelopes: up to `LIMIT`, or all of them if it is 0 or not given.

    `BEFORE` starts after that checkpoint: pass the last id of a page to get the next one.
    `NOTFOUND` if it is not in the thread. `FILTER` selects checkpoints by their `META`, with
    the filters of `STORE.SEARCH`. Checkpoints that cannot be read are skipped.

        > CP.HISTORY acme thread-2 LIMIT 10
        (empty array)
    """
    thread = Thread(ctx, request.tenant, request.thread)
    limit = request.limit
    start = 0 if request.before is None else _rank_after(ctx, thread, request.before)
    found: list[bytes] = []
    while True:
        batch = min(limit - len(found), _BATCH) if limit else _BATCH
        stop = start + batch - 1
        ids = call_texts(ctx, b"ZREVRANGE", thread.by_step, b"%d" % start, b"%d" % stop)
        if ids:
            found += _readable(ctx, thread, ids, request.filter)
        if len(ids) < batch or (limit and len(found) == limit):
            return found
        start += batch


def _rank_after(ctx: Context, thread: Thread, checkpoint: bytes) -> int:
    rank = call_rank(ctx, b"ZREVRANK", thread.by_step, checkpoint)
    if rank is None:
        raise thread.failure("NOTFOUND", "no checkpoint", checkpoint)
    return rank + 1


def _readable(
    ctx: Context, thread: Thread, ids: list[bytes], matches: Predicate | None
) -> list[bytes]:
    """The envelopes of these ids that exist, are valid, and match."""
    found = []
    envelopes = call_values(ctx, b"HMGET", thread.by_id, *ids)
    for checkpoint, raw in zip(ids, envelopes, strict=True):
        if raw is None:
            continue
        try:
            if matches is None:
                check(raw, checkpoint, thread)
            elif not matches(read(raw, checkpoint, thread).get("meta")):
                continue
        except CommandError:
            count_poison(ctx)
        else:
            found.append(raw)
    return found
