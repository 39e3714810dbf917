"""JOB.*: the log lines of jobs, which can be followed while they run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from commands.domain.arguments import Milliseconds
from commands.domain.calls import write
from commands.domain.errors import failure
from commands.domain.jobs.arguments import ID, POOL, POOL_READ, TOKEN
from commands.domain.jobs.table import JobTable
from commands.domain.jobs.working import check_owner
from commands.domain.pages import LARGEST_PAGE, PAGE, PAGE_SIZE
from commands.engine.effects import BlockOn, Outcome
from commands.engine.errors import CommandError
from commands.engine.grammar import String
from commands.engine.numbers import UINT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.values.streams import Stream

_LONGEST_LINE = 16_384
_is_entry = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}").fullmatch


@dataclass(slots=True)
class Log:
    pool: bytes
    id: bytes
    line: bytes
    token: bytes | None = None


@command(
    "JOB.LOG",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    summary="Appends a line to the log of a job.",
    arguments=[POOL, ID, String("line"), TOKEN],
    request=Log,
)
def job_log(ctx: Context, request: Log) -> Reply:
    """Returns the id of the entry, which `JOB.LOGS` takes. A line has up to 16384 bytes. The last
    lines are kept, as many as the setting `job-log-lines` says, as long as the job is kept. With
    `TOKEN`, a worker that has lost the job gets a `NOTOWNER` error.

        > JOB.LOG gpu <job> 'epoch 1 of 10'
        "1700000000000-0"
    """
    if len(request.line) > _LONGEST_LINE:
        raise CommandError(f"ERR the line must have at most {_LONGEST_LINE} bytes")
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    check_owner(table, job, None, request.token)
    key = table.keys.log(job.id)
    last = _entries(ctx, b"XREVRANGE", key, b"+", b"-", 1)
    entry = _entry_after(ctx.now, last[0][0] if last else b"0-0")
    most = b"%d" % ctx.instance.settings.job_log_lines
    write(ctx, b"XADD", key, b"MAXLEN", most, entry, b"line", request.line)
    return entry


def _entry_after(now: int, last: bytes) -> bytes:
    """The id of an entry that follows the last one, also if the clock was set back."""
    moment, number = (int(part) for part in last.split(b"-"))
    if moment < now:
        return b"%d-0" % now
    return b"%d-%d" % (moment, min(number + 1, UINT64_MAX))


def _entries(
    ctx: Context, command: bytes, key: bytes, start: bytes, end: bytes, count: int
) -> list[tuple[bytes, list[bytes]]]:
    reply = ctx.call(command, key, start, end, b"COUNT", b"%d" % count)
    return cast(list[tuple[bytes, list[bytes]]], reply)


@dataclass(slots=True)
class Logs:
    pool: bytes
    id: bytes
    after: bytes = b""
    count: int = PAGE_SIZE
    block: int | None = None


def _entry_id(word: bytes) -> bytes:
    if not _is_entry(word):
        raise failure("ERR", "AFTER must be the id of an entry, not '{}'", word)
    return word


@command(
    "JOB.LOGS",
    group="job",
    since="0.1.0",
    flags="readonly blocking",
    complexity="O(log(N)+M) for M returned lines out of N.",
    summary="Returns log lines of a job, and can wait for more.",
    arguments=[
        POOL_READ,
        ID,
        String("after", "AFTER", optional=True, convert=_entry_id),
        PAGE,
        Milliseconds("block", "BLOCK", low=0),
    ],
    request=Logs,
)
def job_logs(ctx: Context, request: Logs) -> Outcome:
    """Returns an array of entries, each of an id and a line: the first ones that are kept, or
    those behind `AFTER`, up to `COUNT` (default 100, at most 1000). To follow a log, pass the id
    of the last entry as `AFTER`. `BLOCK` waits for a line, for a time in milliseconds (0 is for
    ever), and ends when the job does. The reply is nil if there is no such job.

        > JOB.LOGS gpu <job>
        1) 1) "1700000000000-0"
           2) "epoch 1 of 10"
        > JOB.LOGS gpu <job> AFTER 1700000000000-0
        (empty array)
    """
    table = JobTable(ctx, request.pool)
    job = table.find(request.id)
    if job is None:
        return None
    key = table.keys.log(job.id)
    start = b"(" + request.after if request.after else b"-"
    found = _entries(ctx, b"XRANGE", key, start, b"+", min(request.count, LARGEST_PAGE))
    lines: list[Reply] = [[entry, fields[1]] for entry, fields in found if len(fields) > 1]
    if lines or request.block is None or job.row.terminal:
        return lines
    return BlockOn(
        [key, table.keys.job + job.id],
        ctx.now + request.block if request.block else None,
        Stream,
        otherwise=[],
        timed_out=[],
        on_loss=True,
    )
