"""`cmsgpack`: MessagePack, with the limits and error messages that scripts know."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any

from commands.scripting.libraries.arguments import Arguments
from commands.scripting.libraries.services import (
    STACK,
    BadArgument,
    LibraryError,
    LuaValue,
    Namespace,
    Services,
    UnplacedError,
)
from commands.scripting.libraries.tables import array_items

# What is nested more deeply is packed as nil.
_DEEPEST_PACKED = 16
_INT_MAX = 2**31 - 1
# Memory of a piece of text beside its bytes.
_PIECE = 40
_CHECK_EVERY = 1000

_FLOAT, _DOUBLE = Struct(">f"), Struct(">d")
_NIL, _FALSE, _TRUE = b"\xc0", b"\xc2", b"\xc3"

_MISSING = "Missing bytes in input."
_BAD = "Bad data format in input."


def functions(services: Services) -> Namespace:
    def pack(*values: LuaValue) -> bytes:
        if not values:
            raise BadArgument("pack", 0, "MessagePack pack needs input.")
        return _Packer(services).pack(values)

    def unpack(*values: LuaValue) -> tuple[LuaValue, ...]:
        text = Arguments(services, "unpack", values).string(0)
        return _unpack_all(services, text)

    def unpack_one(*values: LuaValue) -> tuple[LuaValue, ...]:
        arguments = Arguments(services, "unpack_one", values)
        offset = arguments.optional_integer(1, 0)
        return _unpack_some(services, arguments.string(0), 1, offset)

    def unpack_limit(*values: LuaValue) -> tuple[LuaValue, ...]:
        arguments = Arguments(services, "unpack_limit", values)
        limit = arguments.integer(1)
        offset = arguments.optional_integer(2, 0)
        return _unpack_some(services, arguments.string(0), limit, offset)

    return {
        "pack": pack,
        "unpack": unpack,
        "unpack_one": unpack_one,
        "unpack_limit": unpack_limit,
        "_NAME": b"cmsgpack",
        "_VERSION": b"lua-cmsgpack 0.4.0",
        "_COPYRIGHT": b"Copyright (C) 2012, Salvatore Sanfilippo",
        "_DESCRIPTION": b"MessagePack C implementation for Lua",
    }


def _shown(number: int) -> int:
    """An integer as the messages show it: its lowest 32 bits, with their sign."""
    return (number + 2**31) % 2**32 - 2**31


# --- packing ----------------------------------------------------------------------------------


class _Packer:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pieces: list[bytes] = []
        self._held = 0

    def pack(self, values: tuple[LuaValue, ...]) -> bytes:
        for value in values:
            self._pack(value, 0)
        return b"".join(self._pieces)

    def _append(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece) + _PIECE
        if len(self._pieces) % _CHECK_EVERY == 0:
            self._services.check(self._held)

    def _pack(self, value: LuaValue, depth: int) -> None:
        append = self._append
        kind = value.__class__
        if kind is bytes:
            append(_head(len(value), 0xA0, 32, (0xD9, 0xDA, 0xDB)))
            append(value)
        elif kind is bool:
            append(_TRUE if value else _FALSE)
        elif kind is int:
            append(_integer(value))
        elif kind is float:
            append(_real(value))
        elif kind is self._services.table_type and depth < _DEEPEST_PACKED:
            self._pack_table(value, depth + 1)
        else:
            append(_NIL)

    def _pack_table(self, table: LuaValue, depth: int) -> None:
        append = self._append
        count = highest = 0
        is_array = True
        for key in table.keys():  # noqa: SIM118  (not a dict)
            count += 1
            if key.__class__ is int and key > 0:
                highest = max(highest, key)
            else:
                is_array = False
        if is_array and highest == count:
            append(_head(count, 0x90, 16, (None, 0xDC, 0xDD)))
            for value in array_items(self._services, table, count):
                self._pack(value, depth)
            return
        append(_head(count, 0x80, 16, (None, 0xDE, 0xDF)))
        for key, value in table.items():
            self._pack(key, depth)
            self._pack(value, depth)


def _check_stack(wanted: int, why: str) -> None:
    if wanted > STACK:
        raise LibraryError(f"stack overflow ({why})")


def _head(length: int, short: int, below: int, codes: tuple[int | None, int, int]) -> bytes:
    """The bytes before what has a length."""
    if length < below:
        return bytes((short | length,))
    one, two, four = codes
    if one is not None and length <= 0xFF:
        return bytes((one, length))
    if length <= 0xFFFF:
        return b"%c%b" % (two, length.to_bytes(2, "big"))
    return b"%c%b" % (four, length.to_bytes(4, "big"))


def _integer(number: int) -> bytes:
    if number >= 0:
        if number < 128:
            return bytes((number,))
        width = 0 if number < 2**8 else 1 if number < 2**16 else 2 if number < 2**32 else 3
        return b"%c%b" % (0xCC + width, number.to_bytes(1 << width, "big"))
    if number >= -32:
        return bytes((number & 0xFF,))
    width = 0 if number >= -(2**7) else 1 if number >= -(2**15) else 2 if number >= -(2**31) else 3
    return b"%c%b" % (0xD0 + width, number.to_bytes(1 << width, "big", signed=True))


def _real(number: float) -> bytes:
    """With 32 bits if these hold the same number."""
    try:
        short = _FLOAT.pack(number)
    except OverflowError:
        short = b""
    if short and _FLOAT.unpack(short)[0] == number:
        return b"\xca" + short
    return b"\xcb" + _DOUBLE.pack(number)


# --- unpacking --------------------------------------------------------------------------------


def _unpack_all(services: Services, text: bytes) -> tuple[LuaValue, ...]:
    return tuple(_read(services, text, 0, _INT_MAX)[0])


def _unpack_some(services: Services, text: bytes, limit: int, offset: int) -> tuple[LuaValue, ...]:
    """The offset to go on from, which is -1 at the end, and up to `limit` values."""
    if offset < 0 or limit < 0:
        raise LibraryError(
            f"Invalid request to unpack with offset of {_shown(offset)} and limit of {len(text)}."
        )
    if offset > len(text):
        raise LibraryError(f"Start offset {_shown(offset)} greater than input length {len(text)}.")
    if not limit and not offset:
        return _unpack_all(services, text)
    values, end = _read(services, text, offset, limit)
    return (-1 if end == len(text) else end, *values)


def _read(services: Services, text: bytes, at: int, limit: int) -> tuple[list[LuaValue], int]:
    reader = _Reader(services, text, at)
    values: list[LuaValue] = []
    while reader.at < len(text) and len(values) < limit:
        values.append(reader.value(1 + len(values)))
    return values, reader.at


class _Open:
    """A container whose items are being read."""

    __slots__ = ("is_map", "items", "wanted")

    def __init__(self, wanted: int, is_map: bool) -> None:
        # How many values belong to it; a map has two for each item.
        self.wanted = wanted
        self.is_map = is_map
        self.items: list[LuaValue] = []

    @property
    def stacked(self) -> int:
        """The places on the stack: the table, and the number or key of the item being read."""
        return 1 if self.is_map and len(self.items) % 2 == 0 else 2

    def append(self, value: LuaValue) -> None:
        items = self.items
        items.append(value)
        if self.is_map and len(items) % 2 == 0:
            name = items[-2]
            if name is None:
                raise UnplacedError("table index is nil")
            if name != name:
                raise UnplacedError("table index is NaN")


class _Reader:
    def __init__(self, services: Services, text: bytes, at: int) -> None:
        self._services = services
        self._text = text
        self.at = at

    def value(self, stacked: int) -> LuaValue:
        """The next value. Without recursion, because input may be nested deeply.

        So many places of the stack are in use before it.
        """
        outer: list[_Open] = []
        while True:
            value = self._next(stacked)
            if value.__class__ is _Open:
                if not value.is_map:
                    _check_stack(stacked + 2, "in function mp_decode_to_lua_array")
                if value.wanted:
                    outer.append(value)
                    stacked += value.stacked
                    continue
                value = self._table(value)
            while outer:
                innermost = outer[-1]
                stacked -= innermost.stacked
                innermost.append(value)
                if len(innermost.items) < innermost.wanted:
                    stacked += innermost.stacked
                    break
                value = self._table(outer.pop())
            else:
                return value

    def _table(self, read: _Open) -> LuaValue:
        self._services.check(0)
        items = read.items
        if not read.is_map:
            return self._services.table(items)
        table = self._services.table(())
        for name, value in zip(items[::2], items[1::2], strict=True):
            table[name] = value
        return table

    def _next(self, stacked: int) -> Any:
        """A value, or a container without its items."""
        code = self._take(1)[0]
        _check_stack(
            stacked + 1,
            "too many return values at once; use unpack_one or unpack_limit instead.",
        )
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 256
        if code < 0x90:
            return _Open(2 * (code & 0x0F), True)
        if code < 0xA0:
            return _Open(code & 0x0F, False)
        if code < 0xC0:
            return self._take(code & 0x1F)
        read = _READ.get(code)
        if read is None:
            raise LibraryError(_BAD)
        return read(self)

    def _take(self, length: int) -> bytes:
        start, self.at = self.at, self.at + length
        if self.at > len(self._text):
            raise LibraryError(_MISSING)
        return self._text[start : self.at]

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def signed(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big", signed=True)

    def real(self, form: Struct) -> float:
        number: float = form.unpack(self._take(form.size))[0]
        return number

    def raw(self, width: int) -> bytes:
        return self._take(self.unsigned(width))


_READ: dict[int, Callable[[_Reader], Any]] = {
    0xC0: lambda reader: None,
    0xC2: lambda reader: False,
    0xC3: lambda reader: True,
    0xCA: lambda reader: reader.real(_FLOAT),
    0xCB: lambda reader: reader.real(_DOUBLE),
    0xCC: lambda reader: reader.unsigned(1),
    0xCD: lambda reader: reader.unsigned(2),
    0xCE: lambda reader: reader.unsigned(4),
    # Lua has no larger integers: the highest ones become negative.
    0xCF: lambda reader: reader.signed(8),
    0xD0: lambda reader: reader.signed(1),
    0xD1: lambda reader: reader.signed(2),
    0xD2: lambda reader: reader.signed(4),
    0xD3: lambda reader: reader.signed(8),
    0xD9: lambda reader: reader.raw(1),
    0xDA: lambda reader: reader.raw(2),
    0xDB: lambda reader: reader.raw(4),
    0xDC: lambda reader: _Open(reader.unsigned(2), False),
    0xDD: lambda reader: _Open(reader.unsigned(4), False),
    0xDE: lambda reader: _Open(2 * reader.unsigned(2), True),
    0xDF: lambda reader: _Open(2 * reader.unsigned(4), True),
}
