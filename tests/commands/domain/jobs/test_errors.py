"""Errors of JOB.*: their texts, that they change nothing, and unreadable records."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.support.jobs import (
    NOW,
    STATUSES,
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
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


# A is running under a lease of w, B is cancelled, C does not exist.
ERRORS = f"""
SUBMIT '' train t {{}} => ERR the name of a pool must not be empty or contain braces
SUBMIT a{{b train t {{}} => ERR the name of a pool must not be empty or contain braces
SUBMIT p '' t {{}} => ERR the kind must have from 1 to 256 bytes
SUBMIT p \udcff t {{}} => BADRECORD the kind is not valid UTF-8
SUBMIT p train \udcff {{}} => BADRECORD target is not valid UTF-8
SUBMIT p train t \udcff => BADRECORD spec is not valid UTF-8
SUBMIT p train t {{}} ID xyz => ERR the id must be 32 hex digits, not 'xyz'
SUBMIT p train t {{}} PRIORITY {2**31} => ERR PRIORITY must be an integer from {-(2**31)} to {2**31 - 1}, not '{2**31}'
SUBMIT p train t {{}} DELAY -1 => ERR DELAY must be an integer from 0 to {2**52} (milliseconds), not '-1'
SUBMIT p train t {{}} DELAY {2**62} => ERR DELAY must be an integer from 0 to {2**52} (milliseconds), not '{2**62}'
SUBMIT p train t {{}} BACKOFF 1s => ERR BACKOFF must be an integer from 0 to {2**52} (milliseconds), not '1s'
SUBMIT p train t {{}} ATTEMPTS 0 => ERR ATTEMPTS must be an integer from 1 to {2**31 - 1}, not '0'
SUBMIT p train t {{}} TTL 0 => ERR TTL must be an integer from 1 to {2**52} (milliseconds), not '0'
SUBMIT p train t {{}} TTL 1 TTL 2 => ERR TTL is given twice
SUBMIT p train t {{}} UNIQUE '' => ERR UNIQUE must not be empty
SUBMIT p train t {{}} UNIQUE => ERR UNIQUE is incomplete, expected: UNIQUE unique
SUBMIT p train t {{}} AFTER 0 => ERR AFTER needs the number of ids first, from 1 to 1024, not '0'
SUBMIT p train t {{}} AFTER 2 {A} => ERR AFTER is incomplete, expected: AFTER numids after-id [after-id ...]
SUBMIT p train t {{}} AFTER 1 {C} => NOTFOUND dependency {C} does not exist in pool p
SUBMIT p train t {{}} NOPE => ERR unknown option 'NOPE'
PUT p {A} {{}} => BADRECORD invalid row for job {A} in pool p: id must be a string
PUT p {B} '{json.dumps(a_row(id=B, target="changed"))}' => TERMINAL job {B} in pool p is cancelled
CLAIM p '' => ERR the name of the worker must not be empty
CLAIM p w KINDS 1 '' => ERR the kind must have from 1 to 256 bytes
CLAIM p w KINDS 0 => ERR KINDS needs the number of kinds first, from 1 to 100, not '0'
CLAIM p w KINDS train => ERR KINDS needs the number of kinds first, from 1 to 100, not 'train'
CLAIM p w COUNT 0 => ERR COUNT must be an integer from 1 to {2**31 - 1}, not '0'
CLAIM p w LEASE 0 => ERR LEASE must be an integer from 1 to {2**52} (milliseconds), not '0'
CLAIM p w BLOCK -1 => ERR BLOCK must be an integer from 0 to {2**52} (milliseconds), not '-1'
PROGRESS p {A} x => ERR percent must be an integer of at least 0, not 'x'
PROGRESS p {A} -1 => ERR percent must be an integer of at least 0, not '-1'
PROGRESS p {A} 5 WORKER other => NOTOWNER worker other does not hold job {A} in pool p
PROGRESS p {C} 5 => NOTFOUND no job {C} in pool p
EXTEND p {A} other 5 => NOTOWNER worker other does not hold job {A} in pool p
EXTEND p {A} w 0 => ERR lease must be an integer from 1 to {2**52} (milliseconds), not '0'
EXTEND p {B} w 5 => NOTOWNER worker w does not hold job {B} in pool p
EXTEND p {C} w 5 => NOTFOUND no job {C} in pool p
COMPLETE p {A} METRICS \udcff => BADRECORD METRICS is not valid UTF-8
COMPLETE p {A} TOKEN 1-00 => NOTOWNER the token is not of the present claim of job {A} in pool p
COMPLETE p {A} WORKER other => NOTOWNER worker other does not hold job {A} in pool p
COMPLETE p {A} WORKER '' => ERR the name of the worker must not be empty
COMPLETE p {B} => TERMINAL job {B} in pool p is cancelled
COMPLETE p {C} => NOTFOUND no job {C} in pool p
FAIL p {A} \udcff => BADRECORD message is not valid UTF-8
FAIL p {A} oops AGAIN => ERR unknown option 'AGAIN'
FAIL p {B} oops => TERMINAL job {B} in pool p is cancelled
FAIL p {C} oops => NOTFOUND no job {C} in pool p
WAIT p {A} -1 => ERR timeout must be an integer from 0 to {2**52} (milliseconds), not '-1'
LIST p STATUS nope => ERR unknown status 'nope', known are: {" ".join(STATUSES)}
LIST p KIND '' => ERR the kind must have from 1 to 256 bytes
LIST p SINCE -1 => ERR SINCE must be an integer from 0 to {2**52} (unix-time-milliseconds), not '-1'
LIST p CURSOR nope => ERR invalid cursor 'nope'
LIST p COUNT 0 => ERR COUNT must be an integer of at least 1, not '0'
LIST p DESC DESC => ERR DESC is given twice
PRUNE p OLDER -1 => ERR OLDER must be an integer from 0 to {2**52} (milliseconds), not '-1'
PRUNE p OLDER 0 STATUS queued => ERR STATUS must be one of completed failed cancelled, not 'queued'
PRUNE p STATUS failed STATUS failed => ERR STATUS is given twice
PRUNE p STATUS failed DESC 5 => ERR unknown option 'DESC'
"""  # noqa: E501 - one line each


@pytest.mark.parametrize("line", ERRORS.strip().splitlines(), ids=ascii)
def test_an_error_names_its_cause_and_changes_nothing(client: Connection, line: str) -> None:
    submit(client, A)
    client("JOB.CLAIM", "p", "w")
    submit(client, B)
    client("JOB.CANCEL", "p", B)
    before = client("DEBUG", "DIGEST")
    request, text = line.split(" => ")
    name, *words = shlex.split(request)
    assert client(f"JOB.{name}", *words) == Error(text)
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
        "redkeep:jobs:{p}:ready",
        "redkeep:jobs:{p}:ready:train",
        "redkeep:jobs:{p}:running:train",
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


def test_unreadable_jobs_are_skipped_and_an_error_when_named(
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
    # Of a job that could not be read, the claim knew no kind.
    assert client("JOB.CLAIM", "p", "w", "KINDS", 1, "train") is None
    # By then the sweep has also looked again at what it could not handle.
    server.advance(200_000)
    wait_until(lambda: client("DBSIZE") == 0, "the removal of what was planned for the pool")
