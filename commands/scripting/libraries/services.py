"""What the libraries need of the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from commands.engine.errors import CommandError

# Values of Lua: bytes, int, float, bool, None and tables, whose class lupa does not export.
LuaValue: TypeAlias = Any
# A function for scripts: it takes Lua values, and raises CommandError with the text to show.
Function: TypeAlias = Callable[..., LuaValue]
# Names and what they stand for: functions and plain values.
Namespace: TypeAlias = Mapping[str, Function | LuaValue]


class LibraryError(CommandError):
    """The error of a library function; a script sees it with the place of the call."""


@dataclass(frozen=True, slots=True)
class Services:
    """Makes tables and knows the types of Lua's values."""

    # Makes a table of a list (an array) or of a dict.
    table: Callable[[Any], LuaValue]
    table_type: type
    null: LuaValue

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
        return "function" if callable(value) else "userdata"


def expected(function: str, number: int, wanted: str, got: str) -> LibraryError:
    return LibraryError(f"bad argument #{number} to '{function}' ({wanted} expected, got {got})")
