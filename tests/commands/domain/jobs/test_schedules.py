"""Schedules: each moment submits one job, whatever happens in between."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.domain.jobs.cron import find_zone, parse_cron
from commands.families import load
from tests.support.jobs import NOW, claimed, info_of, listed, patrol
from tests.support.offline import Recorded
from tests.support.resp import Error

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def count(client: Recorded) -> int:
    return int(client("JOB.STATS", "p")[1])


def schedule(client: Recorded, *when: Any, name: str = "s", options: tuple[Any, ...] = ()) -> Any:
    return client("JOB.SCHEDULE", "p", name, *when, "email", "bob", "{}", *options)


def shown(client: Recorded) -> list[dict[bytes, Any]]:
    cursor, found = client("JOB.SCHEDULES", "p")
    assert cursor == b"0"
    return [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in found]


# --- moments ------------------------------------------------------------------------------------


def test_every_submits_one_job_at_each_moment(client: Recorded) -> None:
    assert schedule(client, "EVERY", 1000, options=("PRIORITY", 4, "TTL", 10**6)) == "OK"
    for number in range(5):
        client.advance(999)
        client.sweep()
        assert count(client) == number
        client.advance(1)
        client.sweep()
        assert count(client) == number + 1
    idents = listed(client)
    assert idents == sorted(idents)
    assert info_of(client, idents[0])[b"priority"] == 4


def test_a_claim_needs_no_sweep(client: Recorded) -> None:
    schedule(client, "EVERY", 1000)
    client.advance(1000)
    assert json.loads(client("JOB.CLAIM", "p", "w"))["kind"] == "email"
    assert client("JOB.CLAIM", "p", "w") is None


def test_missed_moments_submit_one_job(client: Recorded) -> None:
    schedule(client, "EVERY", 1000)
    client.advance(10_500)
    client.sweep()
    assert count(client) == 1
    assert shown(client)[0][b"next_at"] == NOW + 11_000


def test_at_submits_once_and_is_gone(client: Recorded) -> None:
    schedule(client, "AT", NOW + 500)
    schedule(client, "AT", NOW - 500, name="past")
    client.sweep()
    assert count(client) == 1
    client.advance(500)
    client.sweep()
    assert (count(client), shown(client)) == (2, [])


def test_cron_follows_its_zone(client: Recorded) -> None:
    schedule(client, "CRON", "30 9 * * *", "TZ", "America/New_York")
    next_at = shown(client)[0][b"next_at"]
    local = datetime.fromtimestamp(next_at / 1000, ZoneInfo("America/New_York"))
    assert (local.hour, local.minute) == (9, 30)
    assert NOW < next_at <= NOW + DAY
    client.advance(next_at - NOW)
    client.sweep()
    assert count(client) == 1
    assert shown(client)[0][b"next_at"] == next_at + DAY


def test_the_same_schedule_given_again_goes_on_as_it_is(client: Recorded) -> None:
    schedule(client, "EVERY", 1000)
    client.advance(700)
    before = client("DEBUG", "DIGEST")
    assert schedule(client, "EVERY", 1000) == "OK"
    assert client("DEBUG", "DIGEST") == before
    schedule(client, "EVERY", 5000)
    assert shown(client)[0][b"next_at"] == NOW + 5700


@pytest.mark.parametrize("from_log", [False, True])
def test_no_moment_submits_two_jobs_after_a_restart_or_a_clock_set_back(
    client: Recorded, from_log: bool
) -> None:
    schedule(client, "EVERY", 1000)
    client.advance(1000)
    client.sweep()
    before = listed(client)
    if from_log:
        fresh = Recorded(NOW + 1000)
        fresh.replay(client.take_log())
        client = fresh
    # As if the submission was kept, and the plan of the next moment was not.
    stored = json.loads(client("HGET", "redkeep:jobs:{p}:schedules", "s"))
    client("HSET", "redkeep:jobs:{p}:schedules", "s", json.dumps(stored | {"next": NOW + 1000}))
    client("ZADD", "redkeep:jobs-due:{p}", NOW + 1000, "schedule:s")
    client.advance(-5000)
    client.sweep()
    client.advance(5000)
    client("JOB.CLAIM", "p", "w", "KINDS", 1, "none")
    assert listed(client) == before


def test_unique_keeps_jobs_of_one_schedule_from_piling_up(client: Recorded) -> None:
    schedule(client, "EVERY", 1000, options=("UNIQUE", "u"))
    for _ in range(3):
        client.advance(1000)
        client.sweep()
    assert count(client) == 1
    client("JOB.COMPLETE", "p", listed(client)[0])
    client.advance(1000)
    client.sweep()
    assert count(client) == 2


def test_a_schedule_is_removed_and_nothing_is_left(client: Recorded) -> None:
    schedule(client, "EVERY", 1000)
    assert [client("JOB.UNSCHEDULE", "p", "s"), client("JOB.UNSCHEDULE", "p", "s")] == [1, 0]
    client.advance(1000)
    client.sweep()
    assert client("DBSIZE") == 0


def test_a_schedule_goes_on_after_its_plan_was_deleted(client: Recorded) -> None:
    schedule(client, "EVERY", 1000)
    client("DEL", "redkeep:jobs-due:{p}", *client("KEYS", "redkeep:jobs:due:*"))
    patrol(client)
    client.advance(1000)
    client.sweep()
    assert count(client) == 1


def test_an_unreadable_schedule_stops_neither_jobs_nor_other_schedules(client: Recorded) -> None:
    for name in ("a", "b", "c"):
        schedule(client, "EVERY", 1000, name=name)
    client("HSET", "redkeep:jobs:{p}:schedules", "a", "{}", "b", '{"next":0,"job":{"kind":1}}')
    client.advance(1000)
    client.sweep()
    assert count(client) == 1
    assert [one[b"name"] for one in shown(client)] == [b"c"]
    assert client("JOB.UNSCHEDULE", "p", "a") == 1
    assert claimed(client("JOB.CLAIM", "p", "w"))


def test_a_restriction_of_kinds_does_not_stop_a_schedule(client: Recorded) -> None:
    schedule(client, "EVERY", 1000)
    client("CONFIG", "SET", "job-kinds", "other")
    assert schedule(client, "EVERY", 5, name="t").code == "ERR"
    client.advance(1000)
    client.sweep()
    assert count(client) == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["EVERY", 0], "EVERY must be an integer from 1 to 4503599627370496 (milliseconds)"),
        (["EVERY", "5s"], "EVERY must be an integer from 1 to 4503599627370496 (milliseconds)"),
        (["AT", "soon"], "AT must be an integer from 0 to 4503599627370496 (milliseconds)"),
        (["IN", 5], "EVERY, CRON or AT must follow the name, not 'IN'"),
        (["CRON", "* * *"], "the schedule cannot be followed: it must have five fields"),
        (["CRON", "60 * * * *"], "cannot be followed: the minute must be from 0 to 59, not '60'"),
        (["CRON", "* * * * *", "TZ", "Mars"], "cannot be followed: there is no time zone 'Mars'"),
        (["CRON", "* * * * *", "TZ", "../x"], "there is no time zone '../x'"),
        (["CRON", "0 0 31 2 *"], "the schedule never submits a job: 0 0 31 2 *"),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_refused(
    client: Recorded, words: list[Any], error: str
) -> None:
    reply = schedule(client, *words)
    assert isinstance(reply, Error)
    assert error in str(reply)
    assert client("DBSIZE") == 0


def test_options_of_a_schedule_are_checked(client: Recorded) -> None:
    for options in (("PRIORITY", "x"), ("ID", "0" * 32), ("AFTER", 1, "0" * 32), ("ODD",)):
        assert schedule(client, "EVERY", 5, options=options).code == "ERR"
    assert client("JOB.SCHEDULE", "p", "", "EVERY", 5, "a", "b", "c").code == "ERR"
    assert client("JOB.SCHEDULE", "p", "s", "CRON", "* * * * *", "TZ", "UTC", "a").code == "ERR"


def test_schedules_are_listed_by_pages_and_bounded(client: Recorded) -> None:
    for number in range(1000):
        assert schedule(client, "EVERY", 1000, name=f"s{number:04}") == "OK"
    assert schedule(client, "EVERY", 1000, name="more").code == "ERR"
    names: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, page = client("JOB.SCHEDULES", "p", "CURSOR", cursor, "COUNT", 300)
        names += [flat[1] for flat in page]
        if cursor == b"0":
            break
    assert names == [b"s%04d" % number for number in range(1000)]


# --- cron lines -----------------------------------------------------------------------------------


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


@pytest.mark.parametrize(
    ("line", "zone", "now", "expected"),
    [
        ("* * * * *", "UTC", "2026-01-01 00:00", "2026-01-01 00:01"),
        ("*/15 * * * *", "UTC", "2026-01-01 00:46", "2026-01-01 01:00"),
        ("0 9-17/4 * * *", "UTC", "2026-01-01 09:00", "2026-01-01 13:00"),
        ("5/20 * * * *", "UTC", "2026-01-01 00:26", "2026-01-01 00:45"),
        ("0 0 1 * *", "UTC", "2026-01-31 12:00", "2026-02-01 00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01 00:00", "2028-02-29 00:00"),
        ("0 0 * * MON", "UTC", "2026-01-01 00:00", "2026-01-05 00:00"),
        ("0 0 * * 7", "UTC", "2026-01-01 00:00", "2026-01-04 00:00"),
        ("0 0 * JAN,MAR *", "UTC", "2026-01-31 00:00", "2026-03-01 00:00"),
        # Either day is enough where both are restricted.
        ("0 0 13 * FRI", "UTC", "2026-01-03 00:00", "2026-01-09 00:00"),
        ("0 0 13 * FRI", "UTC", "2026-01-10 00:00", "2026-01-13 00:00"),
        # 02:30 does not exist on 29 March in Berlin, and exists twice on 25 October.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "2026-03-30 02:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 02:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 02:30", "2026-10-26 02:30"),
    ],
)
def test_the_next_moment_of_a_cron_line(line: str, zone: str, now: str, expected: str) -> None:
    assert parse_cron(line).next_after(at(now, zone), find_zone(zone)) == at(expected, zone)


@given(
    st.tuples(
        *(
            st.sampled_from(["*", "*/7", f"{low}", f"{low}-{high}", f"{high},{low}"])
            for low, high in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
        )
    ),
    st.integers(0, 4 * 10**12),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "America/St_Johns"]),
)
def test_moments_ascend_and_match_their_line(fields: Any, now: int, zone: str) -> None:
    cron = parse_cron(" ".join(fields))
    tz = find_zone(zone)
    for _ in range(3):
        following = cron.next_after(now, tz)
        assert following is not None and following > now
        local = datetime.fromtimestamp(following // 1000, tz)
        assert (local.second, local.minute in cron.minutes, local.hour in cron.hours) == (
            *(0, True, True),
        )
        assert local.month in cron.months
        now = following


@pytest.mark.parametrize(
    "line",
    [
        *("", "* * * *", "* * * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "*/x * * * *"),
        *("-1 * * * *", "1- * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8"),
        *("\u0661 * * * *", "1,,2 * * * *", "* * * * MONDAY"),
    ],
)
def test_what_is_no_cron_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"must|ends"):
        parse_cron(line)
