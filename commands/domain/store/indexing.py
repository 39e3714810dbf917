"""STORE.INDEX, STORE.UNINDEX and STORE.INDEXES: which namespaces have an index."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_text, write
from commands.domain.errors import failure
from commands.domain.pages import END as NO_MORE
from commands.domain.pages import LARGEST_PAGE, NAME, PAGE, PAGE_SIZE, name_cursor
from commands.domain.records import write_json
from commands.domain.store.events import tell
from commands.domain.store.indexes import (
    INDEXES_KEY,
    MOST_INDEXES,
    MOST_PATHS,
    declarations,
    indexes_of,
)
from commands.domain.store.layout import Namespace
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

_LONGEST_PATH = 1000


def _path(word: bytes) -> str:
    try:
        path = word.decode()
    except UnicodeDecodeError:
        path = ""
    if not 0 < len(word) <= _LONGEST_PATH or not path:
        raise failure(
            "ERR", "a path must be UTF-8 of 1 to {} bytes, not '{}'", str(_LONGEST_PATH), word
        )
    return path


@dataclass(slots=True)
class Index:
    prefix: bytes
    fields: list[str]


@command(
    "STORE.INDEX",
    group="store",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1); in the background, O(M*log(M)) for M entries below the prefix.",
    summary="Keeps an index of JSON values below a prefix, for STORE.SEARCH.",
    arguments=[
        Key("prefix", "RW update"),
        ArgumentGroup(
            "fields",
            Integer("numfields", low=1, high=MOST_PATHS),
            String("path", multiple=True, convert=_path),
            token="FIELDS",
        ),
    ],
    request=Index,
)
def store_index(ctx: Context, request: Index) -> Reply:
    """Returns OK. The paths replace those of an index that the prefix has already.

    Searches at and below the prefix then examine only the entries that the index gives for one of
    their conditions: equality and `$in` with strings, numbers, booleans and null, and `$gt`,
    `$gte`, `$lt` and `$lte`. The replies are the same with and without an index. Existing entries
    are read in the background; until that is done, searches do without. An index costs memory and
    a little time for every change of an entry below its prefix. At most 16 paths and, in a
    database, 1,000 indexes are allowed.

        > STORE.PUT umbrella:notes first '{"role":"user","turn":{"n":1}}'
        OK
        > STORE.INDEX umbrella:notes FIELDS 2 role turn.n
        OK
        > STORE.SEARCH umbrella:notes FILTER '{"role":"bot"}'
        (empty array)
    """
    space = Namespace(ctx, request.prefix)
    paths = list(dict.fromkeys(request.fields))
    known = call_integer(ctx, b"HEXISTS", INDEXES_KEY, space.name)
    if not known and call_integer(ctx, b"HLEN", INDEXES_KEY) >= MOST_INDEXES:
        raise failure("ERR", "there are {} indexes already", str(MOST_INDEXES))
    text = write_json(paths)
    if call_text(ctx, b"HGET", INDEXES_KEY, space.name) != text:
        write(ctx, b"HSET", INDEXES_KEY, space.name, text)
        tell(ctx, space, "index", fields=paths)
    return OK


@command(
    "STORE.UNINDEX",
    group="store",
    since="0.1.0",
    flags="write",
    summary="Removes the index of a prefix.",
    arguments=[Key("prefix", "RW delete")],
)
def store_unindex(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if the prefix has no index. Entries stay as they are.

    > STORE.INDEX umbrella:notes FIELDS 1 role
    OK
    > STORE.UNINDEX umbrella:notes
    (integer) 1
    """
    space = Namespace(ctx, argv[1])
    if not call_integer(ctx, b"HEXISTS", INDEXES_KEY, space.name):
        return 0
    write(ctx, b"HDEL", INDEXES_KEY, space.name)
    tell(ctx, space, "unindex")
    return 1


@dataclass(slots=True)
class IndexList:
    prefix: bytes
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "STORE.INDEXES",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(N) for N indexes in the database.",
    summary="Lists the indexes at and below a prefix.",
    arguments=[Key("prefix", "RO access"), NAME, PAGE],
    request=IndexList,
)
def store_indexes(ctx: Context, request: IndexList) -> Reply:
    """Returns a cursor and a page of maps, in byte order of the namespaces.

    `entries` is how many entries have a value in the index, and `complete` whether all entries
    were read. Until then it is not used.

        > STORE.INDEX umbrella:notes FIELDS 2 role turn.n
        OK
        > STORE.INDEXES umbrella
        1) "0"
        2) 1) 1) "namespace"
              2) "umbrella:notes"
              3) "fields"
              4) 1) "role"
                 2) "turn.n"
              5) "entries"
              6) (integer) ...
              7) "complete"
              8) (integer) ...
    """
    space = Namespace(ctx, request.prefix)
    declared = {one.space.name: one for one in declarations(ctx)}
    names = [
        name
        for name in sorted(declared)
        if (name + b":").startswith(space.name + b":")
        and (request.cursor is None or name > request.cursor)
    ]
    page = names[: min(request.count, LARGEST_PAGE)]
    indexes = indexes_of(ctx)
    found: list[Reply] = []
    for name in page:
        fields = None if indexes is None else indexes.of(declared[name].space)
        found.append(
            {
                b"namespace": name,
                b"fields": [path.encode() for path in declared[name].paths],
                b"entries": 0 if fields is None else len(fields),
                b"complete": int(fields is not None and fields.is_complete),
            }
        )
    return [name_cursor(page[-1]) if len(page) < len(names) else NO_MORE, found]
