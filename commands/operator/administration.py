"""SHUTDOWN, MONITOR, TIME, LOLWUT, and the commands for replication and modules."""

from __future__ import annotations

from random import Random

from commands.engine.arguments import Arguments
from commands.engine.containers import container
from commands.engine.effects import Outcome, Shutdown
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Integer, OneOf, String, Token
from commands.engine.numbers import parse_integer, read_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply, Verbatim
from commands.instance.context import Context
from commands.instance.instance import COMPATIBLE_VERSION


@command(
    "SHUTDOWN",
    group="server",
    since="1.0.0",
    flags="admin noscript loading stale no_multi allow_busy",
    complexity="O(N) for N keys if a snapshot is saved, otherwise O(1)",
    summary="Stops the server, saving a snapshot first if configured or requested.",
    arguments=[
        OneOf(
            "abort-selector",
            ArgumentGroup(
                "save-selector-block",
                OneOf("save-selector", Token("NOSAVE"), Token("SAVE"), optional=True),
                Token("NOW", optional=True),
                Token("FORCE", optional=True),
                Token("SAFE", optional=True, since="9.0.0"),
                Token("FAILOVER", optional=True, since="9.0.0"),
            ),
            Token("ABORT"),
            optional=True,
        )
    ],
)
def shutdown(ctx: Context, argv: list[bytes]) -> Outcome:
    words = [word.upper() for word in argv[1:]]
    if words == [b"ABORT"]:
        # A shutdown can only be aborted while it waits for replicas, and there are none.
        raise CommandError("ERR No shutdown in progress.")
    options = set(words)
    if options - {b"SAVE", b"NOSAVE", b"NOW", b"FORCE", b"SAFE"} or {b"SAVE", b"NOSAVE"} <= options:
        raise CommandError(SYNTAX)
    save = True if b"SAVE" in options else False if b"NOSAVE" in options else None
    return Shutdown(save=save, now=b"NOW" in options, force=b"FORCE" in options)


@command(
    "TIME",
    group="server",
    since="2.6.0",
    flags="loading stale fast",
    summary="Returns the time of the server in seconds and microseconds.",
    tips=["nondeterministic_output"],
)
def time(ctx: Context, argv: list[bytes]) -> Reply:
    # Inside of scripts and transactions time stands still.
    now = ctx.now * 1_000_000 if ctx.atomic else ctx.instance.clock.now_ns()
    seconds, nanoseconds = divmod(now, 1_000_000_000)
    return [b"%d" % seconds, b"%d" % (nanoseconds // 1000)]


@command(
    "MONITOR",
    group="server",
    since="1.0.0",
    flags="admin noscript loading stale",
    complexity="O(1)",
    summary="Streams all requests that the server runs to this connection.",
)
def monitor(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.monitor(ctx.client)
    return OK


@command(
    "LOLWUT",
    group="server",
    since="5.0.0",
    flags="readonly fast",
    complexity="O(N) for a picture of size N",
    summary="Draws a random picture and shows the version.",
    arguments=[Integer("version", "VERSION", optional=True)],
)
def lolwut(ctx: Context, argv: list[bytes]) -> Reply:
    sizes: list[int] = []
    if len(argv) >= 3 and argv[1].upper() == b"VERSION":
        parse_integer(argv[2])
        sizes = [parse_integer(word) for word in argv[3:5]]
    width, height = (*sizes, *(66, 8)[len(sizes) :])
    picture = _maze(ctx.rng, min(max(width, 1), 200), min(max(height, 1), 100))
    return Verbatim(f"{picture}\n\nRedkeep, Redis ver. {COMPATIBLE_VERSION}\n".encode())


def _maze(rng: Random, width: int, height: int) -> str:
    """Return rows of random diagonal strokes, which form a maze."""
    return "\n".join("".join(rng.choices("\u2571\u2572", k=width)) for _ in range(height))


# --- replication (not supported) -----------------------------------------------------------


@command(
    "ROLE",
    group="server",
    since="2.8.12",
    flags="noscript loading stale fast",
    summary="Returns the role in replication: always a master without replicas.",
    categories="admin dangerous",
)
def role(ctx: Context, argv: list[bytes]) -> Reply:
    return [b"master", 0, []]


_MASTER = OneOf(
    "args",
    ArgumentGroup("host-port", String("host"), Integer("port")),
    ArgumentGroup("no-one", Token("NO"), Token("ONE")),
)


@command(
    "REPLICAOF",
    group="server",
    since="5.0.0",
    flags="admin noscript stale no_async_loading",
    summary="Accepts only NO ONE, because replication is not supported.",
    arguments=[_MASTER],
)
def replicaof(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.refuse_in_cluster("REPLICAOF not allowed in cluster mode.")
    if argv[1].lower() == b"no" and argv[2].lower() == b"one":
        return OK
    port = read_integer(argv[2])
    if port is None or not 0 <= port <= 65535:
        raise CommandError("ERR Invalid master port")
    raise CommandError("ERR Redkeep cannot be a replica of another server")


@command(
    "SLAVEOF",
    group="server",
    since="1.0.0",
    flags="admin noscript stale no_async_loading",
    summary="Accepts only NO ONE, as REPLICAOF does.",
    arguments=[_MASTER],
    deprecated=("5.0.0", "`REPLICAOF`"),
)
def slaveof(ctx: Context, argv: list[bytes]) -> Reply:
    return replicaof(ctx, argv)


@command(
    "FAILOVER",
    group="server",
    since="6.2.0",
    flags="admin noscript stale",
    summary="Fails, because there is no replica to fail over to.",
    arguments=[
        ArgumentGroup(
            "target",
            String("host"),
            Integer("port"),
            Token("FORCE", optional=True),
            token="TO",
            optional=True,
        ),
        Token("ABORT", optional=True),
        Integer("milliseconds", "TIMEOUT", optional=True),
    ],
)
def failover(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2 and argv[1].upper() == b"ABORT":
        raise CommandError("ERR No failover in progress.")
    options = Arguments(argv)
    seen: set[bytes] = set()
    while options:
        option = options.option()
        if option in seen:
            raise CommandError(SYNTAX)
        seen.add(option)
        if option == b"TIMEOUT" and options:
            if options.integer() <= 0:
                raise CommandError("ERR FAILOVER timeout must be greater than 0")
        elif option == b"TO" and len(options) >= 2:
            options.word()
            options.integer()
        elif option != b"FORCE":
            raise CommandError(SYNTAX)
    raise CommandError("ERR FAILOVER requires connected replicas.")


# --- modules (not supported) ---------------------------------------------------------------

container(
    "MODULE",
    group="server",
    since="4.0.0",
    summary="Contains commands for modules, which are not supported.",
)


@command(
    "MODULE LIST",
    group="server",
    since="4.0.0",
    flags="admin noscript",
    complexity="O(N) for N modules",
    summary="Returns an empty list, because modules are not supported.",
    tips=["nondeterministic_output_order"],
)
def module_list(ctx: Context, argv: list[bytes]) -> Reply:
    return []


_LOADS = "admin noscript no_async_loading"


@command(
    "MODULE LOAD",
    group="server",
    since="4.0.0",
    flags=_LOADS,
    summary="Fails, because modules are not supported.",
    arguments=[String("path"), String("arg", optional=True, multiple=True)],
)
@command(
    "MODULE LOADEX",
    group="server",
    since="7.0.0",
    flags=_LOADS,
    summary="Fails, because modules are not supported.",
    arguments=[
        String("path"),
        ArgumentGroup(
            "configs",
            String("name"),
            String("value"),
            token="CONFIG",
            optional=True,
            multiple=True,
            multiple_token=True,
        ),
        String("args", "ARGS", optional=True, multiple=True),
    ],
)
def module_load(ctx: Context, argv: list[bytes]) -> Reply:
    _check_modules_allowed(ctx)
    raise CommandError("ERR Error loading the extension. Please check the server logs.")


@command(
    "MODULE UNLOAD",
    group="server",
    since="4.0.0",
    flags=_LOADS,
    summary="Fails, because no module is loaded.",
    arguments=[String("name")],
)
def module_unload(ctx: Context, argv: list[bytes]) -> Reply:
    _check_modules_allowed(ctx)
    raise CommandError("ERR Error unloading module: no such module with that name")


def _check_modules_allowed(ctx: Context) -> None:
    allowed = ctx.instance.settings.enable_module_command
    if allowed != "yes" and not (allowed == "local" and ctx.client.is_local):
        raise CommandError(
            'ERR MODULE command not allowed. If the enable-module-command option is set to "local",'
            " you can run it from a local connection, otherwise you need to set this option in the "
            "configuration file, and then restart the server."
        )
