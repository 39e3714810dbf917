"""CP.*: threads as a whole: forking, copying, pruning, deleting and listing them."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_texts, call_values
from commands.domain.checkpoints.checkpoints import add, announce, load, require_hash, score
from commands.domain.checkpoints.envelopes import canonical_id, members, read, rehome
from commands.domain.checkpoints.keys import Thread, tenant_prefix
from commands.domain.namespaces import escape, segment_at, unescape
from commands.domain.pages import END, LARGEST_PAGE, NAME, PAGE, PAGE_SIZE, name_cursor
from commands.domain.records import count_poison
from commands.engine.containers import declare_family_help
from commands.engine.errors import SAME_OBJECT, CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.key_index import after_prefix

# How many checkpoints are copied by one ZADD and one HSET.
_BATCH = 1000


@dataclass(slots=True)
class Fork:
    tenant: bytes
    thread: bytes
    id: bytes
    newthread: bytes


@command(
    "CP.FORK",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N the number of checkpoints of the new thread",
    summary="Starts a thread from a checkpoint of another thread.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("id", convert=canonical_id),
        String("newthread"),
    ],
    request=Fork,
)
def cp_fork(ctx: Context, request: Fork) -> Reply:
    """Returns the id of the new checkpoint, whose parent is the one it was taken from.

    Step, state, next node and meta are those of the parent. The new thread may be the same
    thread, or have checkpoints already.

        > CP.FORK acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 thread-2
        "<fork>"
    """
    thread = Thread(ctx, request.tenant, request.thread)
    target = Thread(ctx, request.tenant, request.newthread)
    raw, body = load(ctx, thread, request.id)
    texts = members(raw)
    return add(
        ctx,
        target,
        parent=request.id,
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
    summary="Copies all checkpoints of a thread and their pending writes to another.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("newthread"),
    ],
)
def cp_copy(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many checkpoints were copied.

    They keep their ids and replace checkpoints of the same id. The copies expire with the
    thread they were copied to; if the copy creates that thread, it expires when the old one
    does. Checkpoints that cannot be read are not copied.

        > CP.COPY acme thread-1 thread-3
        (integer) 2
    """
    thread = Thread(ctx, argv[1], argv[2])
    target = Thread(ctx, argv[1], argv[3])
    if thread.name == target.name:
        raise CommandError(SAME_OBJECT)
    ids = call_texts(ctx, b"ZRANGE", thread.by_step, b"0", b"-1")
    require_hash(ctx, thread)
    require_hash(ctx, target)
    is_new = call_integer(ctx, b"ZCARD", target.by_step) == 0
    copied: list[bytes] = []
    for start in range(0, len(ids), _BATCH):
        copied += _copy_some(ctx, thread, target, ids[start : start + _BATCH])
    if not copied:
        return 0
    deadline = call_integer(ctx, b"PEXPIRETIME", (thread if is_new else target).by_step)
    if is_new and deadline > 0:
        for key in (target.by_step, target.by_id):
            ctx.call(b"PEXPIREAT", key, b"%d" % deadline)
    known = set(thread.all_writes(ctx))
    for checkpoint in copied:
        source, destination = thread.writes(checkpoint), target.writes(checkpoint)
        if source in known and call_integer(ctx, b"COPY", source, destination, b"REPLACE"):
            if deadline > 0:
                ctx.call(b"PEXPIREAT", destination, b"%d" % deadline)
            else:
                ctx.call(b"PERSIST", destination)
    announce(ctx, target, "copy", None)
    return len(copied)


def _copy_some(ctx: Context, thread: Thread, target: Thread, ids: list[bytes]) -> list[bytes]:
    """Copy these checkpoints; return the ids of those that could be read."""
    scored: list[bytes] = []
    fields: list[bytes] = []
    envelopes = call_values(ctx, b"HMGET", thread.by_id, *ids)
    for checkpoint, raw in zip(ids, envelopes, strict=True):
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


@dataclass(slots=True)
class Prune:
    tenant: bytes
    thread: bytes
    keep: int


@command(
    "CP.PRUNE",
    group="checkpoint",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+M) with N the number of checkpoints and M of those removed",
    summary="Removes all but the newest checkpoints of a thread.",
    arguments=[
        Key("tenant", "RW delete"),
        String("thread"),
        Integer("count", "KEEP", low=0, high=INT64_MAX - 1),
    ],
    request=Prune,
)
def cp_prune(ctx: Context, request: Prune) -> Reply:
    """Returns how many checkpoints were removed. Their pending writes are removed with them.

    > CP.PRUNE acme thread-1 KEEP 100
    (integer) 0
    """
    thread = Thread(ctx, request.tenant, request.thread)
    ids = call_texts(ctx, b"ZRANGE", thread.by_step, b"0", b"%d" % (-request.keep - 1))
    if not ids:
        return 0
    require_hash(ctx, thread)
    _remove(ctx, thread, ids)
    announce(ctx, thread, "prune", None)
    return len(ids)


@dataclass(slots=True)
class Delete:
    tenant: bytes
    thread: bytes
    id: bytes | None = None


@command(
    "CP.DEL",
    group="checkpoint",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for one of N checkpoints, O(N) for a thread",
    summary="Removes a checkpoint, or a whole thread.",
    arguments=[
        Key("tenant", "RW delete"),
        String("thread"),
        String("id", optional=True, convert=canonical_id),
    ],
    request=Delete,
)
def cp_del(ctx: Context, request: Delete) -> Reply:
    """Returns how many checkpoints were removed. Their pending writes are removed with them.

    Checkpoints whose parent was removed stay as they are.

        > CP.DEL acme thread-1 00000000-0000-0000-0000-000000000000
        (integer) 0
    """
    thread = Thread(ctx, request.tenant, request.thread)
    require_hash(ctx, thread)
    count = call_integer(ctx, b"ZCARD", thread.by_step)
    if request.id is not None:
        if not _remove(ctx, thread, [request.id]):
            return 0
        announce(ctx, thread, "del", request.id)
        return 1
    if call_integer(ctx, b"DEL", thread.by_step, thread.by_id, *thread.all_writes(ctx)):
        announce(ctx, thread, "del", None)
    return count


def _remove(ctx: Context, thread: Thread, ids: list[bytes]) -> bool:
    """Remove checkpoints with their pending writes; return whether there were any."""
    removed = call_integer(ctx, b"ZREM", thread.by_step, *ids)
    removed += call_integer(ctx, b"HDEL", thread.by_id, *ids)
    ctx.call(b"DEL", *map(thread.writes, ids))
    return removed > 0


@dataclass(slots=True)
class Threads:
    tenant: bytes
    prefix: bytes = b""
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "CP.THREADS",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) with M the number of threads returned and N of all keys",
    summary="Lists the threads of a tenant.",
    arguments=[
        Key("tenant", "RO access"),
        String("prefix", "PREFIX", optional=True),
        NAME,
        PAGE,
    ],
    request=Threads,
)
def cp_threads(ctx: Context, request: Threads) -> Reply:
    """Returns a cursor and up to `COUNT` (100, at most 1000) threads, in the order of their keys.

    Pass the cursor to get the next page; it is 0 after the last one. A thread that exists
    during the whole listing is listed once.

        > CP.THREADS acme
        1) "0"
        2) 1) "thread-1"
           2) "thread-2"
           3) "thread-3"
    """
    owned = tenant_prefix(ctx, request.tenant)
    searched = owned + escape(request.prefix)
    start: bytes | None = searched
    if request.cursor is not None:
        start = after_prefix(b"%b%b:" % (owned, request.cursor))
    threads: list[bytes] = []
    count = min(request.count, LARGEST_PAGE)
    last = b""
    while start is not None and (key := ctx.db.ordered.first(searched, start=start)):
        rendered = segment_at(key, len(owned))
        if rendered is None:
            # Not the key of a thread; keys of threads may still begin with it.
            start = key + b"\0"
            continue
        if len(threads) == count:
            return [name_cursor(last), threads]
        group = b"%b%b:" % (owned, rendered)
        if call_integer(ctx, b"EXISTS", group + b"bystep"):
            threads.append(unescape(rendered))
            last = rendered
        start = after_prefix(group)
    return [END, threads]


declare_family_help("CP", group="checkpoint", since="0.1.0")
