"""STORE.NAMESPACES and STORE.SEARCH: reading the namespaces below a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from commands.domain.json_filters import Predicate, parse_filter
from commands.domain.records import read_json
from commands.domain.store.layout import BEYOND, CHILD, END, Namespace, name_at, named_at, walk
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@dataclass(slots=True)
class Namespaces:
    prefix: bytes
    depth: int | None = None
    limit: int = 0


@command(
    "STORE.NAMESPACES",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) for M namespaces returned, of N entries in the store.",
    summary="Lists the namespaces below a prefix that hold an entry.",
    arguments=[
        Key("prefix", "RO access"),
        Integer("depth", "DEPTH", optional=True, low=0),
        Integer("count", "LIMIT", optional=True, low=0),
    ],
    request=Namespaces,
)
def store_namespaces(ctx: Context, request: Namespaces) -> Reply:
    """Returns names of namespaces, the prefix included if it holds an entry itself.

    Only whole segments match: `acme:agent-a:conv-1` is below `acme:agent-a`, and
    `acme:agent-ab` is not. Names are written with escapes, as STORE commands expect them. Each
    namespace comes before those within it, and siblings are in byte order. `DEPTH n` cuts names
    n segments below the prefix and returns each once: `DEPTH 1` is like the listing of a
    directory. `LIMIT` is the most names to return; 0, the default, means all.

        > STORE.PUT globex:agent-a:conv-1 k v
        OK
        > STORE.PUT globex:agent-a:conv-1:notes k v
        OK
        > STORE.PUT globex:agent-b k v
        OK
        > STORE.NAMESPACES globex:agent-a
        1) "globex:agent-a:conv-1"
        2) "globex:agent-a:conv-1:notes"
        > STORE.NAMESPACES globex DEPTH 1
        1) "globex:agent-a"
        2) "globex:agent-b"
    """
    space = Namespace(ctx, request.prefix)
    deepest = None if request.depth is None else space.depth + request.depth
    names: list[bytes] = []
    start, end = space.place + END, space.place + BEYOND
    while True:
        place = ctx.db.ordered.first(space.place, start=start)
        if place is None or place >= end:
            return names
        head = place[: place.index(END, len(space.place))]
        levels = head.split(CHILD)
        if deepest is None or len(levels) < deepest:
            inside = [head + END]
            # The namespaces within it come next, right behind its own entries.
            start = head + CHILD
        else:
            head = CHILD.join(levels[:deepest])
            inside = [head + END, head + CHILD]
            start = head + BEYOND
        if any(True for prefix in inside for _ in walk(ctx, space, prefix, limit=1)):
            names.append(name_at(head))
            if len(names) == request.limit:
                return names


@dataclass(slots=True)
class Search:
    prefix: bytes
    filter: Predicate | None = None
    limit: int = 0
    offset: int = 0


@command(
    "STORE.SEARCH",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M entries below the prefix, of N in the store.",
    summary="Finds entries below a prefix by their JSON values.",
    arguments=[
        Key("prefix", "RO access"),
        String("filter", "FILTER", optional=True, convert=parse_filter),
        Integer("count", "LIMIT", optional=True, low=0),
        Integer("offset", "OFFSET", optional=True, low=0),
    ],
    request=Search,
)
def store_search(ctx: Context, request: Search) -> Reply:
    """Returns maps with namespace, key and value, ordered by namespace, then by key.

    A filter is a JSON object, and all of its members must hold. A name with dots is a path
    into the value. The member is a JSON value that must be equal, or an object of operators:
    `$eq $ne $gt $gte $lt $lte $in $nin $exists`. A value that is not JSON matches no filter;
    without a filter every entry matches. `OFFSET` skips matches. `LIMIT` is the most entries to
    return; 0, the default, means all.

        > STORE.PUT initech:agent-a:conv-1 first '{"role":"user","turn":{"n":1}}'
        OK
        > STORE.PUT initech:agent-a:conv-2 second '{"role":"user","turn":{"n":2}}'
        OK
        > STORE.SEARCH initech:agent-a FILTER '{"role":"user","turn.n":{"$gte":2}}'
        1) 1) "namespace"
           2) "initech:agent-a:conv-2"
           3) "key"
           4) "second"
           5) "value"
           6) "{\\"role\\":\\"user\\",\\"turn\\":{\\"n\\":2}}"
    """
    space = Namespace(ctx, request.prefix)
    matches, limit, offset = request.filter, request.limit, request.offset
    found: list[Reply] = []
    wanted = limit + offset if limit and matches is None else 0
    entries = chain(
        walk(ctx, space, space.place + END, limit=wanted),
        walk(ctx, space, space.place + CHILD, limit=wanted),
    )
    for place, value in entries:
        if matches is not None:
            try:
                document = read_json(value)
            except ValueError:
                continue
            if not matches(document):
                continue
        if offset:
            offset -= 1
            continue
        name, key = named_at(place)
        found.append({b"namespace": name, b"key": key, b"value": value})
        if len(found) == limit:
            break
    return found
