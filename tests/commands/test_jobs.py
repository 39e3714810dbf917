"""JOB.*: each command over the wire, and what holds for all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error, Map, Push
from tests.support.servers import Loop, RunningServer

NOW = 1_700_000_000_000
A, B, C = (f"{number:032x}" for number in (10, 11, 12))
KINDS = ("train", "backfill", "feature_refresh", "drift_compute")
STATUSES = ("queued", "running", "completed", "failed", "cancelled")


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


def submit(client: Connection, ident: str = A, *options: Any, kind: str = "train") -> Any:
    return client("JOB.SUBMIT", "p", kind, "spam", "{}", "ID", ident, *options)


def row_of(client: Connection, ident: str | bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(client("JOB.GET", "p", ident))
    return row


def status_of(client: Connection, ident: str | bytes) -> str:
    return str(row_of(client, ident)["status"])


def info_of(client: Connection, ident: str | bytes) -> dict[bytes, Any]:
    flat = client("JOB.INFO", "p", ident)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def claimed(reply: Any) -> str:
    return str(json.loads(reply)["id"])


def a_row(**members: Any) -> dict[str, Any]:
    row = {
        "id": A,
        "kind": "train",
        "target": "spam",
        "status": "queued",
        "progress": 0,
        "created_at": NOW - 1000,
        "started_at": 0,
        "finished_at": 0,
        "error": None,
        "spec": "{}",
        "metrics": None,
    }
    return row | members


def put(client: Connection, **members: Any) -> Any:
    row = a_row(**members)
    return client("JOB.PUT", "p", row["id"], json.dumps(row))


# --- rows -------------------------------------------------------------------------------------


def test_a_new_job_is_queued_with_zero_timestamps(client: Connection) -> None:
    ident = client("JOB.SUBMIT", "p", "train", "spam", '{"rounds": 3}')
    assert client("JOB.GET", "p", ident) == (
        b'{"id":"%b","kind":"train","target":"spam","status":"queued","progress":0,'
        b'"created_at":%d,"started_at":0,"finished_at":0,"error":null,'
        b'"spec":"{\\"rounds\\": 3}","metrics":null}' % (ident, NOW)
    )


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_can_be_put_and_read(client: Connection, status: str) -> None:
    assert put(client, status=status) == "OK"
    assert row_of(client, A) == a_row(status=status)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_submitted_and_claimed(client: Connection, kind: str) -> None:
    submit(client, kind=kind)
    other = KINDS[KINDS.index(kind) - 1]
    assert client("JOB.CLAIM", "p", "w", "KINDS", 1, other) is None
    assert json.loads(client("JOB.CLAIM", "p", "w", "KINDS", 1, kind))["kind"] == kind


def test_kinds_can_be_added(client: Connection) -> None:
    refused = client("JOB.SUBMIT", "p", "bake", "cake", "{}")
    assert refused == Error("ERR unknown kind 'bake', known are: " + " ".join(KINDS))
    client("CONFIG", "SET", "job-kinds", " ".join([*KINDS, "bake"]))
    ident = client("JOB.SUBMIT", "p", "bake", "cake", "{}")
    assert claimed(client("JOB.CLAIM", "p", "w")).encode() == ident


@pytest.mark.parametrize("status", STATUSES)
def test_only_completed_failed_and_cancelled_are_terminal(client: Connection, status: str) -> None:
    put(client, status=status)
    changed = put(client, status=status, target="ham")
    if status in ("queued", "running"):
        assert changed == "OK"
    else:
        assert changed == Error(f"TERMINAL job {A} in pool p is {status}")
        assert put(client, status=status) == "OK"
        assert client("JOB.CANCEL", "p", A) == 0


def test_a_duration_needs_both_timestamps(client: Connection) -> None:
    put(client, status="running", started_at=1000)
    assert info_of(client, A)[b"duration_ms"] is None
    put(client, status="completed", started_at=1000, finished_at=1250)
    assert info_of(client, A)[b"duration_ms"] == 250


@pytest.mark.parametrize(
    "json_text",
    [
        "{",
        "[]",
        "5",
        json.dumps(a_row(kind="bake")),
        json.dumps(a_row(status="done")),
        json.dumps(a_row(id=B)),
        json.dumps(a_row(id=A.upper())),
        json.dumps(a_row(id="abc")),
        json.dumps(a_row(target=None)),
        json.dumps(a_row(spec={})),
        json.dumps(a_row(progress=-1)),
        json.dumps(a_row(progress="5")),
        json.dumps(a_row(progress=True)),
        json.dumps(a_row(created_at=0.5)),
        json.dumps(a_row(created_at=2**60)),
        json.dumps({k: v for k, v in a_row().items() if k != "finished_at"}),
        b"\xff",
    ],
)
def test_what_is_no_row_is_not_put(client: Connection, json_text: str | bytes) -> None:
    reply = client("JOB.PUT", "p", A, json_text)
    assert reply.code == "BADRECORD"
    assert f"job {A} in pool p" in reply.text
    assert client("DBSIZE") == 0


def test_a_row_is_put_as_the_seed_reads_it(client: Connection) -> None:
    put(client, progress=250.0, error=5, metrics=[], extra=True)
    assert row_of(client, A) == a_row(progress=100)


def test_an_id_is_32_lower_case_hex_digits(client: Connection) -> None:
    for ident in ("abc", "0" * 31, "0" * 33, "A" * 32, "g" * 32, ""):
        assert submit(client, ident) == Error(
            f"ERR an id is 32 lower-case hex digits, not '{ident}'"
        )
        assert client("JOB.PUT", "p", ident, json.dumps(a_row())).code == "ERR"
        assert client("JOB.GET", "p", ident) is None
        assert client("JOB.DEL", "p", ident) == 0


def test_del_is_idempotent(client: Connection) -> None:
    submit(client)
    assert (client("JOB.DEL", "p", A), client("JOB.DEL", "p", A)) == (1, 0)
    assert client("JOB.GET", "p", A) is None
    assert client("DBSIZE") == 0


def test_a_queued_row_that_is_put_can_be_claimed(client: Connection) -> None:
    put(client)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A


def test_a_running_row_that_is_put_has_a_lease_nobody_holds(
    server: RunningServer, client: Connection
) -> None:
    put(client, status="running", started_at=NOW - 500, progress=30)
    assert client("JOB.EXTEND", "p", A, "w", 1000).code == "NOTOWNER"
    server.advance(30_000)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert info_of(client, A)[b"attempts"] == 2


# --- submitting -------------------------------------------------------------------------------


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


def test_a_repeated_submission_is_one(client: Connection) -> None:
    assert submit(client, A) == A.encode()
    client("JOB.CLAIM", "p", "w")
    before = client("DEBUG", "DIGEST")
    assert submit(client, A) == A.encode()
    assert client("DEBUG", "DIGEST") == before


def test_unique_answers_the_live_holder(client: Connection) -> None:
    assert submit(client, A, "UNIQUE", "nightly") == A.encode()
    assert submit(client, B, "UNIQUE", "nightly") == A.encode()
    client("JOB.CLAIM", "p", "w")
    assert submit(client, B, "UNIQUE", "nightly") == A.encode()
    client("JOB.COMPLETE", "p", A)
    assert submit(client, B, "UNIQUE", "nightly") == B.encode()
    client("JOB.DEL", "p", B)
    assert submit(client, C, "UNIQUE", "nightly") == C.encode()


def test_priority_goes_before_age(client: Connection) -> None:
    submit(client, A, "PRIORITY", -1)
    submit(client, B)
    submit(client, C, "PRIORITY", 7, kind="backfill")
    assert [claimed(client("JOB.CLAIM", "p", "w")) for _ in range(3)] == [C, B, A]


def test_a_delayed_job_waits(server: RunningServer, client: Connection) -> None:
    submit(client, A, "DELAY", 100)
    assert info_of(client, A)[b"ready_at"] == NOW + 100
    server.advance(99)
    assert client("JOB.CLAIM", "p", "w") is None
    server.advance(1)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A


def test_an_unclaimed_job_is_gone_after_its_ttl(server: RunningServer, client: Connection) -> None:
    submit(client, A, "TTL", 100)
    submit(client, B, "AFTER", 1, A)
    server.advance(99)
    assert status_of(client, A) == "queued"
    server.advance(1)
    assert client("JOB.GET", "p", A) is None
    assert client("JOB.CLAIM", "p", "w") is None
    assert row_of(client, B)["error"] == f"job {A}, which it waits for, was removed"
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
    assert client("DBSIZE") == 0


# --- dependencies -----------------------------------------------------------------------------


def test_a_job_waits_for_all_it_comes_after(client: Connection) -> None:
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


@pytest.mark.parametrize("end", ["fail", "cancel", "del"])
def test_one_that_does_not_complete_cancels_what_waits(client: Connection, end: str) -> None:
    submit(client, A)
    submit(client, B, "AFTER", 1, A)
    submit(client, C, "AFTER", 1, B)
    if end == "fail":
        client("JOB.FAIL", "p", A, "oops")
    else:
        client(f"JOB.{end}", "p", A)
    assert [status_of(client, ident) for ident in (B, C)] == ["cancelled", "cancelled"]
    how = {"fail": "failed", "cancel": "cancelled", "del": "removed"}[end]
    assert row_of(client, B)["error"] == f"job {A}, which it waits for, was {how}"


def test_after_one_that_has_ended(client: Connection) -> None:
    submit(client, A)
    client("JOB.COMPLETE", "p", A)
    submit(client, B, "AFTER", 1, A)
    assert claimed(client("JOB.CLAIM", "p", "w")) == B
    client("JOB.CANCEL", "p", B)
    submit(client, C, "AFTER", 2, A, B)
    assert status_of(client, C) == "cancelled"


# --- claiming ---------------------------------------------------------------------------------


def test_a_claim_runs_the_job(client: Connection) -> None:
    submit(client)
    row = json.loads(client("JOB.CLAIM", "p", "w1"))
    assert (row["status"], row["started_at"]) == ("running", NOW)
    facts = info_of(client, A)
    assert facts[b"worker"] == b"w1"
    assert facts[b"lease_until"] == NOW + 30_000
    assert facts[b"attempts"] == 1


def test_the_shapes_of_nothing(client: Connection, client3: Connection) -> None:
    assert client("JOB.CLAIM", "p", "w") is None
    assert client("JOB.CLAIM", "p", "w", "COUNT", 2) is NULL_ARRAY
    assert client3("JOB.CLAIM", "p", "w", "COUNT", 2) is None


def test_claimers_are_served_first_come_first_served(server: RunningServer) -> None:
    waiting = [server.connect() for _ in range(3)]
    waiting[0].send("JOB.CLAIM", "p", "w0", "KINDS", 1, "train", "BLOCK", 0)
    waiting[0].send("PING")
    probe = server.connect()
    for place, connection in enumerate(waiting):
        if place:
            connection.send("JOB.CLAIM", "p", f"w{place}", "BLOCK", 0)
        while b"blocked_clients:%d" % (place + 1) not in probe("INFO", "clients"):
            pass
    submit(probe, A, kind="backfill")
    submit(probe, B)
    submit(probe, C)
    assert claimed(waiting[1].read()) == A
    assert claimed(waiting[0].read()) == B
    assert claimed(waiting[2].read()) == C


def test_a_claim_waits_until_its_time_is_over(server: RunningServer, client: Connection) -> None:
    client.send("JOB.CLAIM", "p", "w", "BLOCK", 100)
    probe = server.connect()
    while b"blocked_clients:1" not in probe("INFO", "clients"):
        pass
    server.advance(100)
    assert client.read() is None


def test_waiting_claims_wake_after_exec_delays_and_lost_leases(server: RunningServer) -> None:
    probe, client = server.connect(), server.connect()

    def wait() -> None:
        client.send("JOB.CLAIM", "p", "w", "LEASE", 50, "BLOCK", 0)
        while b"blocked_clients:1" not in probe("INFO", "clients"):
            pass

    wait()
    probe("MULTI")
    submit(probe, A)
    probe("EXEC")
    assert claimed(client.read()) == A
    wait()
    server.advance(50)
    assert claimed(client.read()) == A
    probe("JOB.COMPLETE", "p", A)
    submit(probe, B, "DELAY", 10)
    wait()
    server.advance(10)
    assert claimed(client.read()) == B


def test_in_a_transaction_nothing_waits(client: Connection) -> None:
    client("MULTI")
    submit(client)
    client("JOB.CLAIM", "p", "w", "BLOCK", 0)
    client("JOB.CLAIM", "p", "w", "BLOCK", 0)
    client("JOB.WAIT", "p", A, 0)
    client("JOB.COMPLETE", "p", A)
    client("JOB.WAIT", "p", A, 0)
    ident, row, nothing, unended, done, ended = client("EXEC")
    assert ident == A.encode()
    assert claimed(row) == A
    assert (nothing, unended, done) == (None, None, "OK")
    assert json.loads(ended)["status"] == "completed"


# --- leases -----------------------------------------------------------------------------------


def test_a_lost_lease_queues_the_job_and_counts_an_attempt(
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
    assert info_of(client, A)[b"last_error"] == b"the lease of w1 ran out in attempt 1 of 2"


def test_a_lost_lease_in_the_last_attempt_fails_the_job(
    server: RunningServer, client: Connection
) -> None:
    submit(client, A, "ATTEMPTS", 1)
    client("JOB.CLAIM", "p", "w1", "LEASE", 100)
    server.advance(100)
    assert client("JOB.CLAIM", "p", "w2") is None
    row = row_of(client, A)
    assert (row["status"], row["finished_at"]) == ("failed", NOW + 100)
    assert row["error"] == "the lease of w1 ran out in attempt 1 of 1"


def test_a_restart_of_the_job_looks_as_in_the_seed(
    server: RunningServer, client: Connection
) -> None:
    submit(client)
    before = row_of(client, A)
    client("JOB.CLAIM", "p", "w", "LEASE", 100)
    client("JOB.PROGRESS", "p", A, 70)
    server.advance(100)
    # Which may or may not have been swept when this asks, but is when it has claimed.
    client("JOB.CLAIM", "p", "w", "KINDS", 1, "backfill")
    assert row_of(client, A) == before


def test_progress_clamps_renews_and_may_go_down(server: RunningServer, client: Connection) -> None:
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


def test_extend_answers_the_new_deadline(server: RunningServer, client: Connection) -> None:
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


def test_retries_back_off_until_attempts_are_used_up(
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
        client.send("JOB.WAIT", "p", A, 0)
        while b"blocked_clients:1" not in probe("INFO", "clients"):
            pass
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
    client.send("JOB.WAIT", "p", A, 100)
    while b"blocked_clients:1" not in probe("INFO", "clients"):
        pass
    server.advance(100)
    assert client.read() is None


# --- reports ----------------------------------------------------------------------------------


def filled(server: RunningServer, client: Connection) -> list[str]:
    """Forty jobs in groups of four to a millisecond; their ids in order."""
    idents = []
    for number in range(40):
        if number % 4 == 0:
            server.advance(1)
        kind, target = KINDS[number % 2], f"t{number % 5}"
        idents.append(client("JOB.SUBMIT", "p", kind, target, "{}").decode())
    client("JOB.CLAIM", "p", "w1", "COUNT", 10)
    for ident in idents[:5]:
        client("JOB.COMPLETE", "p", ident)
    return idents


def listed(client: Connection, *options: Any, count: int = 3) -> list[str]:
    found: list[str] = []
    cursor: Any = 0
    for _ in range(100):
        cursor, rows = client("JOB.LIST", "p", *options, "CURSOR", cursor, "COUNT", count)
        assert len(rows) <= count
        found += [json.loads(row)["id"] for row in rows]
        if cursor == b"0":
            return found
    raise AssertionError("the cursor never ends")


def test_lists_are_by_creation_and_filtered(server: RunningServer, client: Connection) -> None:
    idents = filled(server, client)
    assert listed(client) == idents
    assert listed(client, "DESC") == idents[::-1]
    assert listed(client, count=1000) == idents
    assert listed(client, "STATUS", "running") == idents[5:10]
    assert listed(client, "STATUS", "completed", "DESC") == idents[4::-1]
    assert listed(client, "KIND", "backfill") == idents[1::2]
    assert listed(client, "TARGET", "t3") == idents[3::5]
    assert listed(client, "TARGET", "nothing") == []
    assert listed(client, "WORKER", "w1") == idents[:10]
    assert listed(client, "SINCE", NOW + 3) == idents[8:]
    assert listed(client, "UNTIL", NOW + 3, "DESC") == idents[11::-1]
    assert listed(client, "SINCE", NOW + 3, "UNTIL", NOW + 4) == idents[8:16]
    assert listed(client, "KIND", "train", "TARGET", "t3", "STATUS", "queued") == idents[18::10]
    assert listed(client, "WORKER", "w1", "STATUS", "queued") == []


def test_a_cursor_survives_what_it_stands_on(server: RunningServer, client: Connection) -> None:
    idents = filled(server, client)
    for order, rest in (([], idents[7:]), (["DESC"], idents[:33][::-1])):
        cursor, rows = client("JOB.LIST", "p", *order, "COUNT", 7)
        client("JOB.DEL", "p", json.loads(rows[-1])["id"])
        _, behind = client("JOB.LIST", "p", *order, "CURSOR", cursor)
        assert [json.loads(row)["id"] for row in behind] == [
            ident for ident in rest if client("JOB.GET", "p", ident)
        ]


def test_figures(server: RunningServer, client3: Connection) -> None:
    assert client3("JOB.STATS", "p")[b"duration_ms"] == Map(
        [(b"p50", None), (b"p95", None), (b"p99", None)]
    )
    for number in range(1, 101):
        ident = client3("JOB.SUBMIT", "p", "train", "spam", "{}")
        client3("JOB.CLAIM", "p", "w")
        server.advance(number)
        client3("JOB.COMPLETE", "p", ident)
    submit(client3, A, kind="backfill")
    server.advance(40)
    assert client3("JOB.STATS", "p") == Map(
        [
            (b"total", 101),
            (
                b"status",
                Map(
                    [
                        (b"queued", 1),
                        (b"running", 0),
                        (b"completed", 100),
                        (b"failed", 0),
                        (b"cancelled", 0),
                    ]
                ),
            ),
            (
                b"kind",
                Map(
                    [
                        (b"train", 100),
                        (b"backfill", 1),
                        (b"feature_refresh", 0),
                        (b"drift_compute", 0),
                    ]
                ),
            ),
            (b"ready", 1),
            (b"oldest_queued_ms", 40),
            (b"duration_ms", Map([(b"p50", 50), (b"p95", 95), (b"p99", 99)])),
        ]
    )


def test_info_is_a_map(client3: Connection) -> None:
    submit(client3, A, "PRIORITY", 2, "UNIQUE", "u", "TTL", 500)
    info = client3("JOB.INFO", "p", A)
    assert isinstance(info, Map)
    assert info[b"priority"] == 2
    assert info[b"unique"] == b"u"
    assert info[b"expires_at"] == NOW + 500
    assert info[b"worker"] is None
    assert client3("JOB.INFO", "p", B) is None


def test_prune(server: RunningServer, client: Connection) -> None:
    for ident, end in ((A, "JOB.COMPLETE"), (B, "JOB.CANCEL")):
        submit(client, ident)
        client(end, "p", ident)
        server.advance(100)
    submit(client, C)
    assert client("JOB.PRUNE", "p", "OLDER", 201) == 0
    assert client("JOB.PRUNE", "p", "OLDER", 0, "STATUS", "failed") == 0
    assert client("JOB.PRUNE", "p", "STATUS", "completed", "OLDER", 200) == 1
    assert client("JOB.PRUNE", "p", "OLDER", 0) == 1
    assert listed(client) == [C]
    assert client("JOB.PRUNE", "p", "OLDER", 0, "STATUS", "queued").code == "ERR"
    assert client("JOB.PRUNE", "p", "STATUS", "failed", "STATUS", "failed") == Error(
        "ERR syntax error"
    )


def test_events_are_published_and_kept(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:job:p")
    submit(client)
    client("JOB.CLAIM", "p", "w")
    client("JOB.COMPLETE", "p", A)
    kept = [json.loads(entry[1][1]) for entry in client("XRANGE", "redkeep:events:{p}", "-", "+")]
    assert [event["event"] for event in kept] == ["queued", "running", "completed"]
    assert kept[1] == {
        "event": "running",
        "id": A,
        "kind": "train",
        "target": "spam",
        "at": NOW,
        "worker": "w",
    }
    for event in kept:
        message = listener.read()
        assert isinstance(message, Push)
        assert json.loads(message.items[2]) == event


# --- what holds for all -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_words",
    [
        ("JOB.SUBMIT", "", "train", "t", "{}"),
        ("JOB.SUBMIT", "a{b", "train", "t", "{}"),
        ("JOB.SUBMIT", "p", "nope", "t", "{}"),
        ("JOB.SUBMIT", "p", "train", b"\xff", "{}"),
        ("JOB.SUBMIT", "p", "train", "t", b"\xff"),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "ID", "xyz"),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "PRIORITY", 2**31),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "DELAY", -1),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "DELAY", 2**62),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "ATTEMPTS", 0),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "TTL", 0),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "UNIQUE", ""),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "UNIQUE"),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "AFTER", 0),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "AFTER", 2, A),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "AFTER", 1, C),
        ("JOB.SUBMIT", "p", "train", "t", "{}", "NOPE"),
        ("JOB.PUT", "p", A, "{}"),
        ("JOB.PUT", "p", B, json.dumps(a_row(id=B, target="changed"))),
        ("JOB.CLAIM", "p", ""),
        ("JOB.CLAIM", "p", "w", "KINDS", 1, "nope"),
        ("JOB.CLAIM", "p", "w", "KINDS", 0),
        ("JOB.CLAIM", "p", "w", "COUNT", 0),
        ("JOB.CLAIM", "p", "w", "LEASE", 0),
        ("JOB.CLAIM", "p", "w", "BLOCK", -1),
        ("JOB.PROGRESS", "p", A, "x"),
        ("JOB.PROGRESS", "p", A, 5, "WORKER", "other"),
        ("JOB.PROGRESS", "p", C, 5),
        ("JOB.EXTEND", "p", A, "other", 5),
        ("JOB.EXTEND", "p", B, "w", 5),
        ("JOB.EXTEND", "p", C, "w", 5),
        ("JOB.COMPLETE", "p", A, "METRICS", "{"),
        ("JOB.COMPLETE", "p", A, "WORKER", "other"),
        ("JOB.COMPLETE", "p", B),
        ("JOB.COMPLETE", "p", C),
        ("JOB.FAIL", "p", A, b"\xff"),
        ("JOB.FAIL", "p", B, "oops"),
        ("JOB.FAIL", "p", C, "oops"),
        ("JOB.WAIT", "p", A, -1),
        ("JOB.LIST", "p", "STATUS", "nope"),
        ("JOB.LIST", "p", "KIND", "nope"),
        ("JOB.LIST", "p", "CURSOR", "nope"),
        ("JOB.LIST", "p", "COUNT", 0),
        ("JOB.PRUNE", "p", "OLDER", -1),
    ],
)
def test_an_error_changes_nothing(client: Connection, request_words: tuple[Any, ...]) -> None:
    submit(client, A)
    client("JOB.CLAIM", "p", "w")
    submit(client, B)
    client("JOB.CANCEL", "p", B)
    before = client("DEBUG", "DIGEST")
    assert isinstance(client(*request_words), Error)
    assert client("DEBUG", "DIGEST") == before


@pytest.mark.parametrize(
    "key",
    [
        f"redkeep:job:{{p}}:{B}",
        "redkeep:jobs:{p}:all",
        "redkeep:jobs:{p}:status:queued",
        "redkeep:jobs:{p}:status:completed",
        "redkeep:jobs:{p}:kind:train",
        "redkeep:jobs:{p}:target:spam",
        "redkeep:jobs:{p}:ready:train",
        "redkeep:jobs:{p}:finished:completed",
        "redkeep:jobs:{p}:durations",
        "redkeep:jobs:{p}:unique",
        "redkeep:jobs:{p}:worker:w2",
        f"redkeep:jobs:{{p}}:dependents:{A}",
        "redkeep:jobs-due:{p}",
        "redkeep:events:{p}",
    ],
)
def test_a_key_of_another_type_is_wrongtype_and_changes_nothing(
    client: Connection, key: str
) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    submit(client, A, "UNIQUE", "u")
    submit(client, C, "AFTER", 1, A)
    client("JOB.CLAIM", "p", "w")
    client("DEL", key)
    client("SET", key, "spoilt")
    before = client("DEBUG", "DIGEST")
    refused = 0
    for words in (
        ("JOB.SUBMIT", "p", "train", "spam", "{}", "ID", B, "UNIQUE", "v", "AFTER", 1, A),
        ("JOB.SUBMIT", "p", "train", "spam", "{}", "ID", B, "UNIQUE", "v", "DELAY", 5),
        ("JOB.COMPLETE", "p", A),
        ("JOB.SUBMIT", "p", "train", "spam", "{}", "ID", B, "PRIORITY", 5),
        ("JOB.CLAIM", "p", "w2"),
    ):
        reply = client(*words)
        if isinstance(reply, Error):
            assert reply.code == "WRONGTYPE"
            assert client("DEBUG", "DIGEST") == before
            refused += 1
        before = client("DEBUG", "DIGEST")
    assert refused


def test_poison_is_passed_over_and_named_when_asked_for(
    server: RunningServer, client: Connection
) -> None:
    for ident in (A, B, C):
        submit(client, ident)
    client("HSET", f"redkeep:job:{{p}}:{A}", "row", "{broken")
    client("HSET", f"redkeep:job:{{p}}:{C}", "attempts", "many")
    for words in (("GET",), ("INFO",), ("CANCEL",), ("COMPLETE",), ("PROGRESS", 5), ("WAIT", 5)):
        for ident in (A, C):
            reply = client(f"JOB.{words[0]}", "p", ident, *words[1:])
            assert reply.code == "BADRECORD", words
            assert f"job {ident} in pool p" in reply.text
    assert listed(client) == [B]
    assert server.call(lambda: server.instance.statistics.bad_records) >= 2
    assert claimed(client("JOB.CLAIM", "p", "w", "LEASE", 10)) == B
    client("HSET", f"redkeep:job:{{p}}:{B}", "row", "")
    server.advance(10)
    assert client("JOB.CLAIM", "p", "w") is None
    assert client("JOB.STATS", "p")[1] == 3
    assert put(client) == "OK"
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert [client("JOB.DEL", "p", ident) for ident in (A, B, C)] == [1, 1, 1]
    assert client("DBSIZE") == 0


def test_jobs_are_ordinary_values_and_complete(
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


def test_pools_are_apart(client: Connection) -> None:
    submit(client)
    assert client("JOB.GET", "q", A) is None
    assert client("JOB.CLAIM", "q", "w") is None
    assert client("JOB.LIST", "q") == [b"0", []]
    assert all(b"{p}" in key for key in client("KEYS", "*"))


def test_the_family_describes_itself(client: Connection) -> None:
    lines = client("JOB.HELP")
    assert lines[0] == "JOB.<command> [<arg> [value] [opt] ...]. Commands are:"
    assert client("COMMAND", "GETKEYS", "JOB.SUBMIT", "p", "train", "t", "{}") == [b"p"]
