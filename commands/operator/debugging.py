"""DEBUG: what test suites need to look at a server's insides, or to make it misbehave.

Only where `enable-debug-command` allows it. Redis' way of ending the process (SEGFAULT,
PANIC, OOM and the like) is left out, and so are the switches of machinery that is not
here. In Redis this is one command and not a container, so its words are a table here.
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
from storage.memory_usage import size_of
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream
from storage.values.types import Value, encoding_of

logger = logging.getLogger("redkeep")

_NOT_ALLOWED = (
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you '
    "can run it from a local connection, otherwise you need to set this option in the "
    "configuration file, and then restart the server."
)
# A sleep holds everybody up, so one slip of a finger should not do so for ever.
_LONGEST_SLEEP = 3600.0
# Bytes of a score in a snapshot.
_SCORE_SIZE = 8


Subcommand = Callable[[Context, list[bytes]], Outcome]


@dataclass(frozen=True, slots=True)
class Word:
    """A subcommand: its handler, how many words may follow it, and its line of help."""

    run: Subcommand
    least: int
    most: int
    syntax: str
    help: str


_WORDS: dict[bytes, Word] = {}


def _word(
    syntax: str, least: int, most: int | None = None, *, help: str
) -> Callable[[Subcommand], Subcommand]:
    def declare(
        run: Subcommand,
    ) -> Subcommand:
        name = syntax.split(" ", 1)[0].encode()
        _WORDS[name] = Word(run, least, least if most is None else most, syntax, help)
        return run

    return declare


@command(
    "DEBUG",
    group="server",
    since="1.0.0",
    flags="admin noscript loading stale",
    complexity="Depends on subcommand.",
    summary="Looks into the server, or makes it misbehave, for tests.",
    arity=-2,
)
def debug(ctx: Context, argv: list[bytes]) -> Outcome:
    allowed = ctx.instance.settings.enable_debug_command
    if allowed != "yes" and not (allowed == "local" and ctx.client.is_local):
        raise CommandError(_NOT_ALLOWED)
    word = _WORDS.get(argv[1].upper())
    if word is None or not word.least <= len(argv) - 2 <= word.most:
        raise _unknown(argv)
    return word.run(ctx, argv)


def _unknown(argv: list[bytes]) -> CommandError:
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP."
        % argv[1][:128]
    )


@_word("HELP", 0, help="Lists these words.")
def debug_help(ctx: Context, argv: list[bytes]) -> Reply:
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for word in _WORDS.values():
        lines.append(word.syntax)
        lines += wrap(word.help, 79, initial_indent="    ", subsequent_indent="    ")
    return lines


# --- data --------------------------------------------------------------------------------


@_word("DIGEST", 0, help="A number that two servers share if they hold the same data.")
def debug_digest(ctx: Context, argv: list[bytes]) -> Reply:
    return keyspace_digest(ctx.keyspace).hex()


@_word("DIGEST-VALUE [<key> ...]", 0, 1 << 30, help="The same for each of these keys' values.")
def debug_digest_value(ctx: Context, argv: list[bytes]) -> Reply:
    return [value_digest(ctx.db, key).hex() for key in argv[2:]]


@_word(
    "POPULATE <count> [<prefix>] [<size>]",
    1,
    3,
    help="Makes strings under key:<number>, or under another prefix. Existing keys stay.",
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


def _existing(db: Database, key: bytes) -> Value:
    """A value that may even have run out: looking into it must not remove it."""
    value = db.data.get(key)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    return value


@_word("OBJECT <key> [fast]", 1, 2, help="Where a value lies and how it is encoded.")
def debug_object(ctx: Context, argv: list[bytes]) -> Reply:
    value = _existing(ctx.db, argv[2])
    touched = ctx.db.accessed.get(argv[2], ctx.now)
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
    """About what the value takes in a snapshot: its bytes, and a length before each."""
    match value:
        case bytes() | bytearray():
            return len(value) + 1
        case Hash():
            return sum(len(field) + len(content) + 2 for field, content in value.items())
        case SortedSet():
            return sum(len(member) + 1 + _SCORE_SIZE for member in value)
        case Stream():
            return size_of(value, 0)
    return sum(len(item) + 1 for item in value)


@_word("SDSLEN <key>", 1, help="Lengths of a key and of the string under it.")
def debug_sdslen(ctx: Context, argv: list[bytes]) -> Reply:
    value = _existing(ctx.db, argv[2])
    if not isinstance(value, (bytes, bytearray)):
        raise CommandError("ERR Not an sds encoded string.")
    key_memory, memory = size_of(argv[2]), size_of(value)
    return (
        f"key_sds_len:{len(argv[2])}, key_sds_avail:0, key_zmalloc: {key_memory}, "
        f"val_sds_len:{len(value)}, val_sds_avail:0, val_zmalloc: {memory}"
    )


@_word("LISTPACK <key>", 1, help="Writes a compact value's items to the log.")
def debug_listpack(ctx: Context, argv: list[bytes]) -> Reply:
    value = _existing(ctx.db, argv[2])
    if isinstance(value, (bytes, bytearray, Stream)) or value.encoding != b"listpack":
        raise CommandError("ERR Not a listpack encoded object.")
    logger.info("Listpack under %r: %r", argv[2], list(value))
    return "Listpack structure printed on stdout"


@_word("QUICKLIST <key> [<0|1>]", 1, 2, help="Writes a list's items to the log.")
def debug_quicklist(ctx: Context, argv: list[bytes]) -> Reply:
    value = _existing(ctx.db, argv[2])
    if not isinstance(value, List) or value.encoding != b"quicklist":
        raise CommandError("ERR Not a quicklist encoded object.")
    logger.info("List under %r: %r", argv[2], list(value))
    return "Quicklist structure printed on stdout"


@_word("HTSTATS <dbid> [full]", 1, 2, help="Statistics of a database's tables.")
def debug_htstats(ctx: Context, argv: list[bytes]) -> Reply:
    index = parse_integer(argv[2])
    if not 0 <= index < len(ctx.keyspace.databases):
        raise CommandError("ERR Out of range database")
    database = ctx.keyspace.databases[index]
    text = f"[Dictionary HT]\n{_table(len(database))}[Expires HT]\n{_table(len(database.expires))}"
    return Verbatim(text.encode())


@_word("HTSTATS-KEY <key> [full]", 1, 2, help="Statistics of the table that a value is.")
def debug_htstats_key(ctx: Context, argv: list[bytes]) -> Reply:
    value = _existing(ctx.db, argv[2])
    if encoding_of(value) not in (b"hashtable", b"skiplist"):
        raise CommandError(
            "ERR The value stored at the specified key is not represented using an hash table"
        )
    return Verbatim(_table(len(value)).encode())


def _table(entries: int) -> str:
    title = "Hash table 0 stats (main hash table):\n"
    if not entries:
        return title + "No stats available for empty dictionaries\n"
    # The tables are Python's: kept at most two thirds full.
    size = 8
    while size * 2 // 3 < entries:
        size *= 2
    return f"{title} table size: {size}\n number of elements: {entries}\n"


@_word(
    "RELOAD [option ...]",
    0,
    1 << 30,
    help=(
        "Saves a snapshot, drops the data and reads it back. NOSAVE reads a snapshot that is "
        "there; NOFLUSH keeps the data; MERGE lets keys of the snapshot replace those there are."
    ),
)
def debug_reload(ctx: Context, argv: list[bytes]) -> Outcome:
    chosen = {word.upper() for word in argv[2:]}
    if chosen - {b"NOSAVE", b"NOFLUSH", b"MERGE"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    return Reload(
        save=b"NOSAVE" not in chosen, flush=b"NOFLUSH" not in chosen, merge=b"MERGE" in chosen
    )


@_word("LOADAOF", 0, help="Drops the data and reads it back from the log.")
def debug_loadaof(ctx: Context, argv: list[bytes]) -> Outcome:
    return ReloadLog()


# --- time and switches -------------------------------------------------------------------


@_word("SLEEP <seconds>", 1, help="Stops the whole server, as a slow command would.")
def debug_sleep(ctx: Context, argv: list[bytes]) -> Reply:
    # In earnest: that nobody is served meanwhile is what this is for.
    time.sleep(min(_LONGEST_SLEEP, max(0.0, _leading_number(argv[2]))))
    return OK


def _leading_number(text: bytes) -> float:
    """The number a text begins with, as C's strtod reads it; 0 if there is none."""
    found = re.match(rb"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", text)
    return float(found[0]) if found else 0.0


def _is_on(text: bytes) -> bool:
    return _leading_number(text) != 0


@_word(
    "SET-ACTIVE-EXPIRE <0|1>", 1, help="Whether keys that ran out go before somebody meets them."
)
def debug_set_active_expire(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.active_expire = _is_on(argv[2])
    return OK


@_word("PAUSE-CRON <0|1>", 1, help="Stops the regular background work.")
def debug_pause_cron(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.background_paused = _is_on(argv[2])
    return OK


@_word("SET-DISABLE-DENY-SCRIPTS <0|1>", 1, help="Lets scripts call what they may not.")
def debug_set_disable_deny_scripts(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.scripts_may_call_all = _is_on(argv[2])
    return OK


@_word("SET-SKIP-CHECKSUM-VALIDATION <0|1>", 1, help="Believes payloads without checking them.")
def debug_set_skip_checksum_validation(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.skip_checksums = _is_on(argv[2])
    return OK


@_word("CHANGE-REPL-ID", 0, help="Gives the data a new replication id.")
def debug_change_repl_id(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.replication_id = b"%040x" % ctx.rng.getrandbits(160)
    return OK


@_word("QUICKLIST-PACKED-THRESHOLD <size>", 1, help="Checked, and without effect.")
def debug_quicklist_packed_threshold(ctx: Context, argv: list[bytes]) -> Reply:
    try:
        Memory(0, (1 << 32) - 1).parse(argv[2].decode("latin-1"))
    except SettingError:
        raise CommandError(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
        ) from None
    return OK


@_word("REPLYBUFFER <PEAK-RESET-TIME|RESIZING> <value>", 2, help="Checked, and without effect.")
def debug_replybuffer(ctx: Context, argv: list[bytes]) -> Reply:
    if argv[2].upper() == b"PEAK-RESET-TIME":
        if argv[3].upper() not in (b"NEVER", b"RESET"):
            parse_integer(argv[3])
    elif argv[2].upper() != b"RESIZING":
        raise _unknown(argv)
    return OK


@_word("DICT-RESIZING <0|1>", 1, help="Without effect.")
@_word("AOF-FLUSH-SLEEP <microsec>", 1, help="Without effect.")
def debug_no_effect(ctx: Context, argv: list[bytes]) -> Reply:
    return OK


@_word("CONFIG-REWRITE-FORCE-ALL", 0, help="CONFIG REWRITE with every setting there is.")
def debug_config_rewrite_force_all(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.instance.settings
    try:
        if settings.config_file is None:
            raise FileNotFoundError(0, "Bad address")
        config_file.rewrite(settings, settings.config_file, everything=True)
    except OSError as error:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {error.strerror}") from None
    return OK


# --- replies -----------------------------------------------------------------------------


@_word("ERROR <string>", 1, help="Answers this error.")
def debug_error(ctx: Context, argv: list[bytes]) -> Reply:
    raise CommandError(argv[2])


@_word("LOG <message>", 1, help="Writes to the log.")
def debug_log(ctx: Context, argv: list[bytes]) -> Reply:
    logger.warning("DEBUG LOG: %s", argv[2].decode(errors="replace"))
    return OK


@_word("STRINGMATCH-TEST", 0, help="Matches random patterns against random texts.")
def debug_stringmatch_test(ctx: Context, argv: list[bytes]) -> Reply:
    for _ in range(1000):
        pattern, text = (
            bytes(ctx.rng.choices(b"ab*?[]^-\\", k=ctx.rng.randrange(12))) for _ in range(2)
        )
        glob_matcher(pattern)(text)
    return "Apparently Redis did not crash: test passed"


_BIG = b"1234567999999999999999999999999999999"
_AFTER_PUSH = b"Some real reply following the push reply"


@_word("PROTOCOL <type>", 1, help="Answers something of this type of reply.")
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
