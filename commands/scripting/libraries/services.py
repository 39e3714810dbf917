"""What the libraries need of the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from commands.engine.errors import CommandError

# Values of Lua: bytes, int, float, bool, None and tables, whose class lupa does not export.
LuaValue: TypeAlias = Any
# A function for scripts: it takes Lua values, and raises CommandError with the text to show.
Function: TypeAlias = Callable[..., LuaValue]
# Names and what they stand for: functions and plain values.
Namespace: TypeAlias = Mapping[str, Function | LuaValue]


# So many places Lua gives to a function for its arguments and results.
STACK = 8000


class LibraryError(CommandError):
    """The error of a library function; a script sees it with the place of the call."""


class UnplacedError(LibraryError):
    """An error that a script sees as it is, as those that the interpreter itself raises."""


@dataclass(frozen=True, slots=True)
class Services:
    """Makes tables and knows the types of Lua's values."""

    # Makes a table of a list (an array) or of a dict.
    table: Callable[[Any], LuaValue]
    table_type: type
    thread_type: type
    null: LuaValue
    # To be called again and again by what may take long or much memory, with the bytes that it
    # holds itself: raises an error if that is too much, or if the script has been stopped.
    check: Callable[[int], None]
    # Whether there is memory for so many bytes more.
    fits: Callable[[int], bool]
    before_each_script: list[Callable[[], None]] = field(default_factory=list)

    def fresh(self) -> Services:
        """The same for what lasts no longer than a script."""
        return replace(self, before_each_script=[])

    @property
    def null_type(self) -> type:
        """Of everything that scripts can have, only null has it."""
        return type(self.null)

    def type_name(self, value: LuaValue) -> str:
        kind = value.__class__
        if value is None:
            return "nil"
        if kind is bytes:
            return "string"
        if kind is bool:
            return "boolean"
        if kind is int or kind is float:
            return "number"
        if kind is self.table_type:
            return "table"
        if kind is self.null_type:
            return "userdata"
        return "thread" if kind is self.thread_type else "function"


class BadArgument(LibraryError):
    """An error that shows the name by which the script has called the function."""

    def __init__(self, function: str, number: int, fault: str | bytes) -> None:
        self._number = number
        self._fault = fault.encode() if isinstance(fault, str) else fault
        super().__init__(self.calling(function.encode()))

    def calling(self, name: bytes) -> bytes:
        return b"bad argument #%d to '%b' (%b)" % (self._number, name, self._fault)


def expected(function: str, number: int, wanted: str, got: str) -> LibraryError:
    return BadArgument(function, number, f"{wanted} expected, got {got}")
