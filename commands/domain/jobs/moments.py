"""A schedule as it is stored, its moments, and the jobs that it submits at them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from commands.domain.arguments import LONGEST_MS
from commands.domain.calls import call_text
from commands.domain.errors import failure
from commands.domain.jobs.cron import find_zone, parse_cron
from commands.domain.jobs.rows import LATEST
from commands.domain.jobs.submitting import from_object, submit
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import stored_integer
from commands.domain.records import read_json, write_json

_TIME = (1 << 48) - 1


@dataclass(slots=True)
class Schedule:
    """When jobs are submitted, in one of three ways, and what job."""

    every: int = 0
    cron: str = ""
    zone: str = ""
    at: int = 0
    next_at: int = 0
    # The members of an object as JOB.MSUBMIT takes it.
    job: dict[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        when: dict[str, object] = {"every": self.every} if self.every else {"at": self.at}
        if self.cron:
            when = {"cron": self.cron, "tz": self.zone}
        return write_json({**when, "next": self.next_at, "job": self.job})

    def same_as(self, other: Schedule) -> bool:
        """Whether another one is the same but for its next moment."""
        return (self.every, self.cron, self.zone, self.at, self.job) == (
            *(other.every, other.cron, other.zone, other.at, other.job),
        )

    def first(self, now: int) -> int | None:
        """The first moment; ValueError if the cron line or the zone is not one."""
        if self.cron:
            return parse_cron(self.cron).next_after(now, find_zone(self.zone))
        return now + self.every if self.every else self.at

    def following(self, now: int) -> int | None:
        """The first moment after this time, given that the present one has come; or None."""
        if self.cron:
            return self.first(now)
        if not self.every:
            return None
        return self.next_at + ((now - self.next_at) // self.every + 1) * self.every


def decode_schedule(text: bytes) -> Schedule | None:
    """Parse a stored schedule; None if it is not one."""
    try:
        value = read_json(text)
        job = value["job"]
        next_at = stored_integer(value["next"], 0, LATEST)
        every = stored_integer(value.get("every", 0), 0, LONGEST_MS)
        at = stored_integer(value.get("at", 0), 0, LONGEST_MS)
        cron, zone = value.get("cron", ""), value.get("tz", "")
        texts = (cron, zone, job["kind"], job["target"], job["spec"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if next_at is None or every is None or at is None:
        return None
    if not all(isinstance(one, str) for one in texts):
        return None
    return Schedule(every, cron, zone, at, next_at, job)


def run_schedule(table: JobTable, name: bytes, due: bytes) -> None:
    """Submit the job of the moment that has come, and plan the next one."""
    ctx, keys = table.ctx, table.keys
    again = (b"ZADD", keys.due, b"%d" % ctx.now, due)
    text = call_text(ctx, b"HGET", keys.schedules, name)
    if text is None:
        table.link((b"ZREM", keys.due, due), again)
        return
    schedule = decode_schedule(text)
    if schedule is None:
        raise failure("BADRECORD", "schedule {} in pool {} cannot be read", name, table.pool)
    if schedule.next_at > ctx.now:
        table.link((b"ZADD", keys.due, b"%d" % schedule.next_at, due), again)
        return
    request = from_object(table.pool, schedule.job, "the job of the schedule")
    request.id = _id_at(name, schedule.next_at)
    submit(table, request, accepted=True)
    restore = (b"HSET", keys.schedules, name, text)
    try:
        following = schedule.following(ctx.now)
    except ValueError as reason:
        raise failure(
            "BADRECORD", "schedule {} in pool {}: {}", name, table.pool, str(reason)
        ) from None
    if following is None or following > LATEST:
        table.link((b"HDEL", keys.schedules, name), restore)
        table.link((b"ZREM", keys.due, due), again)
    else:
        schedule.next_at = following
        table.link((b"HSET", keys.schedules, name, schedule.encode()), restore)
        table.link((b"ZADD", keys.due, b"%d" % following, due), again)


def _id_at(name: bytes, moment: int) -> bytes:
    """The id of the job of a moment: it sorts by time as others do."""
    digest = hashlib.sha256(b"%d:%b" % (moment, name)).hexdigest()
    return b"%012x%b" % (moment & _TIME, digest[:20].encode())
