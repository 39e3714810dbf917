"""STORE.*: the entries of a namespace, or of all below it: listing, counting and removing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from commands.domain.calls import write
from commands.domain.events import forget_events
from commands.domain.pages import END as NO_MORE
from commands.domain.pages import LARGEST_PAGE, PAGE, name_cursor
from commands.domain.store.companions import with_companions
from commands.domain.store.events import tell
from commands.domain.store.layout import STORE_PREFIX, Namespace, named_at
from commands.domain.store.reading import CURSOR, Start, Walk, paging, too_many, within
from commands.engine.grammar import Integer, Key, String, Token
from commands.engine.registry import command
from commands.engine.replies import MapReply, Reply
from commands.instance.context import Context
from storage.key_index import after_prefix

# How many keys past their deadline, which were not yet removed, a request looks at.
_MOST_PENDING = 50_000
# How many entries one CLEAR removes: more would keep others waiting for over 10 ms.
_MOST_CLEARED = 400


@dataclass(slots=True)
class List:
    namespace: bytes
    prefix: bytes = b""
    after: bytes | None = None
    limit: int = 0
    cursor: Start | None = None
    count: int = 0
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
        CURSOR,
        PAGE,
        Token("WITHVALUES", optional=True),
    ],
    request=List,
)
def store_list(ctx: Context, request: List) -> Reply:
    """Returns the keys, without those of the namespaces within this one.

    `PREFIX` selects keys that begin with it, `AFTER` keys that sort behind it. `LIMIT` is the
    most keys to return; 0, the default, means all. `WITHVALUES` returns a map of keys and values.

    With `CURSOR` or `COUNT` the reply is a cursor and a page of at most 1,000 keys; begin with
    `CURSOR 0`, and go on until the cursor is `0`. Without them the reply is complete, or an error
    if more than 1,500 entries would have to be examined.

        > STORE.MPUT acme:numbers one 1 two 2 three 3
        OK
        > STORE.LIST acme:numbers LIMIT 2
        1) "one"
        2) "three"
        > STORE.LIST acme:numbers AFTER three WITHVALUES
        1) "two"
        2) "2"
        > STORE.LIST acme:numbers COUNT 2
        1) ">three"
        2) 1) "one"
           2) "three"
    """
    space = Namespace(ctx, request.namespace)
    asked = paging(request.cursor, request.count, request.limit)
    limit = asked.limit
    own, prefix = space.own, space.own + request.prefix
    begin = [own + key for key in (request.after, asked.after) if key is not None]
    high = after_prefix(prefix)
    assert high is not None
    walk = Walk(
        ctx, space, within(ctx, (prefix, high)), after=max(begin, default=None), block=limit
    )
    found: list[tuple[bytes, bytes]] = []
    for place, value in walk:
        found.append((place[len(own) :], value))
        if len(found) == limit:
            break
    complete = (not asked.is_paged and 0 < limit == len(found)) or walk.is_complete
    items: Reply = MapReply(found) if request.withvalues else [key for key, _ in found]
    if asked.is_paged:
        assert complete or walk.last is not None
        return [NO_MORE if complete else name_cursor((walk.last or b"")[len(own) :]), items]
    if not complete:
        raise too_many("STORE.LIST", space.name, "give LIMIT, or CURSOR to get pages")
    return items


@dataclass(slots=True)
class CountRequest:
    namespace: bytes
    subtree: bool = False


@command(
    "STORE.COUNT",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+E) for N entries, and E expired keys that were not yet removed.",
    summary="Counts the live entries of a namespace.",
    arguments=[Key("namespace", "RO"), Token("SUBTREE", optional=True)],
    request=CountRequest,
)
def store_count(ctx: Context, request: CountRequest) -> Reply:
    """Returns how many entries have not expired.

    Entries of namespaces within this one are counted only with `SUBTREE`. Keys that do not hold
    a string are counted, too.

        > STORE.MPUT acme:pair one 1 two 2
        OK
        > STORE.COUNT acme:pair
        (integer) 2
        > STORE.PUT acme:pair:inner three 3
        OK
        > STORE.COUNT acme:pair SUBTREE
        (integer) 3
    """
    space = Namespace(ctx, request.namespace)
    return _live(ctx, space, space.span(subtree=request.subtree))


def _live(ctx: Context, space: Namespace, span: tuple[bytes, bytes]) -> int:
    """How many entries at or below a namespace have not expired, without visiting them."""
    low, high = span
    ordered = ctx.db.ordered
    # A deadline may be listed twice, and most expired keys are of other namespaces.
    expired = {
        key
        for key in islice(ctx.db.expires.due(ctx.now), _MOST_PENDING)
        if key.startswith(space.key_prefix)
    }
    places = map(ordered.place_of, expired)
    gone = sum(1 for place in places if place is not None and low <= place < high)
    return ordered.count_between(low, high) - gone


@dataclass(slots=True)
class Clear:
    namespace: bytes
    subtree: bool = False
    limit: int = 0


@command(
    "STORE.CLEAR",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M entries removed, of N in the store.",
    summary="Removes the entries of a namespace.",
    arguments=[
        Key("namespace", "RW delete"),
        Token("SUBTREE", optional=True),
        Integer("count", "LIMIT", optional=True, low=1),
    ],
    request=Clear,
)
def store_clear(ctx: Context, request: Clear) -> Reply:
    """Returns how many entries were removed, at most 400: repeat it until the reply is 0.

    Entries of namespaces within this one are removed only with `SUBTREE`. `LIMIT` is the most
    entries to remove, if fewer than 400 are wanted.

        > STORE.MPUT acme:scratch one 1 two 2
        OK
        > STORE.CLEAR acme:scratch
        (integer) 2
        > STORE.MPUT acme:scratch:inner three 3 four 4
        OK
        > STORE.CLEAR acme:scratch SUBTREE LIMIT 1
        (integer) 1
    """
    space = Namespace(ctx, request.namespace)
    span = space.span(subtree=request.subtree)
    stored = _live(ctx, space, span)
    limit = min(request.limit or _MOST_CLEARED, _MOST_CLEARED)
    places: list[bytes] = []
    entries: list[bytes] = []
    # Expired entries, which only wait for their removal, must not use up the limit.
    for place in islice(ctx.db.ordered.between(*span), _MOST_PENDING):
        entry = space.key_at(place)
        if not ctx.db.has_expired(entry):
            places.append(place)
            entries.append(entry)
            if len(places) == limit:
                break
    if not places:
        return 0
    emptied = {space.name, *(named_at(place)[0] for place in places)}
    if len(places) < stored:
        # Its entries are not all among these.
        emptied.discard(named_at(places[-1])[0])
    write(ctx, b"DEL", *with_companions(entries))
    tell(ctx, space, "clear", removed=len(entries), subtree=request.subtree)
    for name in emptied:
        forget_events(ctx, "store", name)
    return len(entries)


@command(
    "STORE.EVICT",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M expired keys, of N in the store.",
    summary="Removes expired entries, and counts those that were removed.",
)
def store_evict(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many entries of this database were removed because they had expired.

    It counts since the last STORE.EVICT: what this one removes, up to 1,000 expired keys, and
    what reads and the background expiry have removed before. So every entry that expires is
    counted once. A restart, FLUSHALL and FLUSHDB forget the count. An expired entry is invisible
    at once in any case; this is about memory.

        > STORE.EVICT
        (integer) 0
    """
    ctx.db.expire_due(LARGEST_PAGE)
    ctx.log_as()  # the keyspace logs the removal of expired keys itself
    return ctx.db.ordered.take_expired(STORE_PREFIX)
