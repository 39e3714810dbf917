"""STORE.*: the entries of one namespace.

`layout` describes the keys of entries; `search` has the commands that read many namespaces.
These commands and a plain SET, GET or DEL of an entry's key see each other's changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_integer, call_text, call_values
from commands.domain.events import has_readers, publish
from commands.domain.store.layout import END, STORE_PREFIX, Namespace, walk
from commands.engine.containers import declare_family_help
from commands.engine.grammar import ArgumentGroup, Integer, Key, OneOf, String, Token
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply
from commands.instance.context import Context

# How many entries STORE.CLEAR removes with one DEL.
_CLEARED_AT_ONCE = 512


def _deadline(ctx: Context, ttl: int) -> bytes:
    """The time at which a TTL ends, in epoch milliseconds."""
    return b"%d" % (ctx.now + ttl)


def _publish(ctx: Context, space: Namespace, event: str, **details: object) -> None:
    publish(ctx, "store", space.name, event, **details)


def _text(key: bytes) -> str:
    """A key as text for JSON."""
    return key.decode("utf-8", "backslashreplace")


# --- one entry -----------------------------------------------------------------------------


@dataclass(slots=True)
class Put:
    namespace: bytes
    key: bytes
    value: bytes
    condition: bytes | None = None
    ttl: int | None = None
    keepttl: bool = False


@command(
    "STORE.PUT",
    group="store",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) for N entries in the store.",
    summary="Stores a value under a key of a namespace.",
    arguments=[
        Key("namespace", "RW insert update"),
        String("key"),
        String("value"),
        OneOf("condition", Token("NX"), Token("XX"), optional=True),
        OneOf(
            "expiration",
            Milliseconds("ttl", "TTL", optional=False),
            Token("KEEPTTL"),
            optional=True,
        ),
    ],
    request=Put,
)
def store_put(ctx: Context, request: Put) -> Reply:
    """Returns OK, or nil if `NX` or `XX` prevented the put.

    `NX` stores only a new key, `XX` only an existing one. A put without `TTL` removes the
    entry's old TTL, unless `KEEPTTL` is given.

        > STORE.PUT acme:agent-a greeting hello TTL 60000
        OK
        > STORE.PUT acme:agent-a greeting again NX
        (nil)
    """
    space = Namespace(ctx, request.namespace)
    words = [b"SET", space.key(request.key), request.value]
    if request.condition is not None:
        words.append(request.condition)
    if request.keepttl:
        words.append(b"KEEPTTL")
    if request.ttl is not None:
        words += b"PXAT", _deadline(ctx, request.ttl)
    reply: Reply = ctx.call(*words)
    if reply is OK:
        _publish(ctx, space, "put", key=_text(request.key))
    return reply


@dataclass(slots=True)
class MultiPut:
    namespace: bytes
    data: list[tuple[bytes, bytes]]


@command(
    "STORE.MPUT",
    group="store",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) for M pairs and N entries in the store.",
    summary="Stores several values in a namespace at once.",
    arguments=[
        Key("namespace", "RW insert update"),
        ArgumentGroup("data", String("key"), String("value"), multiple=True),
    ],
    request=MultiPut,
)
def store_mput(ctx: Context, request: MultiPut) -> Reply:
    """Returns OK. All entries are stored or, after an error, none.

    The entries have no TTL afterwards.

        > STORE.MPUT acme:agent-a colour green size 7
        OK
    """
    space = Namespace(ctx, request.namespace)
    words = [word for key, value in request.data for word in (space.key(key), value)]
    ctx.call(b"MSET", *words)
    if has_readers(ctx):
        _publish(ctx, space, "mput", keys=[_text(key) for key, _ in request.data])
    return OK


@dataclass(slots=True)
class Get:
    namespace: bytes
    key: bytes
    refresh: int | None = None


@command(
    "STORE.GET",
    group="store",
    since="0.1.0",
    flags="write fast",
    summary="Returns the value of a key of a namespace.",
    arguments=[
        Key("namespace", "RW access update"),
        String("key"),
        Milliseconds("ttl", "REFRESH"),
    ],
    request=Get,
)
def store_get(ctx: Context, request: Get) -> Reply:
    """Returns the value, or nil if there is no entry or it has expired.

    `REFRESH` gives the entry a new TTL, counted from now.

        > STORE.PUT acme:agent-a colour green
        OK
        > STORE.GET acme:agent-a colour
        "green"
        > STORE.GET acme:agent-a weight
        (nil)
    """
    key = Namespace(ctx, request.namespace).key(request.key)
    if request.refresh is None:
        return call_text(ctx, b"GET", key)
    return call_text(ctx, b"GETEX", key, b"PXAT", _deadline(ctx, request.refresh))


@command(
    "STORE.MGET",
    group="store",
    since="0.1.0",
    flags="readonly fast",
    complexity="O(N) for N keys.",
    summary="Returns the values of several keys of a namespace.",
    arguments=[Key("namespace", "RO access"), String("key", multiple=True)],
)
def store_mget(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns a value or nil for each key, in the order of the keys.

    > STORE.MPUT acme:agent-a colour green size 7
    OK
    > STORE.MGET acme:agent-a colour weight size
    1) "green"
    2) (nil)
    3) "7"
    """
    return call_values(ctx, b"MGET", *Namespace(ctx, argv[1]).keys(argv[2:]))


@command(
    "STORE.DEL",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M keys and N entries in the store.",
    summary="Removes entries of a namespace.",
    arguments=[Key("namespace", "RW delete"), String("key", multiple=True)],
)
def store_del(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many entries were removed. Keys without an entry are skipped.

    > STORE.PUT acme:agent-a colour green
    OK
    > STORE.DEL acme:agent-a colour weight
    (integer) 1
    """
    space = Namespace(ctx, argv[1])
    removed = call_integer(ctx, b"DEL", *space.keys(argv[2:]))
    if removed:
        _publish(ctx, space, "del", keys=[_text(key) for key in argv[2:]], removed=removed)
    return removed


# --- a namespace -----------------------------------------------------------------------------


@dataclass(slots=True)
class List:
    namespace: bytes
    prefix: bytes = b""
    after: bytes | None = None
    limit: int = 0
    withvalues: bool = False


@command(
    "STORE.LIST",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M keys returned, of N entries in the store.",
    summary="Lists the keys of a namespace in byte order.",
    arguments=[
        Key("namespace", "RO access"),
        String("prefix", "PREFIX", optional=True),
        String("key", "AFTER", optional=True),
        Integer("count", "LIMIT", optional=True, low=0),
        Token("WITHVALUES", optional=True),
    ],
    request=List,
)
def store_list(ctx: Context, request: List) -> Reply:
    """Returns the keys, without those of the namespaces within this one.

    `PREFIX` selects keys that begin with it, `AFTER` keys that sort behind it: pass the last
    key of a page, which need not exist any more, to get the next one. `LIMIT` is the size of a
    page; 0, the default, means all keys. `WITHVALUES` returns a map of keys and values.

        > STORE.MPUT acme:numbers one 1 two 2 three 3
        OK
        > STORE.LIST acme:numbers LIMIT 2
        1) "one"
        2) "three"
        > STORE.LIST acme:numbers AFTER three WITHVALUES
        1) "two"
        2) "2"
    """
    space = Namespace(ctx, request.namespace)
    entries = space.place + END
    after = None if request.after is None else entries + request.after
    found: list[tuple[bytes, bytes]] = []
    for place, value in walk(
        ctx, space, entries + request.prefix, after=after, limit=request.limit
    ):
        found.append((place[len(entries) :], value))
        if len(found) == request.limit:
            break
    return MapReply(found) if request.withvalues else [key for key, _ in found]


@command(
    "STORE.COUNT",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) for N entries in the store, plus the removal of expired entries.",
    summary="Counts the live entries of a namespace.",
    arguments=[Key("namespace", "RO")],
)
def store_count(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many entries have not expired.

    Entries of namespaces within this one are not counted. Keys that do not hold a string are.

        > STORE.MPUT acme:pair one 1 two 2
        OK
        > STORE.COUNT acme:pair
        (integer) 2
    """
    space = Namespace(ctx, argv[1])
    entries = space.place + END
    if ctx.keyspace.expiry_paused:
        places = ctx.db.ordered.range(entries)
        return sum(not ctx.db.has_expired(space.key_at(place)) for place in places)
    ctx.db.expire_due()
    ctx.log_as()  # the keyspace logs the removal of expired keys itself
    return ctx.db.ordered.count(entries)


@command(
    "STORE.CLEAR",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M entries removed, of N in the store.",
    summary="Removes all entries of a namespace.",
    arguments=[Key("namespace", "RW delete")],
)
def store_clear(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many entries were removed.

    Entries of namespaces within this one are kept.

        > STORE.MPUT acme:scratch one 1 two 2
        OK
        > STORE.CLEAR acme:scratch
        (integer) 2
    """
    space = Namespace(ctx, argv[1])
    entries = space.place + END
    removed, last = 0, None
    while places := list(islice(ctx.db.ordered.range(entries, after=last), _CLEARED_AT_ONCE)):
        last = places[-1]
        removed += call_integer(ctx, b"DEL", *map(space.key_at, places))
    if removed:
        _publish(ctx, space, "clear", removed=removed)
    return removed


@command(
    "STORE.EVICT",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M expired keys, of N in the store.",
    summary="Removes all expired entries at once.",
)
def store_evict(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many entries were removed. Expired keys of other kinds are removed as well.

    This is about memory only: an expired entry is invisible at once, and the server removes
    it in the background soon after.

        > STORE.EVICT
        (integer) 0
    """
    evicted = ctx.db.expire_due()
    ctx.log_as()  # the keyspace logs the removal of expired keys itself
    return sum(key.startswith(STORE_PREFIX) for key in evicted)


declare_family_help("STORE", group="store", since="0.1.0")
