"""COMMAND: descriptions of the commands of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from commands.engine.containers import declare_help
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Argument, OneOf, Pattern, String
from commands.engine.key_specs import KeySpec
from commands.engine.key_uses import key_uses
from commands.engine.patterns import glob_matcher
from commands.engine.registry import Command, command, commands
from commands.engine.replies import Reply, SetReply
from commands.instance.context import Context


def _places(words: str) -> dict[str, int]:
    return {word: place for place, word in enumerate(words.split())}


# The order in which COMMAND INFO lists flags, categories and key access. The categories of
# groups that Redis does not have come last.
_FLAG_ORDER = _places(
    "write readonly denyoom admin pubsub noscript blocking loading stale skip_monitor "
    "skip_slowlog asking fast no_auth may_replicate no_mandatory_keys no_async_loading "
    "no_multi movablekeys allow_busy"
)
_CATEGORY_ORDER = _places(
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub "
    "admin fast slow blocking dangerous connection transaction scripting"
)
_ACCESS_ORDER = _places("RO RW OW RM access update insert delete not_key incomplete variable_flags")


@command(
    "COMMAND",
    group="server",
    since="2.8.13",
    flags="loading stale",
    complexity="O(N) for N commands",
    summary="Describes all commands.",
    arity=-1,
    categories="connection",
    tips=["nondeterministic_output_order"],
)
def command_(ctx: Context, argv: list[bytes]) -> Reply:
    return [_info(entry) for entry in commands().values()]


declare_help("COMMAND", group="server", since="5.0.0", categories="connection")


@command(
    "COMMAND COUNT",
    group="server",
    since="2.8.13",
    flags="loading stale",
    summary="Counts the commands, without subcommands.",
    categories="connection",
)
def command_count(ctx: Context, argv: list[bytes]) -> Reply:
    return len(commands())


@command(
    "COMMAND LIST",
    group="server",
    since="7.0.0",
    flags="loading stale",
    complexity="O(N) for N commands",
    summary="Returns the names of commands, optionally those selected by a filter.",
    arguments=[
        OneOf(
            "filterby",
            String("module-name", "MODULE"),
            String("category", "ACLCAT"),
            Pattern("pattern", "PATTERN"),
            token="FILTERBY",
            optional=True,
        )
    ],
    categories="connection",
    tips=["nondeterministic_output_order"],
)
def command_list(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        return _names(lambda entry: True)
    if len(argv) == 5 and argv[2].upper() == b"FILTERBY":
        return _filtered(argv[3].upper(), argv[4])
    raise CommandError(SYNTAX)


def _names(selects: Callable[[Command], bool]) -> list[Reply]:
    """Return the names of the commands and subcommands that are selected."""
    return [
        entry.wire_name.encode()
        for top in commands().values()
        for entry in (top, *top.subcommands.values())
        if selects(entry)
    ]


def _filtered(filter_name: bytes, text: bytes) -> list[Reply]:
    """Return the names of the commands and subcommands that the filter selects."""
    if filter_name == b"MODULE":
        return []
    if filter_name == b"ACLCAT":
        category = text.lower().decode("latin-1")
        return _names(lambda entry: category in entry.categories)
    if filter_name == b"PATTERN":
        matches = glob_matcher(text, ignore_case=True)
        return _names(lambda entry: matches(entry.wire_name.encode()))
    raise CommandError(SYNTAX)


@command(
    "COMMAND INFO",
    group="server",
    since="2.8.13",
    flags="loading stale",
    complexity="O(N) for N names",
    summary="Describes the named commands, or all.",
    arguments=[String("command-name", optional=True, multiple=True)],
    categories="connection",
    tips=["nondeterministic_output_order"],
)
def command_info(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        return command_(ctx, argv)
    found = (_find_by_name(name) for name in argv[2:])
    return [None if entry is None else _info(entry) for entry in found]


@command(
    "COMMAND DOCS",
    group="server",
    since="7.0.0",
    flags="loading stale",
    complexity="O(N) for N names",
    summary="Returns the documentation of the named commands, or of all.",
    arguments=[String("command-name", optional=True, multiple=True)],
    categories="connection",
    tips=["nondeterministic_output_order"],
)
def command_docs(ctx: Context, argv: list[bytes]) -> Reply:
    entries: Iterable[Command | None] = commands().values()
    if len(argv) > 2:
        entries = (_find_by_name(name) for name in argv[2:])
    return {entry.wire_name.encode(): _docs(entry) for entry in entries if entry is not None}


@command(
    "COMMAND GETKEYS",
    group="server",
    since="2.8.13",
    flags="loading stale",
    complexity="O(N) for N words of the request",
    summary="Returns the keys of a request.",
    arguments=[String("command"), String("arg", optional=True, multiple=True)],
    categories="connection",
)
def command_getkeys(ctx: Context, argv: list[bytes]) -> Reply:
    request = argv[2:]
    places = _key_places(ctx, request)
    bound = ctx.instance.find_command(request)
    assert bound is not None
    return [bound.command.key_at(request, place) for place in places]


@command(
    "COMMAND GETKEYSANDFLAGS",
    group="server",
    since="7.0.0",
    flags="loading stale",
    complexity="O(N) for N words of the request",
    summary="Returns the keys of a request and how the command uses each.",
    arguments=[String("command"), String("arg", optional=True, multiple=True)],
    categories="connection",
)
def command_getkeysandflags(ctx: Context, argv: list[bytes]) -> Reply:
    request = argv[2:]
    places = _key_places(ctx, request)
    bound = ctx.instance.find_command(request)
    assert bound is not None
    entry = bound.command
    access = key_uses(entry, request)
    return [
        [entry.key_at(request, place), _statuses(access.get(place, "").split(), _ACCESS_ORDER)]
        for place in places
    ]


def _key_places(ctx: Context, request: list[bytes]) -> list[int]:
    """Return the positions of the keys of a request; an error if the request is invalid."""
    bound = ctx.instance.find_command(request)
    if bound is None or (bound.command.subcommands and len(request) > 1):
        raise CommandError("ERR Invalid command specified")
    entry = bound.command
    takes_keys = entry.key_finder is not None or any(
        "not_key" not in spec.access.split() for spec in entry.keys
    )
    if not takes_keys:
        raise CommandError("ERR The command has no key arguments")
    if not entry.accepts(len(request)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    places = entry.key_indexes(request)
    # Keys after a keyword are optional; keys at a fixed position are not.
    incomplete = any(
        spec.keyword is None and not spec.unknown and not spec.find(request) for spec in entry.keys
    )
    if (incomplete or not places) and "no_mandatory_keys" not in entry.flags:
        raise CommandError("ERR Invalid arguments specified for command")
    return places


def _find_by_name(name: bytes) -> Command | None:
    """Find a command by its name in the protocol, such as `get` or `config|set`."""
    word, bar, rest = name.upper().decode("latin-1").partition("|")
    entry = commands().get(word)
    if entry is not None and bar:
        return entry.subcommands.get(rest)
    return entry


def _statuses(words: Iterable[str], order: dict[str, int], mark: str = "") -> SetReply:
    return SetReply(
        [mark + word for word in sorted(words, key=lambda w: (order.get(w, len(order)), w))]
    )


@cache
def _info(entry: Command) -> Reply:
    first, last, step = entry.key_range
    return [
        entry.wire_name.encode(),
        entry.arity,
        _statuses(entry.flags, _FLAG_ORDER),
        first,
        last,
        step,
        _statuses(entry.categories, _CATEGORY_ORDER, "@"),
        SetReply([tip.encode() for tip in entry.tips]),
        SetReply([_key_spec(spec) for spec in entry.keys]),
        [_info(subcommand) for subcommand in entry.subcommands.values()],
    ]


def _key_spec(spec: KeySpec) -> Reply:
    begin: tuple[bytes, dict[bytes, Reply]]
    find: tuple[bytes, dict[bytes, Reply]]
    if spec.unknown:
        begin = find = (b"unknown", {})
    else:
        if spec.keyword is not None:
            begin = (b"keyword", {b"keyword": spec.keyword.encode(), b"startfrom": spec.start})
        else:
            begin = (b"index", {b"index": spec.index})
        if spec.numkeys:
            find = (b"keynum", {b"keynumidx": 0, b"firstkey": 1, b"keystep": spec.step})
        else:
            find = (
                b"range",
                {b"lastkey": spec.last, b"keystep": spec.step, b"limit": spec.limit},
            )
    return {
        b"flags": _statuses(spec.access.split(), _ACCESS_ORDER),
        b"begin_search": {b"type": begin[0], b"spec": begin[1]},
        b"find_keys": {b"type": find[0], b"spec": find[1]},
    }


# Cached because declarations do not change, and redis-cli requests all of this at its start.
@cache
def _docs(entry: Command) -> dict[bytes, Reply]:
    docs: dict[bytes, Reply] = {
        b"summary": entry.summary.encode(),
        b"since": entry.since.encode(),
        b"group": entry.group.replace("_", "-").encode(),
        b"complexity": entry.complexity.encode(),
    }
    if entry.deprecated is not None:
        version, instead = entry.deprecated
        docs[b"doc_flags"] = SetReply(["deprecated"])
        docs[b"deprecated_since"] = version.encode()
        docs[b"replaced_by"] = instead.encode()
    if entry.history:
        docs[b"history"] = SetReply(
            [[version.encode(), change.encode()] for version, change in entry.history]
        )
    if entry.arguments:
        specs = iter(range(len(entry.keys)))
        docs[b"arguments"] = [_argument(argument, specs) for argument in entry.arguments]
    if entry.subcommands:
        docs[b"subcommands"] = {
            subcommand.wire_name.encode(): _docs(subcommand)
            for subcommand in entry.subcommands.values()
        }
    return docs


def _argument(argument: Argument, specs: Iterator[int]) -> dict[bytes, Reply]:
    """Describe an argument; its keys take the key specs in order."""
    docs: dict[bytes, Reply] = {
        b"name": argument.name.encode(),
        b"type": argument.kind.encode(),
    }
    if argument.kind not in ("oneof", "block"):
        docs[b"display_text"] = argument.name.encode()
    if argument.kind == "key":
        place = next(specs, None)
        if place is not None:
            docs[b"key_spec_index"] = place
    if argument.token is not None:
        docs[b"token"] = argument.token.encode()
    if argument.since is not None:
        docs[b"since"] = argument.since.encode()
    flags = [
        flag
        for flag, is_set in (
            ("optional", argument.optional),
            ("multiple", argument.multiple),
            ("multiple_token", argument.multiple_token),
        )
        if is_set
    ]
    if flags:
        docs[b"flags"] = SetReply(flags)
    if argument.parts:
        docs[b"arguments"] = [_argument(part, specs) for part in argument.parts]
    return docs
