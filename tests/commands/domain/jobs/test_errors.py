"""JOB.*: each error word, none of which changes anything, and records that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.jobs import (
    NOW,
    A,
    B,
    C,
    a_row,
    claimed,
    listed,
    put,
    submit,
)
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


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
    ],
)
def test_a_key_of_another_type_is_wrongtype_and_changes_nothing(
    client: Connection, key: str
) -> None:
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
