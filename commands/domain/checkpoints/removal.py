"""Checkpoints with everything that belongs to them: fetched, removed, copied."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_values, write
from commands.domain.checkpoints.envelopes import Facts
from commands.domain.checkpoints.keys import Thread
from commands.domain.checkpoints.meta_index import Rows, change, rows
from commands.domain.checkpoints.storing import facts_of
from commands.domain.numbers import stored_integer
from commands.instance.context import Context

# How many checkpoints are handled at once, and after how many bytes of envelopes they are fewer.
BATCH = 200
_PIECE = 50
_LARGEST_BATCH_BYTES = 1024 * 1024
# What a pending write adds to the size of a batch: about the work of so many bytes.
_SIZE_OF_WRITE = 500
# So many pending writes a checkpoint can have.
MOST_WRITES = 10_000


@dataclass(slots=True)
class Stored:
    """One checkpoint as it was read; it may have no envelope, or one that cannot be read."""

    id: bytes
    envelope: bytes | None
    facts: Facts | None
    writes: int

    def rows(self, thread: Thread) -> Rows:
        """Its rows in the index of META."""
        return set() if self.facts is None else rows(thread, self.id, self.facts.meta)

    def write_fields(self) -> list[bytes]:
        """The fields of its pending writes."""
        if not self.writes:
            return []
        return [self.id, *(writes_field(self.id, at) for at in range(self.writes))]


def writes_field(checkpoint: bytes, at: int) -> bytes:
    """The field of one pending write; the field named like the checkpoint has their number."""
    return b"%b:%d" % (checkpoint, at)


def fetch(ctx: Context, thread: Thread, ids: list[bytes]) -> list[Stored]:
    """The first of these checkpoints: all of them unless they are many or large."""
    found: list[Stored] = []
    size = 0
    for start in range(0, min(len(ids), BATCH), _PIECE):
        piece = ids[start : min(start + _PIECE, BATCH)]
        envelopes = call_values(ctx, b"HMGET", thread.by_id, *piece)
        numbers = call_values(ctx, b"HMGET", thread.writes, *piece)
        for checkpoint, raw, number in zip(piece, envelopes, numbers, strict=True):
            facts = facts_of(raw, checkpoint, thread)
            writes = stored_integer(number, 0, MOST_WRITES) or 0
            found.append(Stored(checkpoint, raw, facts, writes))
            size += (0 if raw is None else len(raw)) + writes * _SIZE_OF_WRITE
        if size > _LARGEST_BATCH_BYTES:
            break
    return found


def remove(ctx: Context, thread: Thread, removed: list[Stored]) -> None:
    """Remove checkpoints that were fetched. Only writes."""
    ids = [one.id for one in removed]
    write(ctx, b"ZREM", thread.by_step, *ids)
    write(ctx, b"HDEL", thread.by_id, *ids)
    write(ctx, b"HDEL", thread.states, *ids)
    fields = [field for one in removed for field in one.write_fields()]
    # The number of pending writes may be unreadable; its field goes all the same.
    write(ctx, b"HDEL", thread.writes, *ids, *fields)
    gone: Rows = set()
    for one in removed:
        gone |= one.rows(thread)
    change(ctx, thread, gone, set())
