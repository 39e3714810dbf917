"""The names of types and encodings."""

from __future__ import annotations

import pytest

from storage.values.types import TYPE_NAMES, encoding_of, is_integer, type_name


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"", b"embstr"),
        (b"0", b"int"),
        (b"-1", b"int"),
        (b"9223372036854775807", b"int"),
        (b"-9223372036854775808", b"int"),
        (b"9223372036854775808", b"embstr"),
        (b"-9223372036854775809", b"embstr"),
        (b"007", b"embstr"),
        (b"-0", b"embstr"),
        (b"+1", b"embstr"),
        (b"1\n", b"embstr"),
        (b"x" * 44, b"embstr"),
        (b"x" * 45, b"raw"),
        (bytearray(b"1"), b"raw"),
    ],
)
def test_encodings_of_strings(value: bytes | bytearray, encoding: bytes) -> None:
    assert encoding_of(value) == encoding
    assert type_name(value) == "string"
    assert is_integer(bytes(value)) == (encoding == b"int" or isinstance(value, bytearray))


def test_every_collection_has_a_type_name_and_an_encoding() -> None:
    assert {"string", "list", "set", "zset", "hash", "stream"} <= set(TYPE_NAMES.values())
    for kind, name in TYPE_NAMES.items():
        if name != "string":
            assert encoding_of(kind()), kind
