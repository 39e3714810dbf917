"""Arguments that several job commands take, and the conversions of their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commands.domain.errors import failure
from commands.domain.jobs.rows import STATUSES
from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String
from commands.instance.context import Context

LONGEST_KIND = 256
MOST_KINDS = 100

_is_hex_id = re.compile(rb"[0-9a-fA-F]{32}").fullmatch


def known_id(word: bytes) -> bytes:
    """The id of a job; digits in upper case are the same id."""
    return word.lower() if _is_hex_id(word) else word


def job_id(word: bytes) -> bytes:
    """The id that a client chooses for a job."""
    if not _is_hex_id(word):
        raise failure("ERR", "the id must be 32 hex digits, not '{}'", word)
    return word.lower()


def worker_name(word: bytes) -> bytes:
    if not word:
        raise CommandError("ERR the name of the worker must not be empty")
    return word


def job_status(word: bytes) -> str:
    status = word.lower().decode("utf-8", "replace")
    if status not in STATUSES:
        raise failure("ERR", "unknown status '{}', known are: {}", word, " ".join(STATUSES))
    return status


def kind_word(word: bytes) -> bytes:
    """Any word that can be the kind of a job."""
    if not word or len(word) > LONGEST_KIND:
        raise failure("ERR", "the kind must have from 1 to {} bytes", str(LONGEST_KIND))
    try:
        word.decode()
    except UnicodeDecodeError:
        raise CommandError("BADRECORD the kind is not valid UTF-8") from None
    return word


def check_kind(ctx: Context, kind: bytes) -> None:
    """Raise an error if the setting `job-kinds` names kinds, and not this one."""
    kinds = ctx.instance.settings.job_kinds
    if kinds and kind.decode() not in kinds:
        known = " ".join(kinds).encode()
        raise failure("ERR", "the setting job-kinds has no kind '{}', only: {}", kind, known)


POOL = Key("pool", "RW access update")
POOL_READ = Key("pool", "RO access")
ID = String("id", convert=known_id)
WORKER = String("worker", "WORKER", optional=True, convert=worker_name)
TOKEN = String("token", "TOKEN", optional=True)


@dataclass(slots=True)
class Named:
    """One job: the request of commands that take nothing else."""

    pool: bytes
    id: bytes
