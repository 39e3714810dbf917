"""Jobs submitted together, parents and their children, results, and ended jobs queued again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands.families import load
from tests.support.jobs import NOW, A, B, C, a_row, claimed, info_of, row_of, status_of, submit
from tests.support.offline import Recorded
from tests.support.resp import Error


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def children(client: Recorded, ident: str = A) -> list[tuple[str, Any]]:
    cursor, found = client("JOB.CHILDREN", "p", ident)
    assert cursor == b"0"
    return [(claimed(flat[1]), flat[3]) for flat in found]


# --- many at once -------------------------------------------------------------------------------


def test_many_jobs_are_submitted_with_all_options(client: Recorded) -> None:
    first = {"kind": "train", "target": "spam", "spec": {"n": [1]}, "id": A, "priority": -2}
    first |= {"delay": 5, "attempts": 7, "backoff": 8, "ttl": 9, "unique": "u"}
    second = {"kind": "email", "target": "bob", "spec": "x", "after": [A.upper()]}
    ids = client("JOB.MSUBMIT", "p", json.dumps(first), json.dumps(second))
    assert ids[0] == A.encode()
    assert row_of(client, A)["spec"] == '{"n":[1]}'
    facts = info_of(client, A)
    assert (facts[b"priority"], facts[b"max_attempts"], facts[b"backoff_ms"]) == (-2, 7, 8)
    assert (facts[b"ttl_ms"], facts[b"unique"], facts[b"ready_at"]) == (9, b"u", NOW + 5)
    assert info_of(client, ids[1])[b"waiting_for"] == [A.encode()]


def test_the_ids_of_one_call_are_in_order_and_distinct(client: Recorded) -> None:
    text = json.dumps({"kind": "k", "target": "t", "spec": ""})
    idents = client("JOB.MSUBMIT", "p", *[text] * 100)
    assert idents == sorted(set(idents))
    rows = client("JOB.CLAIM", "p", "w", "COUNT", 500)
    assert [claimed(row).encode() for row in rows] == idents
    assert client("JOB.MSUBMIT", "p", *[text] * 101).code == "ERR"


def test_one_unique_key_in_one_call_submits_one_job(client: Recorded) -> None:
    text = json.dumps({"kind": "k", "target": "t", "spec": "", "unique": "u"})
    first, second = client("JOB.MSUBMIT", "p", text, text)
    assert first == second
    assert client("JOB.MSUBMIT", "p", text) == [first]
    assert client("JOB.STATS", "p")[1] == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "BADRECORD job 2 is not valid JSON"),
        ("[]", "BADRECORD job 2 is not a JSON object"),
        ("{}", "ERR job 2: kind is missing or of the wrong type"),
        ('{"kind":"k","target":"t","spec":1.5}', "ERR job 2: spec is missing or of the wrong type"),
        ('{"kind":"k","target":"t","spec":"","odd":1}', "ERR job 2: unknown option 'ODD'"),
        (
            '{"kind":"k","target":"t","spec":"","attempts":0}',
            "ERR job 2: ATTEMPTS must be an integer from 1 to 2147483647, not '0'",
        ),
        (
            '{"kind":"k","target":"t","spec":"","after":["x"]}',
            "NOTFOUND dependency x does not exist in pool p",
        ),
    ],
)
def test_one_wrong_job_and_none_is_submitted(client: Recorded, text: str, error: str) -> None:
    right = json.dumps({"kind": "k", "target": "t", "spec": ""})
    assert client("JOB.MSUBMIT", "p", right, text) == Error(error)
    assert client("DBSIZE") == 0


# --- parents ------------------------------------------------------------------------------------


def test_a_parent_waits_for_its_children_and_reads_their_results(client: Recorded) -> None:
    submit(client, A)
    submit(client, B, "PARENT", A)
    submit(client, C, "PARENT", A.upper())
    for ident in (B, C):
        assert claimed(client("JOB.CLAIM", "p", "w")) == ident
    assert client("JOB.CLAIM", "p", "w") is None
    client("JOB.COMPLETE", "p", B, "RESULT", b"\x00\xff")
    assert client("JOB.CLAIM", "p", "w") is None
    client("JOB.COMPLETE", "p", C)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert children(client) == [(B, b"\x00\xff"), (C, None)]
    assert info_of(client, B)[b"parent"] == A.encode()


def test_a_parent_is_submitted_with_its_children(client: Recorded) -> None:
    parent = json.dumps({"kind": "k", "target": "t", "spec": "", "id": A})
    child = json.dumps({"kind": "k", "target": "t", "spec": "", "parent": A})
    ids = client("JOB.MSUBMIT", "p", parent, child, child)
    rows = client("JOB.CLAIM", "p", "w", "COUNT", 10)
    assert [claimed(row).encode() for row in rows] == ids[1:]


def test_a_running_parent_waits_before_its_next_attempt(client: Recorded) -> None:
    submit(client, A, "BACKOFF", 0)
    client("JOB.CLAIM", "p", "w")
    submit(client, B, "PARENT", A)
    assert client("JOB.PROGRESS", "p", A, 5) == b"running"
    assert client("JOB.FAIL", "p", A, "wait for children", "RETRY").startswith(b"retry ")
    assert claimed(client("JOB.CLAIM", "p", "w")) == B
    assert client("JOB.CLAIM", "p", "w") is None
    client("JOB.COMPLETE", "p", B)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A


def test_the_end_of_a_child_does_not_disturb_a_parent_that_runs(client: Recorded) -> None:
    submit(client, A, "BACKOFF", 0)
    client("JOB.CLAIM", "p", "w")
    submit(client, B, "PARENT", A)
    client("JOB.CANCEL", "p", B)
    assert status_of(client, A) == "running"
    client("JOB.FAIL", "p", A, "again", "RETRY")
    assert claimed(client("JOB.CLAIM", "p", "w")) == A


def test_a_child_that_fails_cancels_a_parent_that_waits_and_not_the_other_way(
    client: Recorded,
) -> None:
    submit(client, A)
    submit(client, B, "PARENT", A)
    submit(client, C, "PARENT", A)
    client("JOB.FAIL", "p", B, "broken")
    assert row_of(client, A)["error"] == f"dependency {B} failed"
    assert status_of(client, C) == "queued"
    assert client("JOB.SUBMIT", "p", "train", "t", "{}", "PARENT", A) == Error(
        f"TERMINAL parent {A} in pool p is cancelled"
    )
    assert client("JOB.SUBMIT", "p", "train", "t", "{}", "PARENT", "9" * 32).code == "NOTFOUND"


def test_children_are_listed_by_pages(client: Recorded) -> None:
    submit(client, A)
    idents = [f"{number:032x}" for number in range(100, 125)]
    for ident in idents:
        submit(client, ident, "PARENT", A)
    found: list[str] = []
    cursor = b"0"
    while True:
        cursor, page = client("JOB.CHILDREN", "p", A, "CURSOR", cursor, "COUNT", 10)
        found += [claimed(flat[1]) for flat in page]
        if cursor == b"0":
            break
    assert found == idents


# --- results, and another attempt ---------------------------------------------------------------


def test_a_result_is_kept_until_the_job_is_queued_again(client: Recorded) -> None:
    submit(client)
    assert client("JOB.RESULT", "p", A) is None
    client("JOB.COMPLETE", "p", A, "RESULT", "x" * 100_000, "METRICS", "no json")
    assert client("JOB.RESULT", "p", A.upper()) == b"x" * 100_000
    assert client("JOB.COMPLETE", "p", A) == "OK"
    assert client("JOB.RETRY", "p", A) == 1
    assert client("JOB.RESULT", "p", A) is None
    assert row_of(client, A)["metrics"] is None


@pytest.mark.parametrize("end", ["JOB.COMPLETE", "JOB.CANCEL", "JOB.FAIL"])
def test_an_ended_job_is_queued_again(client: Recorded, end: str) -> None:
    submit(client, A, "ATTEMPTS", 1, "UNIQUE", "u", "TTL", 500)
    client("JOB.CLAIM", "p", "w")
    client(end, "p", A, *(["oops"] if end == "JOB.FAIL" else []))
    assert [client("JOB.RETRY", "p", A), client("JOB.RETRY", "p", A)] == [1, 0]
    row = row_of(client, A)
    assert row == a_row(created_at=NOW)
    assert submit(client, B, "UNIQUE", "u") == A.encode()
    client.advance(499)
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert info_of(client, A)[b"attempts"] == 2
    assert client("JOB.FAIL", "p", A, "oops", "RETRY") == b"failed"


def test_a_job_whose_unique_key_was_taken_is_not_queued_again(client: Recorded) -> None:
    submit(client, A, "UNIQUE", "u")
    client("JOB.CANCEL", "p", A)
    submit(client, B, "UNIQUE", "u")
    assert client("JOB.RETRY", "p", A) == Error(f"ERR job {B} has the unique key of job {A}")
    assert client("JOB.RETRY", "p", C) == Error(f"NOTFOUND no job {C} in pool p")
