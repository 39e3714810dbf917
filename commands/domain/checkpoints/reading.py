"""CP.LATEST, CP.GET, CP.STATE, CP.HISTORY and CP.INFO: reading the checkpoints of a thread."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, call_values
from commands.domain.checkpoints.arguments import Unsigned
from commands.domain.checkpoints.envelopes import canonical_id, members, read
from commands.domain.checkpoints.keys import NAMESPACE, Thread
from commands.domain.checkpoints.order import cursor_after, latest, newest, place_after, rank
from commands.domain.checkpoints.storing import facts_of
from commands.domain.json_filters import Predicate, parse_filter
from commands.domain.pages import END, LARGEST_PAGE, PAGE, PAGE_SIZE, PLACE, Place
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# How many envelopes CP.HISTORY reads at once.
_BATCH = 1000
# How many checkpoints CP.INFO looks at.
_MEASURED = 200
# A page ends early after so many bytes.
_LARGEST_PAGE_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Latest:
    tenant: bytes
    thread: bytes
    ns: bytes = b""


@command(
    "CP.LATEST",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Returns the checkpoint of the highest step.",
    arguments=[Key("tenant", "RO access"), String("thread"), NAMESPACE],
    request=Latest,
)
def cp_latest(ctx: Context, request: Latest) -> Reply:
    """Returns the envelope, or nil if the thread has no checkpoint.

    Among checkpoints of the same step, the one with the greater id is later.

        > CP.LATEST acme thread-2
        (nil)
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    found = latest(ctx, thread)
    return None if found is None else _envelope(ctx, thread, found)


@dataclass(slots=True)
class Get:
    tenant: bytes
    thread: bytes
    id: bytes
    ns: bytes = b""


@command(
    "CP.GET",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(1)",
    summary="Returns a checkpoint by its id.",
    arguments=[
        Key("tenant", "RO access"),
        String("thread"),
        String("id", convert=canonical_id),
        NAMESPACE,
    ],
    request=Get,
)
def cp_get(ctx: Context, request: Get) -> Reply:
    """Returns the envelope, or nil if the thread has no such checkpoint.

    `SCHEMA` if the envelope has another version, `BADRECORD` if it is not an envelope of this
    thread.

        > CP.GET acme thread-1 00000000-0000-0000-0000-000000000000
        (nil)
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    return _envelope(ctx, thread, request.id)


def _envelope(ctx: Context, thread: Thread, checkpoint: bytes) -> bytes | None:
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is not None:
        read(raw, checkpoint, thread)
    return raw


@dataclass(slots=True)
class State:
    tenant: bytes
    thread: bytes
    id: bytes | None = None
    ns: bytes = b""


@command(
    "CP.STATE",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Returns the state of a checkpoint without its envelope.",
    arguments=[
        Key("tenant", "RO access"),
        String("thread"),
        String("id", optional=True, convert=canonical_id),
        NAMESPACE,
    ],
    request=State,
)
def cp_state(ctx: Context, request: State) -> Reply:
    """Returns what `BSTATE` stored, or else the JSON of `STATE`, of a checkpoint or the latest.

    Nil if there is no such checkpoint. `BADRECORD` if the binary state has been removed.

        > CP.STATE acme thread-1 01890a5d-ac96-774b-bcce-b302099a8057
        "{}"
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    checkpoint = latest(ctx, thread) if request.id is None else request.id
    if checkpoint is None:
        return None
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    if raw is None:
        return None
    if read(raw, checkpoint, thread).blob_size is None:
        return members(raw)["state"]
    blob = call_text(ctx, b"HGET", thread.states, checkpoint)
    if blob is None:
        raise thread.failure("BADRECORD", "no binary state of checkpoint", checkpoint)
    return blob


# --- several checkpoints -------------------------------------------------------------------


@dataclass(slots=True)
class History:
    tenant: bytes
    thread: bytes
    limit: int | None = None
    before: bytes | None = None
    filter: Predicate | None = None
    cursor: Place | bytes = b""
    count: int = 0
    ns: bytes = b""


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
        Unsigned("limit", "LIMIT", optional=True),
        String("id", "BEFORE", optional=True, convert=canonical_id),
        String("filter", "FILTER", optional=True, convert=parse_filter),
        PLACE,
        PAGE,
        NAMESPACE,
    ],
    request=History,
)
def cp_history(ctx: Context, request: History) -> Reply:
    """Returns envelopes: up to `LIMIT`, or all of them if it is 0 or not given.

    `BEFORE` starts after that checkpoint; `NOTFOUND` if it is not in the thread. `FILTER`
    selects checkpoints by their `META`, with the filters of `STORE.SEARCH`. Checkpoints that
    cannot be read are skipped.

    A reply with all checkpoints of a long thread keeps other clients waiting until it is
    complete. Read long threads in pages: with `CURSOR` or `COUNT` (100, at most 1000) the reply
    is a cursor and a page. Pass the cursor to get the next one; it is 0 after the last page.

        > CP.HISTORY acme thread-2 LIMIT 10
        (empty array)
        > CP.HISTORY acme thread-2 CURSOR 0
        1) "0"
        2) (empty array)
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    if request.cursor != b"" or request.count:
        if request.limit is not None or request.before is not None:
            raise CommandError("ERR CURSOR and COUNT exclude LIMIT and BEFORE")
        return _page(ctx, thread, request)
    limit = request.limit or 0
    start = 0
    if request.before is not None:
        before = rank(ctx, thread, request.before)
        if before is None:
            raise thread.failure("NOTFOUND", "no checkpoint", request.before)
        start = before + 1
    found: list[bytes] = []
    while True:
        batch = min(limit - len(found), _BATCH) if limit else _BATCH
        ids = newest(ctx, thread, start, batch)
        if ids:
            found += [raw for _, raw in _readable(ctx, thread, ids, request.filter)]
        if len(ids) < batch or (limit and len(found) == limit):
            return found
        start += batch


def _page(ctx: Context, thread: Thread, request: History) -> Reply:
    """A page of the history, and the cursor of the next one."""
    count = min(request.count or PAGE_SIZE, LARGEST_PAGE)
    cursor = None if isinstance(request.cursor, bytes) else request.cursor
    start = place_after(ctx, thread, cursor)
    ids = newest(ctx, thread, start, LARGEST_PAGE if request.filter else count)
    found: list[bytes] = []
    size = examined = 0
    for begin in range(0, len(ids), PAGE_SIZE):
        for at, raw in _readable(ctx, thread, ids[begin : begin + PAGE_SIZE], request.filter):
            found.append(raw)
            size += len(raw)
            examined = begin + at + 1
            if len(found) == count:
                break
        else:
            examined = min(begin + PAGE_SIZE, len(ids))
        if len(found) == count or size > _LARGEST_PAGE_BYTES:
            break
    if examined == 0 or start + examined >= call_integer(ctx, b"ZCARD", thread.by_step):
        return [END, found]
    return [cursor_after(ctx, thread, ids[examined - 1]), found]


def _readable(
    ctx: Context, thread: Thread, ids: list[bytes], matches: Predicate | None
) -> list[tuple[int, bytes]]:
    """The envelopes of these ids that exist, are valid, and match, with their places."""
    found = []
    envelopes = call_values(ctx, b"HMGET", thread.by_id, *ids)
    for at, (checkpoint, raw) in enumerate(zip(ids, envelopes, strict=True)):
        if raw is None:
            continue
        try:
            facts = read(raw, checkpoint, thread)
        except CommandError:
            count_poison(ctx)
        else:
            if matches is None or matches(facts.meta):
                found.append((at, raw))
    return found


@dataclass(slots=True)
class Info:
    tenant: bytes
    thread: bytes
    ns: bytes = b""


@command(
    "CP.INFO",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) with N the number of checkpoints of the thread",
    summary="Returns facts of a thread without its states.",
    arguments=[Key("tenant", "RO access"), String("thread"), NAMESPACE],
    request=Info,
)
def cp_info(ctx: Context, request: Info) -> Reply:
    """Returns a map, or nil if the thread has no checkpoint.

    `count` is how many checkpoints there are. `first` and `last` are ids; their steps and
    timestamps follow, nil if the checkpoint cannot be read. `bytes` is the size of envelopes
    and binary states: the sum of all if there are up to 200, an estimate from the newest 200 if
    there are more (`measured` says how many were looked at). `expires_at` is in milliseconds,
    nil without a TTL. A step above 2**63-1 is text.

        > CP.INFO acme thread-2
        (nil)
    """
    thread = Thread(ctx, request.tenant, request.thread, request.ns)
    ids = newest(ctx, thread, 0, _MEASURED)
    if not ids:
        return None
    count = call_integer(ctx, b"ZCARD", thread.by_step)
    (first,) = newest(ctx, thread, count - 1, 1)
    envelopes = call_values(ctx, b"HMGET", thread.by_id, *ids)
    size = sum(len(raw) for raw in envelopes if raw is not None)
    if call_integer(ctx, b"HLEN", thread.states):
        size += sum(call_integer(ctx, b"HSTRLEN", thread.states, each) for each in ids)
    deadline = call_integer(ctx, b"PEXPIRETIME", thread.by_step)
    return {
        b"count": count,
        **_end(ctx, thread, b"first", first),
        **_end(ctx, thread, b"last", ids[0]),
        b"bytes": size * count // len(ids),
        b"measured": len(ids),
        b"expires_at": deadline if deadline > 0 else None,
    }


def _end(ctx: Context, thread: Thread, name: bytes, checkpoint: bytes) -> dict[bytes, Reply]:
    """The facts about the first or last checkpoint."""
    raw = call_text(ctx, b"HGET", thread.by_id, checkpoint)
    facts = facts_of(raw, checkpoint, thread)
    return {
        name: checkpoint,
        name + b"_step": None if facts is None else _number(facts.step),
        name + b"_at": None if facts is None else facts.timestamp.encode(),
    }


def _number(step: int) -> int | bytes:
    """A step in a reply: as text if it is larger than the integers of the protocol."""
    return step if step <= INT64_MAX else b"%d" % step
