"""FCALL, FCALL_RO and FUNCTION: libraries of functions that are kept with the data."""

from __future__ import annotations

from commands.engine.arguments import Arguments
from commands.engine.containers import container
from commands.engine.effects import Outcome, RunScript
from commands.engine.errors import CommandError
from commands.engine.grammar import OneOf, String, Token
from commands.engine.patterns import glob_matcher
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply, SetReply
from commands.instance.context import Context
from commands.scripting.eval import (
    RUN_FLAGS,
    key_specs,
    keys_and_arguments,
    split_keys,
    stop_running,
)
from commands.scripting.functions import Library, libraries_of
from commands.scripting.sandbox import Registration
from commands.scripting.shebang import FLAGS
from storage.rdb import (
    NotALibrary,
    PayloadMismatch,
    RdbError,
    dump_libraries,
    load_libraries,
)

_WRITES, _READS = "RW access update", "RO access"
_BAD_PAYLOAD = "ERR DUMP payload version or checksum are wrong"
_ON_ALL = "request_policy:all_shards"
_ON_ALL_WRITE = [_ON_ALL, "response_policy:all_succeeded"]


def _fcall(ctx: Context, argv: list[bytes], *, writes: bool) -> Outcome:
    libraries = libraries_of(ctx.instance)
    function = libraries.find(argv[1])
    if function is None:
        raise CommandError("ERR Function not found")
    keys, arguments = split_keys(argv, "ERR Bad number of keys provided")
    return RunScript(
        lambda door: libraries.call(function, keys, arguments, door),
        writes,
        function.registration.flags,
        argv,
        function.registration.name,
    )


@command(
    "FCALL",
    group="scripting",
    since="7.0.0",
    flags=RUN_FLAGS,
    complexity="Depends on the function that is executed.",
    summary="Runs a function.",
    arguments=[String("function"), *keys_and_arguments(_WRITES)],
    keys=key_specs(_WRITES),
)
def fcall(ctx: Context, argv: list[bytes]) -> Outcome:
    """The function gets the keys and the other arguments as two tables. Otherwise it runs as a
    script does with `EVAL`; one that runs for long is stopped with `FUNCTION KILL`.

        > FUNCTION LOAD "#!lua name=a\\nredis.register_function('key', function(k) return k[1] end)"
        "a"
        > FCALL key 2 k1 k2 arg
        "k1"
    """
    return _fcall(ctx, argv, writes=True)


@command(
    "FCALL_RO",
    group="scripting",
    since="7.0.0",
    flags=f"readonly {RUN_FLAGS}",
    complexity="Depends on the function that is executed.",
    summary="Runs a function that must not write.",
    arguments=[String("function"), *keys_and_arguments(_READS)],
    keys=key_specs(_READS),
)
def fcall_ro(ctx: Context, argv: list[bytes]) -> Outcome:
    """Like `FCALL`, for functions that are registered with the flag `no-writes`."""
    return _fcall(ctx, argv, writes=False)


# --- FUNCTION -------------------------------------------------------------------------------------

container(
    "FUNCTION",
    group="scripting",
    since="7.0.0",
    summary="A container for commands that manage functions.",
)


@command(
    "FUNCTION LOAD",
    group="scripting",
    since="7.0.0",
    flags="write denyoom noscript",
    complexity="O(1) (considering compilation time is redundant)",
    summary="Loads a library of functions.",
    arguments=[Token("REPLACE", optional=True), String("function-code")],
    tips=_ON_ALL_WRITE,
)
def function_load(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns the name of the library. Libraries are data: they are in snapshots and in the log.

    The first line names the library: `#!lua name=<name>`. The code runs once, for at most half a
    second. It registers the functions of the library and cannot run commands:

        redis.register_function('name', function(keys, args) … end)
        redis.register_function{
          function_name='name', callback=function(keys, args) … end,
          flags={'no-writes'}, description='…'}

    The flags are `no-writes`, `allow-oom`, `allow-stale`, `no-cluster` and
    `allow-cross-slot-keys`. Functions of a library share its local variables; global variables
    cannot be set. Names of functions are unique in all libraries. With `REPLACE`, a library of the
    same name is replaced; if the new code has an error, the old library stays.

        > FUNCTION LOAD "#!lua name=b\\nredis.register_function('n', function(_, a) return #a end)"
        "b"
        > FCALL n 0 x y z
        (integer) 3
        > FUNCTION LOAD "#!lua name=b\\nreturn 1"
        (error) ERR Library 'b' already exists
    """
    replace = False
    for word in argv[2:-1]:
        if word.upper() != b"REPLACE":
            raise CommandError(b"ERR Unknown option given: " + word)
        replace = True
    name = libraries_of(ctx.instance).load(argv[-1], replace=replace)
    ctx.keyspace.dirty += 1
    return name


@command(
    "FUNCTION DELETE",
    group="scripting",
    since="7.0.0",
    flags="write noscript",
    complexity="O(1)",
    summary="Removes a library with its functions.",
    arguments=[String("library-name")],
    tips=_ON_ALL_WRITE,
)
def function_delete(ctx: Context, argv: list[bytes]) -> Reply:
    """An error if there is no such library.

    > FUNCTION DELETE missing
    (error) ERR Library not found
    """
    if not libraries_of(ctx.instance).remove(argv[2]):
        raise CommandError("ERR Library not found")
    ctx.keyspace.dirty += 1
    return OK


@command(
    "FUNCTION FLUSH",
    group="scripting",
    since="7.0.0",
    flags="write noscript",
    complexity="O(N) where N is the number of functions deleted",
    summary="Removes all libraries.",
    arguments=[
        OneOf("async", Token("ASYNC", name="async"), Token("SYNC", name="sync"), optional=True)
    ],
    tips=_ON_ALL_WRITE,
)
def function_flush(ctx: Context, argv: list[bytes]) -> Reply:
    """`ASYNC` and `SYNC` make no difference.

    > FUNCTION FLUSH
    OK
    > FUNCTION LIST
    (empty array)
    """
    if len(argv) > 3:
        raise _wrong_words(argv)
    if len(argv) == 3 and argv[2].upper() not in (b"ASYNC", b"SYNC"):
        raise CommandError("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    libraries_of(ctx.instance).clear()
    ctx.keyspace.dirty += 1
    return OK


def _wrong_words(argv: list[bytes]) -> CommandError:
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try FUNCTION HELP."
        % argv[1][:128]
    )


@command(
    "FUNCTION LIST",
    group="scripting",
    since="7.0.0",
    flags="noscript",
    complexity="O(N) where N is the number of functions",
    summary="Lists the libraries and their functions.",
    arguments=[
        String("library-name-pattern", "LIBRARYNAME", optional=True),
        Token("WITHCODE", optional=True),
    ],
    tips=["nondeterministic_output_order"],
)
def function_list(ctx: Context, argv: list[bytes]) -> Reply:
    """`LIBRARYNAME` lists the libraries whose names match a pattern, in upper or lower case.
    `WITHCODE` adds the code of each library.

        > FUNCTION LOAD "#!lua name=numbers\\nredis.register_function('one', function() end)"
        "numbers"
        > FUNCTION LIST LIBRARYNAME num*
        1) 1) "library_name"
           2) "numbers"
           3) "engine"
           4) "LUA"
           5) "functions"
           6) 1) 1) "name"
                 2) "one"
                 3) "description"
                 4) (nil)
                 5) "flags"
                 6) (empty array)
    """
    pattern: bytes | None = None
    with_code = False
    words = Arguments(argv, 2)
    while words:
        word = words.word()
        if word.upper() == b"WITHCODE" and not with_code:
            with_code = True
        elif word.upper() == b"LIBRARYNAME" and pattern is None:
            if not words:
                raise CommandError("ERR library name argument was not given")
            pattern = words.word()
        else:
            raise CommandError(b"ERR Unknown argument " + word)
    matches = glob_matcher(b"*" if pattern is None else pattern, ignore_case=True)
    return [
        _shown(library, with_code=with_code)
        for library in libraries_of(ctx.instance)
        if matches(library.name)
    ]


def _shown(library: Library, *, with_code: bool) -> Reply:
    fields: list[tuple[Reply, Reply]] = [
        (b"library_name", library.name),
        (b"engine", b"LUA"),
        (b"functions", [_shown_function(each) for each in library.registrations]),
    ]
    if with_code:
        fields.append((b"library_code", library.code))
    return MapReply(fields)


def _shown_function(function: Registration) -> Reply:
    flags: list[Reply] = [flag.decode() for flag in FLAGS if flag in function.flags]
    return MapReply(
        [
            (b"name", function.name),
            (b"description", function.description),
            (b"flags", SetReply(flags)),
        ]
    )


@command(
    "FUNCTION STATS",
    group="scripting",
    since="7.0.0",
    flags="noscript allow_busy",
    complexity="O(1)",
    summary="Returns the function that runs now, and how many functions there are.",
    tips=["nondeterministic_output", _ON_ALL, "response_policy:special"],
)
def function_stats(ctx: Context, argv: list[bytes]) -> Reply:
    """A function that runs is shown once it has run for longer than `busy-reply-threshold`.

    > FUNCTION FLUSH
    OK
    > FUNCTION STATS
    1) "running_script"
    2) (nil)
    3) "engines"
    4) 1) "LUA"
       2) 1) "libraries_count"
          2) (integer) 0
          3) "functions_count"
          4) (integer) 0
    """
    running = ctx.instance.running_script
    shown: Reply = None
    if running is not None:
        if running.function is None:
            raise CommandError(running.busy_error)
        shown = MapReply(
            [
                (b"name", running.function),
                (b"command", list(running.argv)),
                (b"duration_ms", running.elapsed_ns // 1_000_000),
            ]
        )
    libraries = libraries_of(ctx.instance)
    counts = MapReply(
        [
            (b"libraries_count", len(libraries)),
            (b"functions_count", libraries.function_count),
        ]
    )
    return MapReply([(b"running_script", shown), (b"engines", MapReply([(b"LUA", counts)]))])


@command(
    "FUNCTION KILL",
    group="scripting",
    since="7.0.0",
    flags="noscript allow_busy",
    complexity="O(1)",
    summary="Stops the running function if it has not written anything.",
    tips=[_ON_ALL, "response_policy:one_succeeded"],
)
def function_kill(ctx: Context, argv: list[bytes]) -> Reply:
    """Possible once the function has run for longer than `busy-reply-threshold`.

    > FUNCTION KILL
    (error) NOTBUSY No scripts in execution right now.
    """
    return stop_running(ctx, function=True)


@command(
    "FUNCTION DUMP",
    group="scripting",
    since="7.0.0",
    flags="noscript",
    complexity="O(N) where N is the number of functions",
    summary="Returns all libraries in the binary format that FUNCTION RESTORE reads.",
)
def function_dump(ctx: Context, argv: list[bytes]) -> Reply:
    """Redis and Valkey read the format too."""
    codes = libraries_of(ctx.instance).codes()
    return dump_libraries(codes, compress=ctx.instance.settings.rdbcompression)


@command(
    "FUNCTION RESTORE",
    group="scripting",
    since="7.0.0",
    flags="write denyoom noscript",
    complexity="O(N) where N is the number of functions on the payload",
    summary="Loads the libraries that FUNCTION DUMP returned.",
    arguments=[
        String("serialized-value"),
        OneOf("policy", Token("FLUSH"), Token("APPEND"), Token("REPLACE"), optional=True),
    ],
    tips=_ON_ALL_WRITE,
)
def function_restore(ctx: Context, argv: list[bytes]) -> Reply:
    """`FLUSH` removes all present libraries, `REPLACE` those of the same names. With `APPEND`, or
    without a policy, libraries of the same names are an error. An error changes nothing.
    """
    if len(argv) > 4:
        raise _wrong_words(argv)
    policy = argv[3].upper() if len(argv) == 4 else b"APPEND"
    if policy not in (b"FLUSH", b"APPEND", b"REPLACE"):
        raise CommandError(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
        )
    try:
        codes = load_libraries(argv[2])
    except PayloadMismatch:
        raise CommandError(_BAD_PAYLOAD) from None
    except NotALibrary:
        raise CommandError("ERR given type is not a function") from None
    except RdbError:
        raise CommandError("ERR Failed loading library payload") from None
    libraries = libraries_of(ctx.instance)
    if policy == b"FLUSH":
        libraries.replace_all(codes)
    else:
        libraries.add(codes, replace=policy == b"REPLACE")
    ctx.keyspace.dirty += 1
    return OK
