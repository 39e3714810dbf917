"""CP.*: threads as a whole: forking, copying, pruning and deleting them."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, call_texts, write
from commands.domain.checkpoints.arguments import Unsigned
from commands.domain.checkpoints.background import Prune, note_copy, note_prune, throw_away
from commands.domain.checkpoints.checkpoints import load
from commands.domain.checkpoints.copying import Copy
from commands.domain.checkpoints.envelopes import canonical_id, checked_id, members
from commands.domain.checkpoints.keys import NAMESPACE, Thread, following_path
from commands.domain.checkpoints.meta_index import Rows, change
from commands.domain.checkpoints.order import cursor_after, newest
from commands.domain.checkpoints.removal import BATCH, Stored, fetch, remove
from commands.domain.checkpoints.storing import Checkpoint, announce, store
from commands.domain.events import forget_events
from commands.engine.containers import declare_family_help
from commands.engine.errors import SAME_OBJECT, CommandError
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@dataclass(slots=True)
class ForkRequest:
    tenant: bytes
    thread: bytes
    from_: bytes
    newthread: bytes
    id: bytes = b""
    ns: bytes = b""


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
        String("from", convert=canonical_id),
        String("newthread"),
        String("id", "ID", optional=True, convert=lambda word: checked_id(word, "ID")),
        NAMESPACE,
    ],
    request=ForkRequest,
)
def cp_fork(ctx: Context, request: ForkRequest) -> Reply:
    """Returns the id of the new checkpoint: the one given as `ID`, or a new UUIDv7.

    Its parent is the checkpoint it was taken from; step, state, next node and meta are those of
    the parent. If the new thread has a checkpoint with this `ID`, nothing changes. The new
    thread may be the same thread, or have checkpoints already. With `NS` both checkpoints are
    in that namespace of their threads.

        > CP.FORK acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 thread-2
        "<fork>"
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    target = Thread(ctx, request.tenant, request.newthread, request.ns)
    if request.id and call_integer(ctx, b"HEXISTS", target.by_id, request.id):
        return request.id
    raw, facts = load(ctx, thread, request.from_)
    texts = members(raw)
    blob = None
    if facts.blob_size is not None:
        blob = call_text(ctx, b"HGET", thread.states, request.from_)
    one = Checkpoint(
        id=request.id,
        parent=request.from_,
        step=facts.step,
        state=texts["state"],
        next_node=facts.next_node,
        meta=texts.get("meta"),
        blob=blob,
    )
    return store(ctx, target, one)


@dataclass(slots=True)
class CopyRequest:
    tenant: bytes
    thread: bytes
    newthread: bytes
    ns: bytes = b""


@command(
    "CP.COPY",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N*log(N)) with N the number of checkpoints, of which up to 200 at once",
    summary="Copies all checkpoints of a thread and their pending writes to another.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("newthread"),
        NAMESPACE,
    ],
    request=CopyRequest,
)
def cp_copy(ctx: Context, request: CopyRequest) -> Reply:
    """Returns how many checkpoints were copied.

    They keep their ids and replace checkpoints of the same id. The copies expire with the
    thread they were copied to; if the copy creates that thread, it expires when the old one
    does. Checkpoints that cannot be read are not copied. The namespaces of the thread are
    copied too; with `NS`, that namespace alone is.

    Of a thread with more than 200 checkpoints the newest are copied at once, and the server
    copies the others in the background. The reply is then how many the thread has.

        > CP.COPY acme thread-1 thread-3
        (integer) 2
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    target = Thread(ctx, request.tenant, request.newthread, request.ns)
    if thread.name == target.name:
        raise CommandError(SAME_OBJECT)
    copy = Copy(ctx, thread, target)
    if copy.position is None and not copy.copied:
        return 0
    # A copy that a former command began is complete now, or goes on from here.
    call_integer(ctx, b"HLEN", thread.work)
    total = copy.copied
    if copy.position is not None:
        parts = _with_namespaces(ctx, thread) if not thread.path else [thread]
        total = sum(call_integer(ctx, b"ZCARD", part.by_step) for part in parts)
    copy.run()
    note_copy(ctx, thread, target, copy.position)
    announce(ctx, target, "copy", None)
    return total


@dataclass(slots=True)
class PruneRequest:
    tenant: bytes
    thread: bytes
    keep: int
    ns: bytes = b""


@command(
    "CP.PRUNE",
    group="checkpoint",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) with N the number of checkpoints and M of those removed, of which "
    "up to 200 at once",
    summary="Removes all but the newest checkpoints of a thread.",
    arguments=[
        Key("tenant", "RW access delete"),
        String("thread"),
        Unsigned("count", "KEEP"),
        NAMESPACE,
    ],
    request=PruneRequest,
)
def cp_prune(ctx: Context, request: PruneRequest) -> Reply:
    """Returns how many checkpoints are removed. Their states and pending writes go with them.

    If they are more than 200, the oldest 200 are removed at once, and the server removes the
    others in the background. Namespaces of the thread are left alone; with `NS`, the
    checkpoints of that namespace are pruned.

        > CP.PRUNE acme thread-1 KEEP 100
        (integer) 0
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    call_integer(ctx, b"HLEN", thread.by_id)
    prune = Prune(ctx, thread, request.keep)
    if not prune.total:
        return 0
    is_last = _is_all(ctx, thread, prune.total)
    cursor = None
    if prune.more:
        call_integer(ctx, b"HLEN", thread.work)
        (last,) = newest(ctx, thread, request.keep, 1)
        cursor = cursor_after(ctx, thread, last)
    prune.run()
    if cursor is not None:
        note_prune(ctx, thread, cursor)
    _end(ctx, thread, "prune", None, is_last)
    return prune.total


@dataclass(slots=True)
class Delete:
    tenant: bytes
    thread: bytes
    id: bytes | None = None
    ns: bytes = b""


@command(
    "CP.DEL",
    group="checkpoint",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for one of N checkpoints, O(N) for a thread",
    summary="Removes a checkpoint, or a whole thread.",
    arguments=[
        Key("tenant", "RW access delete"),
        String("thread"),
        String("id", optional=True, convert=canonical_id),
        NAMESPACE,
    ],
    request=Delete,
)
def cp_del(ctx: Context, request: Delete) -> Reply:
    """Returns how many checkpoints were removed. Their states and pending writes go with them.

    A thread is removed with all its namespaces; with `NS`, that namespace alone is. Checkpoints
    whose parent was removed stay as they are.

        > CP.DEL acme thread-1 00000000-0000-0000-0000-000000000000
        (integer) 0
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    if request.id is not None:
        return _delete_one(ctx, thread, request.id)
    return _delete_all(ctx, thread)


def _delete_one(ctx: Context, thread: Thread, checkpoint: bytes) -> int:
    is_there = call_integer(ctx, b"HEXISTS", thread.by_id, checkpoint)
    if not is_there and ctx.call(b"ZSCORE", thread.by_step, checkpoint) is None:
        return 0
    call_integer(ctx, b"HLEN", thread.states)
    is_last = _is_all(ctx, thread, 1)
    remove(ctx, thread, fetch(ctx, thread, [checkpoint]))
    _end(ctx, thread, "del", checkpoint, is_last)
    return 1


def _delete_all(ctx: Context, thread: Thread) -> int:
    parts = [thread] if thread.path else _with_namespaces(ctx, thread)
    total = 0
    small: list[tuple[Thread, list[Stored]]] = []
    large: list[Thread] = []
    exist = False
    left = BATCH
    for part in parts:
        call_integer(ctx, b"HLEN", part.by_id)
        count = call_integer(ctx, b"ZCARD", part.by_step)
        total += count
        exist = exist or call_integer(ctx, b"EXISTS", *part.keys) > 0
        fetched: list[Stored] = []
        if count <= left:
            ids = call_texts(ctx, b"ZRANGE", part.by_step, b"0", b"-1")
            fetched = fetch(ctx, part, ids)
        if len(fetched) == count or not call_integer(ctx, b"EXISTS", part.by_id):
            small.append((part, fetched))
            left -= count
        else:
            large.append(part)
    if not exist:
        return 0
    is_last = not thread.path or _is_all(ctx, thread, total)
    for part, fetched in small:
        write(ctx, b"DEL", *part.keys, part.work)
        gone: Rows = set()
        for one in fetched:
            gone |= one.rows(part)
        change(ctx, part, gone, set())
    for part in large:
        throw_away(ctx, part)
    _end(ctx, thread, "del", None, is_last)
    return total


def _with_namespaces(ctx: Context, thread: Thread) -> list[Thread]:
    """A thread and all its namespaces."""
    parts = [thread]
    while (path := following_path(ctx, parts[-1])) is not None:
        parts.append(Thread(ctx, thread.tenant.encode(), thread.name.encode(), path))
    return parts


def _is_all(ctx: Context, thread: Thread, count: int) -> bool:
    """Whether a thread, with its namespaces, has no more than so many checkpoints of this one."""
    if call_integer(ctx, b"ZCARD", thread.by_step) > count:
        return False
    whole = Thread(ctx, thread.tenant.encode(), thread.name.encode())
    if thread.path and call_integer(ctx, b"EXISTS", whole.by_step):
        return False
    path = following_path(ctx, whole)
    while path is not None and path == thread.path.encode():
        path = following_path(ctx, thread)
    return path is None


def _end(ctx: Context, thread: Thread, change: str, checkpoint: bytes | None, last: bool) -> None:
    """Announce a removal; forget the events of a thread that is gone."""
    announce(ctx, thread, change, checkpoint)
    if last:
        forget_events(ctx, "checkpoint", thread.collection)


declare_family_help("CP", group="checkpoint", since="0.1.0")
