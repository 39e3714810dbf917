"""Adding, reading, deleting and trimming entries of streams."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import NO_SUCH_KEY, SYNTAX, CommandError, wrong_arity
from commands.engine.grammar import Argument, ArgumentGroup, Integer, Key, OneOf, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context
from commands.streams.ids import format_id, parse_end, parse_id, parse_start
from storage.values.limits import Limits
from storage.values.streams import MAX_ID, SEQUENCE_MASK, Entry, EntryTooLarge, Stream

_NOT_BEYOND_LAST = (
    "ERR The ID specified in XADD is equal or smaller than the target stream top item"
)
# Limits of an approximate trim without LIMIT, in nodes and in entries.
_NODES_PER_TRIM, _ENTRIES_PER_TRIM, _ENTRIES_WITHOUT_NODES = 100, 1_000_000, 10_000


def entries_reply(entries: list[Entry]) -> list[Reply]:
    """Format entries as all commands return them: the ID, then fields and values."""
    return [(format_id(entry_id), row) for entry_id, row in entries]


# --- trimming options ----------------------------------------------------------------------


def _trim_arguments(*, optional: bool) -> Argument:
    return ArgumentGroup(
        "trim",
        OneOf("strategy", Token("MAXLEN"), Token("MINID", since="6.2.0")),
        OneOf(
            "operator", Token("=", name="equal"), Token("~", name="approximately"), optional=True
        ),
        String("threshold"),
        Integer("count", "LIMIT", optional=True, since="6.2.0"),
        optional=optional,
    )


class _Trim:
    """MAXLEN or MINID with their operator and LIMIT."""

    __slots__ = ("approximate", "by_length", "limit", "threshold")

    def __init__(self, *, by_length: bool, approximate: bool, threshold: int) -> None:
        self.by_length = by_length
        self.approximate = approximate
        self.threshold = threshold
        self.limit = 0

    def apply(self, stream: Stream) -> int:
        trim = stream.trim_to_length if self.by_length else stream.trim_below
        return trim(self.threshold, whole_nodes=self.approximate, limit=self.limit)

    def exact(self, stream: Stream) -> list[bytes]:
        """Return options that trim a replica of the stream to what this trim left."""
        if self.by_length:
            kept = len(stream) if self.approximate else self.threshold
            return [b"MAXLEN", b"=", b"%d" % kept]
        least = self.threshold
        if self.approximate:
            least = stream.first_id if len(stream) else MAX_ID
        return [b"MINID", b"=", format_id(least)]


class _AddOptions:
    """The options between the key and the entry of XADD, or after the key of XTRIM."""

    __slots__ = ("entry_id", "id_place", "make_stream", "sequence_open", "trim")

    def __init__(self, ctx: Context, argv: list[bytes], *, adding: bool) -> None:
        self.trim: _Trim | None = None
        self.make_stream = True
        # None if the server chooses the ID.
        self.entry_id: int | None = None
        self.sequence_open = False
        limit: int | None = None
        place, end = 2, len(argv)
        while place < end:
            word = argv[place]
            if adding and word == b"*":
                break
            option, left = word.upper(), end - place - 1
            if option in (b"MAXLEN", b"MINID") and left:
                if self.trim is not None:
                    raise CommandError(
                        "ERR syntax error, MAXLEN and MINID options at the same time"
                        " are not compatible"
                    )
                operator = argv[place + 1] if left >= 2 else b""
                if operator in (b"~", b"="):
                    place += 1
                place += 1
                self.trim = _parse_trim(option, operator == b"~", argv[place])
            elif option == b"LIMIT" and left:
                place += 1
                limit = parse_integer(argv[place])
                if limit < 0:
                    raise CommandError("ERR The LIMIT argument must be >= 0.")
            elif adding and option == b"NOMKSTREAM":
                self.make_stream = False
            elif adding:
                self._parse_new_id(word)
                break
            else:
                raise CommandError(SYNTAX)
            place += 1
        self.id_place = place
        self._apply_limit(limit, ctx.limits.stream_node_max_entries, adding=adding)

    def _parse_new_id(self, word: bytes) -> None:
        if word.endswith(b"-*") and b"-" not in word[:-2]:
            self.sequence_open = True
            word = word[:-2]
        self.entry_id = parse_id(word)

    def _apply_limit(self, limit: int | None, node_entries: int, *, adding: bool) -> None:
        trim = self.trim
        if trim is None and limit:
            raise CommandError(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
            )
        if trim is None and not adding:
            raise CommandError("ERR syntax error, XTRIM must be called with a trimming strategy")
        approximate = trim is not None and trim.approximate
        if limit is not None and not approximate:
            raise CommandError(
                "ERR syntax error, LIMIT cannot be used without the special ~ option"
            )
        if trim is None or not approximate:
            return
        if limit is None:
            # Without a limit, one request could block the server for a long time.
            limit = min(_NODES_PER_TRIM * node_entries or _ENTRIES_WITHOUT_NODES, _ENTRIES_PER_TRIM)
        trim.limit = limit


def _parse_trim(option: bytes, approximate: bool, text: bytes) -> _Trim:
    if option == b"MINID":
        return _Trim(by_length=False, approximate=approximate, threshold=parse_id(text))
    length = parse_integer(text)
    if length < 0:
        raise CommandError("ERR The MAXLEN argument must be >= 0.")
    return _Trim(by_length=True, approximate=approximate, threshold=length)


# --- adding ----------------------------------------------------------------------------------


@command(
    "XADD",
    group="stream",
    since="5.0.0",
    flags="write denyoom fast",
    complexity="O(1) for the new entry, and O(N) for N entries trimmed.",
    summary="Adds an entry at the end of a stream, creating the stream if needed.",
    arguments=[
        Key("key", "RW update"),
        Token("NOMKSTREAM", optional=True, since="6.2.0"),
        _trim_arguments(optional=True),
        OneOf("id-selector", Token("*", name="auto-id"), String("id")),
        ArgumentGroup("data", String("field"), String("value"), multiple=True),
    ],
    tips=["nondeterministic_output"],
    history=[
        ("6.2.0", "Accepts `NOMKSTREAM`, `MINID` and `LIMIT`."),
        ("7.0.0", "Accepts IDs of the form `<ms>-*`."),
    ],
)
def xadd(ctx: Context, argv: list[bytes]) -> Reply:
    db, key = ctx.db, argv[1]
    if argv[2] == b"*" and len(argv) & 1:
        # The common case takes a short path: no options, and a stream that exists.
        stream = db.fetch(key)
        if stream.__class__ is Stream and stream.last_id < _LAST_MOMENT:
            now, last_id = db.keyspace.now << 64, stream.last_id
            entry_id = now if now > last_id else last_id + 1
            _append(stream, entry_id, argv[3:], ctx.limits)
            db.changed(key, "xadd")
            written = b"%d-%d" % (entry_id >> 64, entry_id & SEQUENCE_MASK)
            ctx.log_entries = [[argv[0], key, written, *argv[3:]]]
            return written
    options = _AddOptions(ctx, argv, adding=True)
    id_place = options.id_place
    items = argv[id_place + 1 :]
    if not items or len(items) & 1:
        raise wrong_arity("xadd")
    if options.entry_id == 0 and not options.sequence_open:
        raise CommandError("ERR The ID specified in XADD must be greater than 0-0")
    stream = db.fetch_as(key, Stream)
    if stream is None:
        if not options.make_stream:
            return None
        entry_id = _next_id(0, options, ctx.now)
        stream = Stream()
        _append(stream, entry_id, items, ctx.limits)
        db.store(key, stream, "xadd")
    else:
        entry_id = _next_id(stream.last_id, options, ctx.now)
        _append(stream, entry_id, items, ctx.limits)
        db.changed(key, "xadd")
    written = format_id(entry_id)
    trim = options.trim
    if trim is None:
        if written != argv[id_place]:
            logged = argv.copy()
            logged[id_place] = written
            ctx.log_as(logged)
    else:
        if trim.apply(stream):
            db.notify(key, "xtrim")
        ctx.log_as([argv[0], key, *trim.exact(stream), written, *argv[id_place + 1 :]])
    return written


# From this ID on, the short path could run out of IDs.
_LAST_MOMENT = MAX_ID >> 64 << 64


def _next_id(last_id: int, options: _AddOptions, now: int) -> int:
    """Return the ID of a new entry, as requested or generated; it must exceed the last one."""
    if last_id == MAX_ID:
        raise CommandError(
            "ERR The stream has exhausted the last possible ID, unable to add more items"
        )
    if options.entry_id is None:
        return max(now << 64, last_id + 1)
    entry_id = options.entry_id
    if options.sequence_open and entry_id >> 64 == last_id >> 64:
        if last_id & SEQUENCE_MASK == SEQUENCE_MASK:
            raise CommandError(_NOT_BEYOND_LAST)
        return last_id + 1
    if entry_id <= last_id:
        raise CommandError(_NOT_BEYOND_LAST)
    return entry_id


def _append(stream: Stream, entry_id: int, items: list[bytes], limits: Limits) -> None:
    try:
        stream.append(entry_id, items, limits)
    except EntryTooLarge:
        raise CommandError("ERR Elements are too large to be stored") from None


@command(
    "XSETID",
    group="stream",
    since="5.0.0",
    flags="write denyoom fast",
    summary="Sets the last ID of a stream, and its counters.",
    arguments=[
        Key("key", "RW update"),
        String("last-id"),
        Integer("entries-added", "ENTRIESADDED", optional=True, since="7.0.0"),
        String("max-deleted-id", "MAXDELETEDID", optional=True, since="7.0.0"),
    ],
    history=[("7.0.0", "Accepts `ENTRIESADDED` and `MAXDELETEDID`.")],
)
def xsetid(ctx: Context, argv: list[bytes]) -> Reply:
    last_id = parse_id(argv[2])
    entries_added: int | None = None
    max_deleted_id = 0
    options = Arguments(argv, 3)
    while options:
        option = options.option()
        if option == b"ENTRIESADDED":
            entries_added = options.integer()
            if entries_added < 0:
                raise CommandError("ERR entries_added must be positive")
        elif option == b"MAXDELETEDID":
            max_deleted_id = parse_id(options.word())
            if last_id < max_deleted_id:
                raise CommandError(
                    "ERR The ID specified in XSETID is smaller than the provided"
                    " max_deleted_entry_id"
                )
        else:
            raise CommandError(SYNTAX)
    stream = ctx.db.fetch_as(argv[1], Stream)
    if stream is None:
        raise CommandError(NO_SUCH_KEY)
    if last_id < stream.max_deleted_id:
        raise CommandError(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
        )
    if len(stream):
        if last_id < stream.last_entry_id:
            raise CommandError(
                "ERR The ID specified in XSETID is smaller than the target stream top item"
            )
        if entries_added is not None and len(stream) > entries_added:
            raise CommandError(
                "ERR The entries_added specified in XSETID is smaller than the target stream length"
            )
    stream.last_id = last_id
    if entries_added is not None:
        stream.entries_added = entries_added
    if max_deleted_id:
        stream.max_deleted_id = max_deleted_id
    ctx.db.changed_quietly(argv[1], "xsetid")
    return OK


# --- reading -----------------------------------------------------------------------------------


@command(
    "XLEN",
    group="stream",
    since="5.0.0",
    flags="readonly fast",
    summary="Counts the entries of a stream; zero if the key does not exist.",
    arguments=[Key("key", "RO")],
)
def xlen(ctx: Context, argv: list[bytes]) -> Reply:
    stream = ctx.db.read_as(argv[1], Stream)
    return 0 if stream is None else len(stream)


@dataclass(slots=True)
class Interval:
    key: bytes
    start: int
    end: int
    count: int | None = None


@command(
    "XRANGE",
    group="stream",
    since="5.0.0",
    flags="readonly",
    complexity="O(log(N)+M) for M of N entries returned.",
    summary="Returns the entries in a range of IDs, oldest first.",
    arguments=[
        Key("key", "RO access"),
        String("start", convert=parse_start),
        String("end", convert=parse_end),
        Integer("count", "COUNT", optional=True),
    ],
    request=Interval,
    history=[("6.2.0", "Accepts bounds that exclude their ID.")],
)
def xrange(ctx: Context, request: Interval) -> Reply:
    return _read_interval(ctx, request, backwards=False)


@command(
    "XREVRANGE",
    group="stream",
    since="5.0.0",
    flags="readonly",
    complexity="O(log(N)+M) for M of N entries returned.",
    summary="Returns the entries in a range of IDs, newest first.",
    arguments=[
        Key("key", "RO access"),
        String("end"),
        String("start"),
        Integer("count", "COUNT", optional=True),
    ],
    history=[("6.2.0", "Accepts bounds that exclude their ID.")],
)
def xrevrange(ctx: Context, argv: list[bytes]) -> Reply:
    # If both bounds are invalid, Redis reports the start, which is the second one.
    start, end = parse_start(argv[3]), parse_end(argv[2])
    count: int | None = None
    options = Arguments(argv, 4)
    while options:
        if options.option() != b"COUNT":
            raise CommandError(SYNTAX)
        count = options.integer()
    return _read_interval(ctx, Interval(argv[1], start, end, count), backwards=True)


def _read_interval(ctx: Context, request: Interval, *, backwards: bool) -> Reply:
    stream = ctx.db.read_as(request.key, Stream)
    if stream is None:
        return []
    count = request.count
    if count is not None and count <= 0:
        return NULL_ARRAY
    read = stream.reverse_range if backwards else stream.range
    return entries_reply(read(request.start, request.end, count))


# --- deleting ----------------------------------------------------------------------------------


@command(
    "XDEL",
    group="stream",
    since="5.0.0",
    flags="write fast",
    complexity="O(log(N)) for each ID.",
    summary="Deletes entries from a stream and returns how many of them existed.",
    arguments=[Key("key", "RW delete"), String("id", multiple=True)],
)
def xdel(ctx: Context, argv: list[bytes]) -> Reply:
    stream = ctx.db.fetch_as(argv[1], Stream)
    if stream is None:
        return 0
    ids = [parse_id(text) for text in argv[2:]]
    deleted = sum(map(stream.remove, ids))
    if deleted:
        ctx.db.changed(argv[1], "xdel", deleted)
    return deleted


@command(
    "XTRIM",
    group="stream",
    since="5.0.0",
    flags="write",
    complexity="O(N) for N entries deleted.",
    summary="Deletes the oldest entries of a stream, down to a length or up to an ID.",
    arguments=[Key("key", "RW delete"), _trim_arguments(optional=False)],
    tips=["nondeterministic_output"],
    history=[("6.2.0", "Accepts `MINID` and `LIMIT`.")],
)
def xtrim(ctx: Context, argv: list[bytes]) -> Reply:
    trim = _AddOptions(ctx, argv, adding=False).trim
    assert trim is not None
    stream = ctx.db.fetch_as(argv[1], Stream)
    if stream is None:
        return 0
    removed = trim.apply(stream)
    if removed:
        ctx.db.changed(argv[1], "xtrim", removed)
        if trim.approximate:
            ctx.log_as([argv[0], argv[1], *trim.exact(stream)])
    return removed
