"""The commands of workers: claims, fair blocking, progress, leases, ends."""

from __future__ import annotations

import json

import pytest

from tests.support.jobs import (
    NOW,
    A,
    B,
    C,
    claimed,
    info_of,
    row_of,
    status_of,
    submit,
)
from tests.support.resp import NULL_ARRAY, Connection, Error, Word
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


# --- claiming ---------------------------------------------------------------------------------


def test_a_claim_starts_the_job(client: Connection) -> None:
    submit(client)
    row = json.loads(client("JOB.CLAIM", "p", "w1"))
    assert (row["status"], row["started_at"]) == ("running", NOW)
    facts = info_of(client, A)
    assert facts[b"worker"] == b"w1"
    assert facts[b"lease_until"] == NOW + 30_000
    assert facts[b"attempts"] == 1


def test_replies_when_no_job_is_ready(client: Connection, client3: Connection) -> None:
    assert client("JOB.CLAIM", "p", "w") is None
    assert client("JOB.CLAIM", "p", "w", "COUNT", 2) is NULL_ARRAY
    assert client3("JOB.CLAIM", "p", "w", "COUNT", 2) is None


def test_blocked_claims_are_served_first_come_first_served(server: RunningServer) -> None:
    waiting = [server.connect() for _ in range(3)]
    server.block(waiting[0], "JOB.CLAIM", "p", "w0", "KINDS", 1, "train", "BLOCK", 0)
    waiting[0].send("PING")
    probe = server.connect()
    for place, connection in enumerate(waiting[1:], 1):
        server.block(connection, "JOB.CLAIM", "p", f"w{place}", "BLOCK", 0)
    submit(probe, A, kind="backfill")
    submit(probe, B)
    submit(probe, C)
    assert claimed(waiting[1].read()) == A
    assert claimed(waiting[0].read()) == B
    assert claimed(waiting[2].read()) == C


@pytest.mark.parametrize("first", [[], ["KINDS", 1, "new"]])
def test_who_waited_longest_is_served_first_with_kinds_or_without(
    server: RunningServer, client: Connection, first: list[Word]
) -> None:
    forms: list[list[Word]] = [first, [] if first else ["KINDS", 1, "new"]]
    waiting = [server.connect() for _ in range(2)]
    for number, connection in enumerate(waiting):
        server.block(connection, "JOB.CLAIM", "p", f"w{number}", "BLOCK", 0, *forms[number])
    submit(client, A, kind="new")
    assert claimed(waiting[0].read()) == A
    submit(client, B, kind="new")
    assert claimed(waiting[1].read()) == B


def test_a_blocked_claim_times_out(server: RunningServer, client: Connection) -> None:
    server.block(client, "JOB.CLAIM", "p", "w", "BLOCK", 100)
    server.advance(100)
    assert client.read() is None


def test_blocked_claims_wake_up_after_exec_delays_and_expired_leases(server: RunningServer) -> None:
    probe, client = server.connect(), server.connect()

    def claim_and_block() -> None:
        server.block(client, "JOB.CLAIM", "p", "w", "LEASE", 50, "BLOCK", 0)

    claim_and_block()
    probe("MULTI")
    submit(probe, A)
    probe("EXEC")
    assert claimed(client.read()) == A
    claim_and_block()
    server.advance(50)
    assert claimed(client.read()) == A
    probe("JOB.COMPLETE", "p", A)
    submit(probe, B, "DELAY", 10)
    claim_and_block()
    server.advance(10)
    assert claimed(client.read()) == B


def test_commands_do_not_block_in_a_transaction(client: Connection) -> None:
    client("MULTI")
    submit(client)
    client("JOB.CLAIM", "p", "w", "BLOCK", 0)
    client("JOB.CLAIM", "p", "w", "BLOCK", 0)
    client("JOB.WAIT", "p", A, 0)
    client("JOB.COMPLETE", "p", A)
    client("JOB.WAIT", "p", A, 0)
    ident, row, nothing, not_ended, done, ended = client("EXEC")
    assert ident == A.encode()
    assert claimed(row) == A
    assert (nothing, not_ended, done) == (None, None, "OK")
    assert json.loads(ended)["status"] == "completed"


# --- running -----------------------------------------------------------------------------------


def test_progress_is_capped_renews_the_lease_and_may_go_back(
    server: RunningServer, client: Connection
) -> None:
    submit(client)
    client("JOB.CLAIM", "p", "w", "LEASE", 100)
    server.advance(90)
    assert client("JOB.PROGRESS", "p", A, 180, "WORKER", "w") == b"running"
    assert row_of(client, A)["progress"] == 100
    server.advance(90)
    assert client("JOB.PROGRESS", "p", A, 20) == b"running"
    assert row_of(client, A)["progress"] == 20
    assert client("JOB.PROGRESS", "p", A, -1).code == "ERR"
    assert client("JOB.PROGRESS", "p", B, 1) == Error(f"NOTFOUND no job {B} in pool p")


def test_progress_without_a_lease_changes_nothing(
    server: RunningServer, client: Connection
) -> None:
    submit(client)
    assert client("JOB.PROGRESS", "p", A, 5) == b"queued"
    client("JOB.CLAIM", "p", "w", "LEASE", 100)
    server.advance(100)
    assert client("JOB.PROGRESS", "p", A, 5) == b"queued"
    client("JOB.CANCEL", "p", A)
    assert client("JOB.PROGRESS", "p", A, 5) == b"cancelled"
    assert row_of(client, A)["progress"] == 0


def test_extend_returns_the_new_end_of_the_lease(server: RunningServer, client: Connection) -> None:
    submit(client)
    client("JOB.CLAIM", "p", "w", "LEASE", 100)
    assert client("JOB.EXTEND", "p", A, "w", 5000) == NOW + 5000
    client("JOB.PROGRESS", "p", A, 1)
    assert info_of(client, A)[b"lease_until"] == NOW + 5000
    assert client("JOB.EXTEND", "p", A, "w", 0).code == "ERR"
    client("JOB.CANCEL", "p", A)
    assert client("JOB.EXTEND", "p", A, "w", 5000) == Error(
        f"TERMINAL job {A} in pool p is cancelled"
    )


# --- ends -------------------------------------------------------------------------------------


def test_complete(server: RunningServer, client: Connection) -> None:
    submit(client)
    client("JOB.CLAIM", "p", "w")
    server.advance(250)
    done = ("JOB.COMPLETE", "p", A, "METRICS", '{"auc": 0.9}', "WORKER", "w")
    assert client(*done) == "OK"
    row = row_of(client, A)
    assert (row["status"], row["progress"], row["finished_at"]) == ("completed", 100, NOW + 250)
    assert row["metrics"] == '{"auc": 0.9}'
    assert client(*done) == "OK"
    assert client("JOB.COMPLETE", "p", A, "METRICS", "{}") == Error(
        f"TERMINAL job {A} in pool p is completed"
    )
    assert client("JOB.FAIL", "p", A, "oops").code == "TERMINAL"
    assert row_of(client, A) == row


def test_fail_for_good(client: Connection) -> None:
    submit(client)
    client("JOB.CLAIM", "p", "w")
    assert client("JOB.FAIL", "p", A, "out of memory", "WORKER", "w") == b"failed"
    assert client("JOB.FAIL", "p", A, "out of memory", "WORKER", "w") == b"failed"
    assert (status_of(client, A), row_of(client, A)["error"]) == ("failed", "out of memory")
    assert client("JOB.FAIL", "p", A, "other") == Error(f"TERMINAL job {A} in pool p is failed")


def test_retries_back_off_until_no_attempts_are_left(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, "ATTEMPTS", 3, "BACKOFF", 1000)
    now = NOW
    for pause in (1000, 2000):
        client("JOB.CLAIM", "p", "w")
        reply = client("JOB.FAIL", "p", A, "oops", "RETRY", "WORKER", "w")
        assert client("JOB.FAIL", "p", A, "oops", "RETRY", "WORKER", "w") == reply
        ready = int(reply.removeprefix(b"retry "))
        assert now + pause <= ready <= now + pause * 5 // 4
        row = row_of(client, A)
        assert (row["status"], row["progress"], row["started_at"]) == ("queued", 0, 0)
        assert row["error"] is None
        server.advance(ready - now - 1)
        assert client("JOB.CLAIM", "p", "w") is None
        server.advance(1)
        now = ready
    client("JOB.CLAIM", "p", "w")
    assert client("JOB.FAIL", "p", A, "oops", "RETRY") == b"failed"
    assert row_of(client, A)["error"] == "oops"
