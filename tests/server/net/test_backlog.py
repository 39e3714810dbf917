"""The queue of replies that a socket did not take."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from commands.instance.client import LONG_REPLY
from server.net.backlog import Backlog


class Socket:
    """Takes a given number of bytes at each call, and counts what it was offered."""

    def __init__(self, takes: Sequence[int]) -> None:
        self._takes = list(takes)
        self.received = b""
        self.offered = 0

    def sendmsg(self, parts: Sequence[bytes | memoryview]) -> int:
        data = b"".join(parts)
        self.offered += len(data)
        taken = data[: self._takes.pop(0)] if self._takes else data
        self.received += taken
        return len(taken)


chunks = st.one_of(
    st.binary(max_size=20),
    st.integers(LONG_REPLY - 1, 3 * LONG_REPLY).map(lambda size: b"x" * size),
)


@given(
    added=st.lists(st.lists(chunks, min_size=1, max_size=5), min_size=1, max_size=8),
    takes=st.lists(st.integers(0, 2 * LONG_REPLY), max_size=20),
    already_sent=st.integers(0, 10),
)
def test_all_bytes_are_sent_in_order(
    added: list[list[bytes]], takes: list[int], already_sent: int
) -> None:
    backlog, sock = Backlog(), Socket(takes)
    expected = b"begun to send"[already_sent:]
    backlog.add_rest(b"begun to send", already_sent)
    for each in added:
        backlog.add(each)
        expected += b"".join(each)
        assert backlog.size == len(expected) - len(sock.received)
        if backlog.size:
            backlog.send(sock)  # type: ignore[arg-type]
    for _ in range(len(takes) + 8 * 5 + 1):
        if backlog.size:
            backlog.send(sock)  # type: ignore[arg-type]
    assert (sock.received, backlog.size) == (expected, 0)


def test_a_part_of_a_long_backlog_costs_the_same_as_of_a_short_one() -> None:
    offered = []
    for count in (10, 10_000):
        backlog, sock = Backlog(), Socket([100] * 50)
        for _ in range(count):
            backlog.add([b"x" * 60_000])
        for _ in range(50):
            backlog.send(sock)  # type: ignore[arg-type]
        offered.append(sock.offered)
    # Each call offers a megabyte at the most.
    assert offered[1] <= 50 * (1 << 20) + 50 * 60_000
    assert offered[1] <= 2 * offered[0]


def test_long_chunks_are_not_copied() -> None:
    value = b"x" * (1 << 20)
    backlog = Backlog()
    tracemalloc.start()
    backlog.add([b"$1048576\r\n", value, b"\r\n"] * 1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(value)
    assert backlog.size == 1000 * (len(value) + 12)
