"""Tokens: each claim hands one out, and a report that names another one is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from commands.families import load
from tests.support.jobs import NOW, A, B, info_of, row_of, status_of, submit
from tests.support.offline import Offline, Recorded
from tests.support.resp import Error, Map

REFUSED = Error(f"NOTOWNER the token is not of the present claim of job {A} in pool p")


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def claim(client: Recorded, worker: str, lease: int = 100) -> dict[bytes, Any]:
    flat = client("JOB.CLAIM", "p", worker, "LEASE", lease, "WITHTOKEN")
    return dict(zip(flat[::2], flat[1::2], strict=True))


def reports(token: bytes) -> list[tuple[Any, ...]]:
    return [
        ("JOB.PROGRESS", "p", A, 5, "TOKEN", token),
        ("JOB.EXTEND", "p", A, "w", 50, "TOKEN", token),
        ("JOB.FAIL", "p", A, "oops", "TOKEN", token),
        ("JOB.FAIL", "p", A, "oops", "RETRY", "TOKEN", token),
        ("JOB.COMPLETE", "p", A, "TOKEN", token),
    ]


def test_a_claim_answers_row_token_attempt_and_lease(client: Recorded) -> None:
    submit(client)
    given = claim(client, "w")
    assert list(given) == [b"row", b"token", b"attempt", b"lease_until"]
    assert given[b"row"] == client("JOB.GET", "p", A)
    assert re.fullmatch(rb"1-[0-9a-f]{16}", given[b"token"])
    assert (given[b"attempt"], given[b"lease_until"]) == (1, NOW + 100)
    assert b"token" not in info_of(client, A)


def test_the_reply_is_a_map_for_each_job() -> None:
    load()
    client = Offline(NOW, resp=3)
    for ident in (A, B):
        submit(client, ident)
    one, other = client("JOB.CLAIM", "p", "w", "COUNT", 5, "WITHTOKEN")
    assert isinstance(one, Map) and isinstance(other, Map)
    assert one[b"token"] != other[b"token"]


def test_a_ghost_of_the_same_name_is_refused(client: Recorded) -> None:
    submit(client)
    ghost = claim(client, "w")[b"token"]
    client.advance(100)
    holder = claim(client, "w")
    assert (holder[b"attempt"], holder[b"token"][:2]) == (2, b"2-")
    before = client("DEBUG", "DIGEST")
    for words in reports(ghost):
        assert client(*words) == REFUSED
    assert client("DEBUG", "DIGEST") == before
    assert client("JOB.PROGRESS", "p", A, 5, "TOKEN", holder[b"token"]) == b"running"
    assert client("JOB.EXTEND", "p", A, "w", 50, "TOKEN", holder[b"token"]) == NOW + 150
    assert client("JOB.COMPLETE", "p", A, "TOKEN", holder[b"token"]) == "OK"
    assert client("JOB.COMPLETE", "p", A, "TOKEN", holder[b"token"]) == "OK"


@pytest.mark.parametrize("sweep", [False, True])
def test_a_token_ends_with_its_lease(client: Recorded, sweep: bool) -> None:
    submit(client)
    token = claim(client, "w")[b"token"]
    client.advance(100)
    if sweep:
        client.sweep()
    for words in reports(token):
        assert client(*words) == REFUSED
    assert status_of(client, A) == ("queued" if sweep else "running")


def test_a_failure_can_be_reported_again_with_its_token(client: Recorded) -> None:
    submit(client)
    token = claim(client, "w")[b"token"]
    fail = ("JOB.FAIL", "p", A, "oops", "RETRY", "TOKEN", token)
    reply = client(*fail)
    assert reply.startswith(b"retry ")
    assert client(*fail) == reply
    assert client("JOB.COMPLETE", "p", A, "TOKEN", token) == REFUSED
    assert row_of(client, A)["status"] == "queued"


def test_a_name_alone_is_enough_while_there_is_no_doubt(client: Recorded) -> None:
    submit(client)
    claim(client, "w")
    assert client("JOB.PROGRESS", "p", A, 5, "WORKER", "w") == b"running"
    assert client("JOB.COMPLETE", "p", A, "WORKER", "other").code == "NOTOWNER"
    assert client("JOB.COMPLETE", "p", A, "WORKER", "w") == "OK"


def test_a_worker_learns_of_a_cancellation_with_its_token(client: Recorded) -> None:
    submit(client)
    token = claim(client, "w")[b"token"]
    client("JOB.CANCEL", "p", A)
    assert client("JOB.PROGRESS", "p", A, 5, "WORKER", "w", "TOKEN", token) == b"cancelled"


def test_tokens_survive_a_restart(client: Recorded) -> None:
    submit(client)
    token = claim(client, "w")[b"token"]
    fresh = Recorded(NOW)
    fresh.replay(client.take_log())
    assert fresh("JOB.PROGRESS", "p", A, 5, "TOKEN", token) == b"running"
