"""STORE.NAMESPACES: the namespaces below a prefix."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.namespaces import split
from commands.domain.pages import END as NO_MORE
from commands.domain.pages import PAGE, invalid_cursor
from commands.domain.store.layout import BEYOND, CHILD, END, Namespace, name_at
from commands.domain.store.reading import (
    MOST_EXAMINED,
    Start,
    Walk,
    entry_cursor,
    paging,
    place_of_cursor,
    start_with,
    too_many,
    within,
)
from commands.engine.errors import CommandError
from commands.engine.grammar import Integer, Key
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# What finding one namespace costs, in entries that are examined.
_COST = 4


def _read_cursor(word: bytes) -> bytes | None:
    """A cursor with its mark; None to begin."""
    if word == NO_MORE:
        return None
    if word[:1] not in (b">", b"="):
        raise invalid_cursor(word)
    return word


@dataclass(slots=True)
class Namespaces:
    prefix: bytes
    depth: int | None = None
    limit: int = 0
    cursor: Start | None = None
    count: int = 0


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
        start_with(_read_cursor),
        PAGE,
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

    With `CURSOR` or `COUNT` the reply is a cursor and a page of names; begin with `CURSOR 0`,
    and go on until the cursor is `0`. Without them the reply is complete, or an error if it would
    take too long.

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
        > STORE.NAMESPACES globex DEPTH 1 COUNT 1
        1) "=globex:agent-a"
        2) 1) "globex:agent-a"
    """
    space = Namespace(ctx, request.prefix)
    asked = paging(request.cursor, request.count, request.limit)
    search = _Search(ctx, space, None if request.depth is None else space.depth + request.depth)
    if asked.after is not None:
        search.go_to(asked.after)
    names = search.names(asked.limit)
    if asked.is_paged:
        return [search.cursor(), names]
    if not search.is_complete and not 0 < asked.limit == len(names):
        raise too_many("STORE.NAMESPACES", space.name, "give LIMIT, or CURSOR to get pages")
    return names


class _Search:
    """A way through the namespaces below a prefix, from one to the next.

    Its cursor names either a namespace that is done, `=name`, or an entry in the middle of a
    namespace whose entries before it were none: `>name:key`.
    """

    def __init__(self, ctx: Context, space: Namespace, deepest: int | None) -> None:
        self._ctx = ctx
        self._space = space
        self._deepest = deepest
        self._end = space.place + BEYOND
        # Where the next namespace is looked for. Its entries up to `_after` were examined.
        self._start = space.own
        self._after: bytes | None = None
        self._done = b""

    def go_to(self, cursor: bytes) -> None:
        if cursor[:1] == b">":
            self._after = place_of_cursor(self._space, cursor[1:])
            self._start = self._after + b"\0"
            return
        name = cursor[1:]
        try:
            levels = len(split(name))
        except CommandError:
            raise invalid_cursor(cursor) from None
        if not (name + b":").startswith(self._space.name + b":"):
            raise invalid_cursor(cursor)
        head = self._space.place_of(name, b"")[: -len(END)]
        self._leave(head, levels)

    def _leave(self, head: bytes, levels: int) -> None:
        """Go behind a namespace: to those within it, which come next, or beyond them all."""
        deepest = self._deepest is not None and levels >= self._deepest
        self._start = head + (BEYOND if deepest else CHILD)
        self._after = None
        self._done = head

    def names(self, limit: int) -> list[bytes]:
        """The next names that hold an entry, up to a limit unless it is 0."""
        ctx, names, left = self._ctx, list[bytes](), MOST_EXAMINED
        while left > 0 and (place := self._next()) is not None:
            head = place[: place.index(END, len(self._space.place))]
            levels = head.split(CHILD)
            span = (head + END, head + CHILD)
            if self._deepest is not None and len(levels) > self._deepest:
                levels = levels[: self._deepest]
                head = CHILD.join(levels)
                span = (head + END, head + BEYOND)
            elif self._deepest == len(levels):
                span = (head + END, head + BEYOND)
            walk = Walk(ctx, self._space, within(ctx, span), after=self._after, most=left, block=1)
            left -= _COST
            if next(iter(walk), None) is not None:
                names.append(name_at(head))
                self._leave(head, len(levels))
                if len(names) == limit:
                    return names
                continue
            left -= walk.examined
            if walk.is_complete:
                self._leave(head, len(levels))
            else:
                assert walk.last is not None
                self._after = walk.last
                self._start = walk.last + b"\0"
        return names

    def _next(self) -> bytes | None:
        place = self._ctx.db.ordered.first(self._space.place, start=self._start)
        return None if place is None or place >= self._end else place

    @property
    def is_complete(self) -> bool:
        return self._next() is None

    def cursor(self) -> bytes:
        if self.is_complete:
            return NO_MORE
        if self._after is not None:
            return entry_cursor(self._after)
        return b"=" + name_at(self._done)
