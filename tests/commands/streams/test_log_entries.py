"""Log entries of stream commands: replaying them gives the same state."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from storage.journal import Journal
from storage.values.streams import MAX_ID, Stream
from tests.support.offline import Offline, bare
from tests.support.resp import Error

NOW = 1_700_000_000_000


class Machine:
    """An instance without sockets, with a frozen clock."""

    def __init__(self, now: int = NOW) -> None:
        self._session = Offline(now)
        self.instance = self._session.instance
        self.instance.keyspace.limits.stream_node_max_entries = 4
        self.instance.keyspace.journal = self._journal = Journal()

    def run(self, words: list[bytes]) -> tuple[Any, list[list[bytes]]]:
        """Run a request; return the reply and the log entries."""
        return self._session(*words), bare(self._journal)

    def log_of(self, text: str) -> list[str]:
        _, logged = self.run(text.encode().split())
        return [b" ".join(words).decode() for words in logged]

    def advance(self, ms: int) -> None:
        self._session.advance(ms)

    def state(self) -> Any:
        stream = self.instance.keyspace.databases[0].peek(b"s")
        if stream is None:
            return None
        assert isinstance(stream, Stream)
        return (
            [(node.first, node.ids, node.deleted) for node in stream.nodes],
            stream.range(0, MAX_ID),
            (stream.last_id, stream.max_deleted_id, stream.entries_added),
            [
                (
                    name,
                    group.last_id,
                    group.entries_read,
                    sorted(group.consumers),
                    [
                        (entry_id, one.consumer.name, one.delivery_time, one.deliveries)
                        for entry_id, one in group.pending.items()
                    ],
                )
                for name, group in stream.groups_by_name()
            ],
        )


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    for number in range(1, 6):
        made.run([b"XADD", b"s", b"%d-0" % number, b"a", b"b"])
    made.run([b"XGROUP", b"CREATE", b"s", b"g", b"0"])
    return made


@pytest.mark.parametrize(
    ("request_", "logged"),
    [
        ("XADD s * a b", [f"XADD s {NOW}-0 a b"]),
        ("XADD s 9-* a b", ["XADD s 9-0 a b"]),
        ("XADD s 9 a b", ["XADD s 9-0 a b"]),
        ("XADD s NOMKSTREAM * a b", [f"XADD s NOMKSTREAM {NOW}-0 a b"]),
        ("XADD s MAXLEN ~ 3 9-0 a b", ["XADD s MAXLEN = 6 9-0 a b"]),
        ("XADD s MAXLEN ~ 1 LIMIT 4 9-0 a b", ["XADD s MAXLEN = 2 9-0 a b"]),
        ("XADD s MAXLEN 2 9-0 a b", ["XADD s MAXLEN = 2 9-0 a b"]),
        ("XADD s MINID ~ 5 9-* a b", ["XADD s MINID = 5-0 9-0 a b"]),
        ("XTRIM s MAXLEN ~ 1", ["XTRIM s MAXLEN = 1"]),
        ("XTRIM s MINID ~ 9", ["XTRIM s MINID = 18446744073709551615-18446744073709551615"]),
        ("XTRIM s MAXLEN 1", ["XTRIM s MAXLEN 1"]),
        (
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
            [
                "XGROUP CREATECONSUMER s g c",
                f"XCLAIM s g c 0 1-0 TIME {NOW} RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
                "XGROUP SETID s g 1-0 ENTRIESREAD 1",
            ],
        ),
        (
            "XREADGROUP GROUP g c COUNT 2 NOACK STREAMS s >",
            ["XGROUP CREATECONSUMER s g c", "XGROUP SETID s g 2-0 ENTRIESREAD 2"],
        ),
        ("XREADGROUP GROUP g c STREAMS s 0", ["XGROUP CREATECONSUMER s g c"]),
        (
            "XCLAIM s g c 0 1-0 FORCE IDLE 5 RETRYCOUNT 3",
            [
                "XGROUP CREATECONSUMER s g c",
                f"XCLAIM s g c 0 1-0 TIME {NOW - 5} RETRYCOUNT 3 FORCE JUSTID LASTID 0-0",
            ],
        ),
        ("XACK s g 1-0", []),
        ("XRANGE s - +", []),
    ],
)
def test_requests_are_logged_in_their_deterministic_form(
    machine: Machine, request_: str, logged: list[str]
) -> None:
    assert machine.log_of(request_) == logged


@pytest.mark.parametrize("seed", range(12))
def test_replaying_the_log_gives_the_same_state(seed: int) -> None:
    rng = Random(seed)
    # Its clock differs, as it does when a log is loaded later.
    first, second = Machine(), Machine(NOW + 1_000_000)
    for _ in range(250):
        words = [word.encode() for word in some_request(rng).split()]
        reply, logged = first.run(words)
        for request in logged:
            answer, _ = second.run(request)
            assert not isinstance(answer, Error), (request, answer)
        first.advance(rng.randrange(3))
        assert first.state() == second.state(), (words, reply, logged)


def some_request(rng: Random) -> str:
    """Return a random request for stream `s`. Reads of a consumer's history are not included,
    because Redis does not log them either."""
    some_id = f"{NOW + rng.randrange(400)}-{rng.randrange(2)}"
    group, consumer = rng.choice("gh"), rng.choice("abc")
    trim = rng.choice(["MAXLEN ~ 6", "MAXLEN 6", f"MINID ~ {some_id}", "MAXLEN ~ 2 LIMIT 5"])
    return rng.choice(
        [
            "XADD s * a b",
            "XADD s * a b",
            f"XADD s NOMKSTREAM {trim} * a b",
            f"XTRIM s {trim}",
            f"XDEL s {some_id}",
            f"XGROUP CREATE s {group} 0 MKSTREAM",
            f"XGROUP SETID s {group} {some_id}",
            f"XGROUP DELCONSUMER s {group} {consumer}",
            f"XREADGROUP GROUP {group} {consumer} COUNT 2 STREAMS s >",
            f"XREADGROUP GROUP {group} {consumer} COUNT 3 STREAMS s >",
            f"XREADGROUP GROUP {group} {consumer} COUNT 1 NOACK STREAMS s >",
            f"XACK s {group} {some_id}",
            f"XCLAIM s {group} {consumer} 5 {some_id} {NOW}-0 FORCE LASTID {some_id}",
            f"XCLAIM s {group} {consumer} 0 {some_id} JUSTID IDLE 7",
            f"XAUTOCLAIM s {group} {consumer} 3 0 COUNT 3",
        ]
    )
