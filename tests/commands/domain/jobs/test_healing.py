"""Patrols: after keys were deleted or edited by other commands, pools are as they should be."""

from __future__ import annotations

import random
from typing import Any

import pytest

from commands.families import load
from tests.support.jobs import NOW, B, C, claimed, patrol, submit
from tests.support.offline import Recorded


@pytest.fixture
def client() -> Recorded:
    load()
    return filled()


def filled() -> Recorded:
    """A pool with a job in every state."""
    client = Recorded(NOW)
    client("CONFIG", "SET", "domain-events", "yes")
    numbers = iter(range(100))

    def job(*options: object) -> str:
        ident = f"{next(numbers):032x}"
        submit(client, ident, *options, kind=("train", "backfill")[next(numbers) % 2])
        return ident

    for end in ("JOB.COMPLETE", "JOB.CANCEL"):
        ended = job("TTL", 5000)
        client("JOB.CLAIM", "p", "w1", "LEASE", 50_000)
        client.advance(3)
        client(end, "p", ended)
    running = job("UNIQUE", "u1")
    client("JOB.CLAIM", "p", "w2", "LEASE", 50_000)
    ready = job("PRIORITY", 5, "UNIQUE", "u2")
    job("DELAY", 10_000)
    waiting = job("AFTER", 2, running, ready)
    job("AFTER", 1, waiting)
    return client


def lasting(client: Recorded) -> dict[bytes, Any]:
    """All keys, without what is random, and without plans, which may be early."""
    client("DEL", "redkeep:events:job:{p}")
    contents = client.contents()
    due = contents.get(b"redkeep:jobs-due:{p}", {})
    due.pop(b"retain", None)
    planned = int(contents.pop(b"redkeep:jobs:{p}:next", 2**63))
    assert planned <= min(due.values(), default=2**63)
    for key in list(contents):
        if key.startswith(b"redkeep:jobs:due:"):
            assert key == b"redkeep:jobs:due:%020d:{p}" % planned
            del contents[key]
        elif key.startswith(b"redkeep:job:"):
            contents[key].pop(b"token", None)
    return contents


def test_a_sound_pool_is_left_as_it_is(client: Recorded) -> None:
    client.take_log()
    before = client("DEBUG", "DIGEST")
    patrol(client)
    assert client("DEBUG", "DIGEST") == before


@pytest.mark.parametrize("place", range(8))
def test_a_job_whose_key_was_deleted_is_as_one_that_was_removed(place: int) -> None:
    load()
    deleted, removed = filled(), filled()
    key = sorted(key for key in deleted("KEYS", "redkeep:job:*"))[place % 7]
    deleted("DEL", key)
    removed("JOB.DEL", "p", key[-32:])
    for _ in range(3):
        patrol(deleted)
        deleted.sweep()
    removed.sweep()
    assert lasting(deleted) == lasting(removed)
    assert deleted("JOB.STATS", "p") == removed("JOB.STATS", "p")


def test_every_index_is_rebuilt_after_it_was_deleted(client: Recorded) -> None:
    before = lasting(client)
    lost = [key for key in before if not key.startswith(b"redkeep:job:")]
    for key in lost:
        client("DEL", key)
        patrol(client)
        assert lasting(client) == before, key
    client("DEL", *lost)
    patrol(client)
    assert lasting(client) == before


@pytest.mark.parametrize("seed", range(10))
def test_entries_of_no_job_are_removed_and_wrong_ones_are_set_right(seed: int) -> None:
    load()
    client, rng = filled(), random.Random(seed)
    before = lasting(client)
    for key, value in before.items():
        kind = client("TYPE", key)
        if key.startswith(b"redkeep:job:") or rng.random() < 0.3:
            continue
        if kind == "zset":
            member = rng.choice([f"{rng.getrandbits(128):032x}", "junk", *value])
            client("ZADD", key, rng.choice([0, -1, 10**13]), member)
            client("ZREM", key, rng.choice(list(value)))
        elif kind == "set":
            client("SADD", key, "junk", f"{rng.getrandbits(128):032x}")
        elif kind == "hash":
            client("HSET", key, "other", C, "junk", "junk")
    patrol(client)
    assert lasting(client) == before


def test_the_sweep_finds_a_pool_again_after_its_place_in_the_agenda_was_deleted(
    client: Recorded,
) -> None:
    client("DEL", *client("KEYS", "redkeep:jobs:due:*"))
    patrol(client)
    client.advance(100_000)
    client.sweep()
    assert client("ZCARD", "redkeep:jobs:{p}:status:running") == 0


def test_the_last_job_takes_the_events_of_its_pool_along() -> None:
    load()
    client = Recorded(NOW)
    client("CONFIG", "SET", "domain-events", "yes")
    client("JOB.SUBMIT", "p", "train", "spam", "{}")
    (key,) = client("KEYS", "redkeep:job:*")
    client("DEL", key)
    patrol(client)
    assert client("DBSIZE") == 0


def test_a_step_looks_at_a_bounded_part(client: Recorded) -> None:
    for number in range(300):
        client("ZADD", "redkeep:jobs:{p}:all", number, f"{number + 1000:032x}")
        client("SADD", f"redkeep:jobs:{{p}}:dependents:{C}", f"{number:032x}")
        client("HSET", "redkeep:jobs:{p}:unique", f"k{number}", B)
    patrol(client, 1)
    assert client("ZCARD", "redkeep:jobs:{p}:all") == 7
    assert client("EXISTS", f"redkeep:jobs:{{p}}:dependents:{C}") == 0
    assert client("HLEN", "redkeep:jobs:{p}:unique") == 2


@pytest.mark.parametrize("score", ["inf", "-inf", "0.5", "1e308"])
def test_a_ready_job_is_claimed_whatever_its_score_in_the_index(score: str) -> None:
    load()
    client = Recorded(NOW)
    submit(client, B)
    for key in ("redkeep:jobs:{p}:ready", "redkeep:jobs:{p}:ready:train"):
        client("ZADD", key, score, *client("ZRANGE", key, 0, -1))
    assert claimed(client("JOB.CLAIM", "p", "w")) == B
