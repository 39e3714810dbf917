"""JOB.PUT, JOB.GET and JOB.DEL: rows as they are, valid and invalid."""

from __future__ import annotations

import json

import pytest

from tests.support.jobs import NOW, STATUSES, A, B, a_row, claimed, info_of, put, row_of, submit
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_can_be_put_and_read(client: Connection, status: str) -> None:
    assert put(client, status=status) == "OK"
    assert row_of(client, A) == a_row(status=status)


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
        json.dumps(a_row(kind="")),
        json.dumps(a_row(status="done")),
        json.dumps(a_row(id=B)),
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
def test_an_invalid_row_is_refused(client: Connection, json_text: str | bytes) -> None:
    reply = client("JOB.PUT", "p", A, json_text)
    assert reply.code == "BADRECORD"
    assert f"job {A} in pool p" in reply.text
    assert client("DBSIZE") == 0


def test_a_row_is_normalized_when_it_is_put(client: Connection) -> None:
    put(client, progress=250.0, error=5, metrics=[], extra=True)
    assert row_of(client, A) == a_row(progress=100, extra=True)


def test_an_id_must_be_32_hex_digits(client: Connection) -> None:
    for ident in ("abc", "0" * 31, "0" * 33, "g" * 32, ""):
        assert submit(client, ident) == Error(f"ERR the id must be 32 hex digits, not '{ident}'")
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


def test_a_running_row_that_is_put_has_a_lease_without_a_worker(
    server: RunningServer, client: Connection
) -> None:
    put(client, status="running", started_at=NOW - 500, progress=30)
    assert client("JOB.EXTEND", "p", A, "w", 1000).code == "NOTOWNER"
    server.advance(30_000)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert info_of(client, A)[b"attempts"] == 2
