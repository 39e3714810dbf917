"""STORE.*: memory in namespaces, entry by entry.

Where entries lie is in `commands.store_layout`; what reads many namespaces at once is in
`commands.store_search`. A plain SET, GET or DEL of an entry's key and these commands see
each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_integer, call_text, call_values
from commands.domain.events import publish
from commands.domain.store.layout import END, STORE_PREFIX, Namespace, walk
from commands.engine.arguments import Arguments
from commands.engine.containers import declare_family_help
from commands.engine.errors import SYNTAX, CommandError, wrong_arity
from commands.engine.grammar import ArgumentGroup, Integer, Key, OneOf, String, Token
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply
from commands.instance.context import Context

# Entries that are removed with one DEL.
_CLEARED_AT_ONCE = 512


def _deadline(ctx: Context, ttl: int) -> bytes:
    """The moment at which a TTL ends."""
    return b"%d" % (ctx.now + ttl)


def _tell(ctx: Context, space: Namespace, event: str, **facts: Any) -> None:
    publish(ctx, "store", space.name, {"event": event, **facts})


def _shown(key: bytes) -> str:
    """A key as JSON can hold it."""
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
    summary="Puts a value under a key of a namespace.",
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
    """Answers OK, or nil where `NX` (only a new key) or `XX` (only one that is there) forbid.

    A put without `TTL` takes the entry's old TTL away, unless `KEEPTTL` is given.

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
        _tell(ctx, space, "put", key=_shown(request.key))
    return reply


@command(
    "STORE.MPUT",
    group="store",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) for M pairs and N entries in the store.",
    summary="Puts several values into a namespace at once.",
    arguments=[
        Key("namespace", "RW insert update"),
        ArgumentGroup("data", String("key"), String("value"), multiple=True),
    ],
)
def store_mput(ctx: Context, argv: list[bytes]) -> Reply:
    """Puts all of them or, after an error, none.

    The entries have no TTL afterwards.

        > STORE.MPUT acme:agent-a colour green size 7
        OK
    """
    if len(argv) & 1:
        raise wrong_arity("store.mput")
    space = Namespace(ctx, argv[1])
    request = [b"MSET", *argv[2:]]
    request[1::2] = space.keys(argv[2::2])
    ctx.call(*request)
    _tell(ctx, space, "mput", keys=[_shown(key) for key in argv[2::2]])
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
    summary="Answers the value under a key of a namespace.",
    arguments=[
        Key("namespace", "RW access update"),
        String("key"),
        Milliseconds("ttl", "REFRESH"),
    ],
    request=Get,
)
def store_get(ctx: Context, request: Get) -> Reply:
    """Nil where nothing is, or what was there has run out.

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
    summary="Answers the values under several keys of a namespace.",
    arguments=[Key("namespace", "RO access"), String("key", multiple=True)],
)
def store_mget(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers one value or nil for each key.

    They stand in the order of the keys.

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
    """Answers how many there were to remove.

    Deleting what is not there is no error.

        > STORE.PUT acme:agent-a colour green
        OK
        > STORE.DEL acme:agent-a colour weight
        (integer) 1
    """
    space = Namespace(ctx, argv[1])
    removed = call_integer(ctx, b"DEL", *space.keys(argv[2:]))
    if removed:
        _tell(ctx, space, "del", keys=[_shown(key) for key in argv[2:]], removed=removed)
    return removed


# --- a namespace -----------------------------------------------------------------------------


@command(
    "STORE.LIST",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M keys answered, of N entries in the store.",
    summary="Lists the keys of a namespace in byte order.",
    arguments=[
        Key("namespace", "RO access"),
        String("prefix", "PREFIX", optional=True),
        String("key", "AFTER", optional=True),
        Integer("count", "LIMIT", optional=True),
        Token("WITHVALUES", optional=True),
    ],
)
def store_list(ctx: Context, argv: list[bytes]) -> Reply:
    """The keys as they were put. Entries of namespaces within this one are not among them.

    `PREFIX` answers only keys that begin so, `AFTER` those that sort behind a key, which
    need not exist: the last key of one answer is where the next goes on. `LIMIT 0`, and no
    LIMIT, is all of them. `WITHVALUES` makes it a map of keys and values.

        > STORE.MPUT acme:numbers one 1 two 2 three 3
        OK
        > STORE.LIST acme:numbers LIMIT 2
        1) "one"
        2) "three"
        > STORE.LIST acme:numbers AFTER three WITHVALUES
        1) "two"
        2) "2"
    """
    space = Namespace(ctx, argv[1])
    entries = space.place + END
    prefix, after, limit, values = entries, None, 0, False
    options = Arguments(argv, 2)
    while options:
        option = options.option()
        if option == b"PREFIX":
            prefix = entries + options.word()
        elif option == b"AFTER":
            after = entries + options.word()
        elif option == b"LIMIT":
            limit = options.positive()
        elif option == b"WITHVALUES":
            values = True
        else:
            raise CommandError(SYNTAX)
    found: list[tuple[bytes, bytes]] = []
    start = len(entries)
    for place, value in walk(ctx, space, prefix, after=after, limit=limit):
        found.append((place[start:], value))
        if len(found) == limit:
            break
    return MapReply(found) if values else [key for key, _ in found]


@command(
    "STORE.COUNT",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)) for N entries in the store, and the removal of what has run out.",
    summary="Counts the live entries of a namespace.",
    arguments=[Key("namespace", "RO")],
)
def store_count(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many live entries there are.

    Entries of namespaces within this one do not count. What holds no string does.

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
    ctx.log_as()  # what runs out is logged as it goes
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
    """Answers how many there were.

    Namespaces within this one keep theirs.

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
        removed += ctx.call(b"DEL", *map(space.key_at, places))
    if removed:
        _tell(ctx, space, "clear", removed=removed)
    return removed


@command(
    "STORE.EVICT",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M keys that have run out, of N in the store.",
    summary="Removes the entries that have run out, without waiting for their turn.",
)
def store_evict(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many entries that were; other keys that have run out go with them.

    Nobody needs this to see the truth: an entry past its TTL is invisible at once, and the
    server removes it in the background soon after.

        > STORE.EVICT
        (integer) 0
    """
    evicted = ctx.db.expire_due()
    ctx.log_as()  # what runs out is logged as it goes
    return sum(key.startswith(STORE_PREFIX) for key in evicted)


declare_family_help("STORE", group="store", since="0.1.0")
