"""Ids that the server makes up never decrease, whatever the clock does."""

from __future__ import annotations

import pytest

from commands.families import load
from storage.journal import Request
from tests.support.jobs import NOW
from tests.support.offline import Recorded

HOUR = 3_600_000
# Forwards, still, back by an hour, and forwards again to before the first moment.
STEPS = [1, 0, 0, -HOUR, 0, 1, 500, HOUR // 2, 0, HOUR]


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def restarted(client: Recorded) -> Recorded:
    """A new server with the data of this one."""
    log: list[Request] = client.take_log()
    fresh = Recorded(client.instance.keyspace.now)
    fresh.replay(log)
    return fresh


@pytest.mark.parametrize("restarts", [False, True])
def test_ids_of_jobs_increase(client: Recorded, restarts: bool) -> None:
    ids = []
    for step in STEPS:
        client.advance(step)
        ids += [client("JOB.SUBMIT", "p", "train", "t", "{}") for _ in range(3)]
        # An id that a client chose has no part in the order.
        client("JOB.SUBMIT", "p", "train", "t", "{}", "ID", "f" * 32)
        client("JOB.DEL", "p", ids[-1])
        if restarts:
            client = restarted(client)
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("forged", ["f" * 32, "junk", "", "0" * 33, b"\xff"])
def test_a_forged_last_id_keeps_no_job_from_being_submitted(
    client: Recorded, forged: str | bytes
) -> None:
    client("SET", "redkeep:jobs:{p}:last", forged)
    ids = [client("JOB.SUBMIT", "p", "train", "t", "{}") for _ in range(5)]
    assert ids == sorted(ids)
    assert all(ident.startswith(b"%012x" % NOW) for ident in ids)
    client("DEL", "redkeep:jobs:{p}:last")
    client("SADD", "redkeep:jobs:{p}:last", "a set")
    assert len(client("JOB.SUBMIT", "p", "train", "t", "{}")) == 32


@pytest.mark.parametrize("restarts", [False, True])
def test_ids_of_checkpoints_increase_along_a_thread(client: Recorded, restarts: bool) -> None:
    ids = [client("CP.PUT", "acme", "t", "STEP", 0, "STATE", 1)]
    for step in STEPS:
        client.advance(step)
        ids.append(client("CP.UPDATE", "acme", "t", ids[-1], "STATE", 2))
        ids.append(client("CP.FORK", "acme", "t", ids[-1], "t"))
        ids.append(client("CP.UPDATE", "acme", "t", ids[-1], "STATE", 2))
        if restarts:
            client = restarted(client)
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(ident[14:15] == b"7" and ident[19:20] in b"89ab" for ident in ids)


def test_a_thread_whose_latest_id_is_far_ahead_does_not_change_the_ids_of_others(
    client: Recorded,
) -> None:
    for last in ("ffffffff-ffff-7fff-bfff-ffffffffffff", "ffffffff-ffff-7fff-8000-000000000000"):
        client("CP.PUT", "acme", "t", "STEP", 9, "STATE", 1, "ID", last)
        client("CP.PUT", "acme", "t", "STEP", 1, "STATE", 1)
    beginning = b"%08x-%04x-7" % (NOW >> 16, NOW & 0xFFFF)
    assert client("CP.PUT", "globex", "t", "STEP", 0, "STATE", 1).startswith(beginning)


@pytest.mark.parametrize("restarts", [False, True])
def test_ids_of_messages_and_events_increase(client: Recorded, restarts: bool) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    pushed, delayed = [], []
    for step in STEPS:
        client.advance(step)
        pushed.append(client("QUEUE.PUSH", "q", "m"))
        delayed.append(client("QUEUE.PUSH", "q", "m", "DELAY", 10 * HOUR))
        if restarts:
            client = restarted(client)
            client("CONFIG", "SET", "domain-events", "yes")
    assert pushed == sorted(pushed)
    assert delayed == sorted(delayed)
    assert len({*pushed, *delayed}) == 2 * len(STEPS)
    events = [entry for entry, _ in client("XRANGE", "redkeep:events:queue:{q}", "-", "+")]
    assert len(events) >= 2 * len(STEPS)
