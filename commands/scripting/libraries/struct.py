"""`struct`: values as bytes in a given format, as structures of C have them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from commands.scripting.libraries.arguments import Arguments, read_number, truncated
from commands.scripting.libraries.services import (
    STACK,
    BadArgument,
    LibraryError,
    LuaValue,
    Namespace,
    Services,
)

_SIZES = {**dict.fromkeys("bBx", 1), **dict.fromkeys("hH", 2), **dict.fromkeys("lLTd", 8), "f": 4}
_INTEGERS = frozenset("bBhHlLTiI")
_INT_MAX = 2**31 - 1
_LARGEST_INTEGER = 32
_DEFAULT_ALIGNMENT = 8
# Integers of any size, and positions, are calculated with 64 bits.
_BITS = 64
_WORD = 1 << 64


def functions(services: Services) -> Namespace:
    def pack(*values: LuaValue) -> bytes:
        # The first argument that is missing counts as nil.
        arguments = Arguments(services, "pack", (*values, None) if values else ())
        packed = bytearray()
        taken = 1
        for item in _items("pack", arguments.string(0)):
            packed += bytes(item.padding(len(packed)))
            option = item.option
            if option == "x":
                packed.append(0)
            elif option in _INTEGERS:
                packed += _integer_bytes(arguments.number(taken), item)
                taken += 1
            elif option in "fd":
                packed += _real_bytes(arguments.number(taken), item)
                taken += 1
            elif option in "cs":
                text = arguments.string(taken)
                taken += 1
                if len(text) < item.size:
                    raise BadArgument("pack", taken + 1, "string too short")
                packed += text[: item.size] if item.size else text
                if option == "s":
                    packed.append(0)
        return bytes(packed)

    def unpack(*values: LuaValue) -> tuple[LuaValue, ...]:
        arguments = Arguments(services, "unpack", values)
        form, data = arguments.string(0), arguments.string(1)
        start = arguments.optional_integer(2, 1)
        if start == 0:
            raise BadArgument("unpack", 3, "offset must be 1 or greater")
        at = (start - 1) % _WORD
        found: list[LuaValue] = []
        for item in _items("unpack", form):
            option, size = item.option, item.size
            at = (at + item.padding(at)) % _WORD
            _check_length(data, at, size)
            if len(values) + len(found) + 2 > STACK:
                raise LibraryError("stack overflow (too many results)")
            if option in _INTEGERS:
                found.append(_read_integer(data[at : at + size], item))
            elif option in "fd":
                found.append(struct.unpack_from(item.order + option, data, at)[0])
            elif option == "c":
                if not size:
                    size = _size_read_before(found)
                    _check_length(data, at, size)
                found.append(data[at : at + size])
            elif option == "s":
                end = data.find(b"\0", at)
                if end < 0:
                    raise LibraryError("unfinished string in data")
                found.append(data[at:end])
                size = end + 1 - at
            at += size
        return (*found, _signed(at + 1))

    def size(*values: LuaValue) -> int:
        length = 0
        for item in _items("size", Arguments(services, "size", values).string(0)):
            length += item.padding(length)
            if item.option == "s":
                raise BadArgument("size", 1, "option 's' has no fixed size")
            if item.option == "c" and not item.size:
                raise BadArgument("size", 1, "option 'c0' has no fixed size")
            length += item.size
        return length

    return {"pack": pack, "unpack": unpack, "size": size}


# --- formats ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Item:
    """One option of a format, and what the options before it say of order and alignment."""

    option: str
    # 0 for a string whose length is not in the format, and for options that stand for no value.
    size: int
    # "<" or ">".
    order: str
    alignment: int

    def padding(self, at: int) -> int:
        """How many bytes come before the value at this position."""
        if not self.size or self.option == "c":
            return 0
        last = min(self.size, self.alignment) - 1
        return (last + 1 - (at & last)) & last


def _items(function: str, form: bytes) -> Iterator[_Item]:
    """The options of a format.

    Those that change the order or the alignment are among them, and take effect when the next
    one is asked for.
    """
    reader = _FormatReader(form)
    order, alignment = "<", 1
    while option := reader.take():
        size = _SIZES.get(option, 0)
        if option == "c":
            size = reader.number(1)
        elif option in "iI":
            size = reader.number(4)
            if size > _LARGEST_INTEGER:
                raise LibraryError(
                    f"integral size {size} is larger than limit of {_LARGEST_INTEGER}"
                )
        yield _Item(option, size, order, alignment)
        if option in "<>":
            order = option
        elif option == "!":
            alignment = reader.number(_DEFAULT_ALIGNMENT)
            if alignment < 1 or alignment & (alignment - 1):
                raise LibraryError(f"alignment {alignment} is not a power of 2")
        elif not (option in _SIZES or option in "ciIs ") and (
            function != "size" or not _is_alphanumeric(option)
        ):
            shown = option.encode("latin-1")
            raise BadArgument(function, 1, b"invalid format option '%b'" % shown)


class _FormatReader:
    def __init__(self, form: bytes) -> None:
        # The format is a text of C.
        self._text = form.partition(b"\0")[0].decode("latin-1")
        self._at = 0

    def take(self) -> str:
        """The next character; nothing at the end."""
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def number(self, default: int) -> int:
        number, start = 0, self._at
        while (digit := self._text[self._at : self._at + 1]) and digit in "0123456789":
            number = number * 10 + int(digit)
            if number > _INT_MAX:
                raise LibraryError("integral size overflow")
            self._at += 1
        return number if self._at > start else default


def _is_alphanumeric(character: str) -> bool:
    return character.isascii() and character.isalnum()


# --- values -----------------------------------------------------------------------------------


def _integer_bytes(number: float, item: _Item) -> bytes:
    """The lowest bytes of a number; those beyond 64 bits are zeros."""
    word = _unsigned(number).to_bytes(_LARGEST_INTEGER, "little")[: item.size]
    return word if item.order == "<" else word[::-1]


def _unsigned(number: float) -> int:
    """A number as an integer without a sign, as a processor converts it."""
    if number >= 2**63:
        return int(number) if number < _WORD else 0
    return truncated(number) % _WORD


def _signed(word: int) -> int:
    return (word + _WORD // 2) % _WORD - _WORD // 2


def _real_bytes(number: float, item: _Item) -> bytes:
    form = item.order + item.option
    try:
        return struct.pack(form, number)
    except OverflowError:
        return struct.pack(form, float("inf") if number > 0 else float("-inf"))


def _read_integer(data: bytes, item: _Item) -> float:
    number = int.from_bytes(data, "little" if item.order == "<" else "big") % _WORD
    if item.option.islower() and number >> _sign_bit(item.size):
        number = _signed(number | -1 << _sign_bit(item.size))
    return float(number)


def _sign_bit(size: int) -> int:
    return (size * 8 - 1) % _BITS


def _size_read_before(found: list[LuaValue]) -> int:
    """The number before a string is the length of it, and is no result."""
    last = found[-1] if found else None
    number = read_number(last) if isinstance(last, bytes) else last
    if number is None:
        raise LibraryError("format 'c0' needs a previous size")
    found.pop()
    return _unsigned(number)


def _check_length(data: bytes, at: int, size: int) -> None:
    if at + size > len(data):
        raise BadArgument("unpack", 2, "data string too short")
