"""Requests of a client that is blocked or paused: held back, then run in order."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.info import info
from tests.support.resp import Connection, Error, request
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until


def unread(server: RunningServer) -> int:
    """Return how many bytes of requests are held back."""

    def read() -> int:
        return max(int(client.wire.unread) for client in server.instance.clients.values())

    return server.call(read)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kinds=st.lists(
        st.sampled_from(["BLPOP", "INCR", "inline", "long", "unpause"]), min_size=1, max_size=120
    ),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
    repeats=st.sampled_from([1, 1, 30]),
)
def test_they_run_in_order_however_they_arrive(
    server: RunningServer, kinds: list[str], cuts: list[int], repeats: int
) -> None:
    other, client = server.connect(), server.connect()
    other("DEL", "list", "n")
    number = blocked = 0
    data, expected = b"", list[object]()
    for kind in kinds * repeats:
        if kind == "BLPOP":
            data += request(["BLPOP", "list", 0])
            expected.append([b"list", b"%d" % blocked])
            blocked += 1
        elif kind == "unpause":
            data += request(["CLIENT", "UNPAUSE"])
            expected.append("OK")
        elif kind == "long":
            data += request(["ECHO", "x" * 300])
            expected.append(b"x" * 300)
        else:
            data += request(["INCR", "n"]) if kind == "INCR" else b"incr n\r\n"
            number += 1
            expected.append(number)
    start = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts}):
        client.send_raw(data[start:cut])
        start = cut
        other("PING")
    client.send_raw(data[start:])
    other.pipeline([("RPUSH", "list", each) for each in range(blocked)])
    assert [client.read() for _ in expected] == expected
    wait_until(lambda: unread(server) == 0, "no request held back")
    client.close()
    other.close()


def test_many_requests_take_the_memory_of_their_bytes(
    server: RunningServer, client: Connection
) -> None:
    blocked = server.connect()
    server.block(blocked, "BLPOP", "list", 0)
    for _ in range(100):
        blocked.send_raw(b"INCR n\r\n" * 10_000)
    wait_until(lambda: unread(server) == 8_000_000, "all of the requests")
    assert int(info(client, "mem_clients_normal")) < 9_000_000
    client("RPUSH", "list", "x")
    # Others get their turn meanwhile.
    seen = {client("GET", "n") for _ in range(10)}
    assert blocked.read() == [b"list", b"x"]
    assert [blocked.read() for _ in range(1_000)] == list(range(1, 1_001))
    assert b"1000000" not in seen


def test_a_protocol_error_is_reported_after_the_requests_before_it(
    server: RunningServer, client: Connection
) -> None:
    blocked = server.connect()
    blocked.send_raw(request(["BLPOP", "list", 0]) + request(["INCR", "n"]) + b"*1\r\n:1\r\n")
    server.wait_for_blocked(1)
    client("RPUSH", "list", "x")
    assert blocked.read_until_closed() == [
        [b"list", b"x"], 1, Error("ERR Protocol error: expected '$', got ':'")
    ]  # fmt: skip


@pytest.mark.parametrize("words", [1, 20])
def test_a_paused_request_of_a_stranger_is_held_back(
    server: RunningServer, client: Connection, words: int
) -> None:
    """Inline requests of a stranger may have more words than its multibulk requests."""
    server.freeze()
    client("CONFIG", "SET", "requirepass", "secret")
    client("CLIENT", "PAUSE", 100_000)
    stranger = server.connect()
    stranger.send_raw(b"AUTH secret\r\n" + b"ECHO" + b" x" * words + b"\r\n" + b"PING\r\n" * 200)
    wait_until(lambda: unread(server) > 0, "a request held back")
    server.advance(100_000)
    replies = [stranger.read() for _ in range(202)]
    expected = b"x" if words == 1 else Error("ERR wrong number of arguments for 'echo' command")
    assert replies == ["OK", expected, *["PONG"] * 200]


def test_the_words_of_an_incomplete_request_count(
    server: RunningServer, client: Connection
) -> None:
    """A word of one byte takes some forty bytes of memory."""
    client("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    greedy = server.connect()
    greedy.send_raw(b"*1000000\r\n" + b"$1\r\nx\r\n" * 30_000)
    assert greedy.read_until_closed() == []
