"""CLIENT: describing, configuring, pausing and closing connections."""

from __future__ import annotations

from commands.engine.arguments import Arguments, parse_duration
from commands.engine.containers import container
from commands.engine.effects import Close, EndPause, Outcome, Unblock
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Argument, Integer, OneOf, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply, Verbatim
from commands.instance.context import Context
from commands.instance.guards import Guard
from commands.sessions.client_filters import (
    KILL_ARGUMENTS,
    LIST_ARGUMENTS,
    client_line,
    parse_filters,
)
from commands.sessions.connection import check_name

_ON_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")


def _switch(name: str, *words: str) -> Argument:
    return OneOf(name, *map(Token, words))


def _is_on(word: bytes) -> bool:
    if word.upper() not in (b"ON", b"OFF"):
        raise CommandError(SYNTAX)
    return word.upper() == b"ON"


container(
    "CLIENT",
    group="connection",
    since="2.4.0",
    summary="Contains commands that describe and control client connections.",
)


# --- the current connection -----------------------------------------------------------------


@command(
    "CLIENT ID",
    group="connection",
    since="5.0.0",
    flags="noscript loading stale allow_busy",
    summary="Returns the number that identifies the connection in CLIENT LIST.",
)
def client_id(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.client.id


@command(
    "CLIENT INFO",
    group="connection",
    since="6.2.0",
    flags="noscript loading stale",
    summary="Describes the connection in the format of CLIENT LIST.",
    tips=["nondeterministic_output"],
)
def client_info(ctx: Context, argv: list[bytes]) -> Reply:
    return Verbatim(client_line(ctx.client, argv, ctx.instance.clock.monotonic_ms()) + b"\n")


@command(
    "CLIENT GETNAME",
    group="connection",
    since="2.6.9",
    flags="noscript loading stale allow_busy",
    summary="Returns the name set for the connection, or nil if it has none.",
)
def client_getname(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.client.name or None


@command(
    "CLIENT SETNAME",
    group="connection",
    since="2.6.9",
    flags="noscript loading stale allow_busy",
    summary="Sets the name of the connection.",
    arguments=[String("connection-name")],
    tips=_ON_ALL_NODES,
)
def client_setname(ctx: Context, argv: list[bytes]) -> Reply:
    check_name(argv[2], b"Client names")
    ctx.client.name = argv[2]
    return OK


@command(
    "CLIENT SETINFO",
    group="connection",
    since="7.2.0",
    flags="noscript loading stale allow_busy",
    summary="Sets the name or version of the client library of the connection.",
    arguments=[OneOf("attr", String("libname", "LIB-NAME"), String("libver", "LIB-VER"))],
    tips=_ON_ALL_NODES,
)
def client_setinfo(ctx: Context, argv: list[bytes]) -> Reply:
    attribute, value = argv[2].upper(), argv[3]
    if attribute not in (b"LIB-NAME", b"LIB-VER"):
        raise CommandError(b"ERR Unrecognized option '%b'" % argv[2])
    check_name(value, argv[2])
    if attribute == b"LIB-NAME":
        ctx.client.lib_name = value
    else:
        ctx.client.lib_version = value
    return OK


@command(
    "CLIENT REPLY",
    group="connection",
    since="3.2.0",
    flags="noscript loading stale no_multi allow_busy",
    summary="Turns the replies to the connection on or off, or skips one.",
    arguments=[_switch("action", "ON", "OFF", "SKIP")],
)
def client_reply(ctx: Context, argv: list[bytes]) -> Reply:
    client, word = ctx.client, argv[2].upper()
    if word == b"ON":
        client.set_reply_mode("on")
    elif word == b"OFF":
        client.set_reply_mode("off")
    elif word != b"SKIP":
        raise CommandError(SYNTAX)
    elif client.reply_mode != "off":
        client.set_reply_mode("skip-next")
    # The new mode applies to this reply too, so only ON is followed by one.
    return OK


@command(
    "CLIENT NO-EVICT",
    group="connection",
    since="7.0.0",
    flags="admin noscript loading stale allow_busy",
    summary="Exempts the connection from being closed to free memory.",
    arguments=[_switch("enabled", "ON", "OFF")],
)
def client_no_evict(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.client.no_evict = _is_on(argv[2])
    return OK


@command(
    "CLIENT NO-TOUCH",
    group="connection",
    since="7.2.0",
    flags="noscript loading stale allow_busy",
    summary="Sets whether commands of the connection update the access time of keys.",
    arguments=[_switch("enabled", "ON", "OFF")],
)
def client_no_touch(ctx: Context, argv: list[bytes]) -> Reply:
    if _is_on(argv[2]):
        ctx.client.hold(Guard.NO_TOUCH)
    else:
        ctx.client.lift(Guard.NO_TOUCH)
    return OK


@command(
    "CLIENT CAPA",
    group="connection",
    since="8.0.0",
    flags="noscript loading stale allow_busy",
    summary="Declares the capabilities of the client.",
    arguments=[String("capability", multiple=True)],
)
def client_capa(ctx: Context, argv: list[bytes]) -> Reply:
    # Unknown capabilities are ignored, as in Valkey: they may be for other servers.
    if any(word.upper() == b"REDIRECT" for word in argv[2:]):
        ctx.client.capabilities = b"r"
    return OK


@command(
    "CLIENT IMPORT-SOURCE",
    group="connection",
    since="8.1.0",
    flags="noscript loading stale",
    summary="Marks the connection as the source of a data import.",
    arguments=[_switch("enabled", "ON", "OFF")],
)
def client_import_source(ctx: Context, argv: list[bytes]) -> Reply:
    if argv[2].upper() != b"OFF":
        raise CommandError("ERR Server is not in import mode")
    return OK


# --- all connections ------------------------------------------------------------------------


@command(
    "CLIENT LIST",
    group="connection",
    since="2.4.0",
    flags="admin noscript loading stale",
    complexity="O(N) for N connections.",
    summary="Describes the connections, one per line.",
    arguments=LIST_ARGUMENTS,
    tips=["nondeterministic_output"],
)
def client_list(ctx: Context, argv: list[bytes]) -> Reply:
    filters = parse_filters(ctx, Arguments(argv, 2), to_kill=False)
    mine, now = ctx.client, ctx.instance.clock.monotonic_ms()
    return Verbatim(
        b"".join(
            client_line(client, argv if client is mine else [], now) + b"\n"
            for client in filters.choose(ctx)
        )
    )


@command(
    "CLIENT KILL",
    group="connection",
    since="2.4.0",
    flags="admin noscript loading stale",
    complexity="O(N) for N connections.",
    summary="Closes connections by address or by filters.",
    # Each filter is optional, but at least one argument is required.
    arity=-3,
    arguments=KILL_ARGUMENTS,
)
def client_kill(ctx: Context, argv: list[bytes]) -> Outcome:
    if len(argv) == 3:
        address = argv[2]
        victims = [c for c in ctx.instance.clients.values() if c.address == address]
        if not victims:
            raise CommandError("ERR No such client")
        reply: Reply = OK
    else:
        filters = parse_filters(ctx, Arguments(argv, 2), to_kill=True)
        victims = list(filters.choose(ctx))
        reply = len(victims)
    for victim in victims:
        if victim is not ctx.client:
            victim.close("CLIENT KILL")
    # A client that closes its own connection gets the reply first.
    return Close(reply) if ctx.client in victims else reply


@command(
    "CLIENT PAUSE",
    group="connection",
    since="3.0.0",
    flags="admin noscript loading stale",
    summary="Suspends the requests of all connections for a time.",
    arguments=[
        Integer("timeout"),
        OneOf("mode", Token("WRITE"), Token("ALL"), optional=True, since="6.2.0"),
    ],
    history=[("6.2.0", "Accepts `WRITE`, which suspends only writes.")],
)
def client_pause(ctx: Context, argv: list[bytes]) -> Reply:
    mode = argv[3].upper() if len(argv) > 3 else b"ALL"
    if mode not in (b"WRITE", b"ALL"):
        raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    duration = parse_duration(argv[2], ctx.now)
    ctx.instance.pause(duration, writes_only=mode == b"WRITE")
    return OK


@command(
    "CLIENT UNPAUSE",
    group="connection",
    since="6.2.0",
    flags="admin noscript loading stale",
    complexity="O(N) for N paused connections.",
    summary="Ends a pause started by CLIENT PAUSE.",
)
def client_unpause(ctx: Context, argv: list[bytes]) -> Outcome:
    return EndPause()


@command(
    "CLIENT UNBLOCK",
    group="connection",
    since="5.0.0",
    flags="admin noscript loading stale",
    complexity="O(log(N)) for N connections.",
    summary="Unblocks a connection that is blocked in a command.",
    arguments=[
        Integer("client-id"),
        OneOf("unblock-type", Token("TIMEOUT"), Token("ERROR"), optional=True),
    ],
)
def client_unblock(ctx: Context, argv: list[bytes]) -> Outcome:
    reason = argv[3].upper() if len(argv) == 4 else b"TIMEOUT"
    if reason not in (b"TIMEOUT", b"ERROR"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    return Unblock(parse_integer(argv[2]), with_error=reason == b"ERROR")
