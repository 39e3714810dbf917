"""CP.WRITES: pending writes, the output of a step's tasks before its checkpoint is stored.

They are kept in a hash per checkpoint: field `<task>:<idx>`, value `<channel>:<value>`, with
task and channel escaped as described in `namespaces` and the value as it was given. They
expire and are removed with their checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_texts, call_values
from commands.domain.checkpoints.checkpoints import announce
from commands.domain.checkpoints.envelopes import canonical_id
from commands.domain.checkpoints.keys import Thread
from commands.domain.namespaces import escape, segment_at, unescape
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


@command(
    "CP.WRITES PUT",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N) with N the number of writes given",
    summary="Stores the pending writes of a task.",
    arguments=[
        Key("tenant", "RW update"),
        String("thread"),
        String("id", convert=canonical_id),
        String("task"),
        ArgumentGroup("write", Integer("idx"), String("channel"), String("value"), multiple=True),
    ],
    request=PutWrites,
)
def cp_writes_put(ctx: Context, request: PutWrites) -> Reply:
    """Returns how many writes were given. A write of the same task and idx is replaced.

    The idx may be negative. `NOTFOUND` if the thread has no such checkpoint.

        > CP.WRITES PUT acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 task-1 0 messages hello
        (integer) 1
    """
    thread = Thread(ctx, request.tenant, request.thread)
    task = escape(request.task)
    fields: list[bytes] = []
    for idx, channel, value in request.write:
        fields += (b"%b:%d" % (task, idx), b"%b:%b" % (escape(channel), value))
    if not call_integer(ctx, b"HEXISTS", thread.by_id, request.id):
        raise thread.failure("NOTFOUND", "no checkpoint", request.id)
    key = thread.writes(request.id)
    ctx.call(b"HSET", key, *fields)
    deadline = call_integer(ctx, b"PEXPIRETIME", thread.by_id)
    if deadline > 0:
        ctx.call(b"PEXPIREAT", key, b"%d" % deadline)
    announce(ctx, thread, "writes", request.id)
    return len(request.write)


@command(
    "CP.WRITES GET",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) with N the number of writes",
    summary="Returns the pending writes of a checkpoint.",
    arguments=[Key("tenant", "RO access"), String("thread"), String("id")],
)
def cp_writes_get(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns task, idx, channel and value of each write, ordered by task and idx.

    A checkpoint without pending writes, or one that does not exist, has none.

        > CP.WRITES GET acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057
        1) 1) "task-1"
           2) (integer) 0
           3) "messages"
           4) "hello"
    """
    key = Thread(ctx, argv[2], argv[3]).writes(canonical_id(argv[4]))
    fields = call_texts(ctx, b"HKEYS", key)
    if not fields:
        return []
    found = []
    for field, text in zip(fields, call_values(ctx, b"HMGET", key, *fields), strict=True):
        write = None if text is None else _read(field, text)
        if write is None:
            count_poison(ctx)
        else:
            found.append(write)
    found.sort()
    return [list(write) for write in found]


def _read(field: bytes, text: bytes) -> _Write | None:
    """A write from its field and value; None if they do not have the form of one."""
    task, channel = segment_at(field, 0), segment_at(text, 0)
    if task is None or channel is None:
        return None
    idx = read_integer(field[len(task) + 1 :])
    if idx is None:
        return None
    return unescape(task), idx, unescape(channel), text[len(channel) + 1 :]
