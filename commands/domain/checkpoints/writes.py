"""CP.WRITES: pending writes, the output of a step's tasks before its checkpoint is stored.

A thread has one hash for those of all its checkpoints. The field `<id>` has the number n of
pending writes of a checkpoint; they are in the fields `<id>:0` to `<id>:<n-1>`, each as
`<task>:<idx>:<channel>:<value>`, with task and channel escaped as described in `namespaces` and
the value as it was given. They expire and are removed with their checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, call_values, write
from commands.domain.checkpoints.envelopes import canonical_id
from commands.domain.checkpoints.keys import NAMESPACE, Thread
from commands.domain.checkpoints.removal import MOST_WRITES, writes_field
from commands.domain.checkpoints.storing import announce
from commands.domain.namespaces import escape, segment_at, unescape
from commands.domain.numbers import stored_integer
from commands.domain.records import count_poison
from commands.engine.containers import container
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.numbers import read_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_Write = tuple[bytes, int, bytes, bytes]

container(
    "CP.WRITES",
    group="checkpoint",
    since="0.1.0",
    help_since="0.1.0",
    summary="Manages the pending writes of checkpoints.",
)


@dataclass(slots=True)
class PutWrites:
    tenant: bytes
    thread: bytes
    id: bytes
    task: bytes
    write: list[tuple[int, bytes, bytes]]
    ns: bytes = b""


@command(
    "CP.WRITES PUT",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N) with N the number of pending writes of the checkpoint",
    summary="Stores the pending writes of a task.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("id", convert=canonical_id),
        String("task"),
        NAMESPACE,
        ArgumentGroup("write", Integer("idx"), String("channel"), String("value"), multiple=True),
    ],
    request=PutWrites,
)
def cp_writes_put(ctx: Context, request: PutWrites) -> Reply:
    """Returns how many writes were given. A write of the same task and idx is replaced.

    The idx may be negative. A checkpoint has up to 10,000 pending writes. `NOTFOUND` if the
    thread has no such checkpoint.

        > CP.WRITES PUT acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 task-1 0 messages hello
        (integer) 1
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    checkpoint = request.id
    if not call_integer(ctx, b"HEXISTS", thread.by_id, checkpoint):
        raise thread.failure("NOTFOUND", "no checkpoint", checkpoint)
    stored = _texts(ctx, thread, checkpoint)
    places = {one[:2]: at for at, text in enumerate(stored) if (one := _read(text)) is not None}
    task = escape(request.task)
    fields: list[bytes] = []
    for idx, channel, value in request.write:
        at = places.setdefault((request.task, idx), len(stored))
        if at == len(stored):
            stored.append(None)
        text = b"%b:%d:%b:%b" % (task, idx, escape(channel), value)
        fields += (writes_field(checkpoint, at), text)
    if len(stored) > MOST_WRITES:
        raise thread.failure("ERR", "more than 10000 pending writes of checkpoint", checkpoint)
    deadline = call_integer(ctx, b"PEXPIRETIME", thread.by_id)
    write(ctx, b"HSET", thread.writes, checkpoint, b"%d" % len(stored), *fields)
    if deadline > 0:
        write(ctx, b"PEXPIREAT", thread.writes, b"%d" % deadline)
    announce(ctx, thread, "writes", checkpoint)
    return len(request.write)


@dataclass(slots=True)
class GetWrites:
    tenant: bytes
    thread: bytes
    id: bytes
    ns: bytes = b""


@command(
    "CP.WRITES GET",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) with N the number of writes",
    summary="Returns the pending writes of a checkpoint.",
    arguments=[
        Key("tenant", "RO access"),
        String("thread"),
        String("id", convert=canonical_id),
        NAMESPACE,
    ],
    request=GetWrites,
)
def cp_writes_get(ctx: Context, request: GetWrites) -> Reply:
    """Returns task, idx, channel and value of each write, ordered by task and idx.

    A checkpoint without pending writes, or one that does not exist, has none.

        > CP.WRITES GET acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057
        1) 1) "task-1"
           2) (integer) 0
           3) "messages"
           4) "hello"
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    found = []
    for text in _texts(ctx, thread, request.id):
        one = _read(text)
        if one is None:
            count_poison(ctx)
        else:
            found.append(one)
    found.sort()
    return [list(one) for one in found]


def _texts(ctx: Context, thread: Thread, checkpoint: bytes) -> list[bytes | None]:
    """The stored texts of the pending writes of a checkpoint."""
    number = call_text(ctx, b"HGET", thread.writes, checkpoint)
    count = stored_integer(number, 0, MOST_WRITES)
    if not count:
        return []
    fields = [writes_field(checkpoint, at) for at in range(count)]
    return call_values(ctx, b"HMGET", thread.writes, *fields)


def _read(text: bytes | None) -> _Write | None:
    """A write from its text; None if the text does not have the form of one."""
    if text is None:
        return None
    parts: list[bytes] = []
    at = 0
    for _ in range(3):
        part = segment_at(text, at)
        if part is None:
            return None
        parts.append(part)
        at += len(part) + 1
    idx = read_integer(parts[1])
    if idx is None:
        return None
    return unescape(parts[0]), idx, unescape(parts[2]), text[at:]
