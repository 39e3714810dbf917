"""STORE.*: times, TTLs, compare and set, and evictions of single entries."""

from __future__ import annotations

from typing import Any

import pytest

from server.patrolling import Patrolling
from tests.support.offline import Recorded
from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

NOW = 1_700_000_000_000
ENTRY = "entelix:store:acme:acme:a:k"


@pytest.fixture
def session() -> Recorded:
    return Recorded(NOW)


def info(client: Any, key: str = "k") -> dict[bytes, Any]:
    flat = client("STORE.INFO", "acme:a", key)
    return dict(zip(flat[::2], flat[1::2], strict=True))


# --- STORE.EVICT -----------------------------------------------------------------------------


def expire_one(server: RunningServer, client: Connection, *, background: bool) -> None:
    client("DEBUG", "SET-ACTIVE-EXPIRE", int(background))
    client("STORE.PUT", "acme:a", "k", "v", "TTL", 10)
    client("SET", "elsewhere", "v", "PX", 10)
    server.advance(11)


def test_evict_counts_what_the_background_expiry_has_removed(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    expire_one(server, client, background=True)
    server.advance(1000)
    wait_until(lambda: client("DBSIZE") == 0, "the background expiry removes the keys")
    assert client("STORE.EVICT") == 1
    assert client("STORE.EVICT") == 0


def test_evict_counts_what_reads_have_removed(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    expire_one(server, client, background=False)
    assert client("STORE.GET", "acme:a", "k") is None
    assert client("STORE.EVICT") == 1
    assert client("STORE.EVICT") == 0


def test_evict_removes_a_bounded_number_and_counts_each_once(session: Recorded) -> None:
    for start in range(0, 2500, 500):
        words = [word for number in range(start, start + 500) for word in (f"k{number}", "v")]
        session("CONFIG", "SET", "store-times", "no")
        session("STORE.MPUT", "acme:a", "TTL", 10, "ENTRIES", *words)
    session.advance(11)
    counts = [session("STORE.EVICT") for _ in range(4)]
    assert counts == [1000, 1000, 500, 0]


def test_evict_counts_entries_of_the_selected_database_only(session: Recorded) -> None:
    session("STORE.PUT", "acme:a", "k", "v", "TTL", 10)
    session("SET", "entelix:store:no-entry", "v", "PX", 10)
    session.advance(11)
    session("SELECT", 1)
    assert session("STORE.EVICT") == 0
    session("SELECT", 0)
    assert session("STORE.EVICT") == 1


# --- TTLs ------------------------------------------------------------------------------------


def test_a_ttl_is_asked_and_changed_without_rewriting(session: Recorded) -> None:
    assert session("STORE.TTL", "acme:a", "k") == -2
    assert session("STORE.EXPIRE", "acme:a", "k", 50) == 0
    session("STORE.PUT", "acme:a", "k", "v")
    assert session("STORE.TTL", "acme:a", "k") == -1
    assert session("STORE.EXPIRE", "acme:a", "k", 50) == 1
    session.advance(10)
    assert session("STORE.TTL", "acme:a", "k") == 40 == session("PTTL", ENTRY)
    assert session("STORE.EXPIRE", "acme:a", "k", "persist") == 1
    assert session("STORE.TTL", "acme:a", "k") == -1
    assert session("STORE.GET", "acme:a", "k") == b"v"


@pytest.mark.parametrize("changed", ["EXPIRE", "REFRESH", "PUT", "KEEPTTL", "MPUT"])
def test_what_is_beside_an_entry_has_its_ttl(session: Recorded, changed: str) -> None:
    session("STORE.PUT", "acme:a", "k", "v", "VECTOR", "abcd", "TTL", 500)
    request = {
        "EXPIRE": ("STORE.EXPIRE", "acme:a", "k", 50),
        "REFRESH": ("STORE.GET", "acme:a", "k", "REFRESH", 50),
        "PUT": ("STORE.PUT", "acme:a", "k", "v", "TTL", 50, "VECTOR", "abcd"),
        "KEEPTTL": ("STORE.PUT", "acme:a", "k", "v", "KEEPTTL", "VECTOR", "abcd"),
        "MPUT": ("STORE.MPUT", "acme:a", "TTL", 50, "ENTRIES", "k", "v"),
    }[changed]
    session(*request)
    ttls = {session("PTTL", key) for key in session("KEYS", "*")}
    assert ttls == {500 if changed == "KEEPTTL" else 50}
    session.advance(501)
    session.sweep()
    session("STORE.EVICT")
    assert session("DBSIZE") == 0


def test_mput_takes_a_ttl_and_any_keys(session: Recorded) -> None:
    session("STORE.MPUT", "acme:a", "TTL", 70, "ENTRIES", "k", "v", "TTL", "ENTRIES")
    assert session("STORE.LIST", "acme:a", "WITHVALUES") == [b"TTL", b"ENTRIES", b"k", b"v"]
    assert session("STORE.TTL", "acme:a", "TTL") == session("STORE.TTL", "acme:a", "k") == 70
    session("STORE.MPUT", "acme:a", "TTL", 90, "ENTRIES", "k")
    assert session("STORE.TTL", "acme:a", "TTL") == -1
    assert session("STORE.GET", "acme:a", "TTL") == b"90"
    session("STORE.MPUT", "acme:a", "k", "first", "k", "last")
    assert session("STORE.GET", "acme:a", "k") == b"last"
    assert session("STORE.TTL", "acme:a", "k") == -1


# --- compare and set -------------------------------------------------------------------------


def test_ifeq_replaces_only_the_expected_value(session: Recorded) -> None:
    assert session("STORE.PUT", "acme:a", "k", "2", "IFEQ", "1") is None
    assert session("STORE.GET", "acme:a", "k") is None
    session("STORE.PUT", "acme:a", "k", "1")
    assert session("STORE.PUT", "acme:a", "k", "3", "IFEQ", "2") is None
    assert session("STORE.PUT", "acme:a", "k", "2", "IFEQ", "1", "TTL", 50) == "OK"
    assert session("STORE.GET", "acme:a", "k") == b"2"
    assert session("STORE.PUT", "acme:a", "k", "3", "IFEQ", "2", "NX") is None
    assert session("STORE.PUT", "acme:a", "k", "3", "IFEQ", "2", "XX", "KEEPTTL") == "OK"
    assert session("STORE.TTL", "acme:a", "k") == 50
    session("SET", ENTRY, "by another client")
    assert session("STORE.PUT", "acme:a", "k", "4", "IFEQ", "by another client") == "OK"
    session("DEL", ENTRY)
    session("HSET", ENTRY, "f", "v")
    reply = session("STORE.PUT", "acme:a", "k", "4", "IFEQ", "")
    assert isinstance(reply, Error) and reply.code == "WRONGTYPE"


# --- STORE.INFO ------------------------------------------------------------------------------


def test_info_says_when_an_entry_was_created_and_updated(session: Recorded) -> None:
    assert session("STORE.INFO", "acme:a", "k") is None
    session("STORE.PUT", "acme:a", "k", "hello")
    session.advance(5)
    session("STORE.MPUT", "acme:a", "k", "hi", "l", "x")
    session("STORE.EXPIRE", "acme:a", "k", 70)
    assert info(session) == {
        b"created": NOW, b"updated": NOW + 5, b"size": 2, b"ttl": 70, b"vector": None,
    }  # fmt: skip
    session.advance(5)
    session("STORE.PUT", "acme:a", "k", "again", "VECTOR", "abcdefgh", "KEEPTTL")
    assert info(session) == {
        b"created": NOW, b"updated": NOW + 10, b"size": 5, b"ttl": 65, b"vector": 2,
    }  # fmt: skip
    session("STORE.DEL", "acme:a", "k")
    session.advance(5)
    session("STORE.PUT", "acme:a", "k", "new")
    assert info(session)[b"created"] == NOW + 15
    assert info(session)[b"vector"] is None


def test_plain_commands_keep_no_times(session: Recorded) -> None:
    session("SET", ENTRY, "plain")
    assert info(session) == {
        b"created": None, b"updated": None, b"size": 5, b"ttl": None, b"vector": None,
    }  # fmt: skip
    session.advance(5)
    session("STORE.PUT", "acme:a", "k", "v")
    session.advance(5)
    session("SET", ENTRY, "plain again")
    assert info(session)[b"updated"] == NOW + 5
    session("DEL", ENTRY)
    assert session("STORE.INFO", "acme:a", "k") is None
    session.advance(5)
    session("STORE.PUT", "acme:a", "k", "v")
    assert info(session)[b"created"] == NOW + 15


def test_times_are_kept_only_while_the_setting_says_so(session: Recorded) -> None:
    session("STORE.PUT", "acme:a", "k", "v")
    session("CONFIG", "SET", "store-times", "no")
    session("STORE.PUT", "acme:a", "k", "v")
    session("STORE.MPUT", "acme:a", "l", "v")
    assert session("DBSIZE") == 2
    assert info(session)[b"created"] is info(session, "l")[b"updated"] is None


def test_times_that_cannot_be_read_are_skipped_and_counted(session: Recorded) -> None:
    session("STORE.PUT", "acme:a", "k", "v")
    times = "redkeep:store:times:acme:acme:a:k"
    for damaged in (b"", b"1", b"x 1", b"1 2 3", b"\xff", b"-1 5", b"1 " + b"9" * 400):
        session("SET", times, damaged)
        before = session.instance.statistics.bad_records
        assert info(session)[b"created"] is None
        assert session.instance.statistics.bad_records == before + 1
    session("DEL", times)
    session("RPUSH", times, "x")
    assert info(session)[b"created"] is None
    assert session("STORE.PUT", "acme:a", "k", "v") == "OK"
    assert info(session)[b"created"] == NOW


def test_the_reply_of_info_is_a_map(client3: Connection) -> None:
    client3("STORE.PUT", "acme:a", "k", "v")
    assert isinstance(client3("STORE.INFO", "acme:a", "k"), Map)


def test_a_patrol_removes_what_is_beside_a_deleted_entry(session: Recorded) -> None:
    for key in ("k", "kept"):
        session("STORE.PUT", "acme:a", key, "v", "VECTOR", "abcd")
    session("DEL", ENTRY)
    patrolling = Patrolling(session.instance, session.run_sweep)
    for _ in range(session("DBSIZE")):
        patrolling.tick()
    assert sorted(session("KEYS", "*")) == [
        b"entelix:store:acme:acme:a:kept",
        b"redkeep:store:times:acme:acme:a:kept",
        b"redkeep:store:vector:acme:acme:a:kept",
    ]


# --- requests that name many entries ---------------------------------------------------------


@pytest.mark.parametrize("name", ["MPUT", "MGET", "DEL"])
def test_one_request_names_at_most_a_thousand_entries(session: Recorded, name: str) -> None:
    keys = [f"k{number}" for number in range(1001)]
    words = [word for key in keys for word in (key, "v")] if name == "MPUT" else keys
    reply = session("STORE." + name, "acme:a", *words)
    assert isinstance(reply, Error)
    assert "at most 1000" in reply.text and "not 1001" in reply.text
    assert session("DBSIZE") == 0
    assert not isinstance(session("STORE." + name, "acme:a", *words[:-2]), Error)
