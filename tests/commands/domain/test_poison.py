"""Records that ordinary commands made unreadable: each is contained, and the others work."""

from __future__ import annotations

import pytest

from commands.families import load
from tests.support.jobs import NOW, A, B, claimed
from tests.support.offline import Recorded
from tests.support.resp import Error, Word
from tests.support.servers import RunningServer

UNREADABLE = [
    "{}",
    "%s",
    "",
    "1e5",
    "-1" + "0" * 12,
    " 1",
    "1_0",
    "9" * 30,
    "9" * 5000,
    b"\xff",
    "inf",
]


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def submit(client: Recorded, ident: str, *options: Word) -> None:
    client("JOB.SUBMIT", "p", "train", "spam", "{}", "ID", ident, *options)


def bad_records(client: Recorded) -> int:
    return client.instance.statistics.bad_records


# --- jobs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["lease", "attempts", "ready_at", "expires_at", "priority"])
@pytest.mark.parametrize("value", UNREADABLE)
def test_a_job_with_an_unreadable_field_is_an_error_by_name_and_skipped_otherwise(
    client: Recorded, field: str, value: str | bytes
) -> None:
    submit(client, A)
    submit(client, B)
    client("HSET", "redkeep:job:{p}:" + A, field, value)
    for name in ("JOB.GET", "JOB.INFO", "JOB.COMPLETE", "JOB.CANCEL"):
        assert client(name, "p", A) == Error(
            f"BADRECORD job {A} in pool p cannot be read: field {field} is not an integer in range"
        )
    assert [claimed(row) for row in client("JOB.LIST", "p")[1]] == [B]
    counted = bad_records(client)
    assert counted > 0
    assert claimed(client("JOB.CLAIM", "p", "w")) == B
    assert client("JOB.CLAIM", "p", "w") is None
    assert client("JOB.DEL", "p", A) == 1


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-1e300", "9.3e18", "0.5", "-7"])
def test_scores_of_any_size_in_the_indexes_of_a_pool_give_replies_of_64_bits(
    client: Recorded, score: str
) -> None:
    submit(client, A)
    client("JOB.CLAIM", "p", "w", "LEASE", 10)
    client("JOB.COMPLETE", "p", A)
    submit(client, B)
    for index in ("status:queued", "durations", "all", "ready", "ready:train"):
        for member in (A, B, "junk"):
            client("ZADD", "redkeep:jobs:{p}:" + index, score, member)
    flat = client("JOB.STATS", "p")
    stats = dict(zip(flat[::2], flat[1::2], strict=True))
    for number in (stats[b"oldest_queued_ms"], *stats[b"duration_ms"][1::2]):
        assert 0 <= number < 2**63


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "0.5", "-7"])
@pytest.mark.parametrize("order", [[], ["DESC"]])
def test_a_listing_goes_on_behind_foreign_members_of_an_index(
    client: Recorded, score: str, order: list[str]
) -> None:
    idents = [f"{number:032x}" for number in range(5)]
    for ident in idents:
        submit(client, ident)
    for member in ("junk", "", b"\xff-5", "0-" + A):
        client("ZADD", "redkeep:jobs:{p}:all", score, member)
    found, cursor = [], b"0"
    for _ in range(12):
        cursor, rows = client("JOB.LIST", "p", "CURSOR", cursor, "COUNT", 1, *order)
        found += [claimed(row) for row in rows]
        if cursor == b"0":
            break
    assert cursor == b"0"
    assert sorted(found) == idents


def test_a_poisoned_job_or_pool_does_not_stop_the_sweep_for_others(client: Recorded) -> None:
    for pool in ("a", "b", "c"):
        for ident in (A, B):
            client("JOB.SUBMIT", pool, "train", "spam", "{}", "ID", ident, "ATTEMPTS", 1)
            client("JOB.CLAIM", pool, "w", "LEASE", 10)
    client("HSET", "redkeep:job:{a}:" + A, "lease", "{}")
    client("SET", "redkeep:jobs-due:{b}", "a string")
    client("ZADD", "redkeep:jobs-due:{a}", "-inf", "junk", "-inf", "lease:junk", "-inf", "")
    client("ZADD", "redkeep:jobs-due:no braces", 1, "lease:" + A)
    client.advance(1000)
    client.sweep()
    for pool, ident in (("a", B), ("c", A), ("c", B)):
        assert client("JOB.GET", pool, ident).find(b'"status":"failed"') > 0, pool
    assert bad_records(client) > 0


def test_a_dependent_that_cannot_be_read_does_not_stop_the_others(client: Recorded) -> None:
    submit(client, A)
    submit(client, B, "AFTER", 1, A)
    submit(client, "c" * 32, "AFTER", 1, A)
    client("HSET", "redkeep:job:{p}:" + B, "lease", "{}")
    client("SADD", "redkeep:jobs:{p}:dependents:" + A, "junk", b"\xff{}")
    assert client("JOB.CANCEL", "p", A) == 1
    assert b'"status":"cancelled"' in client("JOB.GET", "p", "c" * 32)


def test_an_unreadable_job_ends_neither_a_connection_nor_the_leases_of_other_pools(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.freeze(NOW)
    client, waiting = server.connect(), server.connect()
    for pool in ("a", "b"):
        client("JOB.SUBMIT", pool, "train", "spam", "{}", "ID", A)
        client("JOB.CLAIM", pool, "w", "LEASE", 10)
    client("HSET", "redkeep:job:{a}:" + A, "lease", "{}")
    server.block(waiting, "JOB.CLAIM", "b", "w", "BLOCK", 0)
    server.advance(10)
    assert claimed(waiting.read()) == A
    for words in (("JOB.GET", "a", A), ("JOB.COMPLETE", "a", A)):
        assert client(*words).code == "BADRECORD"
    assert client("JOB.LIST", "a") == [b"0", []]
    assert client("JOB.CLAIM", "a", "w") is None
    assert not [record for record in caplog.records if record.exc_info]


# --- queues ---------------------------------------------------------------------------------


def test_one_group_of_a_queue_with_keys_of_another_type_does_not_stop_the_others(
    client: Recorded,
) -> None:
    client("QUEUE.PUSH", "q", "m")
    for group in ("a", "b"):
        client("QUEUE.READ", "q", group, "c", "LEASE", 10)
    client("DEL", "redkeep:queue:{q}:leases:a")
    client("SET", "redkeep:queue:{q}:leases:a", "a string")
    client("ZADD", "redkeep:queue:{q}:leases:b", 5, "99999999999999999999-0", 5, "junk")
    client.advance(10)
    client.sweep()
    assert client("ZSCORE", "redkeep:queue:{q}:leases:b", "junk") is None
    assert client("QUEUE.READ", "q", "b", "c")[0][1].startswith(b"17")


def test_leases_that_are_not_of_messages_do_not_hide_those_that_are(client: Recorded) -> None:
    client("QUEUE.PUSH", "q", "m")
    client("QUEUE.READ", "q", "g", "c", "LEASE", 10)
    for number in range(250):
        client("ZADD", "redkeep:queue:{q}:leases:g", 0, f"junk{number}", 0, f"{number}-1@7")
    client.advance(10)
    replies = [client("QUEUE.READ", "q", "g", "c") for _ in range(6)]
    assert any(replies)


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-1e300"])
def test_scores_of_any_size_in_the_indexes_of_a_queue(client: Recorded, score: str) -> None:
    client("QUEUE.PUSH", "q", "m")
    client("QUEUE.READ", "q", "g", "c", "LEASE", 10)
    client("QUEUE.PUSH", "q", "later", "DELAY", 10)
    client("ZADD", "redkeep:queue:{q}:seen", score, "g:other")
    client("HSET", "redkeep:queue:{q}:consumers", "g:other", '{"registered_at_ns":1}')
    client("ZADD", "redkeep:queue:{q}:dead:g", score, "1-1", score, "junk")
    client("ZADD", "redkeep:queue:{q}:delayed", score, "junk")
    client("ZADD", "redkeep:queue:{q}:leases:g", score, "5-5")
    client.advance(20)
    client.sweep()
    assert len(client("QUEUE.READ", "q", "g", "c", "COUNT", 10)) == 2
    cursor, _ = client("QUEUE.DEAD", "q", "g", "COUNT", 1)
    assert client("QUEUE.DEAD", "q", "g", "COUNT", 1, "CURSOR", cursor)[0] in (b"0", cursor)
    assert [row[5] for row in client("QUEUE.PRESENCE", "q")] == [b"c"]
    assert not isinstance(client("QUEUE.INFO", "q"), Error)


def test_delayed_messages_that_cannot_be_stored_do_not_repeat_those_that_were(
    client: Recorded,
) -> None:
    client("QUEUE.PUSH", "q", "first", "DELAY", 10)
    client("QUEUE.PUSH", "q", "second", "DELAY", 10, "PRIORITY", 3)
    client("SET", "redkeep:queue:{q}:stream:3", "a string")
    client.advance(10)
    client.sweep()
    client.advance(200_000)
    client.sweep()
    assert client("XLEN", "redkeep:queue:{q}:stream:0") == 1
    client("DEL", "redkeep:queue:{q}:stream:3")
    client.advance(200_000)
    client.sweep()
    assert client("XLEN", "redkeep:queue:{q}:stream:3") == 1


def test_nothing_is_confirmed_or_replayed_if_one_stream_has_another_type(client: Recorded) -> None:
    client("QUEUE.PUSH", "q", "m")
    client("QUEUE.PUSH", "q", "n", "PRIORITY", 3)
    high, low = (one[1] for one in client("QUEUE.READ", "q", "g", "c", "COUNT", 2))
    client("DEL", "redkeep:queue:{q}:stream:3")
    client("SET", "redkeep:queue:{q}:stream:3", "a string")
    client("ZADD", "redkeep:queue:{q}:dead:g", 1, low, 2, high)
    before = client("DEBUG", "DIGEST")
    for words in (("ACK", "q", "g", low, high), ("REPLAY", "q", "g"), ("READ", "q", "g", "c")):
        assert client("QUEUE." + words[0], *words[1:]).code == "WRONGTYPE"
        assert client("DEBUG", "DIGEST") == before
    client("DEL", "redkeep:queue:{q}:stream:3", "redkeep:queue:{q}:dead:g")
    client("SET", "redkeep:queue:{q}:dead:g", "a string")
    client("QUEUE.PUSH", "q", "o")
    before = client("DEBUG", "DIGEST")
    for words in (("ACK", "q", "g", low), ("NACK", "q", "g", low), ("DEAD", "q", "g")):
        assert client("QUEUE." + words[0], *words[1:]).code == "WRONGTYPE"
        assert client("DEBUG", "DIGEST") == before
    # A read that makes no dead letter does not need the key.
    assert client("QUEUE.READ", "q", "g", "c")[0][3] == b"o"


def test_delivery_counts_stay_within_64_bits(client: Recorded) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 0)
    client("QUEUE.PUSH", "q", "m")
    (message,) = client("QUEUE.READ", "q", "g", "c", "LEASE", 10)
    stream = "redkeep:queue:{q}:stream:0"
    client("XCLAIM", stream, "g", "c", 0, message[1], "RETRYCOUNT", 2**63 - 1, "JUSTID")
    client.advance(10)
    (again,) = client("QUEUE.READ", "q", "g", "c")
    assert again[7] == 2**63 - 1


# --- models ---------------------------------------------------------------------------------


def test_a_row_whose_active_version_is_not_a_number_names_none(client: Recorded) -> None:
    client("MODEL.REGISTER", "m", "INACTIVE")
    client("ML.PUT", "p", "models", "m", '{"active":true}')
    assert client("MODEL.GET", "m") is None
    assert client("MODEL.ACTIVATE", "m", 1) == "OK"
    assert client("MODEL.GET", "m")[3] == 1
