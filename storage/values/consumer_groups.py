"""Consumer groups: which consumer received which entries, and how far a group has read.

A pending entry is one `Pending` object in two maps, that of its group and that of its
consumer, both ordered by ID. The entry itself is in the stream, from which it may have been
deleted in the meantime.
"""

from __future__ import annotations

from sortedcontainers import SortedDict

# Commands can set counts to this, the largest integer of a reply; they stop there.
MOST_COUNTED = (1 << 63) - 1


class Consumer:
    """A member of a group. Times are epoch ms; `active_time` is -1 before the first entry."""

    __slots__ = ("active_time", "name", "pending", "seen_time")

    def __init__(self, name: bytes, now: int) -> None:
        self.name = name
        self.seen_time = now
        self.active_time = -1
        self.pending: SortedDict[int, Pending] = SortedDict()


class Pending:
    """A delivery that has not been acknowledged."""

    __slots__ = ("consumer", "deliveries", "delivery_time")

    def __init__(self, consumer: Consumer, now: int, deliveries: int = 1) -> None:
        self.consumer = consumer
        self.delivery_time = now
        self.deliveries = deliveries

    def count_delivery(self) -> None:
        self.deliveries = min(self.deliveries + 1, MOST_COUNTED)

    def idle(self, now: int) -> int:
        """Return the milliseconds since the delivery; 0 if the clock was set back before it."""
        return max(0, now - self.delivery_time)


class Group:
    """A group: its position in the stream, its consumers, and their unacknowledged entries."""

    __slots__ = ("consumers", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int | None = None) -> None:
        self.last_id = last_id
        # How many entries had been added to the stream up to `last_id`; None if unknown.
        self.entries_read = entries_read
        self.consumers: dict[bytes, Consumer] = {}
        self.pending: SortedDict[int, Pending] = SortedDict()

    def consumers_by_name(self) -> list[Consumer]:
        """Return the consumers in the order in which Redis lists them."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def add_consumer(self, name: bytes, now: int) -> Consumer:
        consumer = self.consumers[name] = Consumer(name, now)
        return consumer

    def remove_consumer(self, name: bytes) -> int | None:
        """Remove a consumer; return how many pending entries it had, None if it is unknown."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return None
        for entry_id in consumer.pending:
            del self.pending[entry_id]
        return len(consumer.pending)

    # --- pending entries -----------------------------------------------------------------

    def deliver(self, entry_id: int, consumer: Consumer, now: int) -> None:
        """Record a first delivery. An already pending entry is treated as new."""
        pending = self.pending.get(entry_id)
        if pending is None:
            self.pending[entry_id] = consumer.pending[entry_id] = Pending(consumer, now)
        else:
            self.hand_over(entry_id, pending, consumer)
            pending.delivery_time = now
            pending.deliveries = 1

    def hand_over(self, entry_id: int, pending: Pending, consumer: Consumer) -> None:
        """Make the entry pending for another consumer."""
        if pending.consumer is not consumer:
            del pending.consumer.pending[entry_id]
            consumer.pending[entry_id] = pending
            pending.consumer = consumer

    def acknowledge(self, entry_id: int) -> bool:
        """Remove a pending entry and return whether it was pending."""
        pending = self.pending.pop(entry_id, None)
        if pending is None:
            return False
        del pending.consumer.pending[entry_id]
        return True

    def copy(self) -> Group:
        twin = Group(self.last_id, self.entries_read)
        for name, consumer in self.consumers.items():
            copied = twin.add_consumer(name, consumer.seen_time)
            copied.active_time = consumer.active_time
            for entry_id, pending in consumer.pending.items():
                twin.pending[entry_id] = copied.pending[entry_id] = Pending(
                    copied, pending.delivery_time, pending.deliveries
                )
        return twin
