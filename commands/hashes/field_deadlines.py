"""The deadlines of hash fields: parsing them, setting them, and recording the change."""

from __future__ import annotations

from collections.abc import Sequence

from commands.engine.errors import CommandError, invalid_expire
from commands.engine.grammar import ArgumentGroup, Integer, String
from commands.engine.numbers import INT64_MAX, parse_in_range, parse_integer
from commands.hashes.log_entries import expire_requests
from commands.instance.context import Context
from storage.values.hashes import Hash

# Redis stores the deadlines of fields in 46 bits.
_LATEST = (1 << 46) - 1

# The outcome for one field, as in replies.
NO_FIELD, NO_DEADLINE, CONDITION_NOT_MET, DONE, REMOVED = -2, -1, 0, 1, 2

_FIELDS_MISSING = "ERR Mandatory argument FIELDS is missing or not at the right position"
_COUNT_MISMATCH = "ERR The `numfields` parameter must match the number of arguments"
_NO_COUNT = "ERR Number of fields must be a positive integer"

FIELDS = ArgumentGroup(
    "fields", Integer("numfields"), String("field", multiple=True), token="FIELDS"
)


# --- parsing -----------------------------------------------------------------------------


def parse_deadline(text: bytes, unit: int, base: int, name: bytes) -> int:
    """Convert a time, in units of `unit` ms counted from `base`, into epoch ms."""
    number = parse_integer(text)
    if number < 0:
        raise CommandError("ERR invalid expire time, must be >= 0")
    deadline = number * unit + base
    if deadline > _LATEST:
        raise invalid_expire(name.decode())
    return deadline


def parse_fields(argv: list[bytes], at: int, no_count: str = _NO_COUNT) -> list[bytes]:
    """Parse `FIELDS count field ...`, which starts at `at` and extends to the end."""
    if at >= len(argv) or argv[at].upper() != b"FIELDS":
        raise CommandError(_FIELDS_MISSING)
    if at + 1 == len(argv):
        raise CommandError(_COUNT_MISMATCH)
    if parse_in_range(argv[at + 1], 1, INT64_MAX, no_count) != len(argv) - at - 2:
        raise CommandError(_COUNT_MISMATCH)
    return argv[at + 2 :]


# --- setting -----------------------------------------------------------------------------


def set_deadline(value: Hash, field: bytes, deadline: int, condition: bytes, now: int) -> int:
    """Set the deadline of a field if the condition is met, and return what was done."""
    if field not in value:
        return NO_FIELD
    before = value.deadline(field)
    if condition and not _is_met(condition, before, deadline):
        return CONDITION_NOT_MET
    if deadline <= now:
        value.remove(field)
        return REMOVED
    value.set_deadline(field, deadline)
    return DONE


def _is_met(condition: bytes, before: int | None, deadline: int) -> bool:
    # A field without a deadline counts as one that expires last.
    if condition == b"NX":
        return before is None
    if condition == b"XX":
        return before is not None
    if condition == b"GT":
        return before is not None and deadline > before
    return before is None or deadline < before


def record_deadlines(
    ctx: Context, key: bytes, value: Hash, fields: Sequence[bytes], outcomes: list[int]
) -> None:
    """Report the outcomes of `set_deadline` to the database and the log."""
    expiring = [field for field, outcome in zip(fields, outcomes, strict=True) if outcome == DONE]
    removed = [field for field, outcome in zip(fields, outcomes, strict=True) if outcome == REMOVED]
    if not expiring and not removed:
        return
    ctx.db.note_field_deadlines(key, value)
    event = "hexpired" if removed else "hexpire"
    ctx.db.finish_change(key, value, event, len(expiring) + len(removed))
    requests = expire_requests(key, value, dict.fromkeys(expiring))
    if removed:
        requests.append([b"HDEL", key, *dict.fromkeys(removed)])
    ctx.log_as(*requests)
