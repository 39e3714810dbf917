"""The arguments of a library's function, read and refused as the C interface of Lua does."""

from __future__ import annotations

import re

from commands.engine.numbers import INT64_MAX, INT64_MIN
from commands.scripting.libraries.services import LuaValue, Services, expected

# What the function strtod of C reads.
_NUMBER = re.compile(
    rb"[ \t-\r]*+([+-]?)(?:(0x(?:[0-9a-f]++\.?+[0-9a-f]*+|\.[0-9a-f]++)(?:p[+-]?[0-9]++)?+)"
    rb"|((?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:e[+-]?[0-9]++)?+|inf(?:inity)?+|nan)"
    rb"(?:(?<=nan)\([0-9a-z_]*+\))?+)",
    re.IGNORECASE,
)
_SPACE = b" \t\n\v\f\r"
# How Lua writes a number as text.
_DIGITS = 14


class Arguments:
    """The arguments of one call, by their places from 0."""

    __slots__ = ("_function", "_services", "_values")

    def __init__(self, services: Services, function: str, values: tuple[LuaValue, ...]) -> None:
        self._services = services
        self._function = function
        self._values = values

    def string(self, at: int) -> bytes:
        value = self._get(at)
        kind = value.__class__
        if kind is bytes:
            text: bytes = value
            return text
        if kind is int or kind is float:
            return b"%.*g" % (_DIGITS, value)
        raise self._expected("string", at)

    def number(self, at: int) -> float:
        value = self._get(at)
        kind = value.__class__
        number = read_number(value) if kind is bytes else value
        if number.__class__ is int or number.__class__ is float:
            result: float = number
            return result
        raise self._expected("number", at)

    def boolean(self, at: int) -> bool | None:
        """None if it is no boolean."""
        value = self._get(at)
        return value if value.__class__ is bool else None

    def is_given(self, at: int) -> bool:
        return self._get(at) is not None

    def integer(self, at: int) -> int:
        return truncated(self.number(at))

    def optional_integer(self, at: int, default: int) -> int:
        return default if self._get(at) is None else self.integer(at)

    def _get(self, at: int) -> LuaValue:
        return self._values[at] if at < len(self._values) else None

    def _expected(self, wanted: str, at: int) -> Exception:
        got = "no value" if at >= len(self._values) else self._services.type_name(self._values[at])
        return expected(self._function, at + 1, wanted, got)


def read_number(text: bytes) -> float | None:
    """The number that a text stands for in Lua, or None."""
    # A text of C ends with the first zero byte.
    text = text.partition(b"\0")[0]
    number, end = read_number_prefix(text, 0)
    return None if text[end:].strip(_SPACE) else number


def read_number_prefix(text: bytes, at: int) -> tuple[float | None, int]:
    """The number that begins at a place in a text, and where it ends."""
    found = _NUMBER.match(text, at)
    if found is None:
        return None, at
    sign, hexadecimal, decimal = found.groups()
    if hexadecimal is None:
        return float(sign + decimal), found.end()
    try:
        number = float.fromhex((sign + hexadecimal).decode())
    except OverflowError:
        number = float(sign + b"inf")
    return number, found.end()


def truncated(number: float) -> int:
    """A number as an integer of 64 bits; the smallest one stands for all that are none."""
    if not INT64_MIN <= number <= INT64_MAX:
        return INT64_MIN
    whole = int(number)
    return whole if whole <= INT64_MAX else INT64_MIN
