"""Jobs as tests submit and read them: in the pool `p`, with ids that the tests choose."""

from __future__ import annotations

import json
from typing import Any

from server.patrolling import Patrolling
from tests.support.offline import Offline
from tests.support.resp import Connection
from tests.support.servers import RunningServer
from tests.support.waiting import pages

NOW = 1_700_000_000_000
A, B, C = (f"{number:032x}" for number in (10, 11, 12))
KINDS = ("train", "backfill", "feature_refresh", "drift_compute")
STATUSES = ("queued", "running", "completed", "failed", "cancelled")


def submit(client: Connection | Offline, ident: str = A, *options: Any, kind: str = "train") -> Any:
    return client("JOB.SUBMIT", "p", kind, "spam", "{}", "ID", ident, *options)


def row_of(client: Connection | Offline, ident: str | bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(client("JOB.GET", "p", ident))
    return row


def status_of(client: Connection | Offline, ident: str | bytes) -> str:
    return str(row_of(client, ident)["status"])


def info_of(client: Connection | Offline, ident: str | bytes) -> dict[bytes, Any]:
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


def put(client: Connection | Offline, **members: Any) -> Any:
    row = a_row(**members)
    return client("JOB.PUT", "p", row["id"], json.dumps(row))


def filled(server: RunningServer, client: Connection | Offline) -> list[str]:
    """Submit forty jobs, four in each millisecond; return their ids in order."""
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


def listed(client: Connection | Offline, *options: Any, count: int = 3) -> list[str]:
    """Return the ids of all pages of JOB.LIST."""

    def page(cursor: bytes) -> Any:
        return client("JOB.LIST", "p", *options, "CURSOR", cursor, "COUNT", count)

    found: list[str] = []
    for rows in pages(page):
        assert len(rows) <= count
        found += [json.loads(row)["id"] for row in rows]
    return found


def patrol(session: Offline, rounds: int = 3) -> None:
    """Have the patrols look at everything, more than once: one mends what another needs."""
    for _ in range(rounds):
        patrolling = Patrolling(session.instance, session.run_sweep)
        patrolling.tick()
        while patrolling.in_round:
            patrolling.tick()
