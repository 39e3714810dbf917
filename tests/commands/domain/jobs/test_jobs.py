"""JOB.*: submission, dependencies, cancelling, waiting, and copies of all keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.jobs import (
    KINDS,
    NOW,
    A,
    B,
    C,
    claimed,
    filled,
    info_of,
    listed,
    put,
    row_of,
    status_of,
    submit,
)
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


# --- submitting -------------------------------------------------------------------------------


def test_a_new_job_is_queued_with_zero_timestamps(client: Connection) -> None:
    ident = client("JOB.SUBMIT", "p", "train", "spam", '{"rounds": 3}')
    assert client("JOB.GET", "p", ident) == (
        b'{"id":"%b","kind":"train","target":"spam","status":"queued","progress":0,'
        b'"created_at":%d,"started_at":0,"finished_at":0,"error":null,'
        b'"spec":"{\\"rounds\\": 3}","metrics":null}' % (ident, NOW)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_submitted_and_claimed(client: Connection, kind: str) -> None:
    submit(client, kind=kind)
    other = KINDS[KINDS.index(kind) - 1]
    assert client("JOB.CLAIM", "p", "w", "KINDS", 1, other) is None
    assert json.loads(client("JOB.CLAIM", "p", "w", "KINDS", 1, kind))["kind"] == kind


@pytest.mark.parametrize("kind", ["email", "a:b", "{x}", "grün", " ", "all", "k" * 256])
def test_any_word_is_a_kind(client: Connection, kind: str) -> None:
    ident = client("JOB.SUBMIT", "p", kind, "bob", "{}")
    assert client("JOB.CLAIM", "p", "w", "KINDS", 1, "other") is None
    assert claimed(client("JOB.CLAIM", "p", "w", "KINDS", 2, "other", kind)).encode() == ident


def test_a_setting_restricts_new_kinds_and_not_those_that_were_accepted(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, kind="bake")
    submit(client, B, kind="bake")
    client("CONFIG", "SET", "job-kinds", "train backfill")
    refused = Error("ERR the setting job-kinds has no kind 'bake', only: train backfill")
    assert client("JOB.SUBMIT", "p", "bake", "cake", "{}") == refused
    assert put(client, id=C, kind="bake") == refused
    assert submit(client, A, kind="bake") == A.encode()
    assert listed(client, "KIND", "bake") == [A, B]
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert claimed(client("JOB.CLAIM", "p", "w", "KINDS", 1, "bake")) == B
    assert put(client, id=A, kind="bake", status="completed") == "OK"


def test_ids_are_ordered_by_time_and_within_a_millisecond(
    server: RunningServer, client: Connection
) -> None:
    idents = [client("JOB.SUBMIT", "p", "train", "spam", "{}") for _ in range(20)]
    server.advance(1)
    idents.append(client("JOB.SUBMIT", "p", "train", "spam", "{}"))
    assert idents == sorted(set(idents))
    assert all(len(ident) == 32 for ident in idents)
    claims = client("JOB.CLAIM", "p", "w", "COUNT", 100)
    assert [claimed(row).encode() for row in claims] == idents


def test_repeating_a_submission_with_its_id_changes_nothing(client: Connection) -> None:
    assert submit(client, A) == A.encode()
    client("JOB.CLAIM", "p", "w")
    before = client("DEBUG", "DIGEST")
    assert submit(client, A) == A.encode()
    assert client("DEBUG", "DIGEST") == before


def test_unique_returns_the_live_job_that_holds_the_key(client: Connection) -> None:
    assert submit(client, A, "UNIQUE", "nightly") == A.encode()
    assert submit(client, B, "UNIQUE", "nightly") == A.encode()
    client("JOB.CLAIM", "p", "w")
    assert submit(client, B, "UNIQUE", "nightly") == A.encode()
    client("JOB.COMPLETE", "p", A)
    assert submit(client, B, "UNIQUE", "nightly") == B.encode()
    client("JOB.DEL", "p", B)
    assert client("EXISTS", "redkeep:jobs:{p}:unique") == 0
    assert submit(client, C, "UNIQUE", "nightly") == C.encode()


def test_a_higher_priority_is_claimed_before_an_older_job(client: Connection) -> None:
    submit(client, A, "PRIORITY", -1)
    submit(client, B)
    submit(client, C, "PRIORITY", 7, kind="backfill")
    assert [claimed(client("JOB.CLAIM", "p", "w")) for _ in range(3)] == [C, B, A]


def test_a_delayed_job_cannot_be_claimed_before_its_time(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, "DELAY", 100)
    assert info_of(client, A)[b"ready_at"] == NOW + 100
    server.advance(99)
    assert client("JOB.CLAIM", "p", "w") is None
    server.advance(1)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A


def test_an_unclaimed_job_is_removed_after_its_ttl(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, "TTL", 100)
    submit(client, B, "AFTER", 1, A)
    server.advance(99)
    assert status_of(client, A) == "queued"
    server.advance(1)
    assert client("JOB.GET", "p", A) is None
    assert client("JOB.CLAIM", "p", "w") is None
    assert row_of(client, B)["error"] == f"dependency {A} was removed"
    assert submit(client, A) == A.encode()


def test_a_finished_job_is_kept_for_its_ttl(server: RunningServer, client: Connection) -> None:
    submit(client, A, "TTL", 100)
    client("JOB.CLAIM", "p", "w", "LEASE", 10_000)
    server.advance(5000)
    client("JOB.COMPLETE", "p", A)
    server.advance(99)
    assert status_of(client, A) == "completed"
    server.advance(1)
    assert client("JOB.GET", "p", A) is None
    assert client("JOB.LIST", "p") == [b"0", []]
    client("JOB.CLAIM", "p", "w")
    server.advance(10_000)
    wait_until(lambda: client("DBSIZE") == 0, "the removal of what was planned for the pool")


# --- dependencies -----------------------------------------------------------------------------


def test_a_job_waits_for_all_its_dependencies(client: Connection) -> None:
    submit(client, A)
    submit(client, B)
    submit(client, C, "AFTER", 2, A, B)
    assert info_of(client, C)[b"waiting_for"] == [A.encode(), B.encode()]
    assert [claimed(client("JOB.CLAIM", "p", "w")) for _ in "ab"] == [A, B]
    client("JOB.COMPLETE", "p", B)
    assert client("JOB.CLAIM", "p", "w") is None
    client("JOB.COMPLETE", "p", A)
    assert claimed(client("JOB.CLAIM", "p", "w")) == C
    assert info_of(client, C)[b"after"] == [A.encode(), B.encode()]


def test_putting_a_running_row_ends_the_wait_for_dependencies(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A)
    submit(client, B, "AFTER", 1, A)
    put(client, id=B, status="running", started_at=NOW)
    client("JOB.CANCEL", "p", A)
    assert status_of(client, B) == "running"
    server.advance(30_000)
    assert claimed(client("JOB.CLAIM", "p", "w")) == B


@pytest.mark.parametrize("end", ["fail", "cancel", "del"])
def test_a_dependency_that_does_not_complete_cancels_its_dependents(
    client: Connection, end: str
) -> None:
    submit(client, A)
    submit(client, B, "AFTER", 1, A)
    submit(client, C, "AFTER", 1, B)
    if end == "fail":
        client("JOB.FAIL", "p", A, "oops")
    else:
        client(f"JOB.{end}", "p", A)
    assert [status_of(client, ident) for ident in (B, C)] == ["cancelled", "cancelled"]
    how = {"fail": "failed", "cancel": "was cancelled", "del": "was removed"}[end]
    assert row_of(client, B)["error"] == f"dependency {A} {how}"


def test_dependencies_that_have_already_ended(client: Connection) -> None:
    submit(client, A)
    client("JOB.COMPLETE", "p", A)
    submit(client, B, "AFTER", 1, A)
    assert claimed(client("JOB.CLAIM", "p", "w")) == B
    client("JOB.CANCEL", "p", B)
    submit(client, C, "AFTER", 2, A, B)
    assert status_of(client, C) == "cancelled"


# --- the end of a job -----------------------------------------------------------------------


def test_cancel(client: Connection) -> None:
    submit(client)
    client("JOB.CLAIM", "p", "w")
    assert [client("JOB.CANCEL", "p", A) for _ in "ab"] == [1, 0]
    assert client("JOB.PROGRESS", "p", A, 5, "WORKER", "w") == b"cancelled"
    assert client("JOB.COMPLETE", "p", A, "WORKER", "w").code == "TERMINAL"
    assert client("JOB.CANCEL", "p", B) == 0


def test_wait(server: RunningServer, client: Connection) -> None:
    probe = server.connect()
    submit(client)
    for end in (("JOB.COMPLETE", "p", A), ("JOB.DEL", "p", A)):
        submit(probe)
        server.block(client, "JOB.WAIT", "p", A, 0)
        probe("JOB.CLAIM", "p", "w")
        probe(*end)
        reply = client.read()
        if end[0] == "JOB.COMPLETE":
            assert json.loads(reply)["status"] == "completed"
            assert client("JOB.WAIT", "p", A, 5) == reply
            probe("JOB.DEL", "p", A)
        else:
            assert reply is None
    assert client("JOB.WAIT", "p", A, 5) is None
    submit(probe)
    server.block(client, "JOB.WAIT", "p", A, 100)
    server.advance(100)
    assert client.read() is None


# --- the whole family -----------------------------------------------------------------------


def test_a_copy_of_all_keys_is_a_copy_of_the_jobs(
    loop: Loop, server: RunningServer, client: Connection
) -> None:
    idents = filled(server, client)
    client("JOB.SUBMIT", "p", "train", "x", "{}", "AFTER", 1, idents[20], "UNIQUE", "u")
    client("JOB.SUBMIT", "p", "train", "x", "{}", "DELAY", 500, "TTL", 9)
    copy = loop.start_server()
    copy.freeze(server.now_ms())
    other = copy.connect()
    for key in client("KEYS", "*"):
        kind = client("TYPE", key)
        if kind == "hash":
            other("HSET", key, *client("HGETALL", key))
        elif kind == "zset":
            flat = client("ZRANGE", key, 0, -1, "WITHSCORES")
            other("ZADD", key, *flat[::-1])
        elif kind == "string":
            other("SET", key, client("GET", key))
        else:
            other("SADD", key, *client("SMEMBERS", key))
    questions: list[tuple[Any, ...]] = [("JOB.STATS", "p"), ("JOB.LIST", "p", "COUNT", 1000)]
    questions += [(name, "p", ident) for name in ("JOB.GET", "JOB.INFO") for ident in idents]
    questions += [
        ("JOB.LIST", "p", "WORKER", "w1"),
        ("JOB.SUBMIT", "p", "train", "x", "{}", "UNIQUE", "u"),
    ]
    questions += [("JOB.CLAIM", "p", "w2", "COUNT", 7), ("JOB.COMPLETE", "p", idents[20])]
    for words in questions:
        assert other(*words) == client(*words), words
    for one in (server, copy):
        one.advance(30_000)
    assert other("JOB.CLAIM", "p", "w3", "COUNT", 100) == client(
        "JOB.CLAIM", "p", "w3", "COUNT", 100
    )
    copy.close()


def test_pools_are_independent(client: Connection) -> None:
    submit(client)
    assert client("JOB.GET", "q", A) is None
    assert client("JOB.CLAIM", "q", "w") is None
    assert client("JOB.LIST", "q") == [b"0", []]
    assert all(b"{p}" in key for key in client("KEYS", "*"))


def test_help_and_key_positions(client: Connection) -> None:
    lines = client("JOB.HELP")
    assert lines[0] == "JOB.<command> [<arg> [value] [opt] ...]. Commands are:"
    assert client("COMMAND", "GETKEYS", "JOB.SUBMIT", "p", "train", "t", "{}") == [b"p"]
