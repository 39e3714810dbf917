"""CP.SEARCH: checkpoints of all threads of a tenant, selected by their META.

The filter's conditions are looked up in the index (`meta_index`), and the one with the fewest
rows says which checkpoints to look at. Each of them is read and compared with the whole filter.
A filter that also accepts checkpoints without a member, such as `{}` or `$ne`, has no rows:
then all threads are read one after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, call_texts, call_values
from commands.domain.checkpoints.envelopes import Facts
from commands.domain.checkpoints.keys import CHECKPOINT_PREFIX, Thread, tenant_prefix, thread_at
from commands.domain.checkpoints.meta_index import Range, is_row_of, ranges, read_row
from commands.domain.checkpoints.storing import facts_of
from commands.domain.json_filters import Predicate, parse_filter
from commands.domain.pages import (
    END,
    LARGEST_PAGE,
    PAGE,
    PAGE_SIZE,
    SortedPage,
    invalid_cursor,
    read_place,
)
from commands.domain.records import count_poison, read_json
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.errors import WrongType

# A page ends early after it has looked at so many checkpoints, or read so many bytes: looking one
# up in the index costs more than reading it in a thread.
_MOST_LOOKS = 500
_LARGEST_PAGE_BYTES = 4 * 1024 * 1024
_PIECE = 100
# A cursor in the index: `>` and the last row. In the threads: `@`, the length of the name of
# the thread in keys, that name, and a place in the thread.
_read_thread_cursor = re.compile(rb"@([0-9]{1,9}):(.*)", re.DOTALL).fullmatch


@dataclass(frozen=True, slots=True)
class Filter:
    matches: Predicate
    # Member of META and the ranges in its index, for each condition that has any.
    conditions: list[tuple[str, list[Range]]]


def _filter(word: bytes) -> Filter:
    matches = parse_filter(word)
    conditions = []
    for path, condition in read_json(word).items():
        member, dot, _ = path.partition(".")
        found = ranges(condition, nested=bool(dot))
        if found is not None:
            conditions.append((member, found))
    return Filter(matches, conditions)


@dataclass(slots=True)
class SearchRequest:
    tenant: bytes
    filter: Filter
    cursor: bytes = END
    count: int = PAGE_SIZE


@command(
    "CP.SEARCH",
    group="checkpoint",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) with N the number of checkpoints of the tenant and M of those that "
    "meet the most selective condition",
    summary="Returns the checkpoints of a tenant that match a filter.",
    arguments=[
        Key("tenant", "RO access"),
        String("filter", "FILTER", convert=_filter),
        String("cursor", "CURSOR", optional=True),
        PAGE,
    ],
    request=SearchRequest,
)
def cp_search(ctx: Context, request: SearchRequest) -> Reply:
    """Returns a cursor and up to `COUNT` (100, at most 1000) envelopes, whose `META` matches.

    Pass the cursor to get the next page; it is 0 after the last one. A page may have fewer
    envelopes than `COUNT`, even none. The filters are those of `STORE.SEARCH`. Each envelope
    names its thread and namespace. The order is that of an index, by which equality and
    comparisons are found without reading other checkpoints. A filter that checkpoints without
    its members match, such as `{}` or one with `$ne` alone, reads all of the tenant's.

        > CP.SEARCH acme FILTER '{"source":"loop"}'
        1) "0"
        2) (empty array)
    """
    page = _Page(ctx, request)
    tenant = tenant_prefix(ctx, request.tenant)
    best = _most_selective(ctx, request)
    if best is None:
        cursor = _search_threads(page, tenant)
    else:
        cursor = _search_index(page, *best)
    return [cursor, page.found]


class _Page:
    """The envelopes found for one request, and whether it has looked at enough."""

    def __init__(self, ctx: Context, request: SearchRequest) -> None:
        self.ctx, self.request = ctx, request
        self.found: list[bytes] = []
        self._left = _MOST_LOOKS
        self._bytes = 0
        self._count = min(request.count, LARGEST_PAGE)

    @property
    def is_full(self) -> bool:
        return (
            len(self.found) >= self._count or self._left <= 0 or self._bytes > _LARGEST_PAGE_BYTES
        )

    @property
    def piece(self) -> int:
        return min(_PIECE, self._count - len(self.found), self._left)

    def passed(self, number: int = 1) -> None:
        """Count items that were looked at."""
        self._left -= number

    def offer(self, raw: bytes, facts: Facts | None) -> None:
        """Add an envelope if it matches."""
        self._bytes += len(raw)
        if facts is None:
            count_poison(self.ctx)
        elif self.request.filter.matches(facts.meta):
            self.found.append(raw)


# --- in the index --------------------------------------------------------------------------


def _most_selective(ctx: Context, request: SearchRequest) -> tuple[str, bytes, list[Range]] | None:
    """The condition with the fewest rows: member, key of its index, and ranges."""
    best: tuple[str, bytes, list[Range]] | None = None
    fewest = 0
    thread = Thread(ctx, request.tenant, b"any")
    for member, wanted in request.filter.conditions:
        key = thread.meta(member.encode())
        number = sum(
            call_integer(ctx, b"ZLEXCOUNT", key, *_bounds(low, high))
            for low, high in wanted[:_PIECE]
        )
        if best is None or number < fewest:
            best, fewest = (member, key, wanted), number
    return best


def _bounds(low: bytes, high: bytes) -> tuple[bytes, bytes]:
    return b"[" + low, b"(" + high + b"\x01"


def _search_index(page: _Page, member: str, key: bytes, wanted: list[Range]) -> bytes:
    """Look at the rows in these ranges; return the cursor of the next page."""
    ctx, cursor = page.ctx, page.request.cursor
    last = b""
    if cursor != END:
        if cursor[:1] != b">":
            raise invalid_cursor(cursor)
        last = cursor[1:]
    for low, high in wanted:
        first, end = _bounds(low, high)
        while last < end[1:]:
            if page.is_full:
                return b">" + last
            size = page.piece
            batch = call_texts(
                *(ctx, b"ZRANGE", key, max(first, b"(" + last, key=_value), end),
                *(b"BYLEX", b"LIMIT", b"0", b"%d" % size),
            )
            # Other clients may have added rows with scores, which are not in this order.
            batch = [row for row in batch if row > last]
            _look_at(page, member, batch)
            last = batch[-1] if len(batch) == size else end[1:]
    return END


def _value(bound: bytes) -> bytes:
    return bound[1:]


def _look_at(page: _Page, member: str, batch: list[bytes]) -> None:
    ctx = page.ctx
    # A range without rows costs a look, too.
    page.passed(len(batch) + 1)
    for row, thread, checkpoint, raw in _resolve(ctx, page.request.tenant, batch):
        facts = facts_of(raw, checkpoint, thread)
        # A row that is not of this checkpoint any more would find it a second time.
        if facts is None or is_row_of(row, member, facts.meta):
            page.offer(raw, facts)


def _resolve(
    ctx: Context, tenant: bytes, batch: list[bytes]
) -> Iterator[tuple[bytes, Thread, bytes, bytes]]:
    """The checkpoints of rows: rows that follow each other are often of one thread."""
    thread, place = None, None
    for row in batch:
        parts = read_row(row)
        if parts is None or not parts[0]:
            continue
        if thread is None or parts[:2] != place:
            try:
                thread = Thread(ctx, tenant, *parts[:2])
            except CommandError:
                thread = None
                continue
            place = parts[:2]
        try:
            raw = call_text(ctx, b"HGET", thread.by_id, parts[2])
        except WrongType:
            raw = None
        if raw is not None:
            yield row, thread, parts[2], raw


# --- in all threads ------------------------------------------------------------------------


def _search_threads(page: _Page, tenant: bytes) -> bytes:
    """Look at all checkpoints of a tenant; return the cursor of the next page."""
    ctx = page.ctx
    start: bytes = tenant
    name, place = _thread_cursor(page.request.cursor)
    if name:
        start = CHECKPOINT_PREFIX + name + b":bystep"
        if not start.startswith(tenant):
            raise invalid_cursor(page.request.cursor)
    while (key := ctx.db.ordered.first(tenant, start=start)) is not None:
        thread = thread_at(ctx, key, CHECKPOINT_PREFIX) if key.endswith(b":bystep") else None
        if thread is not None and thread.by_step == key:
            name = key[len(CHECKPOINT_PREFIX) : -len(b":bystep")]
            if page.is_full:
                return b"@%d:%b0" % (len(name), name)
            here = place if key == start else END
            reached = _search_thread(page, thread, here)
            if reached != END:
                return b"@%d:%b%b" % (len(name), name, reached)
        page.passed()
        start = key + b"\0"
    return END


def _search_thread(page: _Page, thread: Thread, cursor: bytes) -> bytes:
    """Look at the checkpoints of one thread; return the cursor of the rest."""
    ctx = page.ctx
    try:
        members = SortedPage(ctx, thread.by_step, read_place(cursor))
        while not members.is_empty:
            if page.is_full:
                return members.cursor()
            ids = members.take(page.piece)
            page.passed(len(ids))
            envelopes = call_values(ctx, b"HMGET", thread.by_id, *ids)
            for checkpoint, raw in zip(ids, envelopes, strict=True):
                if raw is not None:
                    page.offer(raw, facts_of(raw, checkpoint, thread))
    except WrongType:
        count_poison(ctx)
    return END


def _thread_cursor(word: bytes) -> tuple[bytes, bytes]:
    """The name of a thread in keys and a cursor in it; empty to begin."""
    if word == END:
        return b"", END
    match = _read_thread_cursor(word)
    if match is None:
        raise invalid_cursor(word)
    size = int(match[1])
    return match[2][:size], match[2][size:]
