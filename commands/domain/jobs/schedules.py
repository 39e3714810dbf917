"""JOB.*: schedules, which submit a job at each of their moments.

A schedule is a JSON object in one hash of the pool, and its next moment is among what is due in
the pool. The id of a job follows from the name of the schedule and the moment, so no moment
submits two jobs, however often servers restart.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import LONGEST_MS
from commands.domain.calls import call_fields, call_integer, call_text, write
from commands.domain.errors import failure
from commands.domain.jobs.arguments import POOL, POOL_READ, check_kind
from commands.domain.jobs.layout import AGENDA, SCHEDULE, Keys
from commands.domain.jobs.moments import Schedule, decode_schedule
from commands.domain.jobs.submitting import OPTIONS, WHAT, parser
from commands.domain.pages import END, LARGEST_PAGE, NAME, PAGE, PAGE_SIZE, name_cursor
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Integer, OneOf, String
from commands.engine.numbers import read_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

_MOST_SCHEDULES = 1000
_WHEN = OneOf(
    "when",
    Integer("every", "EVERY", low=1, high=LONGEST_MS, unit="milliseconds"),
    ArgumentGroup("cron", String("line"), String("zone", "TZ", optional=True), token="CRON"),
    Integer("at", "AT", low=0, high=LONGEST_MS, unit="unix-time-milliseconds"),
)


@command(
    "JOB.SCHEDULE",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    summary="Has a job submitted again and again, or once at a given time.",
    arguments=[POOL, String("name"), _WHEN, *WHAT, *OPTIONS],
)
def job_schedule(ctx: Context, argv: list[bytes]) -> Reply:
    """Replaces the schedule with this name; the same one given again goes on as it is. `EVERY`
    is a number of milliseconds. `CRON` is a line of five fields, minute, hour, day of the month,
    month and day of the week, in the time zone `TZ` (default: UTC). `AT` is one moment, in
    milliseconds since the epoch. What follows is as for `JOB.SUBMIT`.

    Each moment submits one job. If moments pass while the server is down, the first of them
    submits a job as soon as it is up again, and the others are left out. With `UNIQUE`, a moment
    submits nothing while the job of an earlier one has not ended.

        > JOB.SCHEDULE mail digest CRON '0 7 * * MON-FRI' TZ Europe/Berlin email all '{}'
        OK
        > JOB.SCHEDULE mail poll EVERY 60000 email inbox '{}' UNIQUE poll
        OK
    """
    keys, name = Keys(argv[1]), argv[2]
    schedule = _parsed(ctx, argv)
    check_kind(ctx, schedule.job["kind"].encode())
    stored = call_text(ctx, b"HGET", keys.schedules, name)
    before = decode_schedule(stored) if stored is not None else None
    if before is not None and before.same_as(schedule):
        return OK
    if stored is None and call_integer(ctx, b"HLEN", keys.schedules) >= _MOST_SCHEDULES:
        raise CommandError(f"ERR a pool can have only {_MOST_SCHEDULES} schedules")
    agenda = AGENDA.entry(ctx, argv[1], keys.next)
    # The set is checked before anything is written: it must not hold another type.
    call_integer(ctx, b"ZCARD", keys.due)
    write(ctx, b"HSET", keys.schedules, name, schedule.encode())
    write(ctx, b"ZADD", keys.due, b"%d" % schedule.next_at, b"%b:%b" % (SCHEDULE, name))
    agenda.plan(ctx, schedule.next_at)
    return OK


def _parsed(ctx: Context, argv: list[bytes]) -> Schedule:
    """Make a schedule of the words of a request."""
    if not argv[2]:
        raise CommandError("ERR the name of a schedule must not be empty")
    how, value, rest = argv[3].upper(), argv[4], 5
    schedule = Schedule()
    if how == b"CRON":
        schedule.cron = _text(value, "CRON")
        schedule.zone = "UTC"
        if len(argv) > rest + 1 and argv[rest].upper() == b"TZ":
            schedule.zone = _text(argv[rest + 1], "TZ")
            rest += 2
    elif how == b"EVERY":
        schedule.every = _milliseconds(value, "EVERY", 1)
    elif how == b"AT":
        schedule.at = _milliseconds(value, "AT", 0)
    else:
        raise failure("ERR", "EVERY, CRON or AT must follow the name, not '{}'", argv[3])
    if len(argv) < rest + 3:
        raise CommandError("ERR kind, target and spec must follow the time of a schedule")
    request = parser.parse([b"JOB.SUBMIT", argv[1], *argv[rest:]])
    if request.id is not None or request.after or request.parent:
        raise CommandError("ERR a schedule takes no ID, AFTER and PARENT")
    schedule.job = {
        "kind": request.kind.decode(),
        "target": request.target,
        "spec": request.spec,
        "priority": request.priority,
        "delay": request.delay,
        "attempts": request.attempts,
        "backoff": request.backoff,
    }
    if request.ttl:
        schedule.job["ttl"] = request.ttl
    if request.unique:
        schedule.job["unique"] = _text(request.unique, "UNIQUE")
    try:
        first = schedule.first(ctx.now)
    except ValueError as reason:
        raise failure("ERR", "the schedule cannot be followed: {}", str(reason)) from None
    if first is None:
        raise failure("ERR", "the schedule never submits a job: {}", schedule.cron)
    schedule.next_at = first
    return schedule


def _text(word: bytes, what: str) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise failure("BADRECORD", "{} is not valid UTF-8", what) from None


def _milliseconds(word: bytes, what: str, low: int) -> int:
    number = read_integer(word)
    if number is None or not low <= number <= LONGEST_MS:
        limits = f"an integer from {low} to {LONGEST_MS} (milliseconds)"
        raise failure("ERR", "{} must be {}, not '{}'", what, limits, word)
    return number


@dataclass(slots=True)
class Unschedule:
    pool: bytes
    name: bytes


@command(
    "JOB.UNSCHEDULE",
    group="job",
    since="0.1.0",
    flags="write",
    summary="Removes a schedule.",
    arguments=[POOL, String("name")],
    request=Unschedule,
)
def job_unschedule(ctx: Context, request: Unschedule) -> Reply:
    """Returns 1, or 0 if there is no such schedule. Jobs that it has submitted stay.

    > JOB.UNSCHEDULE mail digest
    (integer) 1
    """
    keys = Keys(request.pool)
    if not call_integer(ctx, b"HEXISTS", keys.schedules, request.name):
        return 0
    call_integer(ctx, b"ZCARD", keys.due)
    write(ctx, b"HDEL", keys.schedules, request.name)
    write(ctx, b"ZREM", keys.due, b"%b:%b" % (SCHEDULE, request.name))
    return 1


@dataclass(slots=True)
class Schedules:
    pool: bytes
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "JOB.SCHEDULES",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) with N schedules in the pool, up to 1000.",
    summary="Lists the schedules of a pool, a page at a time.",
    arguments=[POOL_READ, NAME, PAGE],
    request=Schedules,
)
def job_schedules(ctx: Context, request: Schedules) -> Reply:
    """Returns a cursor and an array of maps, by name: `name`; `every_ms`, `cron` with `tz`, or
    `at`; `next_at`, when the next job is submitted; and the `kind`, `target` and `spec` of jobs.

        > JOB.SCHEDULES mail
        1) "0"
        2) 1)  1) "name"
               2) "poll"
               3) "every_ms"
               4) (integer) 60000
               5) "next_at"
               6) (integer) 1700000060000
               7) "kind"
               8) "email"
               9) "target"
              10) "inbox"
              11) "spec"
              12) "{}"
    """
    stored = call_fields(ctx, Keys(request.pool).schedules)
    names = sorted(name for name in stored if request.cursor is None or name > request.cursor)
    most = min(request.count, LARGEST_PAGE)
    found: list[Reply] = []
    for name in names[:most]:
        schedule = decode_schedule(stored[name])
        if schedule is None:
            count_poison(ctx)
        else:
            found.append(_shown(name, schedule))
    more = len(names) > most
    return [name_cursor(names[most - 1]) if more else END, found]


def _shown(name: bytes, schedule: Schedule) -> Reply:
    when: dict[bytes, Reply] = {}
    if schedule.cron:
        when = {b"cron": schedule.cron.encode(), b"tz": schedule.zone.encode()}
    elif schedule.every:
        when = {b"every_ms": schedule.every}
    else:
        when = {b"at": schedule.at}
    job = {name.encode(): schedule.job[name].encode() for name in ("kind", "target", "spec")}
    return {b"name": name, **when, b"next_at": schedule.next_at, **job}
