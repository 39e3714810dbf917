"""`bit`: operations on integers of 32 bits."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_, xor
from struct import Struct
from typing import Any

from commands.scripting.libraries.arguments import Arguments
from commands.scripting.libraries.services import Function, LuaValue, Namespace, Services

_MASK = 0xFFFFFFFF
# Added to a number, the lowest bits of the result are those of the number as an integer.
_ROUNDING = float(2**52 + 2**51)
_DOUBLE, _LOW_WORD = Struct("<d"), Struct("<I")


def functions(services: Services) -> Namespace:
    def bits(function: str, values: tuple[LuaValue, ...], at: int) -> int:
        """An argument as an unsigned integer."""
        number = Arguments(services, function, values).number(at) + _ROUNDING
        low: int = _LOW_WORD.unpack_from(_DOUBLE.pack(number))[0]
        return low

    def combine(name: str, operation: Any) -> Function:
        def run(*values: LuaValue) -> int:
            numbers = [bits(name, values, at) for at in range(max(1, len(values)))]
            return _signed(reduce(operation, numbers))

        return run

    def shift(name: str, operation: Any) -> Function:
        def run(*values: LuaValue) -> int:
            number, by = bits(name, values, 0), bits(name, values, 1) & 31
            return _signed(operation(number, by) & _MASK)

        return run

    def one(name: str, operation: Any) -> Function:
        return lambda *values: _signed(operation(bits(name, values, 0)) & _MASK)

    def tohex(*values: LuaValue) -> bytes:
        number = bits("tohex", values, 0)
        digits = 8 if len(values) < 2 else _signed(bits("tohex", values, 1))
        form = b"%08X" if digits < 0 else b"%08x"
        width = min(8, abs(digits))
        return (form % number)[8 - width :]

    return {
        "tobit": one("tobit", lambda number: number),
        "bnot": one("bnot", lambda number: ~number),
        "bswap": one("bswap", lambda n: int.from_bytes(n.to_bytes(4, "little"), "big")),
        "band": combine("band", and_),
        "bor": combine("bor", or_),
        "bxor": combine("bxor", xor),
        "lshift": shift("lshift", lambda number, by: number << by),
        "rshift": shift("rshift", lambda number, by: number >> by),
        "arshift": shift("arshift", lambda number, by: _signed(number) >> by),
        "rol": shift("rol", lambda number, by: number << by | number >> (32 - by)),
        "ror": shift("ror", lambda number, by: number >> by | number << (32 - by)),
        "tohex": tohex,
    }


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
