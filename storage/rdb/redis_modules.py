"""What modules leave in files: skipped where it says nothing of keys, refused elsewhere."""

from __future__ import annotations

from storage.rdb.errors import RdbError
from storage.rdb.primitive_reader import PrimitiveReader

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_NAME_LENGTH, _VERSION_BITS = 9, 10
# What comes next: nothing more, a number (signed or not), a float, a double, a string.
_END, _SIGNED, _UNSIGNED, _FLOAT, _DOUBLE, _STRING = range(6)


def module_name(number: int) -> str:
    """The name in a module's number: nine letters of six bits, and a version."""
    number >>= _VERSION_BITS
    return "".join(_LETTERS[number >> 6 * place & 63] for place in reversed(range(_NAME_LENGTH)))


def skip_module_facts(source: PrimitiveReader) -> None:
    """Pass over what a module noted about the whole of the data."""
    source.length()
    while (kind := source.length()) != _END:
        if kind in (_SIGNED, _UNSIGNED):
            source.length()
        elif kind == _FLOAT:
            source.take(4)
        elif kind == _DOUBLE:
            source.take(8)
        elif kind == _STRING:
            source.string()
        else:
            raise RdbError("an unknown kind of module data", source.offset)
