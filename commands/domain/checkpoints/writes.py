"""CP.WRITES: what the tasks of a step have written before the step's checkpoint is made.

They lie in a hash per checkpoint: field `<task>:<idx>`, value `<channel>:<value>`, task and
channel escaped as `commands.namespaces` says, the value as it was given. They expire and
are removed with their checkpoint.
"""

from __future__ import annotations

from commands.domain.checkpoints.checkpoints import announce
from commands.domain.checkpoints.envelopes import canonical_id
from commands.domain.checkpoints.keys import Thread
from commands.domain.namespaces import escape, segment_at, unescape
from commands.domain.records import count_poison
from commands.engine.containers import container
from commands.engine.errors import wrong_arity
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.numbers import parse_integer, read_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_Write = tuple[bytes, int, bytes, bytes]

container(
    "CP.WRITES",
    group="checkpoint",
    since="0.1.0",
    help_since="0.1.0",
    summary="Keeps the pending writes of checkpoints.",
)


@command(
    "CP.WRITES PUT",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(N) with N the number of writes given",
    summary="Keeps writes of a task until its step is done.",
    arguments=[
        Key("tenant", "RW update"),
        String("thread"),
        String("id"),
        String("task"),
        ArgumentGroup("write", Integer("idx"), String("channel"), String("value"), multiple=True),
    ],
)
def cp_writes_put(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many were given. One of the same task and idx is replaced.

    The idx may be negative. `NOTFOUND` when the thread has no such checkpoint.

        > CP.WRITES PUT acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 task-1 0 messages hello
        (integer) 1
    """
    if (len(argv) - 6) % 3:
        raise wrong_arity("cp.writes|put")
    thread = Thread(ctx, argv[2], argv[3])
    checkpoint = canonical_id(argv[4])
    task = escape(argv[5])
    fields: list[bytes] = []
    for at in range(6, len(argv), 3):
        parse_integer(argv[at])
        fields += (b"%b:%b" % (task, argv[at]), b"%b:%b" % (escape(argv[at + 1]), argv[at + 2]))
    if not ctx.call(b"HEXISTS", thread.by_id, checkpoint):
        raise thread.failure("NOTFOUND", "no checkpoint {}", checkpoint)
    key = thread.writes(checkpoint)
    ctx.call(b"HSET", key, *fields)
    deadline = ctx.call(b"PEXPIRETIME", thread.by_id)
    if deadline > 0:
        ctx.call(b"PEXPIREAT", key, b"%d" % deadline)
    announce(ctx, thread, "writes", checkpoint)
    return len(fields) // 2


@command(
    "CP.WRITES GET",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) with N the number of writes",
    summary="Answers the pending writes of a checkpoint.",
    arguments=[Key("tenant", "RO access"), String("thread"), String("id")],
)
def cp_writes_get(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers task, idx, channel and value of each, by task and idx; none is no error.

    > CP.WRITES GET acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057
    1) 1) "task-1"
       2) (integer) 0
       3) "messages"
       4) "hello"
    """
    key = Thread(ctx, argv[2], argv[3]).writes(canonical_id(argv[4]))
    fields = ctx.call(b"HKEYS", key)
    if not fields:
        return []
    found = []
    for field, text in zip(fields, ctx.call(b"HMGET", key, *fields), strict=True):
        write = _read(field, text)
        if write is None:
            count_poison(ctx)
        else:
            found.append(write)
    found.sort()
    return [list(write) for write in found]


def _read(field: bytes, text: bytes) -> _Write | None:
    """A write from its field and value; None if they are not what is put there."""
    task, channel = segment_at(field, 0), segment_at(text, 0)
    if task is None or channel is None:
        return None
    idx = read_integer(field[len(task) + 1 :])
    if idx is None:
        return None
    return unescape(task), idx, unescape(channel), text[len(channel) + 1 :]
