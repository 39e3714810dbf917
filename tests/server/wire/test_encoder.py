"""The reply encoder: hiredis and the strict reader of the tests read its output back."""

from __future__ import annotations

import math
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.engine.replies import (
    NO_REPLY,
    NULL_ARRAY,
    Attributed,
    BigNumber,
    Encoded,
    ErrorReply,
    MapReply,
    Pairs,
    Push,
    Replies,
    SetReply,
    Verbatim,
)
from server.wire.encoder import encode2, encode3
from tests.support.resp import parse_all

statuses = st.text("OKabc 1", min_size=1)
leaves = st.one_of(
    st.binary(max_size=20),
    st.binary(max_size=20).map(bytearray),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, 4095, 4096]),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    statuses,
)
replies = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(st.binary(max_size=5), inner, max_size=4),
        st.lists(st.binary(max_size=5), max_size=4, unique=True).map(SetReply),
        st.lists(st.tuples(st.binary(max_size=5), inner), max_size=4).map(Pairs),
    ),
    max_leaves=15,
)


def read(data: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(data)
    reply = reader.gets()
    assert not reader.has_data(), "more than one reply"
    return reply


def plain2(reply: Any) -> Any:
    """Return what hiredis should read for a reply in RESP2."""
    if isinstance(reply, bool):
        return int(reply)
    if isinstance(reply, float):
        return pytest.approx(reply) if math.isfinite(reply) else repr(reply).encode()
    if isinstance(reply, str):
        return reply.encode()
    if isinstance(reply, bytearray):
        return bytes(reply)
    if isinstance(reply, (list, tuple)):
        return [plain2(item) for item in reply]
    if isinstance(reply, SetReply):
        return [plain2(item) for item in reply.items]
    if isinstance(reply, dict):
        return [plain2(word) for pair in reply.items() for word in pair]
    if isinstance(reply, Pairs):
        return [plain2(word) for pair in reply.items for word in pair]
    return reply


def as_doubles(reply: Any, expected: Any) -> Any:
    """Convert texts to doubles where a double is expected: RESP2 sends doubles as texts."""
    if isinstance(expected, list) and isinstance(reply, list):
        assert len(reply) == len(expected)
        return [as_doubles(one, other) for one, other in zip(reply, expected, strict=True)]
    if not isinstance(expected, (bytes, int, float, type(None))):
        return float(reply)
    return reply


@given(replies)
def test_resp2_round_trip(reply: Any) -> None:
    expected = plain2(reply)
    assert as_doubles(read(encode2(reply)), expected) == expected


def plain3(reply: Any) -> Any:
    """Return what hiredis should read for a reply in RESP3."""
    if isinstance(reply, str):
        return reply.encode()
    if isinstance(reply, bytearray):
        return bytes(reply)
    if isinstance(reply, (list, tuple)):
        return [plain3(item) for item in reply]
    if isinstance(reply, SetReply):
        # hiredis gives RESP3 sets as lists, because their items may not be hashable.
        return [plain3(item) for item in reply.items]
    if isinstance(reply, dict):
        return {key: plain3(value) for key, value in reply.items()}
    if isinstance(reply, Pairs):
        return [[plain3(one), plain3(other)] for one, other in reply.items]
    return reply


@given(replies)
def test_resp3_round_trip(reply: Any) -> None:
    assert read(encode3(reply)) == plain3(reply)


@given(replies)
def test_every_encoding_is_one_whole_reply(reply: Any) -> None:
    for encode in (encode2, encode3):
        assert len(parse_all(encode(reply))) == 1


EXACT = [
    (None, b"$-1\r\n", b"_\r\n"),
    (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
    (NO_REPLY, b"", b""),
    ("OK", b"+OK\r\n", b"+OK\r\n"),
    (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
    (-1, b":-1\r\n", b":-1\r\n"),
    (2**63 - 1, b":9223372036854775807\r\n", b":9223372036854775807\r\n"),
    (True, b":1\r\n", b"#t\r\n"),
    (False, b":0\r\n", b"#f\r\n"),
    (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
    (3.0, b"$1\r\n3\r\n", b",3\r\n"),
    (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
    (-math.inf, b"$4\r\n-inf\r\n", b",-inf\r\n"),
    (math.nan, b"$3\r\nnan\r\n", b",nan\r\n"),
    ([], b"*0\r\n", b"*0\r\n"),
    ({}, b"*0\r\n", b"%0\r\n"),
    (SetReply([]), b"*0\r\n", b"~0\r\n"),
    ([None, NULL_ARRAY], b"*2\r\n$-1\r\n*-1\r\n", b"*2\r\n_\r\n_\r\n"),
    (ErrorReply(b"ERR a\r\nb"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
    ([ErrorReply(b"ERR x"), 1], b"*2\r\n-ERR x\r\n:1\r\n", b"*2\r\n-ERR x\r\n:1\r\n"),
    ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    (
        MapReply([(b"a", 1), (b"a", 2)]),
        b"*4\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n",
        b"%2\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n",
    ),
    (
        Pairs([(b"a", 1.0)]),
        b"*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n",
    ),
    (SetReply([b"a"]), b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    (Verbatim(b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
    (BigNumber(b"1" * 30), b"$30\r\n" + b"1" * 30 + b"\r\n", b"(" + b"1" * 30 + b"\r\n"),
    (Push([b"a", 1]), b"*2\r\n$1\r\na\r\n:1\r\n", b">2\r\n$1\r\na\r\n:1\r\n"),
    (Attributed([(b"a", 1)], 2), b":2\r\n", b"|1\r\n$1\r\na\r\n:1\r\n:2\r\n"),
    (Replies([1, 2]), b":1\r\n:2\r\n", b":1\r\n:2\r\n"),
    (Encoded(b":7\r\n"), b":7\r\n", b":7\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "resp2", "resp3"), EXACT)
def test_exact_bytes(reply: Any, resp2: bytes, resp3: bytes) -> None:
    assert encode2(reply) == resp2
    assert encode3(reply) == resp3


def test_a_push_is_encoded_once_per_protocol() -> None:
    push = Push([b"a"])
    assert encode3(push) is push.encoded[3]
    assert encode2(push) != encode3(push)
    assert encode3(push) is push.encoded[3]


@given(st.text())
def test_no_status_or_error_ends_its_line_early(text: str) -> None:
    encoded = encode2(ErrorReply(text.encode()))
    assert encoded.endswith(b"\r\n")
    assert b"\r" not in encoded[:-2]
    assert b"\n" not in encoded[:-2]
