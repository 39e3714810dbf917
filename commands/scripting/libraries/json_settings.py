"""What scripts can change about their JSON."""

from __future__ import annotations

from collections.abc import Callable

from commands.scripting.libraries.arguments import Arguments
from commands.scripting.libraries.services import (
    BadArgument,
    Function,
    LuaValue,
    Namespace,
    Services,
)

_INT_MAX = 2**31 - 1
_MOST_DIGITS = 14


class JsonSettings:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.encode_sparse_convert = False
        self.encode_sparse_ratio = 2
        self.encode_sparse_safe = 10
        self.encode_max_depth = 1000
        self.decode_max_depth = 1000
        self.encode_number_precision = _MOST_DIGITS
        self.encode_keep_buffer = True
        # "off", "on" or "null".
        self.encode_invalid_numbers = b"off"
        # "off" or "on".
        self.decode_invalid_numbers = b"on"

    def functions(self, services: Services) -> Namespace:
        """Each changes a setting if it has an argument, and returns what is set."""

        def integer(name: str, low: int, high: int) -> Function:
            def run(*values: LuaValue) -> int:
                arguments = _at_most(1, services, name, values)
                self._set_integer(arguments, name, 0, name, low, high)
                number: int = getattr(self, name)
                return number

            return run

        def choice(name: str, read: Callable[[bytes], object], *choices: bytes) -> Function:
            def run(*values: LuaValue) -> LuaValue:
                arguments = _at_most(1, services, name, values)
                if arguments.is_given(0):
                    setattr(self, name, read(_chosen(arguments, name, 0, choices)))
                value = getattr(self, name)
                return _AS_BOOLEAN.get(value, value)

            return run

        def encode_sparse_array(*values: LuaValue) -> tuple[LuaValue, ...]:
            name = "encode_sparse_array"
            arguments = _at_most(3, services, name, values)
            if arguments.is_given(0):
                self.encode_sparse_convert = _chosen(arguments, name, 0, _SWITCH) == b"on"
            self._set_integer(arguments, name, 1, "encode_sparse_ratio", 0, _INT_MAX)
            self._set_integer(arguments, name, 2, "encode_sparse_safe", 0, _INT_MAX)
            return self.encode_sparse_convert, self.encode_sparse_ratio, self.encode_sparse_safe

        return {
            "encode_sparse_array": encode_sparse_array,
            "encode_max_depth": integer("encode_max_depth", 1, _INT_MAX),
            "decode_max_depth": integer("decode_max_depth", 1, _INT_MAX),
            "encode_number_precision": integer("encode_number_precision", 1, _MOST_DIGITS),
            "encode_keep_buffer": choice("encode_keep_buffer", _is_on, *_SWITCH),
            "encode_invalid_numbers": choice("encode_invalid_numbers", bytes, *_SWITCH, b"null"),
            "decode_invalid_numbers": choice("decode_invalid_numbers", bytes, *_SWITCH),
        }

    def _set_integer(
        self, arguments: Arguments, function: str, at: int, name: str, low: int, high: int
    ) -> None:
        if not arguments.is_given(at):
            return
        # An integer of C.
        number = (arguments.integer(at) + 2**31) % 2**32 - 2**31
        if not low <= number <= high:
            raise BadArgument(function, 1, f"expected integer between {low} and {high}")
        setattr(self, name, number)


_SWITCH = (b"off", b"on")
_AS_BOOLEAN = {b"off": False, b"on": True}


def _is_on(text: bytes) -> bool:
    return text == b"on"


def _at_most(count: int, services: Services, name: str, values: tuple[LuaValue, ...]) -> Arguments:
    if len(values) > count:
        raise BadArgument(name, count + 1, "found too many arguments")
    return Arguments(services, name, values)


def _chosen(arguments: Arguments, function: str, at: int, choices: tuple[bytes, ...]) -> bytes:
    boolean = arguments.boolean(at)
    if boolean is not None:
        return b"on" if boolean else b"off"
    text = arguments.string(at)
    if text not in choices:
        raise BadArgument(function, at + 1, b"invalid option '%b'" % text)
    return text
