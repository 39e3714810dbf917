"""The request parser: the same requests however the bytes are split, and the errors of Redis."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.wire.protocol import RequestParser
from tests.support.oracles import Oracle
from tests.support.resp import Connection, ConnectionClosed, request
from tests.support.servers import Loop, RunningServer

Outcome = tuple[list[list[bytes]], bytes | None]


def parsed(chunks: Iterator[bytes] | list[bytes], *, trusted: bool = True) -> Outcome:
    """Feed the chunks to a new parser; return the requests and its error."""
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
    """Split the data into pieces of random lengths."""
    places = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.randint(1, 8))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def reference(data: bytes) -> list[list[bytes]]:
    """Read the complete requests of a valid pipeline in the simplest way."""

    at = 0

    def number(mark: bytes) -> int:
        nonlocal at
        end = data.index(b"\r\n", at)
        assert data[at : at + 1] == mark
        text, at = data[at + 1 : end], end + 2
        return int(text)

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


# Words that look like protocol, and pieces of the protocol, valid and invalid.
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
    st.sampled_from(_WORDS),
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
    # The beginning of a request is kept until the rest of it comes.
    for end in {len(data) - 1, rng.randrange(1, len(data))}:
        assert parsed([data[:end], data[end:]]) == expected
    if len(data) < 2000:
        assert bytewise(data) == expected


@pytest.mark.parametrize("count", [1, 2, 10, 11, 99_999, 100_000, 250_000])
def test_requests_of_many_words(count: int) -> None:
    words = [b"%d" % number for number in range(count)]
    data = request(words)
    assert whole(data) == ([words], None)
    assert parsed([data[:-3], data[-3:] + data]) == ([words, words], None)


@pytest.mark.parametrize("size", [4095, 65_536, 3_000_000])
def test_requests_with_large_words(size: int) -> None:
    words = [b"SET", b"k", bytes(random.Random(size).randbytes(size))]
    data = request(words)
    assert whole(data + data) == ([words, words], None)
    assert parsed([data[at : at + 65_536] for at in range(0, len(data), 65_536)]) == ([words], None)


@given(
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12).map(b"".join),
    st.randoms(use_true_random=False),
)
@settings(max_examples=1500, deadline=None)
@example(b"*1\r\n$1\r\n*\r\n:1\r\n", random.Random(0))
@example(b"*1\r\n%1\r\n*1\r\n", random.Random(0))
@example(b"*2\r\n$1\r\n$\r\n:1\r\n", random.Random(0))
@example(b"*2\r\n$3\r\n\r\n$\r\n+OK\r\n", random.Random(0))
@example(b"*2\r\n$1\r\n$\r\n=5\r\n$$$:a\r\n", random.Random(0))
@example(b"*1\r\n$1\r\n*\r\n>1\r\n$1\r\na\r\n", random.Random(0))
def test_splitting_the_data_changes_nothing(data: bytes, rng: random.Random) -> None:
    """Whole chunks are read by the fast reader and split ones by the strict one: they agree."""
    expected = bytewise(data)
    assert whole(data) == expected
    if len(data) > 1:
        assert parsed(cut(data, rng)) == expected
    for argv in expected[0]:
        assert all(type(word) is bytes for word in argv)


# --- faults -----------------------------------------------------------------------------

FAULTS = {
    # Something else instead of a bulk string.
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
    # Lines without an end.
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
UNAUTHENTICATED_FAULTS = {
    b"*11\r\n": b"unauthenticated multibulk length",
    b"*1000000\r\n": b"unauthenticated multibulk length",
    b"*1\r\n$16385\r\n": b"unauthenticated bulk length",
}
# Input that looks wrong but is accepted. Where no requests result, the parser waits for more.
ACCEPTED: dict[bytes, list[list[bytes]]] = {
    b"": [],
    b"\r\n\n  \r\nPING\r\n": [[b"PING"]],
    b"PING\n": [[b"PING"]],
    b"*0\r\n*-1\r\n*-5\r\nPING\r\n": [[b"PING"]],
    b"*-9223372036854775808\r\nPING\r\n": [[b"PING"]],
    # Any two bytes are accepted as the end of a line.
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
def test_a_fault_ends_parsing_with_its_error(data: bytes) -> None:
    expected = b"ERR Protocol error: " + FAULTS[data]
    assert whole(data) == ([], expected)
    assert whole(request(["PING"]) + data) == ([[b"PING"]], expected)
    if len(data) < 1000:
        # The data after a fault is not parsed.
        assert whole(data + request(["PING"])) == ([], expected)
        assert bytewise(data) == ([], expected)


@pytest.mark.parametrize("data", UNAUTHENTICATED_FAULTS, ids=repr)
def test_unauthenticated_clients_have_lower_limits(data: bytes) -> None:
    expected = b"ERR Protocol error: " + UNAUTHENTICATED_FAULTS[data]
    assert parsed([data], trusted=False) == ([], expected)
    assert whole(data) == ([], None)


def test_unauthenticated_clients_may_send_requests_large_enough_to_log_in() -> None:
    words = [b"x" * 16_384] * 10
    assert parsed([request(words)], trusted=False) == ([words], None)


@pytest.mark.parametrize("data", ACCEPTED, ids=lambda data: repr(data[:24]))
def test_unusual_but_accepted_input(data: bytes) -> None:
    expected: Outcome = (ACCEPTED[data], None)
    assert bytewise(data) == expected
    if data:
        assert whole(data) == expected


def test_the_limit_of_words_can_be_set() -> None:
    """The limit also applies to words that arrive in one chunk."""
    limit = 1 << 20
    for extra, error in ((0, None), (1, b"ERR Protocol error: invalid bulk length")):
        parser = RequestParser(limit)
        words = [b"x" * (limit + extra)]
        assert parser.feed(request(words)) == ([] if error else [words])
        assert parser.error == error


# --- compared with real servers ---------------------------------------------------------


@pytest.fixture(scope="module")
def ours(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server()
    yield running
    running.close()


def exchange(port: int, data: bytes, sent_before: bytes = b"") -> bytes:
    """Return everything a server sends for the data, until it closes the connection or answers
    an ECHO that is sent after the data."""
    marker = b"-the-end-of-the-exchange-"
    received = b""
    with Connection(port) as connection:
        try:
            connection.send_raw(sent_before + data + b"\r\nECHO " + marker + b"\r\n")
            for chunk in iter(partial(connection.socket.recv, 65_536), b""):
                received += chunk
                if marker in received:
                    return received
        except ConnectionResetError:
            pass
    return received + b"(closed)"


# An ECHO after these would be read as their continuation.
_OPEN_ENDED = (b"*2147483647", b"*1\r\n$536870912", b"A" * 65_536, b"*" + b"1" * 65_535)
_ASKED = [
    data
    for data in [*FAULTS, *ACCEPTED]
    if not data.startswith(_OPEN_ENDED) and b"\0" not in data and len(data) < 60_000
]


@pytest.mark.parametrize("data", _ASKED, ids=lambda data: repr(data[:24]))
def test_redis_answers_the_same(redis7: Oracle, ours: RunningServer, data: bytes) -> None:
    assert exchange(ours.port, data) == exchange(redis7.port, data)


# Valkey requires proper line ends, and reads some quotes and unprintable words differently.
_VALKEY_DIFFERS = (b"*1\r\n$4\r\nPINGxx", b"*1\rX", b'SET "a', b"SET 'a'b", b"\xff\xfe")


@pytest.mark.parametrize(
    "data",
    [data for data in _ASKED if not data.startswith(_VALKEY_DIFFERS)],
    ids=lambda data: repr(data[:24]),
)
def test_valkey_answers_the_same(valkey: Oracle, ours: RunningServer, data: bytes) -> None:
    assert exchange(ours.port, data) == exchange(valkey.port, data)


@pytest.mark.parametrize("data", UNAUTHENTICATED_FAULTS, ids=repr)
def test_redis_answers_unauthenticated_clients_the_same(
    redis7: Oracle, ours: RunningServer, data: bytes
) -> None:
    redis7("CONFIG", "SET", "requirepass", "secret")
    admin = ours.connect()
    admin("CONFIG", "SET", "requirepass", "secret")
    try:
        assert exchange(ours.port, data) == exchange(redis7.port, data)
    finally:
        admin("CONFIG", "SET", "requirepass", "")


def test_redis_reads_random_inline_requests_the_same(redis7: Oracle, ours: RunningServer) -> None:
    """Random lines cover the many special cases of quoting."""
    rng = random.Random(20)
    pieces = [b'"', b"'", b"\\", b"x", b"4", b"1", b"n", b" ", b"\t", b"\r", b"\x0b", b"\x0c", b"a"]
    for _ in range(300):
        line = b"ECHO " + b"".join(rng.choices(pieces, k=rng.randint(1, 9))) + b"\r\n"
        assert exchange(ours.port, line) == exchange(redis7.port, line), line


# --- memory -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "announced",
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
def test_announced_lengths_allocate_no_memory(announced: bytes) -> None:
    tracemalloc.start()
    try:
        parser = RequestParser()
        parser.feed(announced)
        for _ in range(100):
            parser.feed(b"x")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_long_pipeline_leaves_no_memory_allocated() -> None:
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


def test_the_parser_reports_what_it_holds_and_wants() -> None:
    parser = RequestParser()
    parser.feed(b"*2\r\n$3\r\nSET\r\n$10\r\nabc")
    assert parser.wanted == 9
    assert 6 <= parser.pending < 40
    parser.feed(b"defghij\r\n")
    assert (parser.wanted, parser.pending) == (0, 0)


def test_a_protocol_error_closes_the_connection(ours: RunningServer) -> None:
    with Connection(ours.port) as connection:
        connection.send_raw(b"*1\r\n:1\r\n")
        assert connection.read().text == "ERR Protocol error: expected '$', got ':'"
        with pytest.raises(ConnectionClosed):
            connection.read()
