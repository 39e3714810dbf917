"""What a value is: the names of types and encodings, as Redis has them."""

from __future__ import annotations

import re
from typing import Any

from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream

KINDS: dict[type[Any], str] = {
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


def kind_of(value: Any) -> str:
    """The type's name, as TYPE answers it."""
    return KINDS[value.__class__]


def encoding_of(value: Any) -> bytes:
    """The encoding's name, as OBJECT ENCODING answers it."""
    if value.__class__ is bytes:
        if is_integer(value):
            return b"int"
        return b"embstr" if len(value) <= _EMBEDDED_MAX else b"raw"
    if value.__class__ is bytearray:
        return b"raw"
    encoding: bytes = value.encoding
    return encoding


def is_integer(text: bytes) -> bool:
    """Whether Redis would keep this string as a number."""
    return len(text) <= 20 and _INTEGER(text) is not None and _INT64_MIN <= int(text) <= _INT64_MAX
