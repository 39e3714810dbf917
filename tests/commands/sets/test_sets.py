"""Events, change counts and log entries of set commands.

Replies are compared with real servers in tests/differential/cases/sets.py.
"""

from __future__ import annotations

import pytest

from storage.database import Database
from tests.support.offline import Offline

NOW = 1_700_000_000_000
Words = tuple[bytes, ...]


@pytest.fixture
def session() -> Offline:
    session = Offline(NOW)
    session(b"SADD", b"s", b"a", b"b", b"c")
    session(b"SADD", b"one", b"a")
    return session


@pytest.mark.parametrize(
    ("request_", "events", "dirty"),
    [
        ("SADD s a", "", 0),
        ("SADD s a d e", "sadd s", 2),
        ("SADD fresh a b", "new fresh, sadd fresh", 2),
        ("SREM s nothing", "", 0),
        ("SREM s a b", "srem s", 2),
        ("SREM one a", "srem one, del one", 1),
        ("SMOVE s one b", "srem s, sadd one", 2),
        ("SMOVE one s a", "srem one, del one", 1),
        ("SPOP s", "spop s", 1),
        ("SPOP s 0", "", 0),
        ("SPOP s 2", "spop s", 2),
        ("SPOP s 9", "spop s, del s", 3),
        ("SINTERSTORE t s one", "new t, sinterstore t", 1),
        ("SUNIONSTORE t s one", "new t, sunionstore t", 1),
        ("SDIFFSTORE one one s", "del one", 1),
    ],
)
def test_events_and_change_counts(session: Offline, request_: str, events: str, dirty: int) -> None:
    keyspace = session.instance.keyspace
    seen: list[str] = []

    def observe(database: Database, key: bytes, event: str | None, modified: bool) -> None:
        if event not in (None, "keymiss"):
            seen.append(f"{event} {key.decode()}")

    keyspace.observers.append(observe)
    before = keyspace.dirty
    session(*request_.encode().split())
    assert ", ".join(seen) == events
    assert keyspace.dirty - before == dirty


def test_the_log_names_the_members_that_spop_chose(session: Offline) -> None:
    keyspace = session.instance.keyspace
    members = {b"a", b"b", b"c"}
    (entry,) = session.logged(b"SPOP", b"s")
    assert entry[:2] == [b"SREM", b"s"]
    assert set(session(b"SMEMBERS", b"s")) == members - set(entry[2:])
    (entry,) = session.logged(b"SPOP", b"s", b"1")
    assert entry[:2] == [b"SREM", b"s"]
    assert len(session(b"SMEMBERS", b"s")) == 1
    assert session.logged(b"SPOP", b"s", b"5") == [[b"DEL", b"s"]]
    assert keyspace.databases[0].inspect(b"s") is None
