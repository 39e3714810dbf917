"""Events, change counts and log entries of list commands.

Replies are compared with real servers in tests/differential/cases/lists.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from storage.database import Database
from tests.support.offline import bare
from tests.support.resp import Connection
from tests.support.servers import RunningServer

Words = tuple[str | int, ...]


class Observed:
    """Records the events of a server, and how many changes it counted."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._keyspace = server.instance.keyspace
        self.events: list[str] = []
        server.call(self._keyspace.observers.append, self._observe)
        self._dirty = self._keyspace.dirty

    def _observe(self, database: Database, key: bytes, event: str, change: bool) -> None:
        self.events.append(f"{event} {key.decode()}")

    @property
    def dirty(self) -> int:
        return self._server.call(lambda: self._keyspace.dirty - self._dirty)


@pytest.mark.parametrize(
    ("words", "events", "dirty"),
    [
        (("LPUSH", "new", "a", "b"), ["new new", "lpush new"], 2),
        (("RPUSH", "l", "d", "e"), ["rpush l"], 2),
        (("LPUSHX", "l", "z"), ["lpush l"], 1),
        (("RPUSHX", "none", "z"), [], 0),
        (("LPOP", "l"), ["lpop l"], 1),
        (("RPOP", "l", 2), ["rpop l"], 2),
        (("LPOP", "l", 0), [], 0),
        (("LPOP", "l", 9), ["lpop l", "del l"], 3),
        (("LSET", "l", 0, "a"), ["lset l"], 1),
        (("LINSERT", "l", "BEFORE", "b", "x"), ["linsert l"], 1),
        (("LINSERT", "l", "BEFORE", "nothing", "x"), [], 0),
        (("LREM", "l", 0, "b"), ["lrem l"], 1),
        (("LREM", "l", 0, "nothing"), [], 0),
        (("LREM", "one", 0, "a"), ["lrem one", "del one"], 1),
        (("LTRIM", "l", 1, 1), ["ltrim l"], 2),
        (("LTRIM", "l", 5, 9), ["ltrim l", "del l"], 3),
        (("LMOVE", "l", "one", "LEFT", "RIGHT"), ["rpush one", "lpop l"], 1),
        (("LMOVE", "l", "l", "RIGHT", "LEFT"), ["lpush l", "rpop l"], 1),
        (("RPOPLPUSH", "one", "m"), ["new m", "lpush m", "rpop one", "del one"], 1),
        (("LMPOP", 2, "none", "l", "RIGHT", "COUNT", 2), ["rpop l"], 2),
        (("BLPOP", "none", "l", 0), ["lpop l"], 1),
        (("BLMOVE", "one", "l", "LEFT", "LEFT", 0), ["lpush l", "lpop one", "del one"], 1),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_events_and_change_counts(
    server: RunningServer, client: Connection, words: Words, events: list[str], dirty: int
) -> None:
    client.pipeline([("RPUSH", "l", "a", "b", "c"), ("RPUSH", "one", "a")])
    observed = Observed(server)
    client(*words)
    assert [event for event in observed.events if not event.startswith("keymiss")] == events
    assert observed.dirty == dirty


@pytest.mark.parametrize(
    ("words", "logged"),
    [
        (("LMPOP", 2, "none", "l", "LEFT", "COUNT", 9), [[b"LPOP", b"l", b"3"]]),
        (("BLMPOP", 0, 1, "l", "RIGHT"), [[b"RPOP", b"l", b"1"]]),
        (("BLPOP", "none", "l", 0), [[b"LPOP", b"l"]]),
        (("BRPOP", "l", 0), [[b"RPOP", b"l"]]),
        (("blmove", "l", "m", "left", "right", 0), [[b"LMOVE", b"l", b"m", b"LEFT", b"RIGHT"]]),
        (("BRPOPLPUSH", "l", "m", 0), [[b"RPOPLPUSH", b"l", b"m"]]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_log_entries_do_not_block(
    server: RunningServer, client: Connection, words: Words, logged: list[list[bytes]]
) -> None:
    client("RPUSH", "l", "a", "b", "c")
    journal = server.record()
    client(*words)
    assert server.call(bare, journal) == logged


def test_pushing_to_an_expired_key_creates_a_new_list(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("RPUSH", "l", "old")
    client("PEXPIRE", "l", 10)
    server.advance(11)
    assert client("RPUSHX", "l", "a") == 0
    assert client("RPUSH", "l", "a") == 1
    assert client("PTTL", "l") == -1


def test_changes_keep_the_time_to_live(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("RPUSH", "l", "a", "b", "c")
    client("PEXPIRE", "l", 1000)
    for words in [("RPUSH", "l", "d"), ("LPOP", "l"), ("LSET", "l", 0, "x"), ("LTRIM", "l", 0, 0)]:
        client(*words)
    assert client("PTTL", "l") == 1000


def test_a_million_items_at_both_ends_and_in_the_middle(client: Connection) -> None:
    part = [b"%d" % number for number in range(10_000)]
    for _ in range(100):
        client("RPUSH", "l", *part)
    assert client("LLEN", "l") == 1_000_000
    assert client("LINDEX", "l", 500_001) == b"1"
    assert client("LRANGE", "l", 500_000, 500_002) == [b"0", b"1", b"2"]
    assert client("LSET", "l", -500_000, "x") == "OK"
    assert client("LPOS", "l", "x") == 500_000
    assert client("LPOP", "l") == b"0"
    assert client("RPOP", "l") == b"9999"
    assert client("OBJECT", "ENCODING", "l") == b"quicklist"
    assert client("LTRIM", "l", 10, 19) == "OK"
    assert client("OBJECT", "ENCODING", "l") == b"listpack"
    replies: list[Any] = client("LRANGE", "l", 0, -1)
    assert replies == [b"%d" % number for number in range(11, 21)]
