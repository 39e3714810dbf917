"""Log lines of jobs."""

from __future__ import annotations

import pytest

from tests.support.jobs import NOW, A, B, submit
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


def test_lines_are_kept_in_order_and_read_from_any_on(
    server: RunningServer, client: Connection
) -> None:
    submit(client)
    assert client("JOB.LOGS", "p", A) == []
    first = client("JOB.LOG", "p", A, "one")
    second = client("JOB.LOG", "p", A, b"\xff")
    server.freeze(NOW - 5000)
    third = client("JOB.LOG", "p", A.upper(), "three")
    assert [first, second, third] == [b"%d-%d" % (NOW, number) for number in range(3)]
    assert client("JOB.LOGS", "p", A) == [[first, b"one"], [second, b"\xff"], [third, b"three"]]
    assert client("JOB.LOGS", "p", A, "AFTER", second) == [[third, b"three"]]
    assert client("JOB.LOGS", "p", A, "COUNT", 1) == [[first, b"one"]]
    assert client("JOB.LOGS", "p", B) is None
    assert client("JOB.LOG", "p", B, "x") == Error(f"NOTFOUND no job {B} in pool p")


def test_the_number_and_length_of_lines_are_bounded(client: Connection) -> None:
    client("CONFIG", "SET", "job-log-lines", 3)
    submit(client)
    for number in range(5):
        client("JOB.LOG", "p", A, f"line {number}")
    assert [line for _, line in client("JOB.LOGS", "p", A)] == [b"line 2", b"line 3", b"line 4"]
    assert client("JOB.LOG", "p", A, "x" * 16_384)
    assert client("JOB.LOG", "p", A, "x" * 16_385) == Error(
        "ERR the line must have at most 16384 bytes"
    )


def test_a_log_can_be_followed_until_the_job_ends(
    server: RunningServer, client: Connection
) -> None:
    submit(client)
    reader = server.connect()
    server.block(reader, "JOB.LOGS", "p", A, "BLOCK", 0)
    entry = client("JOB.LOG", "p", A, "one")
    assert reader.read() == [[entry, b"one"]]
    server.block(reader, "JOB.LOGS", "p", A, "AFTER", entry, "BLOCK", 0)
    client("JOB.COMPLETE", "p", A)
    assert reader.read() == []
    submit(client, B)
    server.block(reader, "JOB.LOGS", "p", B, "BLOCK", 100)
    server.advance(100)
    assert reader.read() == []


def test_only_the_holder_logs_with_a_token_and_the_log_goes_with_its_job(
    client: Connection,
) -> None:
    submit(client)
    flat = client("JOB.CLAIM", "p", "w", "WITHTOKEN")
    assert client("JOB.LOG", "p", A, "mine", "TOKEN", flat[3])
    assert client("JOB.LOG", "p", A, "not mine", "TOKEN", "1-00").code == "NOTOWNER"
    client("JOB.DEL", "p", A)
    assert client("DBSIZE") <= 3
    assert client("EXISTS", f"redkeep:jobs:{{p}}:log:{A}") == 0
