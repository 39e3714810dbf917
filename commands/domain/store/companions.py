"""What is kept beside an entry: when it was created and last put, and its vector."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_values, write
from commands.domain.numbers import stored_integer
from commands.domain.records import count_poison
from commands.domain.store.layout import (
    STORE_PREFIX,
    TIMES_PREFIX,
    VECTOR_PREFIX,
    times_key,
    vector_key,
)
from commands.engine.numbers import INT64_MAX
from commands.instance.context import Context
from commands.instance.patrols import patrol

# What PEXPIRETIME answers for a key without TTL and for none.
NEVER, ABSENT = -1, -2


def deadline_after(ctx: Context, ttl: int | None) -> int:
    """The time at which a TTL ends, in epoch milliseconds."""
    return NEVER if ttl is None else ctx.now + ttl


@dataclass(frozen=True, slots=True)
class Times:
    """When an entry was created and last put, in epoch milliseconds."""

    created: int
    updated: int

    def text(self) -> bytes:
        return b"%d %d" % (self.created, self.updated)


def read_times(ctx: Context, text: bytes | None) -> Times | None:
    """The stored times of an entry; None if there are none that can be read."""
    if text is None:
        return None
    numbers = [stored_integer(word, 0, INT64_MAX) for word in text.split(b" ")]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        count_poison(ctx)
        return None
    return Times(numbers[0], numbers[1])


def times_after_put(ctx: Context, entry: bytes, *, exists: bool) -> Times | None:
    """The times that an entry has after it is put now; None if they are not kept."""
    if not ctx.instance.settings.store_times:
        return None
    # MGET, because a client may have written another type, which the put replaces.
    stored = call_values(ctx, b"MGET", times_key(entry))[0] if exists else None
    return _put_now(ctx, stored)


def times_after_puts(ctx: Context, entries: list[bytes]) -> list[Times] | None:
    """The times that these entries have after they are put now; None if they are not kept."""
    if not ctx.instance.settings.store_times:
        return None
    values = call_values(ctx, b"MGET", *entries)
    stored = call_values(ctx, b"MGET", *map(times_key, entries))
    return [
        _put_now(ctx, None if value is None else text)
        for value, text in zip(values, stored, strict=True)
    ]


def _put_now(ctx: Context, stored: bytes | None) -> Times:
    before = read_times(ctx, stored)
    return Times(ctx.now if before is None else before.created, ctx.now)


def write_with_deadline(ctx: Context, key: bytes, value: bytes, deadline: int) -> None:
    """Set a string with a TTL that ends at a deadline, or `NEVER`."""
    if deadline == NEVER:
        write(ctx, b"SET", key, value)
    else:
        write(ctx, b"SET", key, value, b"PXAT", b"%d" % deadline)


def with_companions(entries: list[bytes]) -> list[bytes]:
    """The keys of entries, and of what is beside them."""
    return [*entries, *map(times_key, entries), *map(vector_key, entries)]


def expire_at(ctx: Context, entry: bytes, deadline: int) -> None:
    """Give an entry that exists, and what is beside it, another deadline, or `NEVER`."""
    for key in with_companions([entry]):
        if deadline == NEVER:
            write(ctx, b"PERSIST", key)
        else:
            write(ctx, b"PEXPIREAT", key, b"%d" % deadline)


@patrol(TIMES_PREFIX)
def remove_lost_times(ctx: Context, key: bytes, position: bytes) -> None:
    """Remove the times of an entry that a plain command has removed."""
    _remove_lost(ctx, key, STORE_PREFIX + key[len(TIMES_PREFIX) :])


@patrol(VECTOR_PREFIX)
def remove_lost_vectors(ctx: Context, key: bytes, position: bytes) -> None:
    """Remove the vector of an entry that a plain command has removed."""
    _remove_lost(ctx, key, STORE_PREFIX + key[len(VECTOR_PREFIX) :])


def _remove_lost(ctx: Context, key: bytes, entry: bytes) -> None:
    if not call_integer(ctx, b"EXISTS", entry):
        write(ctx, b"DEL", key)
