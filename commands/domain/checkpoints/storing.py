"""Storing one checkpoint with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from commands.domain.calls import call_integer, call_text, write
from commands.domain.checkpoints.envelopes import Facts, compose, read, timestamp
from commands.domain.checkpoints.keys import Thread
from commands.domain.checkpoints.meta_index import change, rows, rows_of_text
from commands.domain.checkpoints.order import latest, score
from commands.domain.events import has_readers, publish
from commands.domain.ids import uuid7
from commands.engine.errors import CommandError
from commands.instance.context import Context


@dataclass(slots=True)
class Checkpoint:
    """What a client says about a checkpoint. `state`, `next_node` and `meta` are JSON texts."""

    id: bytes
    parent: bytes | None
    step: int
    state: bytes
    next_node: bytes
    meta: bytes | None
    blob: bytes | None = None

    def envelope(self, thread: Thread, moment: bytes) -> bytes:
        return compose(
            thread,
            self.id,
            parent=self.parent,
            step=b"%d" % self.step,
            state=self.state,
            next_node=self.next_node,
            moment=moment,
            meta=self.meta,
            blob=self.blob,
        )


class Put:
    """A checkpoint about to be stored in a thread, and what is there now.

    Making one only reads. `WRONGTYPE` is raised then, before anything is written.
    """

    def __init__(self, ctx: Context, thread: Thread, one: Checkpoint) -> None:
        self._ctx, self._thread, self._one = ctx, thread, one
        self._before = call_text(ctx, b"HGET", thread.by_id, one.id)
        self._facts = facts_of(self._before, one.id, thread)
        has_blob = self._facts is not None and self._facts.blob_size is not None
        self._blob = call_text(ctx, b"HGET", thread.states, one.id) if has_blob else None
        self._is_first_blob = one.blob is not None and not call_integer(ctx, b"HLEN", thread.states)

    @property
    def exists(self) -> bool:
        return self._before is not None

    @property
    def is_repeated(self) -> bool:
        """Whether the same checkpoint is there, perhaps with another time."""
        if self._facts is None or self._blob != self._one.blob:
            return False
        said = self._one.envelope(self._thread, self._facts.timestamp.encode())
        return said == self._before

    def run(self, ttl: int | None = None) -> None:
        """Store the checkpoint. A repeated one keeps its time."""
        ctx, thread, one = self._ctx, self._thread, self._one
        deadline = None if ttl is None else ctx.now + ttl
        if self._is_first_blob and deadline is None:
            # A key that is new has to expire with the others of its thread.
            expires = call_integer(ctx, b"PEXPIRETIME", thread.by_id)
            blobs_expire = expires if expires > 0 else None
        else:
            blobs_expire = deadline
        write(ctx, b"ZADD", thread.by_step, score(one.step), one.id)
        if not self.is_repeated:
            write(ctx, b"HSET", thread.by_id, one.id, one.envelope(thread, timestamp(ctx.now)))
            self._write_blob()
            old = rows(thread, one.id, self._facts.meta) if self._facts is not None else set()
            change(ctx, thread, old, rows_of_text(thread, one.id, one.meta))
        if deadline is not None:
            for key in thread.keys:
                write(ctx, b"PEXPIREAT", key, b"%d" % deadline)
        elif blobs_expire is not None:
            write(ctx, b"PEXPIREAT", thread.states, b"%d" % blobs_expire)
        announce(ctx, thread, "put", one.id)

    def _write_blob(self) -> None:
        if self._one.blob is not None:
            write(self._ctx, b"HSET", self._thread.states, self._one.id, self._one.blob)
        elif self._blob is not None:
            write(self._ctx, b"HDEL", self._thread.states, self._one.id)


def store(ctx: Context, thread: Thread, one: Checkpoint, ttl: int | None = None) -> bytes:
    """Store a checkpoint unless one with its id exists; return the id.

    An empty id stands for a new one.
    """
    if not one.id:
        one = replace(one, id=new_id(ctx, thread))
    put = Put(ctx, thread, one)
    if not put.exists:
        put.run(ttl)
    return one.id


def new_id(ctx: Context, thread: Thread) -> bytes:
    """An id that is greater than the latest of the thread, also if the clock was set back."""
    return uuid7(ctx, after=latest(ctx, thread))


def facts_of(envelope: bytes | None, checkpoint: bytes, thread: Thread) -> Facts | None:
    """The facts of an envelope; None if there is none or it cannot be read."""
    if envelope is None:
        return None
    try:
        return read(envelope, checkpoint, thread)
    except CommandError:
        return None


def announce(ctx: Context, thread: Thread, change: str, checkpoint: bytes | None) -> None:
    """Publish a change of one checkpoint, or of a whole thread or namespace (None)."""
    if not has_readers(ctx):
        return
    details = {} if checkpoint is None else {"id": checkpoint.decode("utf-8", "replace")}
    if thread.path:
        details["ns"] = thread.path
    publish(ctx, "checkpoint", thread.collection, change, **details)
