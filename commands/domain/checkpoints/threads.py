"""CP.*: threads as a whole: branched off, copied, shortened, removed, listed."""

from __future__ import annotations

from commands.domain.checkpoints.checkpoints import add, announce, load, require_hash, score
from commands.domain.checkpoints.envelopes import canonical_id, members, read, rehome
from commands.domain.checkpoints.keys import Thread, tenant_prefix
from commands.domain.namespaces import escape, segment_at, unescape
from commands.domain.records import count_poison
from commands.engine.containers import declare_family_help
from commands.engine.errors import (
    INVALID_CURSOR,
    MUST_BE_POSITIVE,
    SAME_OBJECT,
    SYNTAX,
    CommandError,
)
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import INT64_MAX, parse_in_range
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.key_index import after_prefix

# How many checkpoints are copied by one ZADD and one HSET.
_BATCH = 1000
_THREADS_LISTED = 100


@command(
    "CP.FORK",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of checkpoints of the new thread",
    summary="Begins a thread with the state of a checkpoint of another.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("id"),
        String("newthread"),
    ],
)
def cp_fork(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the id of the new checkpoint, whose parent is the one it was taken from.

    Step, state, next node and meta are that one's. The new thread may be the old one, or
    have checkpoints already.

        > CP.FORK acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 thread-2
        "<fork>"
    """
    thread = Thread(ctx, argv[1], argv[2])
    target = Thread(ctx, argv[1], argv[4])
    source = canonical_id(argv[3])
    raw, body = load(ctx, thread, source)
    texts = members(raw)
    return add(
        ctx,
        target,
        parent=source,
        step=body["step"],
        state=texts["state"],
        next_node=texts.get("next_node", b"null"),
        meta=texts.get("meta"),
    )


@command(
    "CP.COPY",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N*log(N)) with N the number of checkpoints",
    summary="Copies all checkpoints of a thread, with their pending writes, to another.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("newthread"),
    ],
)
def cp_copy(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many there were. They keep their ids, and replace those of the same id.

    The copies expire with the thread they were copied to; a thread that is made by the
    copy expires when the old one does. What cannot be read is not copied.

        > CP.COPY acme thread-1 thread-3
        (integer) 2
    """
    thread = Thread(ctx, argv[1], argv[2])
    target = Thread(ctx, argv[1], argv[3])
    if thread.name == target.name:
        raise CommandError(SAME_OBJECT)
    ids = ctx.call(b"ZRANGE", thread.by_step, b"0", b"-1")
    require_hash(ctx, thread)
    require_hash(ctx, target)
    is_new = ctx.call(b"ZCARD", target.by_step) == 0
    copied: list[bytes] = []
    for start in range(0, len(ids), _BATCH):
        copied += _copy_some(ctx, thread, target, ids[start : start + _BATCH])
    if not copied:
        return 0
    deadline = ctx.call(b"PEXPIRETIME", thread.by_step if is_new else target.by_step)
    if is_new and deadline > 0:
        for key in (target.by_step, target.by_id):
            ctx.call(b"PEXPIREAT", key, b"%d" % deadline)
    known = set(thread.all_writes(ctx))
    for checkpoint in copied:
        source, destination = thread.writes(checkpoint), target.writes(checkpoint)
        if source in known and ctx.call(b"COPY", source, destination, b"REPLACE"):
            if deadline > 0:
                ctx.call(b"PEXPIREAT", destination, b"%d" % deadline)
            else:
                ctx.call(b"PERSIST", destination)
    announce(ctx, target, "copy", None)
    return len(copied)


def _copy_some(ctx: Context, thread: Thread, target: Thread, ids: list[bytes]) -> list[bytes]:
    """Copy these checkpoints, and answer the ids of those that could be."""
    scored: list[bytes] = []
    fields: list[bytes] = []
    for checkpoint, raw in zip(ids, ctx.call(b"HMGET", thread.by_id, *ids), strict=True):
        if raw is None:
            continue
        try:
            body = read(raw, checkpoint, thread)
        except CommandError:
            count_poison(ctx)
            continue
        scored += (score(body["step"]), checkpoint)
        fields += (checkpoint, rehome(raw, thread, target))
    if scored:
        ctx.call(b"ZADD", target.by_step, *scored)
        ctx.call(b"HSET", target.by_id, *fields)
    return fields[::2]


@command(
    "CP.PRUNE",
    group="checkpoint",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+M) with N the number of checkpoints and M of those removed",
    summary="Removes all but the newest checkpoints of a thread.",
    arguments=[Key("tenant", "RW delete"), String("thread"), Integer("count", "KEEP")],
)
def cp_prune(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many were removed, with their pending writes.

    > CP.PRUNE acme thread-1 KEEP 100
    (integer) 0
    """
    thread = Thread(ctx, argv[1], argv[2])
    if argv[3].upper() != b"KEEP":
        raise CommandError(SYNTAX)
    keep = parse_in_range(argv[4], 0, INT64_MAX - 1, MUST_BE_POSITIVE)
    ids = ctx.call(b"ZRANGE", thread.by_step, b"0", b"%d" % (-keep - 1))
    if not ids:
        return 0
    require_hash(ctx, thread)
    _remove(ctx, thread, ids)
    announce(ctx, thread, "prune", None)
    return len(ids)


@command(
    "CP.DEL",
    group="checkpoint",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for one of N checkpoints, O(N) for a thread",
    summary="Removes a checkpoint, or a thread with all there is of it.",
    arguments=[Key("tenant", "RW delete"), String("thread"), String("id", optional=True)],
)
def cp_del(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many checkpoints were removed. Their pending writes go with them.

    Checkpoints that have the removed one as parent stay as they are.

        > CP.DEL acme thread-1 00000000-0000-0000-0000-000000000000
        (integer) 0
    """
    if len(argv) > 4:
        raise CommandError(SYNTAX)
    thread = Thread(ctx, argv[1], argv[2])
    require_hash(ctx, thread)
    count: int = ctx.call(b"ZCARD", thread.by_step)
    if len(argv) == 4:
        checkpoint = canonical_id(argv[3])
        if not _remove(ctx, thread, [checkpoint]):
            return 0
        announce(ctx, thread, "del", checkpoint)
        return 1
    if ctx.call(b"DEL", thread.by_step, thread.by_id, *thread.all_writes(ctx)):
        announce(ctx, thread, "del", None)
    return count


def _remove(ctx: Context, thread: Thread, ids: list[bytes]) -> bool:
    """Remove checkpoints with their pending writes; whether there were any."""
    removed: int = ctx.call(b"ZREM", thread.by_step, *ids)
    removed += ctx.call(b"HDEL", thread.by_id, *ids)
    ctx.call(b"DEL", *map(thread.writes, ids))
    return removed > 0


@command(
    "CP.THREADS",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of threads answered and N of all keys",
    summary="Lists the threads of a tenant.",
    arguments=[
        Key("tenant", "RO access"),
        String("prefix", "PREFIX", optional=True),
        String("cursor", "CURSOR", optional=True),
        Integer("count", "COUNT", optional=True),
    ],
)
def cp_threads(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers a cursor, 0 when these are the last, and up to `COUNT` threads (100).

    In the order of their keys. A thread that is there throughout is listed once.

        > CP.THREADS acme
        1) "0"
        2) 1) "thread-1"
           2) "thread-2"
           3) "thread-3"
    """
    prefix, cursor, count = b"", b"0", _THREADS_LISTED
    for at in range(2, len(argv), 2):
        option = argv[at].upper()
        if at + 1 == len(argv):
            raise CommandError(SYNTAX)
        word = argv[at + 1]
        if option == b"PREFIX":
            prefix = word
        elif option == b"CURSOR":
            cursor = word
        elif option == b"COUNT":
            count = parse_in_range(word, 1, INT64_MAX, MUST_BE_POSITIVE)
        else:
            raise CommandError(SYNTAX)
    owned = tenant_prefix(ctx, argv[1])
    searched = owned + escape(prefix)
    start: bytes | None = searched
    if cursor != b"0":
        if cursor[:1] != b">":
            raise CommandError(INVALID_CURSOR)
        start = after_prefix(b"%b%b:" % (owned, cursor[1:]))
    threads: list[bytes] = []
    last = b""
    while start is not None and (key := ctx.db.ordered.first(searched, start=start)):
        rendered = segment_at(key, len(owned))
        if rendered is None:
            # No key of ours; those of threads may still begin like it.
            start = key + b"\0"
            continue
        if len(threads) == count:
            return [b">" + last, threads]
        group = b"%b%b:" % (owned, rendered)
        if ctx.call(b"EXISTS", group + b"bystep"):
            threads.append(unescape(rendered))
            last = rendered
        start = after_prefix(group)
    return [b"0", threads]


declare_family_help("CP", group="checkpoint", since="0.1.0")
