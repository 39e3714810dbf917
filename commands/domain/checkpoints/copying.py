"""Copying a thread to another, a batch of checkpoints at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.domain.calls import call_integer, call_values, write
from commands.domain.checkpoints.envelopes import rehome
from commands.domain.checkpoints.keys import Thread, following_path
from commands.domain.checkpoints.meta_index import Rows, change
from commands.domain.checkpoints.order import cursor_after, newest, place_after, score
from commands.domain.checkpoints.removal import BATCH, Stored, fetch
from commands.domain.pages import END, read_place
from commands.domain.records import count_poison
from commands.instance.context import Context

# The namespace at which a copy goes on, and the cursor in it.
Position = tuple[bytes, bytes]
# How many namespaces one batch looks at.
_MOST_PATHS = 50


@dataclass(slots=True)
class _Part:
    """Checkpoints of one namespace that are copied to a thread that has some already, or none."""

    source: Thread
    target: Thread
    deadline: int
    checkpoints: list[Stored] = field(default_factory=list)
    replaced: list[Stored] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    writes: list[bytes] = field(default_factory=list)


class Copy:
    """One batch of a copy. Making one only reads.

    A copy without a namespace goes on with the namespaces of the thread, in their order.
    """

    def __init__(
        self, ctx: Context, source: Thread, target: Thread, position: Position | None = None
    ) -> None:
        self._ctx, self._source, self._target = ctx, source, target
        self._parts: list[_Part] = []
        self.position: Position | None = (
            (source.path.encode(), END) if position is None else position
        )
        left = BATCH
        for _ in range(_MOST_PATHS):
            if self.position is None or left <= 0:
                break
            left -= self._read_next(*self.position, left)

    @property
    def copied(self) -> int:
        return sum(len(part.checkpoints) for part in self._parts)

    def _read_next(self, path: bytes, cursor: bytes, most: int) -> int:
        """Read checkpoints of one namespace; return how many were looked at."""
        ctx = self._ctx
        tenant = self._source.tenant.encode()
        source = Thread(ctx, tenant, self._source.name.encode(), path)
        target = Thread(ctx, tenant, self._target.name.encode(), path)
        start = place_after(ctx, source, read_place(cursor))
        ids = newest(ctx, source, start, most)
        fetched = fetch(ctx, source, ids)
        if len(ids) == most or len(fetched) < len(ids):
            self.position = path, cursor_after(ctx, source, fetched[-1].id)
        else:
            following = None if self._source.path else following_path(ctx, source)
            self.position = None if following is None else (following, END)
        readable = []
        for one in fetched:
            if one.facts is not None:
                readable.append(one)
            elif one.envelope is not None:
                count_poison(ctx)
        if readable:
            self._parts.append(self._part(source, target, readable))
        return len(fetched)

    def _part(self, source: Thread, target: Thread, checkpoints: list[Stored]) -> _Part:
        ctx = self._ctx
        is_new = call_integer(ctx, b"ZCARD", target.by_step) == 0
        deadline = call_integer(ctx, b"PEXPIRETIME", (source if is_new else target).by_step)
        part = _Part(source, target, deadline, checkpoints)
        ids = [one.id for one in checkpoints]
        while len(part.replaced) < len(ids):
            part.replaced += fetch(ctx, target, ids[len(part.replaced) :])
        with_blob = [one.id for one in checkpoints if one.facts and one.facts.blob_size is not None]
        call_integer(ctx, b"HLEN", target.states)
        if with_blob:
            blobs = call_values(ctx, b"HMGET", source.states, *with_blob)
            for checkpoint_id, blob in zip(with_blob, blobs, strict=True):
                part.blobs += () if blob is None else (checkpoint_id, blob)
        fields = [name for one in checkpoints for name in one.write_fields()]
        if fields:
            texts = call_values(ctx, b"HMGET", source.writes, *fields)
            for name, text in zip(fields, texts, strict=True):
                part.writes += () if text is None else (name, text)
        return part

    def run(self) -> None:
        """Write the batch."""
        for part in self._parts:
            self._write(part)

    def _write(self, part: _Part) -> None:
        ctx, target = self._ctx, part.target
        scored: list[bytes] = []
        fields: list[bytes] = []
        old: Rows = set()
        new: Rows = set()
        old_writes: list[bytes] = []
        for one, replaced in zip(part.checkpoints, part.replaced, strict=True):
            assert one.envelope is not None and one.facts is not None
            scored += (score(one.facts.step), one.id)
            fields += (one.id, rehome(one.envelope, part.source, target))
            old |= replaced.rows(target)
            new |= one.rows(target)
            if one.writes:
                old_writes += replaced.write_fields()
        write(ctx, b"ZADD", target.by_step, *scored)
        write(ctx, b"HSET", target.by_id, *fields)
        ids = [one.id for one in part.checkpoints]
        write(ctx, b"HDEL", target.states, *ids)
        if part.blobs:
            write(ctx, b"HSET", target.states, *part.blobs)
        if old_writes:
            write(ctx, b"HDEL", target.writes, *old_writes)
        if part.writes:
            write(ctx, b"HSET", target.writes, *part.writes)
        change(ctx, target, old, new)
        if part.deadline > 0:
            for key in target.keys:
                write(ctx, b"PEXPIREAT", key, b"%d" % part.deadline)
