"""EVAL, EVALSHA and their read-only forms, and SCRIPT."""

from __future__ import annotations

from commands.engine.containers import container
from commands.engine.effects import Outcome, RunScript
from commands.engine.errors import NOT_AN_INTEGER, CommandError
from commands.engine.grammar import Argument, Integer, Key, OneOf, String, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from commands.scripting.scripts import SHA_LENGTH, scripts_of

_NO_SCRIPT = "NOSCRIPT No matching script. Please use EVAL."
RUN_FLAGS = "noscript stale skip_monitor no_mandatory_keys"
_KILLED = b"ERR Script killed by user with SCRIPT KILL..."
_NOT_BUSY = "NOTBUSY No scripts in execution right now."
_UNKILLABLE = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
    "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
    "NOSAVE command."
)


def keys_and_arguments(access: str) -> list[Argument]:
    return [
        Integer("numkeys"),
        Key("key", access, optional=True, multiple=True),
        String("arg", optional=True, multiple=True),
    ]


def key_specs(access: str) -> list[KeySpec]:
    return [KeySpec(access, index=2, numkeys=True)]


_WRITES, _READS = "RW access update", "RO access"


def split_keys(
    argv: list[bytes], not_a_number: str = NOT_AN_INTEGER
) -> tuple[list[bytes], list[bytes]]:
    """The keys and the other arguments of a script."""
    count = parse_integer(argv[2], not_a_number)
    if count > len(argv) - 3:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError("ERR Number of keys can't be negative")
    return argv[3 : 3 + count], argv[3 + count :]


def _eval(ctx: Context, argv: list[bytes], *, writes: bool) -> Outcome:
    keys, arguments = split_keys(argv)
    scripts = scripts_of(ctx.instance)
    script = scripts.load(argv[1])
    return RunScript(
        lambda door: scripts.run(script, keys, arguments, door), writes, script.flags, argv
    )


def _evalsha(ctx: Context, argv: list[bytes], *, writes: bool) -> Outcome:
    if len(argv[1]) != SHA_LENGTH:
        raise CommandError(_NO_SCRIPT)
    keys, arguments = split_keys(argv)
    scripts = scripts_of(ctx.instance)
    script = scripts.find(argv[1])
    if script is None:
        raise CommandError(_NO_SCRIPT)
    return RunScript(
        lambda door: scripts.run(script, keys, arguments, door), writes, script.flags, argv
    )


@command(
    "EVAL",
    group="scripting",
    since="2.6.0",
    flags=RUN_FLAGS,
    complexity="Depends on the script that is executed.",
    summary="Runs a Lua script.",
    arguments=[String("script"), *keys_and_arguments(_WRITES)],
    keys=key_specs(_WRITES),
)
def eval_(ctx: Context, argv: list[bytes]) -> Outcome:
    """The script sees the keys as `KEYS` and the other arguments as `ARGV`, and runs commands
    with `redis.call`. It runs to its end before any other client is served, unless it runs for
    longer than the setting `busy-reply-threshold`: others are then told so, and can stop it with
    `SCRIPT KILL` if it has not written anything.

        > EVAL "return redis.call('INCRBY', KEYS[1], ARGV[1])" 1 visits 5
        (integer) 5
    """
    return _eval(ctx, argv, writes=True)


@command(
    "EVALSHA",
    group="scripting",
    since="2.6.0",
    flags=RUN_FLAGS,
    complexity="Depends on the script that is executed.",
    summary="Runs a Lua script that was loaded before, by its SHA1.",
    arguments=[String("sha1"), *keys_and_arguments(_WRITES)],
    keys=key_specs(_WRITES),
)
def evalsha(ctx: Context, argv: list[bytes]) -> Outcome:
    """A script is loaded by `SCRIPT LOAD` and by `EVAL`. If it is not, the error is `NOSCRIPT`.

    > SCRIPT LOAD "return ARGV[1]"
    "098e0f0d1448c0a81dafe820f66d460eb09263da"
    > EVALSHA 098e0f0d1448c0a81dafe820f66d460eb09263da 0 hello
    "hello"
    """
    return _evalsha(ctx, argv, writes=True)


@command(
    "EVAL_RO",
    group="scripting",
    since="7.0.0",
    flags=f"readonly {RUN_FLAGS}",
    complexity="Depends on the script that is executed.",
    summary="Runs a Lua script that must not write.",
    arguments=[String("script"), *keys_and_arguments(_READS)],
    keys=key_specs(_READS),
)
def eval_ro(ctx: Context, argv: list[bytes]) -> Outcome:
    """Like `EVAL`; a command that writes is an error of the script."""
    return _eval(ctx, argv, writes=False)


@command(
    "EVALSHA_RO",
    group="scripting",
    since="7.0.0",
    flags=f"readonly {RUN_FLAGS}",
    complexity="Depends on the script that is executed.",
    summary="Runs a loaded Lua script that must not write, by its SHA1.",
    arguments=[String("sha1"), *keys_and_arguments(_READS)],
    keys=key_specs(_READS),
)
def evalsha_ro(ctx: Context, argv: list[bytes]) -> Outcome:
    """Like `EVALSHA`; a command that writes is an error of the script."""
    return _evalsha(ctx, argv, writes=False)


# --- SCRIPT ---------------------------------------------------------------------------------------


def stop_running(ctx: Context, *, function: bool) -> Reply:
    """Stop the script that runs, or the function; each has a command of its own for that."""
    running = ctx.instance.running_script
    if running is None:
        raise CommandError(_NOT_BUSY)
    if (running.function is not None) != function:
        raise CommandError(running.busy_error)
    if running.wrote:
        raise CommandError(_UNKILLABLE)
    running.stopped_by = _KILLED
    return OK


container(
    "SCRIPT",
    group="scripting",
    since="2.6.0",
    help_since="5.0.0",
    summary="A container for commands that manage scripts.",
)


@command(
    "SCRIPT LOAD",
    group="scripting",
    since="2.6.0",
    flags="noscript stale",
    complexity="O(N) with N being the length in bytes of the script body.",
    summary="Compiles a script and keeps it for EVALSHA.",
    arguments=[String("script")],
    tips=["request_policy:all_nodes", "response_policy:all_succeeded"],
)
def script_load(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns the SHA1 of the script, in hex digits. Scripts are kept until `SCRIPT FLUSH` or
    the end of the server.

        > SCRIPT LOAD "return 1"
        "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
    """
    return scripts_of(ctx.instance).load(argv[2], keep=True).sha


@command(
    "SCRIPT EXISTS",
    group="scripting",
    since="2.6.0",
    flags="noscript",
    complexity="O(N) with N being the number of scripts to check (so checking a single script "
    "is an O(1) operation).",
    summary="Returns which scripts are loaded.",
    arguments=[String("sha1", multiple=True)],
    tips=["request_policy:all_shards", "response_policy:agg_logical_and"],
)
def script_exists(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1 or 0 for each SHA1.

    > SCRIPT EXISTS 0000000000000000000000000000000000000000
    1) (integer) 0
    """
    scripts = scripts_of(ctx.instance)
    return [int(scripts.find(sha) is not None) for sha in argv[2:]]


@command(
    "SCRIPT SHOW",
    group="scripting",
    since="8.0.0",
    flags="noscript stale",
    complexity="O(1).",
    summary="Returns the text of a loaded script.",
    arguments=[String("sha1")],
)
def script_show(ctx: Context, argv: list[bytes]) -> Reply:
    """The text is that of `SCRIPT LOAD` or `EVAL`.

    > SCRIPT LOAD "return 1"
    "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
    > SCRIPT SHOW e0e1f9fabfc9d4800c877a703b823ac0578ff8db
    "return 1"
    """
    script = scripts_of(ctx.instance).find(argv[2])
    if script is None:
        raise CommandError("NOSCRIPT No matching script.")
    return script.body


@command(
    "SCRIPT FLUSH",
    group="scripting",
    since="2.6.0",
    flags="noscript",
    complexity="O(N) with N being the number of scripts in cache",
    summary="Forgets all loaded scripts.",
    arguments=[
        OneOf("async", Token("ASYNC", name="async"), Token("SYNC", name="sync"), optional=True)
    ],
    tips=["request_policy:all_nodes", "response_policy:all_succeeded"],
    history=[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
)
def script_flush(ctx: Context, argv: list[bytes]) -> Reply:
    """`ASYNC` and `SYNC` make no difference."""
    if len(argv) > 3 or (len(argv) == 3 and argv[2].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    scripts_of(ctx.instance).flush()
    return OK


@command(
    "SCRIPT KILL",
    group="scripting",
    since="2.6.0",
    flags="noscript allow_busy",
    summary="Stops the running script if it has not written anything.",
    tips=["request_policy:all_shards", "response_policy:one_succeeded"],
)
def script_kill(ctx: Context, argv: list[bytes]) -> Reply:
    """Possible once the script has run for longer than `busy-reply-threshold`.

    > SCRIPT KILL
    (error) NOTBUSY No scripts in execution right now.
    """
    return stop_running(ctx, function=False)


@command(
    "SCRIPT DEBUG",
    group="scripting",
    since="3.2.0",
    flags="noscript",
    summary="Chooses whether scripts are debugged, which is not supported.",
    arguments=[OneOf("mode", *(Token(word, name=word.lower()) for word in ("YES", "SYNC", "NO")))],
)
def script_debug(ctx: Context, argv: list[bytes]) -> Reply:
    """`NO` is accepted; the others are an error."""
    mode = argv[2].upper()
    if mode not in (b"YES", b"SYNC", b"NO"):
        raise CommandError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    if mode != b"NO":
        raise CommandError("ERR Redkeep has no debugger for scripts")
    return OK
