"""STORE.NAMESPACES and STORE.SEARCH: reading across the namespaces below a prefix."""

from __future__ import annotations

from itertools import chain

from commands.domain.json_filters import parse_filter
from commands.domain.records import read_json
from commands.domain.store.layout import BEYOND, CHILD, END, Namespace, name_at, named_at, walk
from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@command(
    "STORE.NAMESPACES",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) for M namespaces answered, of N entries in the store.",
    summary="Lists the namespaces below a prefix that hold an entry.",
    arguments=[
        Key("prefix", "RO access"),
        Integer("depth", "DEPTH", optional=True),
        Integer("count", "LIMIT", optional=True),
    ],
)
def store_namespaces(ctx: Context, argv: list[bytes]) -> Reply:
    """The prefix is a namespace and answered too, if it holds a live entry itself.

    Only whole segments match: `acme:agent-a` has `acme:agent-a:conv-1` below it and not
    `acme:agent-ab`. Names are written as STORE takes them, escapes kept; each stands before
    those within it, and siblings in byte order. With `DEPTH n`, what lies more than n
    segments below the prefix is shown as its ancestor n segments below, once: `DEPTH 1` is
    what a listing of a directory is. `LIMIT 0`, and no LIMIT, is all of them.

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
    space = Namespace(ctx, argv[1])
    depth, limit = None, 0
    options = Arguments(argv, 2)
    while options:
        option = options.option()
        if option == b"DEPTH":
            depth = options.positive()
        elif option == b"LIMIT":
            limit = options.positive()
        else:
            raise CommandError(SYNTAX)
    deepest = None if depth is None else space.depth + depth
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
            # Those within come next: go on right behind its own entries.
            start = head + CHILD
        else:
            head = CHILD.join(levels[:deepest])
            inside = [head + END, head + CHILD]
            start = head + BEYOND
        if any(True for prefix in inside for _ in walk(ctx, space, prefix, limit=1)):
            names.append(name_at(head))
            if len(names) == limit:
                return names


@command(
    "STORE.SEARCH",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M entries below the prefix, of N in the store.",
    summary="Finds entries below a prefix by what their JSON values say.",
    arguments=[
        Key("prefix", "RO access"),
        String("filter", "FILTER", optional=True),
        Integer("count", "LIMIT", optional=True),
        Integer("offset", "OFFSET", optional=True),
    ],
)
def store_search(ctx: Context, argv: list[bytes]) -> Reply:
    """Maps with namespace, key and value, in the order of STORE.NAMESPACES and STORE.LIST.

    A filter is a JSON object: all of its members must hold. Names with dots are paths into
    the value, what is expected is a JSON value or an object of `$gt $gte $lt $lte $ne $in`.
    A value that is not JSON matches no filter; without a filter every entry matches.
    `OFFSET` passes over matches, `LIMIT 0`, and no LIMIT, is all of them.

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
    space = Namespace(ctx, argv[1])
    matches, limit, offset = None, 0, 0
    options = Arguments(argv, 2)
    while options:
        option = options.option()
        if option == b"FILTER":
            matches = parse_filter(options.word())
        elif option == b"LIMIT":
            limit = options.positive()
        elif option == b"OFFSET":
            offset = options.positive()
        else:
            raise CommandError(SYNTAX)
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
