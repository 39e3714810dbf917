"""The types of values, and the names Redis gives to types and encodings."""

from __future__ import annotations

import re

from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream

Collection = Hash | List | Set | SortedSet | Stream
# What a key holds. A string is `bytes` until a command modifies it in place.
Value = bytes | bytearray | Collection

TYPE_NAMES: dict[type[Value], str] = {
    bytes: "string",
    bytearray: "string",
    List: "list",
    Set: "set",
    SortedSet: "zset",
    Hash: "hash",
    Stream: "stream",
}

_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
# The longest string that Redis keeps in one allocation with its header.
_EMBEDDED_MAX = 44


def type_name(value: Value) -> str:
    """Return the type's name, as TYPE answers it."""
    return TYPE_NAMES[value.__class__]


def encoding_of(value: Value) -> bytes:
    """Return the encoding's name, as OBJECT ENCODING answers it."""
    if isinstance(value, bytes):
        if is_integer(value):
            return b"int"
        return b"embstr" if len(value) <= _EMBEDDED_MAX else b"raw"
    if isinstance(value, bytearray):
        return b"raw"
    return value.encoding


def is_integer(text: bytes) -> bool:
    """Return whether Redis would keep this string as a number."""
    return len(text) <= 20 and _INTEGER(text) is not None and _INT64_MIN <= int(text) <= _INT64_MAX
