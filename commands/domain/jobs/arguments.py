"""Arguments that several job commands take, and the conversions of their values."""

from __future__ import annotations

from commands.domain.errors import failure
from commands.domain.jobs.rows import STATUSES, is_job_id
from commands.domain.jobs.table import JobTable
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String


def job_id(word: bytes) -> bytes:
    """The id that a client chooses for a job."""
    if not is_job_id(word):
        raise failure("ERR", "the id must be 32 lower-case hex digits, not '{}'", word)
    return word


def worker_name(word: bytes) -> bytes:
    if not word:
        raise CommandError("ERR the name of the worker must not be empty")
    return word


def job_status(word: bytes) -> str:
    status = word.lower().decode("utf-8", "replace")
    if status not in STATUSES:
        raise failure("ERR", "unknown status '{}', known are: {}", word, " ".join(STATUSES))
    return status


def checked_kind(table: JobTable, word: bytes) -> str:
    """One of the kinds in the setting `job-kinds`, which only a table knows."""
    kind = word.decode("utf-8", "replace")
    if kind not in table.kinds:
        known = " ".join(table.kinds).encode()
        raise failure("ERR", "unknown kind '{}', known are: {}", word, known)
    return kind


POOL = Key("pool", "RW access update")
POOL_READ = Key("pool", "RO access")
WORKER = String("worker", "WORKER", optional=True, convert=worker_name)
