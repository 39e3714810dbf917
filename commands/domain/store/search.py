"""STORE.SEARCH: the entries below a prefix whose JSON values match a filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from commands.domain.json_filters import Filter, parse_filter
from commands.domain.pages import END as NO_MORE
from commands.domain.pages import PAGE
from commands.domain.records import read_json
from commands.domain.store.indexes import candidates_for
from commands.domain.store.layout import Namespace, named_at
from commands.domain.store.reading import (
    CURSOR,
    Start,
    Walk,
    entry_cursor,
    paging,
    place_of_cursor,
    too_many,
    within,
)
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

FILTER = String("filter", "FILTER", optional=True, convert=parse_filter)


class Matches:
    """The entries at and below a namespace that match a filter, in the order of their places."""

    def __init__(
        self,
        ctx: Context,
        space: Namespace,
        wanted: Filter | None,
        cursor: bytes | None,
        block: int = 0,
    ) -> None:
        self._wanted = wanted
        candidates = candidates_for(ctx, space, wanted)
        places = within(ctx, space.span(subtree=True)) if candidates is None else candidates.places
        after = None if cursor is None else place_of_cursor(space, cursor)
        self._walk = Walk(ctx, space, places, after=after, block=block, parsed=wanted is not None)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield places and values, until as many entries were examined as one request may."""
        wanted = self._wanted
        for place, value in self._walk:
            if wanted is not None:
                try:
                    document = read_json(value)
                except ValueError:
                    continue
                if not wanted(document):
                    continue
            yield place, value

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left behind the last entry that was examined."""
        return self._walk.is_complete

    def cursor(self) -> bytes:
        last = self._walk.last
        return NO_MORE if last is None or self.is_complete else entry_cursor(last)


@dataclass(slots=True)
class Search:
    prefix: bytes
    filter: Filter | None = None
    limit: int = 0
    offset: int = 0
    cursor: Start | None = None
    count: int = 0


@command(
    "STORE.SEARCH",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M entries examined, of N in the store.",
    summary="Finds entries below a prefix by their JSON values.",
    arguments=[
        Key("prefix", "RO access"),
        FILTER,
        Integer("count", "LIMIT", optional=True, low=0),
        Integer("offset", "OFFSET", optional=True, low=0),
        CURSOR,
        PAGE,
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

    With `CURSOR` or `COUNT` the reply is a cursor and a page of at most 1,000 entries; begin with
    `CURSOR 0`, and go on until the cursor is `0`. A page may have fewer entries than `COUNT`, even
    none: one request examines at most 1,500 entries, and reads about 4 MB of values to compare
    them with a filter. Without them the reply is complete, or an error if more would have to be
    examined. An index (`STORE.INDEX`) has fewer entries examined.

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
        > STORE.SEARCH initech:agent-a COUNT 1
        1) ">initech:agent-a:conv-1:first"
        2) 1) 1) "namespace"
              2) "initech:agent-a:conv-1"
              3) "key"
              4) "first"
              5) "value"
              6) "{\\"role\\":\\"user\\",\\"turn\\":{\\"n\\":1}}"
    """
    space = Namespace(ctx, request.prefix)
    asked = paging(request.cursor, request.count, request.limit, request.offset)
    limit, offset = asked.limit, request.offset
    block = limit + offset if limit and request.filter is None else 0
    matches = Matches(ctx, space, request.filter, asked.after, block)
    found: list[Reply] = []
    for place, value in matches:
        if offset:
            offset -= 1
            continue
        found.append(as_map(place, value))
        if len(found) == limit:
            break
    if asked.is_paged:
        return [matches.cursor(), found]
    if not 0 < limit == len(found) and not matches.is_complete:
        raise too_many(
            "STORE.SEARCH", space.name, "use CURSOR to get pages, or STORE.INDEX for the filter"
        )
    return found


def as_map(place: bytes, value: bytes) -> dict[bytes, Reply]:
    """An entry as replies show it."""
    name, key = named_at(place)
    return {b"namespace": name, b"key": key, b"value": value}
