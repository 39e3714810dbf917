"""Connections: PING, authentication, choice of protocol and database, closing."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.effects import Close, Outcome
from commands.engine.errors import DB_INDEX_OUT_OF_RANGE, SYNTAX, CommandError, wrong_arity
from commands.engine.grammar import ArgumentGroup, Integer, String
from commands.engine.numbers import INT32_MAX, INT32_MIN, parse_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from commands.instance.instance import COMPATIBLE_VERSION
from commands.instance.users.table import DEFAULT
from commands.sessions.client_filters import note_denial

_AUTH_FAILED = "WRONGPASS invalid username-password pair or user is disabled."
_HELLO_NEEDS_AUTH = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
    "RESP protocol version at the same time"
)
_NOT_INT32 = f"ERR value is out of range, value must between {INT32_MIN} and {INT32_MAX}"


@command(
    "PING",
    group="connection",
    since="1.0.0",
    flags="fast",
    summary="Returns PONG, or the message given.",
    arguments=[String("message", optional=True)],
    tips=["request_policy:all_shards", "response_policy:all_succeeded"],
)
def ping(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        raise wrong_arity("ping")
    message = argv[1] if len(argv) == 2 else None
    if ctx.client.resp == 2 and ctx.client.subscriptions:
        return [b"pong", message or b""]
    return "PONG" if message is None else message


@command(
    "ECHO",
    group="connection",
    since="1.0.0",
    flags="loading stale fast",
    summary="Returns its argument.",
    arguments=[String("message")],
)
def echo(ctx: Context, argv: list[bytes]) -> Reply:
    return argv[1]


@dataclass(slots=True)
class Select:
    index: int


@command(
    "SELECT",
    group="connection",
    since="1.0.0",
    flags="loading stale fast allow_busy",
    summary="Selects the database of the connection.",
    arguments=[
        Integer(
            "index",
            low=INT32_MIN,
            high=INT32_MAX,
            range_message=_NOT_INT32,
        )
    ],
    request=Select,
)
def select(ctx: Context, request: Select) -> Reply:
    if request.index:
        ctx.refuse_in_cluster("SELECT is not allowed in cluster mode")
    databases = ctx.keyspace.databases
    if not 0 <= request.index < len(databases):
        raise CommandError(DB_INDEX_OUT_OF_RANGE)
    ctx.select(databases[request.index])
    return OK


@command(
    "QUIT",
    group="connection",
    since="1.0.0",
    flags="noscript loading stale fast no_auth allow_busy",
    arity=-1,
    summary="Closes the connection after all pending replies are sent.",
    deprecated=("7.2.0", "closing the connection"),
)
def quit_(ctx: Context, argv: list[bytes]) -> Outcome:
    return Close(OK)


@command(
    "RESET",
    group="connection",
    since="6.2.0",
    flags="noscript loading stale fast no_auth allow_busy",
    summary="Resets the connection to its initial state.",
)
def reset(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.instance.reset_client(ctx.client)
    ctx.select(ctx.keyspace.databases[0])
    return "RESET"


# --- authentication -------------------------------------------------------------------------


@command(
    "AUTH",
    group="connection",
    since="1.0.0",
    flags="noscript loading stale fast no_auth allow_busy",
    complexity="O(N) for N passwords of the user.",
    summary="Logs the connection in with a password, and optionally a user name.",
    arguments=[String("username", optional=True, since="6.0.0"), String("password")],
    history=[("6.0.0", "Accepts a user name.")],
)
def auth(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise CommandError(SYNTAX)
    if len(argv) == 2 and ctx.instance.users.default.needs_no_password:
        raise CommandError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    authenticate(ctx, argv, argv[1] if len(argv) == 3 else DEFAULT, argv[-1])
    return OK


def authenticate(ctx: Context, argv: list[bytes], username: bytes, password: bytes) -> None:
    """Authenticate the client as this user; an error if the password is wrong."""
    instance, client = ctx.instance, ctx.client
    user = instance.users.authenticate(username, password)
    if user is None:
        context = "toplevel" if client.transaction is None and not ctx.atomic else "multi"
        note_denial(instance, client, argv, "auth", context, argv[0], username)
        raise CommandError(_AUTH_FAILED)
    client.log_in(user)


@command(
    "HELLO",
    group="connection",
    since="6.0.0",
    flags="noscript loading stale fast no_auth allow_busy",
    summary="Sets the protocol version and describes the server and the connection.",
    arguments=[
        ArgumentGroup(
            "arguments",
            Integer("protover"),
            ArgumentGroup(
                "auth", String("username"), String("password"), token="AUTH", optional=True
            ),
            String("clientname", "SETNAME", optional=True),
            optional=True,
        )
    ],
    history=[("6.2.0", "Without a version, keeps the protocol.")],
)
def hello(ctx: Context, argv: list[bytes]) -> Reply:
    client = ctx.client
    version = client.resp
    credentials: list[bytes] = []
    name: bytes | None = None
    if len(argv) > 1:
        version = parse_integer(argv[1], "ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise CommandError("NOPROTO unsupported protocol version")
        arguments = Arguments(argv, 2)
        while arguments:
            word = arguments.word()
            option = word.upper()
            if option == b"AUTH" and len(arguments) >= 2:
                credentials = arguments.words(2)
            elif option == b"SETNAME" and arguments:
                name = arguments.word()
                check_name(name, b"Client names")
            else:
                raise CommandError(b"ERR Syntax error in HELLO option '%b'" % word)
    if credentials:
        authenticate(ctx, argv, credentials[0], credentials[1])
    if not client.authenticated:
        raise CommandError(_HELLO_NEEDS_AUTH)
    if name is not None:
        client.name = name
    if version != client.resp:
        client.speak(version)
    return {
        b"server": b"redis",
        b"version": COMPATIBLE_VERSION.encode(),
        b"proto": version,
        b"id": client.id,
        b"mode": b"standalone" if ctx.instance.cluster is None else b"cluster",
        b"role": b"master",
        b"modules": [],
    }


def check_name(name: bytes, what: bytes) -> None:
    """Reject a name that would not be a single word in CLIENT LIST."""
    if not all(0x21 <= byte <= 0x7E for byte in name):
        raise CommandError(b"ERR %b cannot contain spaces, newlines or special characters." % what)
