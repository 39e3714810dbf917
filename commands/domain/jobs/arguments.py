"""Words that several job commands take."""

from __future__ import annotations

from commands.domain.errors import failure
from commands.domain.jobs.rows import STATUSES, is_job_id
from commands.domain.jobs.table import JobTable
from commands.domain.records import checked_json
from commands.engine.errors import CommandError
from commands.engine.numbers import parse_in_range

# A moment plus any duration stays below what a sorted set's score holds exactly.
_LONGEST_MS = 2**52
_OUT_OF_RANGE = "ERR value is out of range"


def milliseconds(word: bytes, least: int = 0) -> int:
    return parse_in_range(word, least, _LONGEST_MS, _OUT_OF_RANGE)


def count_from(word: bytes, least: int, most: int = 2**31 - 1) -> int:
    return parse_in_range(word, least, most, _OUT_OF_RANGE)


def text(word: bytes, what: str) -> str:
    """What goes into the row, which is JSON, has to be UTF-8."""
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise failure("BADRECORD", f"the {what} of a job is not valid UTF-8") from None


def json_text(word: bytes, what: str) -> str:
    checked_json(word, f"the {what} of a job")
    return word.decode()


def new_id(word: bytes) -> bytes:
    """The id that somebody gives to a job."""
    if not is_job_id(word):
        raise failure("ERR", "an id is 32 lower-case hex digits, not '{}'", word)
    return word


def kind_of(table: JobTable, word: bytes) -> str:
    kind = word.decode("utf-8", "replace")
    if kind not in table.kinds:
        known = " ".join(table.kinds).encode()
        raise failure("ERR", "unknown kind '{}', known are: {}", word, known)
    return kind


def status_of(word: bytes) -> str:
    status = word.lower().decode("utf-8", "replace")
    if status not in STATUSES:
        raise failure("ERR", f"unknown status '{{}}', known are: {' '.join(STATUSES)}", word)
    return status


def worker_of(word: bytes) -> bytes:
    if not word:
        raise CommandError("ERR a worker needs a name")
    return word
