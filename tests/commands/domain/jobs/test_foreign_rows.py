"""Rows of the namespace `jobs` of ML.*: any JSON, jobs and what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.families import load
from tests.support.jobs import NOW, A, B, a_row, claimed, info_of, listed, row_of, submit
from tests.support.offline import Recorded
from tests.support.resp import Word

JOB_KEY = "redkeep:job:{p}:" + A


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


@pytest.mark.parametrize("text", ["{}", "[]", "5", "null", '"text"', '{"id": 1}', " [1, 2] "])
def test_any_json_can_be_stored_read_overwritten_and_removed(client: Recorded, text: str) -> None:
    assert client("ML.PUT", "p", "jobs", A, '{"first": 1}') == "OK"
    assert client("ML.PUT", "p", "jobs", A, text) == "OK"
    assert client("ML.GET", "p", "jobs", A) == text.encode()
    assert client("ML.LIST", "p", "jobs") == [b"0", [A.encode(), text.encode()]]
    for name in ("JOB.GET", "JOB.INFO", "JOB.COMPLETE", "JOB.CANCEL"):
        assert client(name, "p", A).code == "BADRECORD"
    assert client("JOB.LIST", "p") == [b"0", []]
    assert client("JOB.CLAIM", "p", "w") is None
    assert client("ML.DEL", "p", "jobs", A) == 1
    assert client("DBSIZE") == 0


def test_what_is_no_json_is_refused(client: Recorded) -> None:
    assert client("ML.PUT", "p", "jobs", A, "{").code == "BADRECORD"
    assert client("DBSIZE") == 0


def test_a_job_can_be_overwritten_by_what_is_none_and_back(client: Recorded) -> None:
    submit(client, A, "UNIQUE", "u", "ATTEMPTS", 5)
    submit(client, B, "AFTER", 1, A)
    client("ML.PUT", "p", "jobs", A, "[]")
    assert json.loads(client("JOB.GET", "p", B))["status"] == "cancelled"
    assert client("HGETALL", JOB_KEY) == [b"row", b"[]"]
    assert client("HGETALL", "redkeep:jobs:{p}:unique") == []
    assert client("ML.PUT", "p", "jobs", A, json.dumps(a_row())) == "OK"
    assert claimed(client("JOB.CLAIM", "p", "w")) == A


def test_an_ended_job_can_be_overwritten_and_is_claimed_again(client: Recorded) -> None:
    submit(client, A, "ATTEMPTS", 1)
    client("JOB.CLAIM", "p", "w")
    client("JOB.COMPLETE", "p", A)
    assert client("JOB.PUT", "p", A, json.dumps(a_row())).code == "TERMINAL"
    assert client("ML.PUT", "p", "jobs", A, json.dumps(a_row())) == "OK"
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert client("JOB.FAIL", "p", A, "oops", "RETRY") == b"failed"


def test_the_text_of_a_job_is_kept_as_it_was_put(client: Recorded) -> None:
    text = json.dumps(a_row(progress=250, more=[1, {"a": None}]), indent=1).encode()
    client("ML.PUT", "p", "jobs", A, text)
    assert client("ML.GET", "p", "jobs", A) == text
    assert row_of(client, A)["progress"] == 100


@given(
    others=st.dictionaries(
        st.text(max_size=8).filter(lambda name: name not in a_row()),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_unknown_members_survive_every_transition_at_the_end_of_the_row(
    others: dict[str, object],
) -> None:
    load()
    client = Recorded(NOW)
    client("ML.PUT", "p", "jobs", A, json.dumps({**others, **a_row()}))
    requests: list[tuple[Word, ...]] = [
        ("JOB.CLAIM", "p", "w", "LEASE", 10),
        ("JOB.PROGRESS", "p", A, 5),
        ("JOB.FAIL", "p", A, "x", "RETRY"),
        ("JOB.CLAIM", "p", "w"),
        ("JOB.COMPLETE", "p", A, "METRICS", "no json"),
    ]
    for words in requests:
        client(*words)
        client.advance(5000)
        row = row_of(client, A)
        assert list(row) == [*a_row(), *others]
        assert {name: row[name] for name in others} == others
    assert (row["status"], row["metrics"]) == ("completed", "no json")


def test_upper_case_ids_are_the_same_ids(client: Recorded) -> None:
    upper = A.upper()
    assert client("JOB.SUBMIT", "p", "train", "t", "{}", "ID", upper) == A.encode()
    assert submit(client, B, "AFTER", 1, upper) == B.encode()
    assert claimed(client("JOB.CLAIM", "p", "w")) == A
    assert client("JOB.PROGRESS", "p", upper, 5) == b"running"
    assert client("JOB.EXTEND", "p", upper, "w", 5) == NOW + 5
    assert client("JOB.COMPLETE", "p", upper) == "OK"
    assert info_of(client, upper)[b"id"] == A.encode()
    for words in (("JOB.GET", "p", upper), ("ML.GET", "p", "jobs", upper)):
        assert json.loads(client(*words))["id"] == A
    assert client("ML.PUT", "p", "jobs", upper, json.dumps(a_row(id=upper))) == "OK"
    assert client("JOB.PUT", "p", upper, json.dumps(a_row(id=upper))) == "OK"
    assert listed(client) == [A, B]
    assert client("JOB.CANCEL", "p", upper) == 1
    assert client("JOB.DEL", "p", upper) == 1
    assert client("ML.DEL", "p", "jobs", B.upper()) == 1


def test_raw_rows_are_listed_in_pages_that_are_bounded(client: Recorded) -> None:
    idents = [f"{number:032x}" for number in range(25)]
    for ident in idents:
        client("ML.PUT", "p", "jobs", ident, "[1]")
    found, cursor = [], b"0"
    while True:
        cursor, flat = client("ML.LIST", "p", "jobs", "CURSOR", cursor, "COUNT", 10)
        found += flat[::2]
        if cursor == b"0":
            break
    assert found == [ident.encode() for ident in idents]
