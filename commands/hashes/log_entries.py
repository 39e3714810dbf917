"""How changes of hash fields are logged where the request itself would not repeat them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commands.instance.context import Context
from storage.values.hashes import Hash


def set_request(key: bytes, value: Hash, fields: Iterable[bytes]) -> list[bytes]:
    """HSET of these fields to what they are now. It takes their deadlines away."""
    return [b"HSET", key, *(word for field in fields for word in (field, value[field]))]


def expire_requests(key: bytes, value: Hash, fields: Iterable[bytes]) -> list[list[bytes]]:
    """HPEXPIREAT for those of the fields that run out, one request per deadline."""
    by_deadline: dict[int, list[bytes]] = {}
    for field in fields:
        deadline = value.deadline(field)
        if deadline is not None:
            by_deadline.setdefault(deadline, []).append(field)
    return [
        [b"HPEXPIREAT", key, b"%d" % deadline, *counted(named)]
        for deadline, named in by_deadline.items()
    ]


def counted(fields: Sequence[bytes]) -> list[bytes]:
    """Fields as the commands on deadlines name them."""
    return [b"FIELDS", b"%d" % len(fields), *fields]


def log_fields(ctx: Context, key: bytes, value: Hash, fields: Sequence[bytes]) -> None:
    """Log what the fields are now, deadlines included."""
    ctx.log_as(set_request(key, value, fields), *expire_requests(key, value, fields))
