"""Log entries for changes of hash fields that rerunning the request would not reproduce."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commands.instance.context import Context
from storage.values.hashes import Hash


def set_request(key: bytes, value: Hash, fields: Iterable[bytes]) -> list[bytes]:
    """HSET of these fields to their current values, which removes their deadlines."""
    return [b"HSET", key, *(word for field in fields for word in (field, value[field]))]


def expire_requests(key: bytes, value: Hash, fields: Iterable[bytes]) -> list[list[bytes]]:
    """HPEXPIREAT for the fields that have a deadline, one request per deadline."""
    by_deadline: dict[int, list[bytes]] = {}
    for field in fields:
        deadline = value.deadline(field)
        if deadline is not None:
            by_deadline.setdefault(deadline, []).append(field)
    return [
        [b"HPEXPIREAT", key, b"%d" % deadline, *counted(expiring)]
        for deadline, expiring in by_deadline.items()
    ]


def counted(fields: Sequence[bytes]) -> list[bytes]:
    """The argument `FIELDS count field ...`."""
    return [b"FIELDS", b"%d" % len(fields), *fields]


def log_fields(ctx: Context, key: bytes, value: Hash, fields: Sequence[bytes]) -> None:
    """Log the current values and deadlines of the fields."""
    ctx.log_as(set_request(key, value, fields), *expire_requests(key, value, fields))
