"""Figures, all the facts of a job, removing old jobs, and events."""

from __future__ import annotations

import json

import pytest

from tests.support.jobs import (
    NOW,
    A,
    B,
    C,
    a_row,
    listed,
    submit,
)
from tests.support.resp import Connection, Map, Push
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


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
                        (b"backfill", 1),
                        (b"train", 100),
                    ]
                ),
            ),
            (b"ready", 1),
            (b"oldest_queued_ms", 40),
            (b"duration_ms", Map([(b"p50", 50), (b"p95", 95), (b"p99", 99)])),
            (b"paused", 0),
            (b"limits", Map([])),
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


def test_events_are_published_and_kept(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:job:p")
    submit(client)
    client("JOB.CLAIM", "p", "w")
    client("JOB.COMPLETE", "p", A)
    kept = [
        json.loads(entry[1][1]) for entry in client("XRANGE", "redkeep:events:job:{p}", "-", "+")
    ]
    assert [event["event"] for event in kept] == ["queued", "running", "completed"]
    assert kept[1] == {
        "family": "job",
        "event": "running",
        "command": "JOB.CLAIM",
        "at": NOW,
        "id": A,
        "kind": "train",
        "target": "spam",
        "worker": "w",
    }
    for event in kept:
        message = listener.read()
        assert isinstance(message, Push)
        assert json.loads(message.items[2]) == event


def test_progress_and_raw_rows_are_published(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:job:p")
    submit(client)
    client("JOB.CLAIM", "p", "w")
    client("JOB.PROGRESS", "p", A, 40)
    client("ML.PUT", "p", "jobs", A, json.dumps(a_row(target="other", status="running")))
    client("ML.PUT", "p", "jobs", A, json.dumps(a_row(status="cancelled")))
    client("ML.PUT", "p", "jobs", B, "5")
    client("ML.DEL", "p", "jobs", A)
    events = [json.loads(listener.read().items[2]) for _ in range(7)]
    assert [(event["command"], event["event"]) for event in events] == [
        ("JOB.SUBMIT", "queued"),
        ("JOB.CLAIM", "running"),
        ("JOB.PROGRESS", "progress"),
        ("ML.PUT", "stored"),
        ("ML.PUT", "cancelled"),
        ("ML.PUT", "stored"),
        ("ML.DEL", "removed"),
    ]
    assert events[2]["progress"] == 40
    assert [event["id"] for event in events] == [A, A, A, A, A, B, A]


def test_the_events_of_a_pool_go_with_its_last_job(client: Connection) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    submit(client, A)
    submit(client, B)
    client("JOB.DEL", "p", A)
    assert client("XLEN", "redkeep:events:job:{p}") == 3
    client("JOB.DEL", "p", B)
    assert client("DBSIZE") == 0
