"""Leases that expire: what becomes of the job and of its worker."""

from __future__ import annotations

import json

import pytest

from tests.support.jobs import NOW, A, info_of, row_of, submit
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


def test_an_expired_lease_queues_the_job_and_uses_up_an_attempt(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, "ATTEMPTS", 2)
    client("JOB.CLAIM", "p", "w1", "LEASE", 100)
    client("JOB.PROGRESS", "p", A, 50)
    server.advance(99)
    assert client("JOB.CLAIM", "p", "w2") is None
    server.advance(1)
    lost = Error(f"NOTOWNER worker w1 does not hold job {A} in pool p")
    assert client("JOB.PROGRESS", "p", A, 60, "WORKER", "w1") == lost
    assert client("JOB.EXTEND", "p", A, "w1", 100) == lost
    assert client("JOB.COMPLETE", "p", A, "WORKER", "w1") == lost
    assert client("JOB.FAIL", "p", A, "oops", "WORKER", "w1") == lost
    row = json.loads(client("JOB.CLAIM", "p", "w2", "LEASE", 100))
    assert (row["progress"], row["started_at"]) == (0, NOW + 100)
    assert client("JOB.COMPLETE", "p", A, "WORKER", "w1") == lost
    assert info_of(client, A)[b"attempts"] == 2
    assert info_of(client, A)[b"last_error"] == b"the lease of w1 expired in attempt 1 of 2"


def test_an_expired_lease_in_the_last_attempt_fails_the_job(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, "ATTEMPTS", 1)
    client("JOB.CLAIM", "p", "w1", "LEASE", 100)
    server.advance(100)
    assert client("JOB.CLAIM", "p", "w2") is None
    row = row_of(client, A)
    assert (row["status"], row["finished_at"]) == ("failed", NOW + 100)
    assert row["error"] == "the lease of w1 expired in attempt 1 of 1"


def test_a_job_that_is_queued_again_looks_as_before_its_start(
    server: RunningServer, client: Connection
) -> None:
    submit(client)
    before = row_of(client, A)
    client("JOB.CLAIM", "p", "w", "LEASE", 100)
    client("JOB.PROGRESS", "p", A, 70)
    server.advance(100)
    # The sweep may or may not have run by now; a claim runs what is due in any case.
    client("JOB.CLAIM", "p", "w", "KINDS", 1, "backfill")
    assert row_of(client, A) == before
