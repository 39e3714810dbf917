"""The Lua interpreter that runs scripts, and the only functions of ours that they can call.

`sandbox.lua` is the other half: it builds what scripts see. An interpreter runs either scripts, of
which each is by itself, or libraries, whose functions share the local variables of their library.

What Python hands to Lua is nil, a
boolean, a number, a string or a table of these, never another object. The exception by which a
function fails holds nothing, and no script gets to see it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from traceback import format_exc
from typing import Protocol, TypeAlias

from lupa import lua51

from commands.engine.errors import CommandError
from commands.scripting.libraries import cjson
from commands.scripting.libraries.services import (
    BadArgument,
    Function,
    LibraryError,
    LuaValue,
    Namespace,
    Services,
    UnplacedError,
)

# A compiled script.
Script: TypeAlias = Callable[[], LuaValue]
# The functions of a library, by their names: a table of Lua.
Functions: TypeAlias = LuaValue

logger = logging.getLogger("redkeep")

# Enough for the interpreter to take over what a function returns, or the error that it raised.
_RESERVE = 8 * 1024
# Garbage is collected again once what is in use has grown by this part of the limit.
_SMALLEST_GROWTH = 16
# Or after so many times what the last collection took: libraries release what they held before.
_PAUSE = 20
# What a string of the interpreter needs beside its bytes.
_STRING = 64
# The most arguments that a function of the interpreter can have.
_MOST_ARGUMENTS = 8000
_SPARE_REFERENCES = 1000

_SOURCE = Path(__file__).with_name("sandbox.lua").read_bytes()
_REGISTERING = Path(__file__).with_name("registering.lua").read_bytes()
# So that places in them are not taken for places in a script.
_SOURCE_NAME = b"=sandbox"
_OUT_OF_MEMORY = b"ERR not enough memory"
_BUG = "A function for scripts failed, because of an error in Redkeep:"
_INTERNAL_ERROR = b"ERR internal error, see the log"


class ScriptError(Exception):
    """A script failed: its error, and where in which text if that is known."""

    def __init__(self, text: bytes, source: bytes = b"", line: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.source = source
        self.line = line

    def of(self, name: bytes) -> CommandError:
        """The error of the script or function of this name, as its client gets it."""
        if not self.line:
            return CommandError(self.text)
        where = b" script: %b, on %b:%d." % (name, self.source, self.line)
        return CommandError(self.text + where)


class CompileError(ScriptError):
    """The text is not a valid program."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a library says of one of its functions."""

    name: bytes
    description: bytes | None
    flags: frozenset[bytes]


def _no_attributes(target: object, name: object, is_setting: bool) -> str:
    raise AttributeError("scripts have no access to objects of Python")


class Host(Protocol):
    """What scripts call. A function raises CommandError with the text that a script sees."""

    def call(self, *words: LuaValue) -> LuaValue:
        """Run a command."""

    def pcall(self, *words: LuaValue) -> LuaValue:
        """Run a command; an error is a table with the text as `err`."""

    def tick(self) -> bytes | None:
        """Called again and again while a script runs; a text ends the script."""


class Sandbox:
    """One interpreter. What a script leaves in it, no other script can see.

    With `function_flags`, the flags that a function may have, it is for libraries.
    """

    def __init__(
        self,
        host: Host,
        *,
        redis: Namespace,
        random: Namespace,
        libraries: Mapping[str, Callable[[Services], Namespace]],
        memory: int,
        function_flags: Iterable[bytes] | None = None,
    ) -> None:
        self._host = host
        self._failure = (True, b"")
        # Always the same one: for a new object the interpreter may need more memory than it has.
        self._failed = _Failed()
        self._references = 0
        self.lua = lua = lua51.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_no_attributes,
            # Unlimited, until a script runs.
            max_memory=0,
        )
        self._most_memory = memory
        self._least_growth = memory // _SMALLEST_GROWTH
        self._used_after_collection = 0
        self._kept = 0
        self._collect_again_at = 0.0
        table = lua.table_from
        self.null = lua.eval(b"newproxy()")
        self._services = services = Services(
            table,
            type(table(())),
            type(lua.eval(b"coroutine.create(function() end)")),
            self.null,
            self._check,
            self._fits,
        )
        _reserve_references(lua)
        # Nothing in it may be collected: to hand over one of these values takes no memory.
        self._handed = table(
            {
                b"call": self._failing(host.call),
                b"pcall": self._failing(host.pcall),
                b"tick": self._tick,
                b"take_failure": self._take_failure,
                b"null": self.null,
                b"failed": self._failed,
                b"out_of_memory": _OUT_OF_MEMORY,
                b"limit_memory": self._limit_memory,
                b"lift_limit": self._lift_limit,
                b"redis": self._table(redis),
                b"constants": table(
                    {name.encode(): value for name, value in redis.items() if not callable(value)}
                ),
                b"for_functions": function_flags is not None,
                b"function_flags": table(dict.fromkeys(function_flags or (), True)),
                b"registering": lua.compile(_REGISTERING, name=_SOURCE_NAME),
                b"random": self._table(random),
                b"new_cjson": self._failing(
                    lambda *_: self._table(cjson.functions(services.fresh()))
                ),
                b"libraries": table(
                    {name.encode(): self._table(make(services)) for name, make in libraries.items()}
                ),
            }
        )
        build = lua.compile(_SOURCE, name=_SOURCE_NAME)
        self._compile, self._run, self._load, self._run_function, self._caller = build(self._handed)

    def compile(self, text: bytes) -> Script:
        """Compile a script; CompileError with the interpreter's message if it is not valid."""
        try:
            compiled, message = self._compile(text)
        except lua51.LuaMemoryError:
            raise self._out_of_memory() from None
        if compiled is None:
            raise CompileError(message)
        self._keep_reference()
        script: Script = compiled
        return script

    def load(self, code: bytes) -> tuple[Functions, list[Registration]]:
        """Run the code of a library, which registers its functions; ScriptError if it fails."""
        self._prepare()
        try:
            functions, found = self._load(code)
        except lua51.LuaMemoryError:
            raise self._out_of_memory() from None
        # Mostly garbage, which must not take the memory of the next script.
        self._collect_if_more_than(self._most_memory // 2)
        if functions is None:
            raise CompileError(found)
        if functions is False:
            raise self._failed_with(found)
        self._keep_reference()
        registrations = [
            Registration(each[b"name"], each[b"description"], frozenset(each[b"flags"].keys()))
            for each in found.values()
        ]
        return functions, registrations

    def call(
        self, functions: Functions, name: bytes, keys: list[bytes], arguments: list[bytes]
    ) -> LuaValue:
        """Call a function of a library and return its result; ScriptError if it fails."""
        return self._protected(self._run_function, keys, arguments, functions, name)

    def run(self, script: Script, keys: list[bytes], arguments: list[bytes]) -> LuaValue:
        """Run a script to its end and return its result; ScriptError if it fails."""
        return self._protected(self._run, keys, arguments, script)

    def _protected(
        self,
        run: Callable[..., LuaValue],
        keys: list[bytes],
        arguments: list[bytes],
        *code: LuaValue,
    ) -> LuaValue:
        table = self.lua.table_from
        self._prepare()
        keys_, arguments_ = table(keys), table(arguments)
        self._limit_memory()
        try:
            succeeded, value = run(*code, keys_, arguments_)
        except lua51.LuaMemoryError:
            raise self._out_of_memory() from None
        finally:
            self._lift_limit()
        # Mostly garbage, which must not take the memory of the next script.
        self._collect_if_more_than(self._most_memory // 2)
        if succeeded:
            return value
        raise self._failed_with(value)

    def _prepare(self) -> None:
        for prepare in self._services.before_each_script:
            prepare()

    def _failed_with(self, failure: LuaValue) -> ScriptError:
        if isinstance(failure, bytes):
            # The interpreter calls no handler when it has no memory for that.
            return self._out_of_memory()
        return ScriptError(failure[1], failure[2], failure[3])

    def _keep_reference(self) -> None:
        # A script is a reference for as long as it is kept, and so is a library.
        self._references += 1
        if self._references % _SPARE_REFERENCES == 0:
            _reserve_references(self.lua)

    @property
    def memory_used(self) -> int:
        used: int = self.lua.get_memory_used()
        return used

    # --- memory -------------------------------------------------------------------------------
    #
    # Where memory ends while the interpreter works for Python, it aborts the process outside of
    # any script, and inside of one it leaves Python's frames without releasing the lock of Python.
    # So there is no limit while Python works, and what Python hands to a script always fits: the
    # limit is above what is in use by a reserve. A script that uses up the reserve again and
    # again is stopped by the next tick.

    def _tick(self) -> bytes | None:
        if not self._fits(0):
            return _OUT_OF_MEMORY
        stopped = self._host.tick()
        if stopped and not self._hand_over(_size(stopped)):
            return _OUT_OF_MEMORY
        return stopped

    def _hand_over(self, size: int) -> bool:
        """Let the interpreter take over a value of this size, if it fits."""
        fits = self._fits(size)
        used = self.lua.get_memory_used()
        # The stack may have to grow for several values, and the table of all strings for a new one.
        # That takes at most as much as is in use.
        room = size + used if fits and size else 0
        self.lua.set_max_memory(max(self._most_memory, used + room + _RESERVE))
        return fits

    def _limit_memory(self) -> None:
        # The interpreter collects nothing when memory ends; the last script may have left garbage.
        self._collect_if_more_than(self._most_memory // 4 * 3)
        used = self.lua.get_memory_used()
        self.lua.set_max_memory(max(self._most_memory, used + _RESERVE))

    def _lift_limit(self) -> None:
        self.lua.set_max_memory(0)

    def _fits(self, size: int) -> bool:
        if self._free_memory() >= size:
            return True
        # Where little is garbage, collecting it would take nearly all of the time.
        grown = self.lua.get_memory_used() - self._used_after_collection
        if grown < self._least_growth:
            return False
        self.lua.gccollect()
        self._used_after_collection = self.lua.get_memory_used()
        return self._free_memory() >= size

    def _collect_if_more_than(self, used: int) -> None:
        """Between two scripts, collect the garbage if this much is in use.

        What libraries hold is not garbage: little is if nothing was added to what was left by
        the last collection between scripts, unless a library has released what it held.
        """
        now_used = self.lua.get_memory_used()
        if now_used > used and (
            now_used - self._kept >= self._least_growth or perf_counter() > self._collect_again_at
        ):
            self._collect_between()

    def _collect_between(self) -> None:
        started = perf_counter()
        self.lua.gccollect()
        self._kept = self.lua.get_memory_used()
        ended = perf_counter()
        self._collect_again_at = ended + _PAUSE * (ended - started)

    def _free_memory(self) -> int:
        used: int = self.lua.get_memory_used()
        return self._most_memory - used

    def _check(self, held: int) -> None:
        if not self._fits(held):
            raise CommandError(_OUT_OF_MEMORY)
        stopped = self._tick()
        if stopped:
            raise CommandError(stopped)

    def _out_of_memory(self) -> ScriptError:
        self._lift_limit()
        self._collect_between()
        return ScriptError(_OUT_OF_MEMORY)

    # --- functions of ours ------------------------------------------------------------------

    def _table(self, namespace: Namespace) -> LuaValue:
        return self.lua.table_from(
            {
                name.encode(): self._failing(value) if callable(value) else value
                for name, value in namespace.items()
            }
        )

    def _failing(self, function: Function) -> Function:
        """A function whose errors `sandbox.lua` can show to a script."""

        lua = self.lua

        def called(*values: LuaValue) -> LuaValue:
            lua.set_max_memory(0)
            has_code = True
            try:
                result = function(*values)
                if self._hand_over(_size(result)):
                    return result
                text = _OUT_OF_MEMORY
            except LibraryError as error:
                # As an error that Lua raises itself: a text that begins with the place.
                text = self._text(error)
                has_code = False
            except CommandError as error:
                text = error.text
            except Exception:
                # As text: whoever collects log records must not keep the arguments.
                logger.error("%s\n%s", _BUG, format_exc())
                text = _INTERNAL_ERROR
            if not self._hand_over(_size(text)):
                text, has_code = _OUT_OF_MEMORY, True
            self._failure = has_code, text
            # The error outlives this call, and so would all that the variables here hold. A table
            # from a coroutine must not: it belongs to the coroutine for lupa, which would use that
            # after it has been freed.
            values = ()
            result = None
            raise self._failed.with_traceback(None)

        return called

    def _text(self, error: LibraryError) -> bytes:
        if isinstance(error, UnplacedError):
            return error.text
        place, name = self._caller()
        text = error.calling(name) if isinstance(error, BadArgument) else error.text
        return bytes(place + text)

    def _take_failure(self) -> tuple[bool, bytes]:
        """Whether the error that a script has just caught is one of a command, and its text."""
        return self._failure


def _size(result: LuaValue) -> int:
    """The memory that the interpreter needs at most to take over a result, beside its reserve."""
    if result.__class__ is bytes:
        return len(result) + _STRING
    if result.__class__ is tuple:
        return sum(map(_size, result))
    return 0


def _reserve_references(lua: lua51.LuaRuntime) -> None:
    """Make room for references to all tables that a call may have as arguments, and some more.

    Nothing may need memory while arguments are on their way to Python.
    """
    references = [lua.table_from(()) for _ in range(_MOST_ARGUMENTS + _SPARE_REFERENCES)]
    del references


class _Failed(Exception):
    """The error value of Lua where a function of ours has failed; it holds nothing."""
