"""Running scripts and functions: what `redis` offers them, and the one that runs now."""

from __future__ import annotations

import logging
from hashlib import sha1

from commands.engine.effects import ScriptDoor
from commands.engine.errors import CommandError
from commands.engine.numbers import read_integer
from commands.engine.replies import ErrorReply, Reply
from commands.instance.instance import COMPATIBLE_VERSION
from commands.scripting.drand48 import Drand48
from commands.scripting.libraries import LIBRARIES
from commands.scripting.libraries.services import LibraryError, LuaValue, expected
from commands.scripting.sandbox import Functions, Registration, Sandbox, Script
from commands.scripting.shebang import FLAGS
from commands.scripting.values import FromLua, ToLua, number_text, whole_number

logger = logging.getLogger("redkeep")

_ARGUMENTS = "ERR Lua redis lib command arguments must be strings or integers"
_NO_ARGUMENTS = "ERR Please specify at least one argument for this redis lib call"
_RUNS_ALREADY = "ERR A script cannot run another one"
_LEVELS = (logging.DEBUG, logging.INFO, logging.INFO, logging.WARNING)
_REPLICATION_FLAGS = range(4)
_MAJOR, _MINOR, _PATCH = map(int, COMPATIBLE_VERSION.split("."))
_VERSION_NUMBER = _MAJOR << 16 | _MINOR << 8 | _PATCH


class Engine:
    """An interpreter and the script that runs in it, or the function if it is `for_functions`."""

    def __init__(self, memory: int, random: Drand48, *, for_functions: bool = False) -> None:
        self._door: ScriptDoor | None = None
        self._resp = 2
        self._random = random
        self._sandbox = Sandbox(
            self,
            redis={
                "sha1hex": _sha1hex,
                "log": _log,
                "setresp": self._set_resp,
                "set_repl": _set_replication,
                "acl_check_cmd": self._check_command,
                "LOG_DEBUG": 0,
                "LOG_VERBOSE": 1,
                "LOG_NOTICE": 2,
                "LOG_WARNING": 3,
                "SERVER_NAME": b"redkeep",
                "REDIS_VERSION": COMPATIBLE_VERSION.encode(),
                "REDIS_VERSION_NUM": _VERSION_NUMBER,
            },
            random={"random": self._draw, "randomseed": self._seed},
            libraries=LIBRARIES,
            memory=memory,
            function_flags=FLAGS if for_functions else None,
        )
        table = self._sandbox.lua.table_from
        self._to_lua = {2: ToLua(table, 2), 3: ToLua(table, 3)}
        self._table = table
        self._from_lua = FromLua(type(table(())))

    @property
    def memory_used(self) -> int:
        return self._sandbox.memory_used

    def compile(self, body: bytes) -> Script:
        """CompileError if the script is not valid."""
        return self._sandbox.compile(body)

    def run(
        self, script: Script, keys: list[bytes], arguments: list[bytes], door: ScriptDoor
    ) -> Reply:
        """Run a script to its end; ScriptError if it fails."""
        self._open(door)
        try:
            return self._from_lua(self._sandbox.run(script, keys, arguments), self._resp)
        finally:
            self._door = None

    def load(self, code: bytes, door: ScriptDoor) -> tuple[Functions, list[Registration]]:
        """Run the code of a library, which registers its functions; ScriptError if it fails."""
        self._open(door)
        try:
            return self._sandbox.load(code)
        finally:
            self._door = None

    def call_function(
        self,
        functions: Functions,
        name: bytes,
        keys: list[bytes],
        arguments: list[bytes],
        door: ScriptDoor,
    ) -> Reply:
        """Run a function of a library to its end; ScriptError if it fails."""
        self._open(door)
        try:
            returned = self._sandbox.call(functions, name, keys, arguments)
            return self._from_lua(returned, self._resp)
        finally:
            self._door = None

    def _open(self, door: ScriptDoor) -> None:
        """What runs now reaches the keyspace through this door."""
        if self._door is not None:
            raise CommandError(_RUNS_ALREADY)
        self._door, self._resp = door, 2

    # --- what scripts call ------------------------------------------------------------------

    def call(self, *words: LuaValue) -> LuaValue:
        assert self._door is not None
        reply = self._door.call(_arguments(words))
        if isinstance(reply, ErrorReply):
            raise CommandError(reply.text)
        return self._to_lua[self._resp](reply)

    def pcall(self, *words: LuaValue) -> LuaValue:
        try:
            return self.call(*words)
        except CommandError as error:
            return self._table({b"err": error.text, b"ignore_error_stats_update": True})

    def tick(self) -> bytes | None:
        assert self._door is not None
        return self._door.interrupted()

    def _set_resp(self, *values: LuaValue) -> None:
        if len(values) != 1:
            raise CommandError("ERR redis.setresp() requires one argument.")
        resp = _as_integer(values[0])
        if resp not in (2, 3):
            raise CommandError("ERR RESP version must be 2 or 3.")
        self._resp = resp

    def _check_command(self, *words: LuaValue) -> bool:
        assert self._door is not None
        return self._door.permits(_arguments(words))

    def _draw(self, *bounds: LuaValue) -> float:
        """math.random."""
        drawn = self._random.next()
        if not bounds:
            return drawn
        if len(bounds) > 2:
            raise LibraryError("wrong number of arguments")
        numbers = [_whole_argument("random", at, bound) for at, bound in enumerate(bounds, 1)]
        low, high = (1, numbers[0]) if len(numbers) == 1 else numbers
        if low > high:
            at = len(numbers)
            raise LibraryError(f"bad argument #{at} to 'random' (interval is empty)")
        return low + int(drawn * (high - low + 1))

    def _seed(self, *values: LuaValue) -> None:
        """math.randomseed."""
        if not values:
            raise expected("randomseed", 1, "number", "no value")
        self._random.seed(_whole_argument("randomseed", 1, values[0]))


def _arguments(words: tuple[LuaValue, ...]) -> list[bytes]:
    """The words of a command; numbers are written as text."""
    if not words:
        raise CommandError(_NO_ARGUMENTS)
    argv: list[bytes] = []
    for word in words:
        kind = word.__class__
        if kind is bytes:
            argv.append(word)
        elif kind is int or kind is float:
            argv.append(number_text(word))
        else:
            raise CommandError(_ARGUMENTS)
    return argv


def _as_integer(value: LuaValue) -> int | None:
    if value.__class__ is bytes:
        return read_integer(value)
    return whole_number(value) if value.__class__ in (int, float) else None


def _whole_argument(function: str, at: int, value: LuaValue) -> int:
    number = _as_integer(value)
    if number is None:
        got = "string" if value.__class__ is bytes else "value"
        raise expected(function, at, "number", got)
    return number


def _sha1hex(*values: LuaValue) -> bytes:
    if len(values) != 1:
        raise CommandError("ERR wrong number of arguments")
    value = values[0]
    if value.__class__ in (int, float):
        value = number_text(value)
    text = value if isinstance(value, bytes) else b""
    return sha1(text, usedforsecurity=False).hexdigest().encode()


def _log(*values: LuaValue) -> None:
    if len(values) < 2:
        raise CommandError("ERR redis.log() requires two arguments or more.")
    level = values[0]
    if level.__class__ not in (int, float):
        raise CommandError("ERR First argument must be a number (log level).")
    if int(level) not in range(len(_LEVELS)):
        raise CommandError("ERR Invalid debug level.")
    words = [each if isinstance(each, bytes) else number_text(each) for each in values[1:]]
    shown = b" ".join(words).decode("utf-8", "backslashreplace")
    logger.log(_LEVELS[int(level)], "script: %s", shown)


def _set_replication(*values: LuaValue) -> None:
    """Effects are always logged as they are; the flags are checked as Redis checks them."""
    if len(values) != 1:
        raise CommandError("ERR redis.set_repl() requires two arguments.")
    if _as_integer(values[0]) not in _REPLICATION_FLAGS:
        raise CommandError(
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."
        )
