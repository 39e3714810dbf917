"""Replies as values of Lua, and values of Lua as replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX, INT64_MIN, format_float
from commands.engine.replies import (
    Attributed,
    BigNumber,
    Couples,
    DoubleText,
    ErrorReply,
    MapReply,
    NullArray,
    Pairs,
    Push,
    RandomPicks,
    Reply,
    SetReply,
    Verbatim,
)
from commands.scripting.libraries.services import LuaValue

# Makes a table of a list (an array) or of a dict.
MakeTable = Callable[[Any], LuaValue]

_DEEPEST = 200
_TOO_DEEP = "ERR reached lua stack limit"


class ToLua:
    """Replies as a script sees them, in one protocol."""

    def __init__(self, table: MakeTable, resp: int) -> None:
        self._table = table
        self._resp3 = resp == 3

    def __call__(self, reply: Reply) -> LuaValue:
        kind = reply.__class__
        if kind is bytes or kind is int:
            return reply
        if reply is None or kind is NullArray:
            return None if self._resp3 else False
        if isinstance(reply, str):
            return self._table({b"ok": reply.encode("utf-8", "surrogateescape")})
        if isinstance(reply, bytearray):
            return bytes(reply)
        if isinstance(reply, (list, tuple)):
            return self._array(reply)
        if isinstance(reply, ErrorReply):
            return self._table({b"err": reply.text})
        return self._resp3_value(reply) if self._resp3 else self._resp2_value(reply)

    def _array(self, items: Iterable[Reply]) -> LuaValue:
        return self._table([self(item) for item in items])

    def _flat(self, pairs: Iterable[tuple[Reply, Reply]]) -> LuaValue:
        return self._array([item for pair in pairs for item in pair])

    def _resp2_value(self, reply: Any) -> LuaValue:
        match reply:
            case bool():
                return int(reply)
            case float():
                return format_float(reply)
            case dict():
                return self._flat(reply.items())
            case Pairs() | MapReply():
                return self._flat(reply.items)
            case Couples() | SetReply() | Push():
                return self._array(reply.items)
            case _:
                return self._any_value(reply)

    def _resp3_value(self, reply: Any) -> LuaValue:
        table = self._table
        match reply:
            case bool():
                return reply
            case float():
                return table({b"double": reply})
            case dict():
                return self._map(reply.items())
            case MapReply() | Couples():
                return self._map(reply.items)
            case Pairs() | Push():
                return self._array(reply.items)
            case SetReply():
                members = {self(item): True for item in reply.items}
                return table({b"set": table(members)})
            case DoubleText():
                return table({b"double": float(reply.text)})
            case BigNumber():
                return table({b"big_number": reply.digits})
            case Verbatim():
                text = table({b"format": reply.form, b"string": reply.text})
                return table({b"verbatim_string": text})
            case _:
                return self._any_value(reply)

    def _any_value(self, reply: Any) -> LuaValue:
        match reply:
            case DoubleText() | Verbatim():
                return reply.text
            case BigNumber():
                return reply.digits
            case Attributed():
                return self(reply.reply)
            case RandomPicks():
                return self._picks(reply)
            case _:
                raise TypeError(f"scripts cannot see a {type(reply).__name__}")

    def _map(self, pairs: Iterable[tuple[Reply, Reply]]) -> LuaValue:
        members = {self(name): self(value) for name, value in pairs}
        return self._table({b"map": self._table(members)})

    def _picks(self, reply: RandomPicks) -> LuaValue:
        items: Any = reply.items.items if isinstance(reply.items, Pairs) else reply.items
        picked = reply.rng.choices(items, k=reply.count)
        if isinstance(reply.items, Pairs):
            return self._array(picked) if self._resp3 else self._flat(picked)
        return self._array(picked)


class FromLua:
    """What scripts return, as replies."""

    def __init__(self, table_type: type) -> None:
        self._table_type = table_type

    def __call__(self, value: LuaValue, resp: int, depth: int = 0) -> Reply:
        kind = value.__class__
        if kind is bytes or value is None:
            reply: Reply = value
            return reply
        if kind is bool:
            if resp == 3:
                return bool(value)
            return 1 if value else None
        if kind is int or kind is float:
            return whole_number(value)
        if self._is_table(value):
            if depth == _DEEPEST:
                raise CommandError(_TOO_DEEP)
            return self._table(value, resp, depth + 1)
        return None

    def _is_table(self, value: LuaValue) -> bool:
        return value.__class__ is self._table_type

    def _table(self, table: LuaValue, resp: int, depth: int) -> Reply:
        # `table[name]` would run a function of the script if there is one for missing names.
        items = {key: item for key, item in table.items() if key.__class__ is not bool}
        text = items.get(b"err")
        if isinstance(text, bytes):
            return ErrorReply(one_line(text))
        text = items.get(b"ok")
        if isinstance(text, bytes):
            return one_line(text).decode("utf-8", "surrogateescape")
        number = items.get(b"double")
        if number.__class__ in (int, float):
            return float(number)
        for name, make in ((b"map", MapReply), (b"set", _set_of)):
            members: LuaValue = items.get(name)
            if self._is_table(members):
                return make(
                    [
                        (self(key, resp, depth), self(each, resp, depth))
                        for key, each in members.items()
                    ]
                )
        digits = items.get(b"big_number")
        if isinstance(digits, bytes):
            return BigNumber(one_line(digits))
        verbatim: LuaValue = items.get(b"verbatim_string")
        if self._is_table(verbatim):
            parts = dict(verbatim.items())
            form, text = parts.get(b"format"), parts.get(b"string")
            if isinstance(form, bytes) and isinstance(text, bytes):
                return Verbatim(text, form[:3])
        replies: list[Reply] = []
        while (item := items.get(len(replies) + 1)) is not None:
            replies.append(self(item, resp, depth))
        return replies


def _set_of(members: list[tuple[Reply, Reply]]) -> Reply:
    return SetReply([member for member, _ in members])


def whole_number(number: float) -> int:
    """A number of Lua as an integer, as C converts it."""
    if number.__class__ is float and not INT64_MIN <= number <= INT64_MAX:
        return INT64_MIN
    whole = int(number)
    return whole if INT64_MIN <= whole <= INT64_MAX else INT64_MIN


def number_text(number: float) -> bytes:
    """A number of Lua as the argument of a command."""
    if number.__class__ is int and -(10**16) < number < 10**16:
        return b"%d" % number
    return b"%.17g" % number


def one_line(text: bytes) -> bytes:
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
