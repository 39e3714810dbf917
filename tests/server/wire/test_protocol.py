"""Bytes to requests: however the bytes are cut, whatever they hold, as Redis reads them."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.wire.protocol import RequestParser
from tests.support.oracles import Oracle
from tests.support.resp import Connection, ConnectionClosed, request
from tests.support.servers import Loop, RunningServer

Outcome = tuple[list[list[bytes]], bytes | None]


def parsed(chunks: Iterator[bytes] | list[bytes], *, trusted: bool = True) -> Outcome:
    """What a fresh parser makes of the chunks, and its error."""
    parser = RequestParser()
    parser.trusted = trusted
    requests = []
    for chunk in chunks:
        requests += parser.feed(chunk)
        if parser.error is not None:
            break
    return requests, parser.error


def whole(data: bytes) -> Outcome:
    return parsed([data])


def bytewise(data: bytes) -> Outcome:
    return parsed([data[at : at + 1] for at in range(len(data))])


def cut(data: bytes, rng: random.Random) -> list[bytes]:
    """The data in pieces of random lengths."""
    places = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.randint(1, 8))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def reference(data: bytes) -> list[list[bytes]]:
    """Complete requests of a valid pipeline, read without any cleverness."""

    def number(mark: bytes) -> int:
        nonlocal at
        end = data.index(b"\r\n", at)
        assert data[at : at + 1] == mark
        text, at = data[at + 1 : end], end + 2
        return int(text)

    at = 0
    requests = []
    while at < len(data):
        words = []
        for _ in range(number(b"*")):
            length = number(b"$")
            words.append(data[at : at + length])
            assert len(words[-1]) == length
            at += length + 2
        requests.append(words)
    return requests


# Words that look like the protocol around them, and pieces of it, right and wrong.
_WORDS = [
    b"", b"$", b"*", b"\r\n", b"\r\n*", b"\r\n$", b"$3\r\nfoo\r\n", b"*1\r\n$4\r\nPING\r\n",
    b"$-1", b"*-1\r\n", b"*0\r\n", b"\r\n=", b"=", b"\r\n:1\r\n", b"*100000\r\n", b"\0", b"~999999",
]  # fmt: skip
_PIECES = [
    b"*1\r\n", b"*2\r\n", b"$1\r\n", b"$3\r\n", b"a\r\n", b"$\r\n", b"*\r\n", b"abc\r\n",
    b"\r\n$\r\n", b"\r\n*\r\n", b":1\r\n", b"+OK\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b",x\r\n",
    b"(1\r\n", b"(x\r\n", b"=5\r\n", b"$$$:a\r\n", b"txt:a\r\n", b"%1\r\n", b"~1\r\n", b">1\r\n",
    b"~999999\r\n", b"|1\r\n", b"-ERR\r\n", b"!1\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n",
    b"PING\r\n", b'"', b"\0", b"0", b" ", b"\r", b"\n", b"$01\r\n", b"*+1\r\n", b"$1x\r\n",
]  # fmt: skip
_hostile_word = st.one_of(
    st.sampled_from(
        [
            b"",
            b"$",
            b"*",
            b"\r\n",
            b"\r\n*",
            b"\r\n$",
            b"$3\r\nfoo\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"$-1",
            b"*-1\r\n",
            b"*0\r\n",
            b"\r\n=",
            b"=",
            b"\r\n:1\r\n",
            b"*100000\r\n",
            b"\x00",
        ]
    ),
    st.lists(
        st.sampled_from([b"\r", b"\n", b"$", b"*", b":", b"+", b"-", b"=", b"1", b"0", b"x"])
    ).map(b"".join),
    st.binary(max_size=40),
    st.builds(bytes.__mul__, st.binary(min_size=1, max_size=3), st.integers(0, 3000)),
)
_pipelines = st.lists(st.lists(_hostile_word, min_size=1, max_size=6), min_size=1, max_size=8)


@given(_pipelines, st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_valid_pipelines_are_read_as_the_reference_does(
    pipeline: list[list[bytes]], rng: random.Random
) -> None:
    data = b"".join(map(request, pipeline))
    expected = (reference(data), None)
    assert expected[0] == pipeline
    assert whole(data) == expected
    assert parsed(cut(data, rng)) == expected
    # Trailing data stays where it is, and is read once the rest comes.
    for end in {len(data) - 1, rng.randrange(1, len(data))}:
        assert parsed([data[:end], data[end:]]) == expected
    if len(data) < 2000:
        assert bytewise(data) == expected


@pytest.mark.parametrize("count", [1, 2, 10, 11, 99_999, 100_000, 250_000])
def test_many_words(count: int) -> None:
    words = [b"%d" % number for number in range(count)]
    data = request(words)
    assert whole(data) == ([words], None)
    assert parsed([data[:-3], data[-3:] + data]) == ([words, words], None)


@pytest.mark.parametrize("size", [4095, 65_536, 3_000_000])
def test_large_words(size: int) -> None:
    words = [b"SET", b"k", bytes(random.Random(size).randbytes(size))]
    data = request(words)
    assert whole(data + data) == ([words, words], None)
    assert parsed([data[at : at + 65_536] for at in range(0, len(data), 65_536)]) == ([words], None)


@given(
    st.lists(
        st.sampled_from(
            [
                b"*1\r\n",
                b"*2\r\n",
                b"$1\r\n",
                b"$3\r\n",
                b"a\r\n",
                b"$\r\n",
                b"*\r\n",
                b"abc\r\n",
                b"\r\n$\r\n",
                b"\r\n*\r\n",
                b":1\r\n",
                b"+OK\r\n",
                b"_\r\n",
                b"#t\r\n",
                b",1.5\r\n",
                b"(1\r\n",
                b"=5\r\n",
                b"$$$:a\r\n",
                b"txt:a\r\n",
                b"%1\r\n",
                b"~1\r\n",
                b">1\r\n",
                b"~999999\r\n",
                b"(x\r\n",
                b",x\r\n",
                b"|1\r\n",
                b"-ERR\r\n",
                b"!1\r\n",
                b"$-1\r\n",
                b"*-1\r\n",
                b"*0\r\n",
                b"\r",
                b"\n",
                b"PING\r\n",
                b'"',
                b"\x00",
                b"0",
                b" ",
                b"$01\r\n",
                b"*+1\r\n",
                b"$1x\r\n",
            ]
        ),
        min_size=1,
        max_size=12,
    ).map(b"".join),
    st.randoms(use_true_random=False),
)
@settings(max_examples=1500, deadline=None)
@example(b"*1\r\n$1\r\n*\r\n:1\r\n", random.Random(0))
@example(b"*1\r\n%1\r\n*1\r\n", random.Random(0))
@example(b"*2\r\n$1\r\n$\r\n:1\r\n", random.Random(0))
@example(b"*2\r\n$3\r\n\r\n$\r\n+OK\r\n", random.Random(0))
@example(b"*2\r\n$1\r\n$\r\n=5\r\n$$$:a\r\n", random.Random(0))
@example(b"*1\r\n$1\r\n*\r\n>1\r\n$1\r\na\r\n", random.Random(0))
def test_cutting_changes_nothing(data: bytes, rng: random.Random) -> None:
    """The quick reader sees whole chunks only, the strict one all that are cut: they agree."""
    expected = bytewise(data)
    assert whole(data) == expected
    if len(data) > 1:
        assert parsed(cut(data, rng)) == expected
    for argv in expected[0]:
        assert all(type(word) is bytes for word in argv)


# --- faults ------------------------------------------------------------------------------

FAULTS = {
    # What comes instead of a bulk string.
    b"*1\r\n:1\r\n": b"expected '$', got ':'",
    b"*1\r\n+PING\r\n": b"expected '$', got '+'",
    b"*1\r\n*1\r\n": b"expected '$', got '*'",
    b"*2\r\n$3\r\nGET\r\nkey\r\n": b"expected '$', got 'k'",
    b"*1\r\n\r\n": b"expected '$', got ' '",
    b"*1\r\n\n\r\n": b"expected '$', got ' '",
    b"*1\r\n\xff\r\n": b"expected '$', got '\xff'",
    # Numbers of words.
    b"*\r\n": b"invalid multibulk length",
    b"*x\r\n": b"invalid multibulk length",
    b"* 1\r\n": b"invalid multibulk length",
    b"*1 \r\n": b"invalid multibulk length",
    b"*+1\r\n": b"invalid multibulk length",
    b"*01\r\n": b"invalid multibulk length",
    b"*-0\r\n": b"invalid multibulk length",
    b"*1.5\r\n": b"invalid multibulk length",
    b"*2147483648\r\n": b"invalid multibulk length",
    b"*9223372036854775808\r\n": b"invalid multibulk length",
    b"*-9223372036854775809\r\n": b"invalid multibulk length",
    b"*" + b"1" * 40 + b"\r\n": b"invalid multibulk length",
    # Lengths of words.
    b"*1\r\n$\r\n": b"invalid bulk length",
    b"*1\r\n$-1\r\n": b"invalid bulk length",
    b"*1\r\n$+4\r\n": b"invalid bulk length",
    b"*1\r\n$04\r\n": b"invalid bulk length",
    b"*1\r\n$4 \r\nPING\r\n": b"invalid bulk length",
    b"*1\r\n$0x4\r\n": b"invalid bulk length",
    b"*1\r\n$536870913\r\n": b"invalid bulk length",
    b"*1\r\n$9223372036854775808\r\n": b"invalid bulk length",
    # Lines that do not end.
    b"A" * 65_537: b"too big inline request",
    b"*" + b"1" * 65_536: b"too big mbulk count string",
    b"*1\r\n$" + b"1" * 65_536: b"too big bulk count string",
    b"PING \0" + b"\n" * 65_536: b"too big inline request",
    b"*1\0\r\n" + b"\r\n" * 32_768: b"too big mbulk count string",
    # Quotes.
    b'SET "a\r\n': b"unbalanced quotes in request",
    b"SET 'a\r\n": b"unbalanced quotes in request",
    b'SET "a"b c\r\n': b"unbalanced quotes in request",
    b"SET 'a'b c\r\n": b"unbalanced quotes in request",
    b'SET "a\\"\r\n': b"unbalanced quotes in request",
    b'"\n': b"unbalanced quotes in request",
}
STRANGERS_FAULTS = {
    b"*11\r\n": b"unauthenticated multibulk length",
    b"*1000000\r\n": b"unauthenticated multibulk length",
    b"*1\r\n$16385\r\n": b"unauthenticated bulk length",
}
# What looks wrong and is taken; where nothing is taken, more is waited for.
ACCEPTED: dict[bytes, list[list[bytes]]] = {
    b"": [],
    b"\r\n\n  \r\nPING\r\n": [[b"PING"]],
    b"PING\n": [[b"PING"]],
    b"*0\r\n*-1\r\n*-5\r\nPING\r\n": [[b"PING"]],
    b"*-9223372036854775808\r\nPING\r\n": [[b"PING"]],
    # Any two bytes may stand where a line should end.
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n": [[b"PING"], [b"PING"]],
    b"*1\rX$4\rYPING\r\n": [[b"PING"]],
    b"*1\r\n$0\r\n\r\n": [[b""]],
    b"*2147483647\r\n": [],
    b"*1\r\n$536870912\r\n": [],
    # A NUL hides the end of its line.
    b"PI\0NG\r\nPING\r\n": [],
    b"*1\0\r\n$4\r\nPING\r\n": [],
    b"*1\r\n\0\r\nPING\r\n": [],
    b"A" * 65_536: [],
    b"*" + b"1" * 65_535: [],
    # Quotes and spaces of inline commands.
    b"ECHO a\r\r\n": [[b"ECHO", b"a"]],
    b"\tECHO\t a \r\n": [[b"ECHO", b"a"]],
    b"ECHO ''\r\n": [[b"ECHO", b""]],
    b'ECHO "a\\x41\\n\\r\\t\\b\\a\\q\\x4\\"\\\\"\r\n': [[b"ECHO", b'aA\n\r\t\b\aqx4"\\']],
    b"ECHO 'a\\'b\\n\"'\r\n": [[b"ECHO", b"a'b\\n\""]],
    b'ECHO a"b c"\r\n': [[b"ECHO", b"ab c"]],
    b"ECHO\x0b1\x0c\r\n": [[b"ECHO\x0b1\x0c"]],
    b"\x0b\x0cECHO a\r\n": [[b"ECHO", b"a"]],
    b"$4\r\n": [[b"$4"]],
    b"\xff\xfe \x80\r\n": [[b"\xff\xfe", b"\x80"]],
}


@pytest.mark.parametrize("data", FAULTS, ids=lambda data: repr(data[:24]))
def test_faults(data: bytes) -> None:
    expected = b"ERR Protocol error: " + FAULTS[data]
    assert whole(data) == ([], expected)
    assert whole(request(["PING"]) + data) == ([[b"PING"]], expected)
    if len(data) < 1000:
        # What follows a fault is not looked at.
        assert whole(data + request(["PING"])) == ([], expected)
        assert bytewise(data) == ([], expected)


@pytest.mark.parametrize("data", STRANGERS_FAULTS, ids=repr)
def test_faults_of_strangers(data: bytes) -> None:
    expected = b"ERR Protocol error: " + STRANGERS_FAULTS[data]
    assert parsed([data], trusted=False) == ([], expected)
    assert whole(data) == ([], None)


def test_strangers_may_send_what_a_login_takes() -> None:
    words = [b"x" * 16_384] * 10
    assert parsed([request(words)], trusted=False) == ([words], None)


@pytest.mark.parametrize("data", ACCEPTED, ids=lambda data: repr(data[:24]))
def test_what_looks_wrong_and_is_not(data: bytes) -> None:
    expected: Outcome = (ACCEPTED[data], None)
    assert bytewise(data) == expected
    if data:
        assert whole(data) == expected


def test_the_limit_of_words_can_be_set() -> None:
    """It holds for words that come in whole as well."""
    limit = 1 << 20
    for extra, error in ((0, None), (1, b"ERR Protocol error: invalid bulk length")):
        parser = RequestParser(limit)
        words = [b"x" * (limit + extra)]
        assert parser.feed(request(words)) == ([] if error else [words])
        assert parser.error == error


# --- the same, said by others -------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server()
    yield running
    running.close()


def exchange(port: int, data: bytes, sent_before: bytes = b"") -> bytes:
    """Everything a server says to the data, up to the end it makes of it; an ECHO after the
    data ends what it does not."""
    marker = b"-the-end-of-the-exchange-"
    received = b""
    with Connection(port) as connection:
        try:
            connection.send_raw(sent_before + data + b"\r\nECHO " + marker + b"\r\n")
            while marker not in received:
                chunk = connection.socket.recv(65_536)
                if not chunk:
                    return received + b"(closed)"
                received += chunk
        except ConnectionResetError:
            return received + b"(closed)"
    return received


# An ECHO behind these would be taken for their continuation.
_OPEN_ENDED = (b"*2147483647", b"*1\r\n$536870912", b"A" * 65_536, b"*" + b"1" * 65_535)
_ASKED = [
    data
    for data in [*FAULTS, *ACCEPTED]
    if not data.startswith(_OPEN_ENDED) and b"\0" not in data and len(data) < 60_000
]


@pytest.mark.parametrize("data", _ASKED, ids=lambda data: repr(data[:24]))
def test_redis_answers_the_same(redis7: Oracle, ours: RunningServer, data: bytes) -> None:
    assert exchange(ours.port, data) == exchange(redis7.port, data)


# Valkey insists on line ends, and reads some quotes and unprintable words otherwise.
_NOT_VALKEYS = (b"*1\r\n$4\r\nPINGxx", b"*1\rX", b'SET "a', b"SET 'a'b", b"\xff\xfe")


@pytest.mark.parametrize("data", _ASKED, ids=lambda data: repr(data[:24]))
def test_valkey_answers_the_same(valkey: Oracle, ours: RunningServer, data: bytes) -> None:
    if data.startswith(_NOT_VALKEYS):
        pytest.skip("Valkey differs from Redis")
    assert exchange(ours.port, data) == exchange(valkey.port, data)


@pytest.mark.parametrize("data", STRANGERS_FAULTS, ids=repr)
def test_strangers_are_answered_the_same(redis7: Oracle, ours: RunningServer, data: bytes) -> None:
    redis7("CONFIG", "SET", "requirepass", "secret")
    admin = ours.connect()
    admin("CONFIG", "SET", "requirepass", "secret")
    try:
        assert exchange(ours.port, data) == exchange(redis7.port, data)
    finally:
        admin("CONFIG", "SET", "requirepass", "")


def test_random_inline_lines(redis7: Oracle, ours: RunningServer) -> None:
    """Quoting is full of corners: the same lines to both, in one go each."""
    rng = random.Random(20)
    pieces = [b'"', b"'", b"\\", b"x", b"4", b"1", b"n", b" ", b"\t", b"\r", b"\x0b", b"\x0c", b"a"]
    for _ in range(300):
        line = b"ECHO " + b"".join(rng.choices(pieces, k=rng.randint(1, 9))) + b"\r\n"
        assert exchange(ours.port, line) == exchange(redis7.port, line), line


# --- memory -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        b"*2147483647\r\n",
        b"*1\r\n$536870912\r\n",
        b"*99999\r\n$1\r\n",
        b"*2\r\n$3\r\nSET\r\n$500000000\r\nabc",
        b"*2147483647\r\n$536870912\r\n",
        b"%99999999\r\n",
        b"*1\r\n%2147483647\r\n",
        b"*1\r\n~2147483647\r\n",
        b"*1\r\n>2147483647\r\n",
        b"*1\r\n|2147483647\r\n",
        b"*1\r\n$1\r\na\r\n|2147483647\r\n",
    ],
    ids=repr,
)
def test_lengths_that_lie_cost_nothing(lie: bytes) -> None:
    tracemalloc.start()
    try:
        parser = RequestParser()
        parser.feed(lie)
        for _ in range(100):
            parser.feed(b"x")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_long_pipeline_leaves_nothing_behind() -> None:
    parser = RequestParser()
    data = request([b"SET", b"key", b"x" * 1000]) * 100
    tracemalloc.start()
    try:
        for at in range(0, len(data) * 20, 7001):
            piece = (data * 2)[at % len(data) :][:7001]
            parser.feed(piece)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert parser.error is None


def test_what_is_held_is_known() -> None:
    parser = RequestParser()
    parser.feed(b"*2\r\n$3\r\nSET\r\n$10\r\nabc")
    assert parser.wanted == 9
    assert 6 <= parser.pending < 40
    parser.feed(b"defghij\r\n")
    assert (parser.wanted, parser.pending) == (0, 0)


def test_closed_connections_are_seen_as_such(ours: RunningServer) -> None:
    with Connection(ours.port) as connection:
        connection.send_raw(b"*1\r\n:1\r\n")
        assert connection.read().text == "ERR Protocol error: expected '$', got ':'"
        with pytest.raises(ConnectionClosed):
            connection.read()
