"""CP.*: the states of a thread of work, step by step.

What a checkpoint is, and where it lies: `commands.checkpoint_envelopes` and
`commands.checkpoint_keys`. A client that writes the same keys with ZADD and HSET and one
that speaks these commands see each other's checkpoints.
"""

from __future__ import annotations

from typing import Any

from commands.domain.calls import call_text
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
from commands.domain.events import publish
from commands.domain.ids import uuid7
from commands.domain.json_filters import Predicate, parse_filter
from commands.domain.records import checked_json, count_poison, write_json
from commands.engine.errors import MUST_BE_POSITIVE, SYNTAX, CommandError, invalid_expire
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import INT64_MAX, UINT64_MAX, parse_in_range, parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# How many envelopes a history looks at between two looks at how many it has.
_BATCH = 1000
# Fewer brackets than this cannot nest too deep.
_LEVELS = 1000
_NOT_A_STEP = f"ERR STEP is not an integer from 0 to {INT64_MAX}"


# --- writing -------------------------------------------------------------------------------


@command(
    "CP.PUT",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Puts a checkpoint into a thread, made if need be.",
    arguments=[
        Key("tenant", "RW update"),
        String("thread"),
        Integer("step", "STEP"),
        String("state", "STATE"),
        String("id", "ID", optional=True),
        String("parent", "PARENT", optional=True),
        String("node", "NEXT", optional=True),
        String("meta", "META", optional=True),
        Integer("milliseconds", "TTL", optional=True),
    ],
)
def cp_put(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the id of the checkpoint: the one given, or a new UUIDv7.

    The state is JSON and kept as the text it is. A checkpoint with the same id is replaced;
    when nothing but its time would differ, it stays as it is. `PARENT` is recorded, not
    looked for. `META` is a JSON object that `CP.HISTORY` can filter by. `TTL` is that of
    the whole thread: all its keys expire together, and a put without it changes nothing
    about when.

        > CP.PUT acme thread-1 STEP 0 STATE {} ID 01890a5d-ac96-774b-bcce-b302099a8057
        "01890a5d-ac96-774b-bcce-b302099a8057"
    """
    thread = Thread(ctx, argv[1], argv[2])
    step = state = given = parent = meta = None
    next_node = b"null"
    ttl = 0
    if not len(argv) & 1:
        raise CommandError(SYNTAX)
    for at in range(3, len(argv), 2):
        option, word = argv[at].upper(), argv[at + 1]
        if option == b"STEP":
            parse_in_range(word, 0, INT64_MAX, _NOT_A_STEP)
            step = word
        elif option == b"STATE":
            _check_json(word, "STATE")
            state = word
        elif option == b"ID":
            given = checked_id(word, "ID")
        elif option == b"PARENT":
            parent = checked_id(word, "PARENT")
        elif option == b"NEXT":
            next_node = _json_text(word, "NEXT")
        elif option == b"META":
            if _check_json(word, "META").__class__ is not dict:
                raise failure("BADRECORD", "META is not a JSON object")
            meta = word
        elif option == b"TTL":
            ttl = parse_integer(word)
            if not 0 < ttl <= INT64_MAX - ctx.now:
                raise invalid_expire("cp.put")
        else:
            raise CommandError(SYNTAX)
    if step is None or state is None:
        raise CommandError(SYNTAX)
    checkpoint = uuid7(ctx).encode() if given is None else given

    def envelope(moment: bytes) -> bytes:
        return compose(
            thread,
            checkpoint,
            parent=parent,
            step=step,
            state=state,
            next_node=next_node,
            moment=moment,
            meta=meta,
        )

    # Reading also sees to it that this key is a hash, before anything is written.
    before = ctx.call(b"HGET", thread.by_id, checkpoint)
    ctx.call(b"ZADD", thread.by_step, step, checkpoint)
    if before is None or envelope(_time_of(before, checkpoint, thread)) != before:
        ctx.call(b"HSET", thread.by_id, checkpoint, envelope(timestamp(ctx.now)))
    if ttl:
        _expire(ctx, thread, ctx.now + ttl)
    announce(ctx, thread, "put", checkpoint)
    return checkpoint


def _time_of(envelope: bytes, checkpoint: bytes, thread: Thread) -> bytes:
    """The timestamp of a stored envelope; none if it is broken, and so to be replaced."""
    try:
        moment: str = read(envelope, checkpoint, thread)["timestamp"]
    except CommandError:
        return b""
    return moment.encode()


def _expire(ctx: Context, thread: Thread, deadline: int) -> None:
    """Let all keys of a thread expire together."""
    for key in (thread.by_step, thread.by_id, *thread.all_writes(ctx)):
        ctx.call(b"PEXPIREAT", key, b"%d" % deadline)


def announce(ctx: Context, thread: Thread, change: str, checkpoint: bytes | None) -> None:
    """Publish what happened to a checkpoint, or to a whole thread."""
    event: dict[str, Any] = {"event": change}
    if checkpoint is not None:
        event["id"] = checkpoint.decode("utf-8", "replace")
    publish(ctx, "checkpoint", thread.collection, event)


def _check_json(word: bytes, what: str) -> Any:
    """The value of a JSON text that must still be one inside an envelope."""
    value = checked_json(word, what)
    # Only so many levels are read, and an envelope has two of its own.
    if word.count(b"[") + word.count(b"{") > _LEVELS:
        checked_json(b"[[%b]]" % word, what)
    return value


def _json_text(word: bytes, what: str) -> bytes:
    try:
        return write_json(word.decode())
    except UnicodeDecodeError:
        raise failure("BADRECORD", f"{what} is not UTF-8") from None


@command(
    "CP.UPDATE",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Puts a changed state as the step that follows a checkpoint.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("parent"),
        String("state", "STATE"),
    ],
)
def cp_update(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the new id. The checkpoint has the parent's next node and the step after its.

    `NOTFOUND` when there is no such parent.

        > CP.UPDATE acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 STATE '{"messages": [1]}'
        "<id>"
    """
    thread = Thread(ctx, argv[1], argv[2])
    parent = canonical_id(argv[3])
    if argv[4].upper() != b"STATE":
        raise CommandError(SYNTAX)
    _check_json(argv[5], "STATE")
    raw, body = load(ctx, thread, parent, "parent")
    return add(
        ctx,
        thread,
        parent=parent,
        step=min(body["step"] + 1, UINT64_MAX),
        state=argv[5],
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
    """Put a checkpoint with a new id; which must be all that the command still writes."""
    checkpoint = uuid7(ctx).encode()
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


def score(step: int) -> bytes:
    """The score of a step; those beyond a signed integer share the last."""
    return b"%d" % min(step, INT64_MAX)


def require_hash(ctx: Context, thread: Thread) -> None:
    """WRONGTYPE now, if the thread's hash is none, and not after the first write."""
    ctx.call(b"HLEN", thread.by_id)


# --- reading -------------------------------------------------------------------------------


def load(
    ctx: Context, thread: Thread, checkpoint: bytes, what: str = "checkpoint"
) -> tuple[bytes, dict[str, Any]]:
    """The envelope of a checkpoint that must be there, and its body."""
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is None:
        raise thread.failure("NOTFOUND", f"no {what} {{}}", checkpoint)
    return raw, read(raw, checkpoint, thread)


@command(
    "CP.LATEST",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Answers the checkpoint of the highest step.",
    arguments=[Key("tenant", "RO access"), String("thread")],
)
def cp_latest(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the envelope, or nil. Of checkpoints of one step the greater id is later.

    > CP.LATEST acme thread-2
    (nil)
    """
    thread = Thread(ctx, argv[1], argv[2])
    ids = ctx.call(b"ZREVRANGE", thread.by_step, b"0", b"0")
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
    summary="Answers a checkpoint.",
    arguments=[Key("tenant", "RO access"), String("thread"), String("id")],
)
def cp_get(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the envelope, or nil.

    `SCHEMA` when it says that it was written in a form of another version, `BADRECORD` when
    it is not an envelope of this thread.

        > CP.GET acme thread-1 00000000-0000-0000-0000-000000000000
        (nil)
    """
    thread = Thread(ctx, argv[1], argv[2])
    checkpoint = canonical_id(argv[3])
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is not None:
        read(raw, checkpoint, thread)
    return raw


@command(
    "CP.HISTORY",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) with N the number of checkpoints and M of those looked at",
    summary="Answers the checkpoints of a thread, newest first.",
    arguments=[
        Key("tenant", "RO access"),
        String("thread"),
        Integer("count", "LIMIT", optional=True),
        String("id", "BEFORE", optional=True),
        String("filter", "FILTER", optional=True),
    ],
)
def cp_history(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers envelopes, all of them where `LIMIT` is 0 or left out.

    `BEFORE` begins after that checkpoint, so that the last id of one page asks for the
    next; `NOTFOUND` when it is not in the thread. `FILTER` takes those whose `META`
    matches, as `STORE.SEARCH` matches values. What cannot be read is passed over.

        > CP.HISTORY acme thread-2 LIMIT 10
        (empty array)
    """
    thread = Thread(ctx, argv[1], argv[2])
    limit, before, wanted = 0, None, None
    if not len(argv) & 1:
        raise CommandError(SYNTAX)
    for at in range(3, len(argv), 2):
        option, word = argv[at].upper(), argv[at + 1]
        if option == b"LIMIT":
            limit = parse_in_range(word, 0, INT64_MAX, MUST_BE_POSITIVE)
        elif option == b"BEFORE":
            before = canonical_id(word)
        elif option == b"FILTER":
            wanted = parse_filter(word)
        else:
            raise CommandError(SYNTAX)
    start = 0 if before is None else _place_after(ctx, thread, before)
    found: list[bytes] = []
    while True:
        batch = min(limit - len(found), _BATCH) if limit else _BATCH
        stop = start + batch - 1
        ids = ctx.call(b"ZREVRANGE", thread.by_step, b"%d" % start, b"%d" % stop)
        if ids:
            found += _readable(ctx, thread, ids, wanted)
        if len(ids) < batch or len(found) == limit:
            return found
        start += batch


def _place_after(ctx: Context, thread: Thread, checkpoint: bytes) -> int:
    rank: int | None = ctx.call(b"ZREVRANK", thread.by_step, checkpoint)
    if rank is None:
        raise thread.failure("NOTFOUND", "no checkpoint {}", checkpoint)
    return rank + 1


def _readable(
    ctx: Context, thread: Thread, ids: list[bytes], wanted: Predicate | None
) -> list[bytes]:
    """The envelopes with these ids that are there, whole, and wanted."""
    found = []
    for checkpoint, raw in zip(ids, ctx.call(b"HMGET", thread.by_id, *ids), strict=True):
        if raw is None:
            continue
        try:
            if wanted is None:
                check(raw, checkpoint, thread)
            elif not wanted(read(raw, checkpoint, thread).get("meta")):
                continue
        except CommandError:
            count_poison(ctx)
        else:
            found.append(raw)
    return found
