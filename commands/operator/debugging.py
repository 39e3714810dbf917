"""DEBUG: inspecting the internals of the server and provoking faults, for test suites.

The setting `enable-debug-command` must allow it. Subcommands that crash the process (SEGFAULT,
PANIC, OOM and similar) are not implemented, nor are switches of features that Redkeep does
not have. In Redis, DEBUG is a single command and not a container, so its subcommands are not
in the registry but in a table of this module.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap

from commands.engine.effects import Outcome, Reload, ReloadLog
from commands.engine.errors import MUST_BE_POSITIVE, NO_SUCH_KEY, CommandError
from commands.engine.numbers import parse_integer
from commands.engine.patterns import glob_matcher
from commands.engine.registry import command
from commands.engine.replies import (
    OK,
    Attributed,
    BigNumber,
    MapReply,
    Push,
    Replies,
    Reply,
    SetReply,
    Verbatim,
)
from commands.instance.context import Context
from commands.operator.dataset_digest import keyspace_digest, value_digest
from commands.settings import config_file
from commands.settings.kinds import Memory, SettingError
from storage.database import Database
from storage.frequencies import Frequencies
from storage.memory_usage import size_of
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream
from storage.values.types import Value, encoding_of

logger = logging.getLogger("redkeep")

_NOT_ALLOWED = (
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you '
    "can run it from a local connection, otherwise you need to set this option in the "
    "configuration file, and then restart the server."
)
# A sleep blocks all clients, so a mistyped duration must not do so for ever.
_MAX_SLEEP_SECONDS = 3600.0
# Bytes of a score in a snapshot.
_SCORE_SIZE = 8


SubcommandHandler = Callable[[Context, list[bytes]], Outcome]


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A subcommand: its handler, how many arguments it takes, and its help."""

    run: SubcommandHandler
    min_arguments: int
    max_arguments: int
    syntax: str
    help: str


_SUBCOMMANDS: dict[bytes, Subcommand] = {}


def _subcommand(
    syntax: str, min_arguments: int, max_arguments: int | None = None, *, help: str
) -> Callable[[SubcommandHandler], SubcommandHandler]:
    most = min_arguments if max_arguments is None else max_arguments

    def declare(run: SubcommandHandler) -> SubcommandHandler:
        name = syntax.split(" ", 1)[0].encode()
        _SUBCOMMANDS[name] = Subcommand(run, min_arguments, most, syntax, help)
        return run

    return declare


@command(
    "DEBUG",
    group="server",
    since="1.0.0",
    flags="admin noscript loading stale",
    complexity="Depends on subcommand.",
    summary="Inspects the internals of the server and provokes faults, for tests.",
    arity=-2,
)
def debug(ctx: Context, argv: list[bytes]) -> Outcome:
    allowed = ctx.instance.settings.enable_debug_command
    if allowed != "yes" and not (allowed == "local" and ctx.client.is_local):
        raise CommandError(_NOT_ALLOWED)
    subcommand = _SUBCOMMANDS.get(argv[1].upper())
    if (
        subcommand is None
        or not subcommand.min_arguments <= len(argv) - 2 <= subcommand.max_arguments
    ):
        raise _unknown(argv)
    return subcommand.run(ctx, argv)


def _unknown(argv: list[bytes]) -> CommandError:
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP."
        % argv[1][:128]
    )


@_subcommand("HELP", 0, help="Lists the subcommands.")
def debug_help(ctx: Context, argv: list[bytes]) -> Reply:
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for subcommand in _SUBCOMMANDS.values():
        lines.append(subcommand.syntax)
        lines += wrap(subcommand.help, 79, initial_indent="    ", subsequent_indent="    ")
    return lines


# --- data --------------------------------------------------------------------------------


@_subcommand("DIGEST", 0, help="Returns a digest of all data.")
def debug_digest(ctx: Context, argv: list[bytes]) -> Reply:
    return keyspace_digest(ctx.keyspace).hex()


@_subcommand("DIGEST-VALUE [<key> ...]", 0, 1 << 30, help="Returns the digest of each value.")
def debug_digest_value(ctx: Context, argv: list[bytes]) -> Reply:
    return [value_digest(ctx.db, key).hex() for key in argv[2:]]


@_subcommand(
    "POPULATE <count> [<prefix>] [<size>]",
    1,
    3,
    help="Creates <count> strings named key:<number>, or with another prefix. Keeps existing keys.",
)
def debug_populate(ctx: Context, argv: list[bytes]) -> Reply:
    count = _positive(argv[2])
    prefix = argv[3] if len(argv) > 3 else b"key"
    size = _positive(argv[4]) if len(argv) > 4 else None
    if size is not None and size > ctx.instance.settings.proto_max_bulk_len:
        raise CommandError(MUST_BE_POSITIVE)
    for number in range(count):
        key = b"%b:%d" % (prefix, number)
        if ctx.db.peek(key) is None:
            value = b"value:%d" % number
            ctx.db.store(key, value if size is None else value[:size].ljust(size, b"\0"), "set")
    ctx.log_as()
    return OK


def _positive(text: bytes) -> int:
    number = parse_integer(text, MUST_BE_POSITIVE)
    if number < 0:
        raise CommandError(MUST_BE_POSITIVE)
    return number


def _stored_value(db: Database, key: bytes) -> Value:
    """Return a value even if it has expired: inspecting a key must not delete it."""
    value = db.data.get(key)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    return value


@_subcommand(
    "OBJECT <key> [fast]", 1, 2, help="Shows the address, the encoding and the size of a value."
)
def debug_object(ctx: Context, argv: list[bytes]) -> Reply:
    value = _stored_value(ctx.db, argv[2])
    accessed = ctx.db.accessed
    counts = isinstance(accessed, Frequencies)
    touched = ctx.now if counts else accessed.get(argv[2], ctx.now)
    length = "" if len(argv) > 3 else f" serializedlength:{_payload_size(value)}"
    line = (
        f"Value at:{id(value):#x} refcount:1 encoding:{encoding_of(value).decode()}{length} "
        f"lru:{touched // 1000 & 0xFFFFFF} lru_seconds_idle:{max(0, ctx.now - touched) // 1000}"
    )
    nodes = getattr(value, "nodes", None)
    if encoding_of(value) == b"quicklist" and nodes is not None:
        line += (
            f" ql_nodes:{len(nodes)} ql_avg_node:{len(value) / len(nodes):.2f}"
            f" ql_listpack_max:{ctx.limits.list_max_listpack_size} ql_compressed:0"
            f" ql_uncompressed_size:{sum(node.size for node in nodes)}"
        )
    return line


def _payload_size(value: Value) -> int:
    """Estimate the size of a value in a snapshot: its bytes, and a length for each part."""
    match value:
        case bytes() | bytearray():
            return len(value) + 1
        case Hash():
            return sum(len(field) + len(content) + 2 for field, content in value.items())
        case SortedSet():
            return sum(len(member) + 1 + _SCORE_SIZE for member in value)
        case List() | Set():
            return sum(len(item) + 1 for item in value)
    return size_of(value, 0)


@_subcommand("SDSLEN <key>", 1, help="Shows the lengths of a key and its string value.")
def debug_sdslen(ctx: Context, argv: list[bytes]) -> Reply:
    value = _stored_value(ctx.db, argv[2])
    if not isinstance(value, (bytes, bytearray)):
        raise CommandError("ERR Not an sds encoded string.")
    key_memory, memory = size_of(argv[2]), size_of(value)
    return (
        f"key_sds_len:{len(argv[2])}, key_sds_avail:0, key_zmalloc: {key_memory}, "
        f"val_sds_len:{len(value)}, val_sds_avail:0, val_zmalloc: {memory}"
    )


@_subcommand("LISTPACK <key>", 1, help="Writes the items of a compact value to the server log.")
def debug_listpack(ctx: Context, argv: list[bytes]) -> Reply:
    value = _stored_value(ctx.db, argv[2])
    if isinstance(value, (bytes, bytearray, Stream)) or value.encoding != b"listpack":
        raise CommandError("ERR Not a listpack encoded object.")
    logger.info("Listpack under %r: %r", argv[2], list(value))
    return "Listpack structure printed on stdout"


@_subcommand("QUICKLIST <key> [<0|1>]", 1, 2, help="Writes the items of a list to the server log.")
def debug_quicklist(ctx: Context, argv: list[bytes]) -> Reply:
    value = _stored_value(ctx.db, argv[2])
    if not isinstance(value, List) or value.encoding != b"quicklist":
        raise CommandError("ERR Not a quicklist encoded object.")
    logger.info("List under %r: %r", argv[2], list(value))
    return "Quicklist structure printed on stdout"


@_subcommand("HTSTATS <dbid> [full]", 1, 2, help="Shows statistics of the tables of a database.")
def debug_htstats(ctx: Context, argv: list[bytes]) -> Reply:
    index = parse_integer(argv[2])
    if not 0 <= index < len(ctx.keyspace.databases):
        raise CommandError("ERR Out of range database")
    database = ctx.keyspace.databases[index]
    text = f"[Dictionary HT]\n{_table(len(database))}[Expires HT]\n{_table(len(database.expires))}"
    return Verbatim(text.encode())


@_subcommand("HTSTATS-KEY <key> [full]", 1, 2, help="Shows statistics of the table of a value.")
def debug_htstats_key(ctx: Context, argv: list[bytes]) -> Reply:
    value = _stored_value(ctx.db, argv[2])
    if encoding_of(value) not in (b"hashtable", b"skiplist"):
        raise CommandError(
            "ERR The value stored at the specified key is not represented using an hash table"
        )
    return Verbatim(_table(len(value)).encode())


def _table(entries: int) -> str:
    title = "Hash table 0 stats (main hash table):\n"
    if not entries:
        return title + "No stats available for empty dictionaries\n"
    # Python keeps its dicts at most two thirds full.
    size = 8
    while size * 2 // 3 < entries:
        size *= 2
    return f"{title} table size: {size}\n number of elements: {entries}\n"


@_subcommand(
    "RELOAD [option ...]",
    0,
    1 << 30,
    help=(
        "Saves a snapshot, deletes all data and loads the snapshot. NOSAVE loads the existing "
        "snapshot; NOFLUSH keeps the data; MERGE lets keys of the snapshot replace existing ones."
    ),
)
def debug_reload(ctx: Context, argv: list[bytes]) -> Outcome:
    options = {word.upper() for word in argv[2:]}
    if options - {b"NOSAVE", b"NOFLUSH", b"MERGE"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    return Reload(
        save=b"NOSAVE" not in options, flush=b"NOFLUSH" not in options, merge=b"MERGE" in options
    )


@_subcommand("LOADAOF", 0, help="Deletes all data and loads it from the append-only file.")
def debug_loadaof(ctx: Context, argv: list[bytes]) -> Outcome:
    return ReloadLog()


# --- time and switches -------------------------------------------------------------------


@_subcommand("SLEEP <seconds>", 1, help="Blocks the whole server, as a slow command does.")
def debug_sleep(ctx: Context, argv: list[bytes]) -> Reply:
    # Blocks the thread on purpose: the command simulates a slow one.
    time.sleep(min(_MAX_SLEEP_SECONDS, max(0.0, _leading_number(argv[2]))))
    return OK


def _leading_number(text: bytes) -> float:
    """Read the number at the start of a text as C's strtod does; 0 if there is none."""
    found = re.match(rb"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", text)
    return float(found[0]) if found else 0.0


def _is_on(text: bytes) -> bool:
    return _leading_number(text) != 0


@_subcommand(
    "SET-ACTIVE-EXPIRE <0|1>", 1, help="Turns the background deletion of expired keys off or on."
)
def debug_set_active_expire(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.active_expire = _is_on(argv[2])
    return OK


@_subcommand("PAUSE-CRON <0|1>", 1, help="Pauses or resumes periodic background work.")
def debug_pause_cron(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.background_paused = _is_on(argv[2])
    return OK


@_subcommand(
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    1,
    help="Allows scripts to call commands that are denied to them.",
)
def debug_set_disable_deny_scripts(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.scripts_may_call_all = _is_on(argv[2])
    return OK


@_subcommand(
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>", 1, help="Skips the checksum validation of payloads."
)
def debug_set_skip_checksum_validation(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.skip_checksums = _is_on(argv[2])
    return OK


@_subcommand("CHANGE-REPL-ID", 0, help="Changes the replication ID.")
def debug_change_repl_id(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.replication_id = b"%040x" % ctx.rng.getrandbits(160)
    return OK


@_subcommand("QUICKLIST-PACKED-THRESHOLD <size>", 1, help="Checks its arguments and has no effect.")
def debug_quicklist_packed_threshold(ctx: Context, argv: list[bytes]) -> Reply:
    try:
        Memory(0, (1 << 32) - 1).parse(argv[2].decode("latin-1"))
    except SettingError:
        raise CommandError(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
        ) from None
    return OK


@_subcommand(
    "REPLYBUFFER <PEAK-RESET-TIME|RESIZING> <value>",
    2,
    help="Checks its arguments and has no effect.",
)
def debug_replybuffer(ctx: Context, argv: list[bytes]) -> Reply:
    if argv[2].upper() == b"PEAK-RESET-TIME":
        if argv[3].upper() not in (b"NEVER", b"RESET"):
            parse_integer(argv[3])
    elif argv[2].upper() != b"RESIZING":
        raise _unknown(argv)
    return OK


@_subcommand("DICT-RESIZING <0|1>", 1, help="Has no effect.")
@_subcommand("AOF-FLUSH-SLEEP <microsec>", 1, help="Has no effect.")
def debug_no_effect(ctx: Context, argv: list[bytes]) -> Reply:
    return OK


@_subcommand("CONFIG-REWRITE-FORCE-ALL", 0, help="Runs CONFIG REWRITE for all settings.")
def debug_config_rewrite_force_all(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.instance.settings
    try:
        if settings.config_file is None:
            raise FileNotFoundError(0, "Bad address")
        config_file.rewrite(settings, settings.config_file, everything=True)
    except OSError as error:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {error.strerror}") from None
    except config_file.ConfigError as error:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {error}") from None
    return OK


# --- replies -----------------------------------------------------------------------------


@_subcommand("ERROR <string>", 1, help="Returns an error with this text.")
def debug_error(ctx: Context, argv: list[bytes]) -> Reply:
    raise CommandError(argv[2])


@_subcommand("LOG <message>", 1, help="Writes a message to the server log.")
def debug_log(ctx: Context, argv: list[bytes]) -> Reply:
    logger.warning("DEBUG LOG: %s", argv[2].decode(errors="replace"))
    return OK


@_subcommand("STRINGMATCH-TEST", 0, help="Matches random patterns against random texts.")
def debug_stringmatch_test(ctx: Context, argv: list[bytes]) -> Reply:
    for _ in range(1000):
        pattern, text = (
            bytes(ctx.rng.choices(b"ab*?[]^-\\", k=ctx.rng.randrange(12))) for _ in range(2)
        )
        glob_matcher(pattern)(text)
    return "Apparently Redis did not crash: test passed"


_BIG = b"1234567999999999999999999999999999999"
_AFTER_PUSH = b"Some real reply following the push reply"


@_subcommand("PROTOCOL <type>", 1, help="Returns a sample reply of this type.")
def debug_protocol(ctx: Context, argv: list[bytes]) -> Reply:
    kind = argv[2].lower()
    if kind == b"push":
        if ctx.client.resp == 2:
            raise CommandError("ERR RESP2 is not supported by this command")
        return Replies([Push([b"server-cpu-usage", 42]), _AFTER_PUSH])
    samples: dict[bytes, Reply] = {
        b"string": b"Hello World",
        b"integer": 12345,
        b"double": 3.141,
        b"null": None,
        b"array": [0, 1, 2],
        b"set": SetReply([0, 1, 2]),
        b"map": MapReply([(0, False), (1, True), (2, False)]),
        b"attrib": Attributed(
            [(b"key-popularity", [b"key:123", 90])], b"Some real reply following the attribute"
        ),
        b"verbatim": Verbatim(b"This is a verbatim\nstring"),
        b"bignum": BigNumber(_BIG),
        b"true": True,
        b"false": False,
    }
    if kind not in samples:
        raise CommandError(
            "ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
            "bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    return samples[kind]
