"""XGROUP, XACK and XPENDING: managing consumer groups and their pending entries."""

from __future__ import annotations

from itertools import islice

from commands.engine.arguments import Arguments
from commands.engine.containers import container
from commands.engine.errors import SYNTAX, CommandError, wrong_subcommand
from commands.engine.grammar import Argument, ArgumentGroup, Integer, Key, OneOf, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context
from commands.streams.ids import format_id, parse_edge, parse_end, parse_id, parse_start
from storage.values.consumer_groups import Consumer, Group, Pending
from storage.values.streams import Stream

_NO_KEY = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to"
    " use the MKSTREAM option to create an empty stream automatically."
)


# --- shared with reading and claiming ------------------------------------------------------


def unknown_group(key: bytes, name: bytes) -> CommandError:
    return CommandError(b"NOGROUP No such key '%b' or consumer group '%b'" % (key, name))


def no_such_group(key: bytes, name: bytes) -> CommandError:
    """Return the error that XGROUP and XINFO raise when the key exists."""
    return CommandError(b"NOGROUP No such consumer group '%b' for key name '%b'" % (name, key))


def find_or_add_consumer(
    ctx: Context,
    key: bytes,
    name: bytes,
    group: Group,
    consumer_name: bytes,
    logged: list[list[bytes]],
) -> Consumer:
    """Return the consumer of that name; creating it adds a request to `logged`."""
    consumer = group.consumers.get(consumer_name)
    if consumer is None:
        consumer = group.add_consumer(consumer_name, ctx.now)
        ctx.db.changed_quietly(key, "xgroup-createconsumer")
        logged.append([b"XGROUP", b"CREATECONSUMER", key, name, consumer_name])
    return consumer


def claim_request(key: bytes, name: bytes, group: Group, entry_id: int) -> list[bytes]:
    """Return the request that reproduces a pending entry when it is replayed."""
    pending: Pending = group.pending[entry_id]
    return [
        b"XCLAIM", key, name, pending.consumer.name, b"0", format_id(entry_id),
        b"TIME", b"%d" % pending.delivery_time, b"RETRYCOUNT", b"%d" % pending.deliveries,
        b"FORCE", b"JUSTID", b"LASTID", format_id(group.last_id),
    ]  # fmt: skip


def group_id_request(key: bytes, name: bytes, group: Group) -> list[bytes]:
    """Return the request that reproduces the position of a group when it is replayed."""
    entries_read = -1 if group.entries_read is None else group.entries_read
    return [
        b"XGROUP", b"SETID", key, name, format_id(group.last_id),
        b"ENTRIESREAD", b"%d" % entries_read,
    ]  # fmt: skip


# --- XGROUP ------------------------------------------------------------------------------------

container(
    "XGROUP",
    group="stream",
    since="5.0.0",
    summary="Contains commands that manage consumer groups.",
    without="stream",
)


def _group_arguments(access: str, *more: Argument) -> list[Argument]:
    return [Key("key", access), String("group"), *more]


def _id_selector() -> Argument:
    return OneOf("id-selector", String("id"), Token("$", name="new-id"))


def _parse_entries_read(text: bytes) -> int | None:
    entries_read = parse_integer(text)
    if entries_read < -1:
        raise CommandError("ERR value for ENTRIESREAD must be positive or -1")
    return None if entries_read == -1 else entries_read


def _fetch_group(ctx: Context, key: bytes, name: bytes) -> tuple[Stream, Group]:
    stream = ctx.db.fetch_as(key, Stream)
    if stream is None:
        raise CommandError(_NO_KEY)
    group = stream.groups.get(name)
    if group is None:
        raise no_such_group(key, name)
    return stream, group


@command(
    "XGROUP CREATE",
    group="stream",
    since="5.0.0",
    flags="write denyoom",
    summary="Creates a consumer group that reads the entries after an ID.",
    arguments=_group_arguments(
        "RW insert",
        _id_selector(),
        Token("MKSTREAM", optional=True),
        Integer("entriesread", "ENTRIESREAD", optional=True),
    ),
    history=[("7.0.0", "Accepts `ENTRIESREAD`.")],
)
def xgroup_create(ctx: Context, argv: list[bytes]) -> Reply:
    key, name, start = argv[2:5]
    make_stream, entries_read = False, None
    options = Arguments(argv, 5)
    while options:
        option = options.option()
        if option == b"MKSTREAM":
            make_stream = True
        elif option == b"ENTRIESREAD" and options:
            entries_read = _parse_entries_read(options.word())
        else:
            raise wrong_subcommand(argv)
    stream = ctx.db.fetch_as(key, Stream)
    if stream is None and not make_stream:
        raise CommandError(_NO_KEY)
    if start != b"$":
        last_id = parse_id(start)
    else:
        last_id = 0 if stream is None else stream.last_id
    if stream is None:
        stream = Stream()
        stream.groups[name] = Group(last_id, entries_read)
        ctx.db.store(key, stream, "xgroup-create")
    elif name in stream.groups:
        raise CommandError("BUSYGROUP Consumer Group name already exists")
    else:
        stream.groups[name] = Group(last_id, entries_read)
        ctx.db.changed_quietly(key, "xgroup-create")
    return OK


@command(
    "XGROUP SETID",
    group="stream",
    since="5.0.0",
    flags="write",
    summary="Sets the ID after which a consumer group reads.",
    arguments=_group_arguments(
        "RW update",
        _id_selector(),
        Integer("entriesread", "ENTRIESREAD", optional=True),
    ),
    history=[("7.0.0", "Accepts `ENTRIESREAD`.")],
)
def xgroup_setid(ctx: Context, argv: list[bytes]) -> Reply:
    key, name, start = argv[2:5]
    entries_read = None
    options = Arguments(argv, 5)
    while options:
        if options.option() != b"ENTRIESREAD" or not options:
            raise wrong_subcommand(argv)
        entries_read = _parse_entries_read(options.word())
    stream, group = _fetch_group(ctx, key, name)
    group.last_id = stream.last_id if start == b"$" else parse_edge(start)
    group.entries_read = entries_read
    ctx.db.changed_quietly(key, "xgroup-setid")
    return OK


@command(
    "XGROUP DESTROY",
    group="stream",
    since="5.0.0",
    flags="write",
    complexity="O(N) for N pending entries of the group.",
    summary="Deletes a consumer group, its consumers and its pending entries.",
    arguments=_group_arguments("RW delete"),
)
def xgroup_destroy(ctx: Context, argv: list[bytes]) -> Reply:
    key, name = argv[2:]
    stream = ctx.db.fetch_as(key, Stream)
    if stream is None:
        raise CommandError(_NO_KEY)
    if stream.groups.pop(name, None) is None:
        return 0
    ctx.db.changed_quietly(key, "xgroup-destroy")
    # Clients blocked on the group get an error.
    ctx.db.wake(key)
    return 1


@command(
    "XGROUP CREATECONSUMER",
    group="stream",
    since="6.2.0",
    flags="write denyoom",
    summary="Adds a consumer without pending entries to a group, unless it exists.",
    arguments=_group_arguments("RW insert", String("consumer")),
)
def xgroup_createconsumer(ctx: Context, argv: list[bytes]) -> Reply:
    key, name, consumer_name = argv[2:]
    _, group = _fetch_group(ctx, key, name)
    if consumer_name in group.consumers:
        return 0
    group.add_consumer(consumer_name, ctx.now)
    ctx.db.changed_quietly(key, "xgroup-createconsumer")
    return 1


@command(
    "XGROUP DELCONSUMER",
    group="stream",
    since="5.0.0",
    flags="write",
    summary="Deletes a consumer and returns how many entries were pending for it.",
    arguments=_group_arguments("RW delete", String("consumer")),
)
def xgroup_delconsumer(ctx: Context, argv: list[bytes]) -> Reply:
    key, name, consumer_name = argv[2:]
    _, group = _fetch_group(ctx, key, name)
    pending = group.remove_consumer(consumer_name)
    if pending is None:
        return 0
    ctx.db.changed_quietly(key, "xgroup-delconsumer")
    return pending


# --- pending entries ---------------------------------------------------------------------------


@command(
    "XACK",
    group="stream",
    since="5.0.0",
    flags="write fast",
    complexity="O(log(N)) for each ID.",
    summary="Acknowledges entries and returns how many of them were pending.",
    arguments=[Key("key", "RW update"), String("group"), String("id", multiple=True)],
)
def xack(ctx: Context, argv: list[bytes]) -> Reply:
    stream = ctx.db.read_as(argv[1], Stream)
    group = None if stream is None else stream.groups.get(argv[2])
    if group is None:
        return 0
    ctx.db.will_change(argv[1])
    ids = [parse_id(text) for text in argv[3:]]
    acknowledged = sum(map(group.acknowledge, ids))
    if acknowledged:
        ctx.db.changed_quietly(argv[1], count=acknowledged)
    return acknowledged


@command(
    "XPENDING",
    group="stream",
    since="5.0.0",
    flags="readonly",
    complexity="O(log(N)+M) for M of N pending entries examined.",
    summary="Returns the pending entries of a group, as a summary or by range of IDs.",
    arguments=[
        Key("key", "RO access"),
        String("group"),
        ArgumentGroup(
            "filters",
            Integer("min-idle-time", "IDLE", optional=True, since="6.2.0"),
            String("start"),
            String("end"),
            Integer("count"),
            String("consumer", optional=True),
            optional=True,
        ),
    ],
    tips=["nondeterministic_output"],
    history=[("6.2.0", "Accepts `IDLE`, and bounds that exclude their ID.")],
)
def xpending(ctx: Context, argv: list[bytes]) -> Reply:
    key, name = argv[1:3]
    words = argv[3:]
    if words and not 3 <= len(words) <= 6:
        raise CommandError(SYNTAX)
    min_idle_time = count = start = end = 0
    if words:
        if words[0].upper() == b"IDLE":
            min_idle_time = parse_integer(words[1])
            words = words[2:]
            if len(words) < 3:
                raise CommandError(SYNTAX)
        count = max(0, parse_integer(words[2]))
        start, end = parse_start(words[0]), parse_end(words[1])
    stream = ctx.db.read_as(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if group is None:
        raise unknown_group(key, name)
    if not words:
        return _pending_summary(group)
    pending = group.pending
    if len(words) > 3:
        consumer = group.consumers.get(words[3])
        if consumer is None:
            return []
        pending = consumer.pending
    now = ctx.now
    idle_enough = (
        (entry_id, one)
        for entry_id, one in ((at, pending[at]) for at in pending.irange(start, end))
        if one.idle(now) >= min_idle_time
    )
    return [
        (format_id(entry_id), one.consumer.name, one.idle(now), one.deliveries)
        for entry_id, one in islice(idle_enough, count)
    ]


def _pending_summary(group: Group) -> Reply:
    if not group.pending:
        return [0, None, None, NULL_ARRAY]
    return [
        len(group.pending),
        format_id(group.pending.peekitem(0)[0]),
        format_id(group.pending.peekitem()[0]),
        [
            (consumer.name, b"%d" % len(consumer.pending))
            for consumer in group.consumers_by_name()
            if consumer.pending
        ],
    ]
