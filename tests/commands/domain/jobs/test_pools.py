"""Whole pools: pausing, limits, what is kept of ended jobs, and names."""

from __future__ import annotations

from typing import Any

import pytest

from commands.families import load
from tests.support.jobs import NOW, A, B, claimed, listed, submit
from tests.support.offline import Recorded
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


@pytest.fixture
def pool() -> Recorded:
    load()
    return Recorded(NOW)


def claim(client: Recorded, count: int = 100, *options: Any) -> list[str]:
    rows = client("JOB.CLAIM", "p", "w", "COUNT", count, *options)
    return [claimed(row) for row in rows or ()]


def submit_many(client: Recorded, count: int, kind: str = "train", start: int = 0) -> list[str]:
    idents = [f"{number:032x}" for number in range(start, start + count)]
    for ident in idents:
        submit(client, ident, kind=kind)
    return idents


# --- pausing ------------------------------------------------------------------------------------


def test_a_paused_pool_hands_out_nothing_and_goes_on_later(pool: Recorded) -> None:
    submit(pool)
    assert [pool("JOB.PAUSE", "p"), pool("JOB.PAUSE", "p")] == [1, 0]
    assert submit(pool, B) == B.encode()
    assert claim(pool) == []
    assert pool("JOB.STATS", "p")[-4:-2] == [b"paused", 1]
    assert [pool("JOB.RESUME", "p"), pool("JOB.RESUME", "p")] == [1, 0]
    assert claim(pool) == [A, B]


@pytest.mark.parametrize("options", [[], ["KINDS", 1, "train"]])
def test_waiting_claims_are_served_when_a_pool_is_resumed(
    server: RunningServer, client: Connection, options: list[Any]
) -> None:
    server.freeze(NOW)
    client("JOB.PAUSE", "p")
    submit(client)
    worker = server.connect()
    server.block(worker, "JOB.CLAIM", "p", "w", "BLOCK", 0, *options)
    client("JOB.RESUME", "p")
    assert claimed(worker.read()) == A


# --- limits -------------------------------------------------------------------------------------


def test_a_rate_is_counted_in_windows(pool: Recorded) -> None:
    idents = submit_many(pool, 9)
    assert pool("JOB.LIMIT", "p", "RATE", 3, "PER", 1000) == "OK"
    assert claim(pool, 2) == idents[:2]
    pool.advance(999)
    assert claim(pool) == idents[2:3]
    assert claim(pool) == []
    pool.advance(1)
    assert claim(pool) == idents[3:6]
    pool.advance(-500)
    assert claim(pool) == idents[6:9]


def test_concurrency_counts_running_jobs(pool: Recorded) -> None:
    idents = submit_many(pool, 5)
    pool("JOB.LIMIT", "p", "CONCURRENCY", 2)
    assert claim(pool, 100, "LEASE", 50) == idents[:2]
    assert claim(pool) == []
    pool("JOB.COMPLETE", "p", idents[0])
    assert claim(pool) == idents[2:3]
    # The lease of the second job is over, so it is ready again, and first.
    pool.advance(50)
    assert claim(pool) == idents[1:2]
    pool("JOB.LIMIT", "p")
    assert claim(pool) == idents[3:]


def test_kinds_have_limits_of_their_own(pool: Recorded) -> None:
    slow = submit_many(pool, 300, "slow")
    fast = submit_many(pool, 3, "fast", 1000)
    pool("JOB.LIMIT", "p", "KIND", "slow", "CONCURRENCY", 1)
    pool("JOB.LIMIT", "p", "CONCURRENCY", 3)
    names = (b"rate", b"per_ms", b"concurrency")
    assert pool("JOB.STATS", "p")[-1] == [
        *(b"", [names[0], 0, names[1], 0, names[2], 3]),
        *(b"slow", [names[0], 0, names[1], 0, names[2], 1]),
    ]
    assert claim(pool) == [slow[0], *fast[:2]]
    assert claim(pool, 5, "KINDS", 1, "slow") == []
    pool("JOB.COMPLETE", "p", fast[0])
    assert claim(pool) == fast[2:]
    pool("JOB.COMPLETE", "p", slow[0])
    assert claim(pool) == slow[1:2]


@pytest.mark.parametrize("limit", [["CONCURRENCY", 1], ["RATE", 1, "PER", 5000]])
def test_waiting_claims_are_served_when_a_limit_allows_it(
    server: RunningServer, client: Connection, limit: list[Any]
) -> None:
    server.freeze(NOW)
    client("JOB.LIMIT", "p", *limit)
    submit(client, A)
    submit(client, B)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    worker = server.connect()
    server.block(worker, "JOB.CLAIM", "p", "w", "BLOCK", 0)
    if limit[0] == "CONCURRENCY":
        client("JOB.COMPLETE", "p", A)
    else:
        server.advance(5000)
    assert claimed(worker.read()) == B


@pytest.mark.parametrize("limit", [["CONCURRENCY", 1], ["RATE", 1, "PER", 5000]])
@pytest.mark.parametrize("kinds", [[], ["KINDS", 1, "train"]])
@pytest.mark.parametrize("end", [("JOB.COMPLETE",), ("JOB.FAIL", "x", "RETRY"), ("JOB.DEL",)])
def test_claims_that_waited_before_the_limit_was_reached_are_served_later(
    server: RunningServer,
    client: Connection,
    limit: list[Any],
    kinds: list[Any],
    end: tuple[str, ...],
) -> None:
    server.freeze(NOW)
    client("JOB.LIMIT", "p", *limit)
    workers = [server.connect() for _ in range(2)]
    for worker in workers:
        server.block(worker, "JOB.CLAIM", "p", "w", "BLOCK", 0, *kinds)
    submit(client, A, "BACKOFF", 60_000)
    submit(client, B)
    assert claimed(workers[0].read()) == A
    if limit[0] == "CONCURRENCY":
        client(end[0], "p", A, *end[1:])
    else:
        server.advance(5000)
    assert claimed(workers[1].read()) == B


def test_limits_that_make_no_sense_are_refused(pool: Recorded) -> None:
    for words in (["RATE", 5], ["PER", 5]):
        assert pool("JOB.LIMIT", "p", *map(str, words)) == Error(
            "ERR RATE and PER must be given together"
        )
    for number in range(100):
        assert pool("JOB.LIMIT", "p", "KIND", f"k{number}", "CONCURRENCY", 1) == "OK"
    assert pool("JOB.LIMIT", "p", "CONCURRENCY", 1) == "OK"
    assert pool("JOB.LIMIT", "p", "KIND", "k", "CONCURRENCY", 1).code == "ERR"
    assert pool("JOB.LIMIT", "p", "KIND", "k0", "CONCURRENCY", 2) == "OK"


# --- what is kept -------------------------------------------------------------------------------


def end_all(client: Recorded) -> list[str]:
    idents = []
    while found := claim(client):
        idents += found
        for ident in found:
            client.advance(1)
            client("JOB.COMPLETE", "p", ident)
    return idents


def test_the_newest_ended_jobs_are_kept(pool: Recorded) -> None:
    idents = submit_many(pool, 600)
    live = submit_many(pool, 2, "later", 900)
    pool("JOB.PAUSE", "p")
    pool("JOB.RESUME", "p")
    while claim(pool, 100, "KINDS", 1, "train"):
        pass
    for ident in idents:
        pool.advance(1)
        pool("JOB.CANCEL" if int(ident, 16) % 3 else "JOB.COMPLETE", "p", ident)
    assert pool("JOB.RETAIN", "p", "COUNT", 7) == [b"count", 7, b"age_ms", 2592000000]
    pool.sweep()
    assert listed(pool, count=1000) == [*idents[-7:], *live]


def test_old_ended_jobs_are_removed_and_the_pool_goes_with_its_last(pool: Recorded) -> None:
    pool("CONFIG", "SET", "job-retain-ms", 5000, "domain-events", "yes")
    submit_many(pool, 3)
    end_all(pool)
    pool.advance(4000)
    submit_many(pool, 2, start=10)
    last = end_all(pool)
    pool.advance(60_000)
    pool.sweep()
    assert listed(pool) == []
    assert last
    pool.advance(60_000)
    pool.sweep()
    assert pool("DBSIZE") == 0


def test_jobs_are_kept_for_thirty_days_without_any_setting(pool: Recorded) -> None:
    submit_many(pool, 3)
    idents = end_all(pool)
    pool.advance(29 * 24 * 3600 * 1000)
    pool.sweep()
    assert listed(pool) == idents
    pool.advance(24 * 3600 * 1000)
    pool.sweep()
    assert listed(pool) == []


def test_nothing_is_removed_where_everything_is_kept(pool: Recorded) -> None:
    submit_many(pool, 3)
    pool("JOB.RETAIN", "p", "COUNT", 0, "AGE", 0)
    end_all(pool)
    pool.advance(10**12)
    pool.sweep()
    assert len(listed(pool)) == 3


# --- names --------------------------------------------------------------------------------------


def test_pools_are_listed_by_pages(pool: Recorded) -> None:
    names = sorted([b"a", b"a!", b"a~", b"b", b"due", b"\xff", b"a:b"])
    for name in names:
        pool("JOB.SUBMIT", name, "train", "t", "{}")
    pool("SET", "redkeep:jobs:{odd", "x")
    pool("JOB.PAUSE", "only set")
    found: list[bytes] = []
    cursor = b"0"
    for _ in range(20):
        cursor, page = pool("JOB.POOLS", "CURSOR", cursor, "COUNT", 2)
        found += page
        if cursor == b"0":
            break
    assert cursor == b"0"
    assert sorted(found) == sorted([*names, b"only set"])
    assert len(found) == len(set(found))
