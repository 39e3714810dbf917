"""CP.PUT and CP.UPDATE: writing checkpoints, the states of a thread of work after each step.

`envelopes` describes how a checkpoint is stored, `keys` where. A client that writes the same
keys with ZADD and HSET and one that uses these commands see each other's checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_text
from commands.domain.checkpoints.arguments import Unsigned, meta, node, state
from commands.domain.checkpoints.envelopes import Facts, canonical_id, checked_id, read
from commands.domain.checkpoints.keys import NAMESPACE, Thread
from commands.domain.checkpoints.order import latest
from commands.domain.checkpoints.storing import Checkpoint, Put, new_id, store
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String
from commands.engine.numbers import UINT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_NO_CHECKPOINT = b"-"


def _latest(word: bytes) -> bytes:
    return word if word == _NO_CHECKPOINT else checked_id(word, "IFLATEST")


@dataclass(slots=True)
class PutRequest:
    tenant: bytes
    thread: bytes
    step: int
    state: bytes | None = None
    bstate: bytes | None = None
    id: bytes | None = None
    parent: bytes | None = None
    next: bytes = b"null"
    meta: bytes | None = None
    ttl: int | None = None
    iflatest: bytes | None = None
    ns: bytes = b""


@command(
    "CP.PUT",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) with N the number of checkpoints of the tenant and M the members "
    "of META",
    summary="Stores a checkpoint in a thread and creates the thread if needed.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        Unsigned("step", "STEP"),
        String("json", "STATE", optional=True, convert=state),
        String("blob", "BSTATE", optional=True),
        String("id", "ID", optional=True, convert=lambda word: checked_id(word, "ID")),
        String("parent", "PARENT", optional=True, convert=lambda word: checked_id(word, "PARENT")),
        String("node", "NEXT", optional=True, convert=node),
        String("meta", "META", optional=True, convert=meta),
        Milliseconds("milliseconds", "TTL"),
        String("latest", "IFLATEST", optional=True, convert=_latest),
        NAMESPACE,
    ],
    request=PutRequest,
)
def cp_put(ctx: Context, request: PutRequest) -> Reply:
    """Returns the id of the checkpoint: the one given, or a new UUIDv7.

    `STATE` is JSON and is kept as the text that was sent. `BSTATE` is any bytes, which
    `CP.STATE` returns; one of the two is required. A checkpoint with the same id is replaced;
    if only its timestamp would change, it is left as it is. `PARENT` is stored but not checked.
    `META` is a JSON object of up to 64 members, by which `CP.SEARCH` and `CP.HISTORY` select.
    `TTL` applies to the whole thread: all its keys expire together. A put without `TTL` leaves
    the TTL as it is.

    With `IFLATEST` the checkpoint is stored only if the latest of the thread is the one given
    (`-`: if there is none). Otherwise the reply is nil. A put that is sent again unchanged
    returns its id, whatever is the latest by then.

    `NS` names a namespace of the thread, such as that of a subgraph. It has checkpoints and a
    TTL of its own.

        > CP.PUT acme thread-1 STEP 0 STATE {} ID 01890a5d-ac96-774b-bcce-b302099a8057
        "01890a5d-ac96-774b-bcce-b302099a8057"
        > CP.PUT acme thread-1 STEP 1 STATE {} IFLATEST -
        (nil)
    """
    if request.state is None and request.bstate is None:
        raise CommandError("ERR STATE or BSTATE is missing")
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    one = Checkpoint(
        id=new_id(ctx, thread) if request.id is None else request.id,
        parent=request.parent,
        step=request.step,
        state=b"null" if request.state is None else request.state,
        next_node=request.next,
        meta=request.meta,
        blob=request.bstate,
    )
    put = Put(ctx, thread, one)
    if request.iflatest is not None and not put.is_repeated:
        found = latest(ctx, thread)
        if (found or _NO_CHECKPOINT) != request.iflatest:
            return None
    put.run(request.ttl)
    return one.id


@dataclass(slots=True)
class UpdateRequest:
    tenant: bytes
    thread: bytes
    parent: bytes
    state: bytes | None = None
    bstate: bytes | None = None
    id: bytes = b""
    next: bytes | None = None
    meta: bytes | None = None
    ttl: int | None = None
    ns: bytes = b""


@command(
    "CP.UPDATE",
    group="checkpoint",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) with N the number of checkpoints of the tenant and M the members "
    "of META",
    summary="Stores a changed state as the step after a checkpoint.",
    arguments=[
        Key("tenant", "RW access update"),
        String("thread"),
        String("parent", convert=canonical_id),
        String("json", "STATE", optional=True, convert=state),
        String("blob", "BSTATE", optional=True),
        String("id", "ID", optional=True, convert=lambda word: checked_id(word, "ID")),
        String("node", "NEXT", optional=True, convert=node),
        String("meta", "META", optional=True, convert=meta),
        Milliseconds("milliseconds", "TTL"),
        NAMESPACE,
    ],
    request=UpdateRequest,
)
def cp_update(ctx: Context, request: UpdateRequest) -> Reply:
    """Returns the id of the new checkpoint: the one given as `ID`, or a new UUIDv7.

    Its step is that of the parent plus one, and its next node is the parent's unless `NEXT` is
    given. If a checkpoint with this `ID` exists, nothing changes. `NOTFOUND` if the thread has
    no such parent. The other options are those of `CP.PUT`.

        > CP.UPDATE acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057 STATE '{"messages": [1]}'
        "<id>"
    """
    if request.state is None and request.bstate is None:
        raise CommandError("ERR STATE or BSTATE is missing")
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    if request.id and call_text(ctx, b"HGET", thread.by_id, request.id) is not None:
        return request.id
    _, parent = load(ctx, thread, request.parent, "parent")
    one = Checkpoint(
        id=request.id,
        parent=request.parent,
        step=min(parent.step + 1, UINT64_MAX),
        state=b"null" if request.state is None else request.state,
        next_node=parent.next_node if request.next is None else request.next,
        meta=request.meta,
        blob=request.bstate,
    )
    return store(ctx, thread, one, request.ttl)


def load(
    ctx: Context, thread: Thread, checkpoint: bytes, what: str = "checkpoint"
) -> tuple[bytes, Facts]:
    """The envelope of a checkpoint and its facts; NOTFOUND if it does not exist."""
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is None:
        raise thread.failure("NOTFOUND", "no " + what, checkpoint)
    return raw, read(raw, checkpoint, thread)
