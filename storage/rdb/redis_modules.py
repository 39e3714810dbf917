"""Data of Redis modules in snapshots: skipped if not about keys, refused otherwise."""

from __future__ import annotations

from storage.rdb.errors import RdbError
from storage.rdb.primitive_reader import PrimitiveReader

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_NAME_LENGTH, _VERSION_BITS = 9, 10
# The type of the next item: none, a number (signed or not), a float, a double, a string.
_END, _SIGNED, _UNSIGNED, _FLOAT, _DOUBLE, _STRING = range(6)


def module_name(number: int) -> str:
    """Return the name in a module's ID: nine letters of six bits each, then a version."""
    number >>= _VERSION_BITS
    return "".join(_LETTERS[number >> 6 * place & 63] for place in reversed(range(_NAME_LENGTH)))


def skip_module_facts(source: PrimitiveReader) -> None:
    """Skip what a module stored about the data as a whole."""
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
            raise RdbError("unknown module data type", source.offset)
