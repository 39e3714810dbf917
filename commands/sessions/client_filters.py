"""Describing clients, and the filters of CLIENT LIST and CLIENT KILL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Argument, Integer, OneOf, String, Token
from commands.engine.numbers import parse_int32, parse_integer, read_integer
from commands.instance.client import Client
from commands.instance.context import Context
from commands.instance.instance import Instance

Filter = Callable[[Client], bool]

# Every letter that Redis or Valkey may show for a client: all are valid in a filter.
_FLAGS = frozenset(b"NSMPxbtRBdcuAUreTIiEO")
_CAPABILITIES = frozenset(b"r")
_KINDS = {
    b"NORMAL": "normal",
    b"PUBSUB": "pubsub",
    b"MASTER": "primary",
    b"PRIMARY": "primary",
    b"REPLICA": "replica",
    b"SLAVE": "replica",
}
_BAD_ID = "ERR client-id should be greater than 0"


# --- describing clients ----------------------------------------------------------------------


def client_kind(client: Client) -> str:
    """Return the class of the client, which also determines its output limits."""
    return "pubsub" if client.subscriptions else "normal"


def client_flags(client: Client) -> bytes:
    """Return the flags of the client, one letter each."""
    # Requests are held back while a client is blocked, and during a pause.
    blocked = client.waiting is not None or client.postponed is not None
    tracker = client.tracker
    letters = (
        (b"O", client.monitoring),
        (b"P", client.subscriptions),
        (b"x", client.transaction is not None),
        (b"b", blocked),
        (b"t", tracker is not None and tracker.is_on),
        (b"R", tracker is not None and tracker.is_broken),
        (b"B", tracker is not None and tracker.prefixes),
        (b"d", client.watch_failed),
        (b"c", client.closing),
        (b"U", client.unix_socket),
        (b"e", client.no_evict),
        (b"T", client.no_touch),
    )
    return b"".join(letter for letter, is_set in letters if is_set) or b"N"


def client_line(client: Client, argv: list[bytes], now: int) -> bytes:
    """Return the line of CLIENT LIST for a client at this monotonic time.

    `argv` is the request that it is running.
    """
    wire = client.wire
    unsent, queued = wire.unsent, client.transaction
    running = sum(map(len, argv))
    tracker = client.tracker
    # As in Redis, what is being run is in the buffer until all of it has run.
    buffered = wire.received if argv else wire.unread
    last = client.last_command
    fields: tuple[tuple[bytes, int | bytes], ...] = (
        (b"id", client.id),
        (b"addr", client.address),
        (b"laddr", client.local_address),
        (b"fd", wire.fd),
        (b"name", client.name),
        (b"age", max(0, now - client.created_ms) // 1000),
        (b"idle", max(0, now - client.last_seen_ms) // 1000),
        (b"flags", client_flags(client)),
        (b"db", client.db.index),
        (b"sub", len(client.channels)),
        (b"psub", len(client.patterns)),
        (b"ssub", len(client.shard_channels)),
        (b"multi", -1 if queued is None else len(queued.queue)),
        (b"qbuf", buffered),
        (b"qbuf-free", 0),
        (b"argv-mem", running),
        (b"multi-mem", 0 if queued is None else queued.size),
        # There is no fixed reply buffer: all replies count as the output list.
        (b"rbs", 0),
        (b"rbp", 0),
        (b"obl", 0),
        (b"oll", len(client.outbox)),
        (b"omem", unsent),
        (b"tot-mem", client.memory - wire.unread + buffered + running),
        (b"events", b"rw" if wire.wants_write else b"r"),
        (b"cmd", b"NULL" if last is None else last.command.wire_name.encode()),
        (b"user", client.user.name),
        (b"redir", tracker.redirect if tracker is not None and tracker.is_on else -1),
        (b"resp", client.resp),
        (b"lib-name", client.lib_name),
        (b"lib-ver", client.lib_version),
    )
    return b" ".join(
        name + b"=" + (value if isinstance(value, bytes) else b"%d" % value)
        for name, value in fields
    )


# --- filters ---------------------------------------------------------------------------------


class Filters:
    """Conditions, all of which a client must meet."""

    __slots__ = ("_conditions", "skip_me")

    def __init__(self, *, skip_me: bool) -> None:
        self.skip_me = skip_me
        # By option: of a repeated option, the last one counts.
        self._conditions: dict[bytes, Filter] = {}

    def add(self, option: bytes, condition: Filter) -> None:
        self._conditions[option] = condition

    def choose(self, ctx: Context) -> Iterator[Client]:
        conditions = list(self._conditions.values())
        for client in list(ctx.instance.clients.values()):
            if self.skip_me and client is ctx.client:
                continue
            if all(condition(client) for condition in conditions):
                yield client


def parse_filters(ctx: Context, arguments: Arguments, *, to_kill: bool) -> Filters:
    """Parse the options of CLIENT LIST or CLIENT KILL, up to the last word."""
    filters = Filters(skip_me=to_kill)
    ids: dict[bytes, set[int]] = {}
    while arguments:
        option = arguments.option()
        if not arguments:
            raise CommandError(SYNTAX)
        if option in (b"ID", b"NOT-ID"):
            chosen = ids.setdefault(option, set())
            chosen |= _ids(arguments, option, to_kill)
            filters.add(option, _inverted(option, _id_filter(chosen)))
        elif option == b"SKIPME":
            word = arguments.option()
            if word not in (b"YES", b"NO"):
                raise CommandError(SYNTAX)
            filters.skip_me = word == b"YES"
        elif option in (b"MAXAGE", b"IDLE"):
            filters.add(option, _age_filter(ctx, option, arguments.word()))
        else:
            condition = _word_filter(ctx, option, arguments)
            filters.add(option, _inverted(option, condition))
    return filters


def _inverted(option: bytes, condition: Filter) -> Filter:
    if option.startswith(b"NOT-"):
        return lambda client: not condition(client)
    return condition


def _ids(arguments: Arguments, option: bytes, to_kill: bool) -> set[int]:
    """Take all integers that follow; the first word must be one."""
    bad_word = SYNTAX
    if option == b"ID":
        bad_word = _BAD_ID if to_kill else "ERR Invalid client ID"
    ids = {parse_integer(arguments.word(), bad_word)}
    while (word := arguments.peek()) is not None and (number := read_integer(word)) is not None:
        ids.add(number)
        arguments.word()
    # CLIENT LIST ID accepts IDs that cannot exist.
    if min(ids) < 1 and (to_kill or option != b"ID"):
        raise CommandError(_BAD_ID)
    return ids


def _id_filter(ids: set[int]) -> Filter:
    return lambda client: client.id in ids


def _age_filter(ctx: Context, option: bytes, text: bytes) -> Filter:
    name = option.decode().lower()
    seconds = read_integer(text)
    if seconds is None:
        raise CommandError(f"ERR {name} is not an integer or out of range")
    if seconds < 1:
        raise CommandError(f"ERR {name} should be greater than 0")

    def is_old_enough(client: Client) -> bool:
        since = client.created_ms if option == b"MAXAGE" else client.last_seen_ms
        return (ctx.instance.clock.monotonic_ms() - since) // 1000 >= seconds

    return is_old_enough


def _word_filter(ctx: Context, option: bytes, arguments: Arguments) -> Filter:
    """Parse a filter with one word; the caller inverts it for NOT- options."""
    subject = option.removeprefix(b"NOT-")
    if subject in _EXACT:
        expected, attribute = arguments.word(), _EXACT[subject]
        if subject == b"USER" and ctx.instance.users.find(expected) is None:
            raise CommandError(b"ERR No such user '%b'" % expected)
        return lambda client: attribute(client) == expected
    if subject == b"TYPE":
        word = arguments.word()
        kind = _KINDS.get(word.upper())
        if kind is None:
            raise CommandError(b"ERR Unknown client type '%b'" % word)
        return lambda client: client_kind(client) == kind
    if subject == b"FLAGS":
        flags = _letters(option, b"flags", arguments.word(), _FLAGS)
        return lambda client: flags <= set(client_flags(client))
    if subject == b"CAPA":
        capabilities = _letters(option, b"capa", arguments.word(), _CAPABILITIES)
        return lambda client: capabilities <= set(client.capabilities)
    if subject == b"DB":
        name = option.decode()
        last = len(ctx.keyspace.databases) - 1
        number = parse_int32(arguments.word(), f"ERR {name} is not an integer or out of range")
        if not 0 <= number <= last:
            raise CommandError(f"ERR {name} number should be between 0 and {last}")
        return lambda client: client.db.index == number
    raise CommandError(SYNTAX)


def _letters(option: bytes, what: bytes, word: bytes, known: frozenset[int]) -> set[int]:
    if not known.issuperset(word):
        where = option + b" filter" if option.startswith(b"NOT-") else b"provided filter"
        raise CommandError(b"ERR Unknown %b found in the %b: %b" % (what, where, word))
    return set(word)


_EXACT: dict[bytes, Callable[[Client], bytes]] = {
    b"ADDR": lambda client: client.address,
    b"LADDR": lambda client: client.local_address,
    b"USER": lambda client: client.user.name,
    b"NAME": lambda client: client.name,
    b"LIB-NAME": lambda client: client.lib_name,
    b"LIB-VER": lambda client: client.lib_version,
    b"IP": lambda client: client.address.rpartition(b":")[0].strip(b"[]"),
}


# --- refused requests and logins --------------------------------------------------------------


def note_denial(
    instance: Instance,
    client: Client,
    argv: list[bytes],
    reason: str,
    context: str,
    object_: bytes,
    username: bytes,
) -> None:
    """Count a request or login that was refused, and write it to ACL LOG."""
    counted = f"acl_denied_{reason}"
    setattr(instance.statistics, counted, getattr(instance.statistics, counted) + 1)
    line = client_line(client, argv, instance.clock.monotonic_ms())
    most = instance.settings.acllog_max_len
    instance.users.denials.add(
        reason, context, object_, username, line, instance.clock.now_ms(), most
    )


# --- declarations ----------------------------------------------------------------------------


def _kinds(name: str, token: str, words: str, since: str | None, later: dict[str, str]) -> Argument:
    parts = (Token(word, since=later.get(word)) for word in words.split())
    return OneOf(name, *parts, token=token, optional=True, since=since)


def _common(since: dict[str, str]) -> list[Argument]:
    """Return the arguments of both commands after the type and the IDs."""
    return [
        String("username", "USER", optional=True, since=since.get("USER")),
        String("addr", "ADDR", optional=True, since=since.get("ADDR")),
        String("laddr", "LADDR", optional=True, since=since.get("LADDR")),
        OneOf(
            "skipme",
            Token("YES"),
            Token("NO"),
            token="SKIPME",
            optional=True,
            since=since.get("SKIPME"),
        ),
        Integer("maxage", "MAXAGE", optional=True, since=since.get("MAXAGE")),
        String("name", "NAME", optional=True, since="9.0.0"),
        Integer("idle", "IDLE", optional=True, since="9.0.0"),
        String("flags", "FLAGS", optional=True, since="9.0.0"),
        String("lib-name", "LIB-NAME", optional=True, since="9.0.0"),
        String("lib-ver", "LIB-VER", optional=True, since="9.0.0"),
        Integer("db", "DB", optional=True, since="9.0.0"),
        String("capa", "CAPA", optional=True, since="9.0.0"),
        String("ip", "IP", optional=True, since="9.0.0"),
    ]


def _negated(kinds: str) -> list[Argument]:
    def text(name: str) -> Argument:
        return String(f"not-{name}", f"NOT-{name.upper()}", optional=True, since="9.0.0")

    return [
        _kinds("not-client-type", "NOT-TYPE", kinds, "9.0.0", {}),
        Integer("not-client-id", "NOT-ID", optional=True, multiple=True, since="9.0.0"),
        String("not-username", "NOT-USER", optional=True, since="9.0.0"),
        *map(text, ("addr", "laddr", "name", "flags", "lib-name", "lib-ver")),
        Integer("not-db", "NOT-DB", optional=True, since="9.0.0"),
        *map(text, ("capa", "ip")),
    ]


_KILL_KINDS = "NORMAL MASTER PRIMARY SLAVE REPLICA PUBSUB"
_KILL_KINDS_SINCE = {"MASTER": "3.2.0", "PRIMARY": "8.0.0", "REPLICA": "5.0.0"}
_LIST_KINDS = "NORMAL MASTER REPLICA PUBSUB"

KILL_ARGUMENTS = [
    OneOf(
        "filter",
        String("old-format", since="2.8.12"),
        OneOf(
            "new-format",
            Integer("client-id", "ID", optional=True, multiple=True, since="2.8.12"),
            _kinds("client-type", "TYPE", _KILL_KINDS, "2.8.12", _KILL_KINDS_SINCE),
            *_common({"LADDR": "6.2.0", "MAXAGE": "8.0.0"}),
            *_negated(_KILL_KINDS),
            multiple=True,
        ),
    )
]
LIST_ARGUMENTS = [
    _kinds("client-type", "TYPE", _LIST_KINDS, "5.0.0", {}),
    Integer("client-id", "ID", optional=True, multiple=True, since="6.2.0"),
    *_common(dict.fromkeys(("USER", "ADDR", "LADDR", "SKIPME", "MAXAGE"), "8.1.0")),
    *_negated(_LIST_KINDS),
]
