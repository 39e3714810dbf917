"""What one QUEUE.READ hands out: planned from what is stored, then written.

Higher priorities come first, and within a priority messages that are delivered again before new
ones. A message whose ORDER key another one has waits for its turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.agenda import Entry
from commands.domain.calls import call_integer, call_score, call_texts, write
from commands.domain.queues.config import Config
from commands.domain.queues.confirming import Settling, by_level
from commands.domain.queues.delayed import Promotion
from commands.domain.queues.groups import Streams, entries_after, find_entry
from commands.domain.queues.layout import Queue, is_due
from commands.domain.queues.messages import MessageId, order_of, payload_of, read_message_id
from commands.domain.queues.tokens import MOST_MESSAGES, new_secret
from commands.domain.records import count_poison
from commands.engine.numbers import INT64_MAX
from commands.instance.context import Context
from commands.instance.sweeps import BATCH
from storage.values.streams import Row


@dataclass(slots=True)
class Delivery:
    """A message as it is handed out."""

    id: MessageId
    payload: bytes
    attempt: int
    secret: bytes


class Delivering:
    """The messages for one read of a group."""

    def __init__(self, ctx: Context, queue: Queue, group: bytes, config: Config) -> None:
        self._ctx = ctx
        self._queue = queue
        self._group = group
        self._config = config
        self._streams = Streams(ctx, queue)
        self._settling = Settling(ctx, queue, group)
        # A failure in the middle of a batch of delayed messages would deliver none of them.
        self._promotion = Promotion(ctx, queue, strict=True)
        last_read = call_score(ctx, b"ZSCORE", queue.groups, group)
        idle_after = config.idle_after(ctx)
        self._idle_after = idle_after
        self._may_be_idle = idle_after is not None and (
            last_read is None or ctx.now - last_read >= idle_after
        )
        if self._may_be_idle:
            call_integer(ctx, b"ZCARD", queue.idle)  # raises WrongType before any write
        self.deliveries: list[Delivery] = []
        self._again: list[MessageId] = []
        self._waiting: list[MessageId] = []
        # How many new entries of each priority are delivered to the group.
        self._taken: dict[int, int] = {}
        self._examined = 0

    def plan(self, count: int) -> None:
        """Find up to so many messages."""
        due = self._read_due(count)
        added = self._promotion.additions.levels
        for level in sorted({*self._streams.groups, *due, *added}, reverse=True):
            for message in due.get(level, ()):
                if len(self.deliveries) < count:
                    self._plan_again(message)
            self._plan_new(level, count)

    @property
    def has_more(self) -> bool:
        """Whether a next read may find messages although this one did not."""
        return self._examined >= MOST_MESSAGES

    @property
    def changes_anything(self) -> bool:
        """Whether there is something to write beside the heartbeat."""
        return bool(
            self._taken or self._again or self._promotion.found or self._settling.has_changes
        )

    def write(self, consumer: bytes, until: int, entry: Entry) -> None:
        ctx, queue, group = self._ctx, self._queue, self._group
        self._promotion.write()
        self._create_group()
        for level, number in self._taken.items():
            write(
                ctx, b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", b"%d" % number,
                b"STREAMS", queue.stream(level), b">",
            )  # fmt: skip
        for level, ids in by_level(self._waiting).items():
            # They are not handed out, so this delivery does not count.
            write(
                ctx, b"XCLAIM", queue.stream(level), group, consumer, b"0", *ids,
                b"RETRYCOUNT", b"0", b"JUSTID",
            )  # fmt: skip
        for level, ids in by_level(self._again).items():
            write(ctx, b"XCLAIM", queue.stream(level), group, consumer, b"0", *ids)
        self._settling.write(entry)
        self._write_leases(until)
        now = b"%d" % ctx.now
        write(ctx, b"ZADD", queue.groups, now, group)
        if self._idle_after is not None:
            entry.plan(ctx, ctx.now + self._idle_after)
        if self._may_be_idle:
            write(ctx, b"ZREM", queue.idle, group)
        if self.deliveries:
            entry.plan(ctx, until)

    def _write_leases(self, until: int) -> None:
        ctx, queue, group = self._ctx, self._queue, self._group
        if not self.deliveries:
            return
        score = b"%d" % until
        leases: list[bytes] = []
        secrets: list[bytes] = []
        for delivery in self.deliveries:
            member = delivery.id.text
            leases += (score, member)
            secrets += (member, delivery.secret)
        write(ctx, b"ZADD", queue.leases(group), *leases)
        write(ctx, b"HSET", queue.tokens(group), *secrets)
        if self._again and self._settling.returned:
            members = [message.text for message in self._again]
            write(ctx, b"ZREM", queue.returned(group), *members)

    def _create_group(self) -> None:
        """Have the group exist on all streams."""
        streams, additions = self._streams, self._promotion.additions
        for level in sorted({0, *streams.groups, *additions.levels}):
            states = streams.groups.get(level, {})
            if self._group not in states and not additions.has_group(level, self._group):
                streams.create(self._group, level)

    # --- messages that are delivered again ------------------------------------------------

    def _read_due(self, count: int) -> dict[int, list[MessageId]]:
        """Messages whose lease expired or that were returned, by priority, oldest first."""
        due: dict[int, list[MessageId]] = {}
        leases, returned = self._queue.leases(self._group), self._queue.returned(self._group)
        for key, number in ((leases, self._settling.leased), (returned, self._settling.returned)):
            if number and is_due(self._ctx, key):
                self._read_due_in(key, count, due)
        for messages in due.values():
            messages.sort(key=lambda message: message.place)
        return due

    def _read_due_in(self, key: bytes, count: int, due: dict[int, list[MessageId]]) -> None:
        ctx = self._ctx
        for member in call_texts(
            ctx, b"ZRANGE", key, b"-inf", b"%d" % ctx.now, b"BYSCORE",
            b"LIMIT", b"0", b"%d" % max(count, BATCH),
        ):  # fmt: skip
            message = read_message_id(member)
            if message is None:
                # Left where it is, it would take the place of a message in every read.
                count_poison(ctx)
                self._settling.forget(member)
            elif message not in (listed := due.setdefault(message.level, [])):
                listed.append(message)

    def _plan_again(self, message: MessageId) -> None:
        """Deliver a due message again, unless it is used up, or confirmed or deleted by now."""
        settling = self._settling
        pending = settling.pending(message)
        if pending is None:
            settling.forget(message.text)
            return
        if pending.used_up(self._config.max_deliveries):
            settling.bury(message)
            return
        row = find_entry(self._ctx, self._queue, message)
        if row is None:
            settling.discard(message)
            return
        payload = payload_of(row)
        if payload is None:
            count_poison(self._ctx)
            settling.bury(message, row)
            return
        self._again.append(message)
        self._hand_out(message, payload, min(pending.deliveries + 1, INT64_MAX))

    # --- new messages -----------------------------------------------------------------------

    def _plan_new(self, level: int, count: int) -> None:
        """Deliver messages of one priority that the group never received."""
        state = self._streams.groups.get(level, {}).get(self._group)
        stream, after = self._queue.stream(level), b"0-0"
        if state is not None:
            after = state.last_delivered
        exists = level in self._streams.groups
        while (room := self._room(count)) > 0:
            entries = entries_after(self._ctx, stream, after, room) if exists else ()
            for entry_id, row in entries:
                self._plan_entry(MessageId(level, entry_id), row)
                after = entry_id
            if len(entries) < room:
                break
        for message, row in self._promotion.additions.entries:
            if message.level == level and self._room(count) > 0:
                self._plan_entry(message, row)

    def _room(self, count: int) -> int:
        return min(count - len(self.deliveries), MOST_MESSAGES - self._examined)

    def _plan_entry(self, message: MessageId, row: Row) -> None:
        self._examined += 1
        self._taken[message.level] = self._taken.get(message.level, 0) + 1
        payload, order = payload_of(row), order_of(row)
        if payload is None:
            count_poison(self._ctx)
            self._settling.bury(message, row)
        elif order is not None and not self._settling.turns.take(order, message):
            self._waiting.append(message)
        else:
            self._hand_out(message, payload, 1)

    def _hand_out(self, message: MessageId, payload: bytes, attempt: int) -> None:
        self.deliveries.append(Delivery(message, payload, attempt, new_secret(self._ctx)))
