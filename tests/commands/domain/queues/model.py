"""Queues in plain Python, to compare the commands with: one queue, without keys and streams."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

GRACE_MS = 10 * 60 * 1000
NOT_OWNER = "NOTOWNER"


@dataclass(eq=False)
class Message:
    """A message; `id` is None until it is due."""

    payload: bytes
    level: int
    order: bytes | None
    delayed_id: bytes | None = None
    due: int = 0
    id: bytes | None = None
    place: int = 0


@dataclass(eq=False)
class Received:
    """A message that a group received and did not confirm."""

    message: Message
    # held, ready, returned, behind or dead.
    state: str
    attempt: int = 0
    token: bytes | None = None
    # When the lease or the delay ends, or the message died.
    at: int = 0

    def can_be_read(self, now: int) -> bool:
        return self.state == "ready" or (self.state in ("held", "returned") and self.at <= now)


@dataclass(eq=False)
class Group:
    received: dict[bytes, Received] = field(default_factory=dict)
    read_up_to: dict[int, int] = field(default_factory=dict)
    turns: dict[bytes, bytes] = field(default_factory=dict)
    last_read: int | None = None
    idle_at: int | None = None

    def has_read(self, message: Message) -> bool:
        return self.read_up_to.get(message.level, 0) >= message.place

    def has_confirmed(self, message: Message) -> bool:
        return self.has_read(message) and message.payload not in self.received


def sort_key(message: Message) -> tuple[int, int]:
    return -message.level, message.place


class Model:
    """What a queue has to do."""

    def __init__(
        self, *, max_deliveries: int, idle_after: int, max_dead: int, ttl: int, keep: int
    ) -> None:
        self.max_deliveries = max_deliveries
        self.idle_after = idle_after
        self.max_dead = max_dead
        self.ttl = ttl
        self.keep = keep
        self.now = 0
        self.places = 0
        self.delayed: list[Message] = []
        self.messages: dict[bytes, Message] = {}
        self.groups: dict[bytes, Group] = {}
        # Group and consumer: when it was registered and when it was last seen.
        self.seen: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self.cleaning = False

    # --- pushing --------------------------------------------------------------------------

    def push(self, message: Message) -> None:
        if message.due > self.now:
            self.delayed.append(message)
        else:
            self._add(message)

    def _add(self, message: Message) -> None:
        self.places += 1
        message.place = self.places
        self.messages[message.payload] = message

    def promote(self) -> None:
        due = [message for message in self.delayed if message.due <= self.now]
        for message in sorted(due, key=lambda message: (message.due, message.delayed_id)):
            self.delayed.remove(message)
            self._add(message)

    def cancel(self, delayed_id: bytes) -> int:
        found = [message for message in self.delayed if message.delayed_id == delayed_id]
        for message in found:
            self.delayed.remove(message)
        return len(found)

    # --- reading --------------------------------------------------------------------------

    def group(self, name: bytes) -> Group:
        return self.groups.setdefault(name, Group())

    def beat(self, group: bytes, consumer: bytes) -> None:
        registered, _ = self.seen.get((group, consumer), (self.now, 0))
        self.seen[group, consumer] = registered, self.now

    def read(self, name: bytes, consumer: bytes, count: int, until: int) -> list[Received]:
        self.beat(name, consumer)
        self.promote()
        group = self.group(name)
        group.last_read, group.idle_at = self.now, None
        due = [one for one in group.received.values() if one.can_be_read(self.now)]
        taken: list[Received] = []
        for level in range(9, -1, -1):
            again = [one for one in due if one.message.level == level]
            for one in sorted(again, key=lambda one: one.message.place):
                if len(taken) < count:
                    if one.attempt >= self.max_deliveries:
                        self._bury(group, one)
                    else:
                        taken.append(one)
            self._read_new(group, level, count, taken)
        for one in taken:
            one.state, one.at = "held", until
            one.attempt += 1
        return taken

    def _read_new(self, group: Group, level: int, count: int, taken: list[Received]) -> None:
        for message in sorted(self.messages.values(), key=lambda message: message.place):
            if len(taken) < count and message.level == level and not group.has_read(message):
                group.read_up_to[level] = message.place
                one = group.received[message.payload] = Received(message, "held")
                if self._take_turn(group, message):
                    taken.append(one)
                else:
                    one.state = "behind"

    # --- turns ----------------------------------------------------------------------------

    def _take_turn(self, group: Group, message: Message) -> bool:
        if message.order is None:
            return True
        return group.turns.setdefault(message.order, message.payload) == message.payload

    def _release(self, group: Group, message: Message) -> None:
        order = message.order
        if order is None or group.turns.get(order) != message.payload:
            return
        behind = [
            one
            for one in group.received.values()
            if one.state == "behind" and one.message.order == order
        ]
        if behind:
            following = min(behind, key=lambda one: sort_key(one.message))
            following.state = "ready"
            group.turns[order] = following.message.payload
        else:
            del group.turns[order]

    # --- reports --------------------------------------------------------------------------

    def ack(self, name: bytes, named: Iterable[tuple[bytes, bytes | None]]) -> int | str:
        """`named` are payloads with the token that is given, or None for an id."""
        group = self.groups.get(name, Group())
        found: dict[bytes, Received] = {}
        for payload, token in named:
            one = group.received.get(payload)
            if one is not None:
                if token is not None and token != one.token:
                    return NOT_OWNER
                found[payload] = one
        for one in found.values():
            self._confirm(group, one)
        return len(found)

    def _confirm(self, group: Group, one: Received) -> None:
        del group.received[one.message.payload]
        self._release(group, one.message)
        self._delete_if_confirmed(one.message)

    def _delete_if_confirmed(self, message: Message) -> None:
        if self.groups and all(group.has_confirmed(message) for group in self.groups.values()):
            self.messages.pop(message.payload, None)

    def nack(self, name: bytes, payload: bytes, token: bytes | None, delay: int) -> int | str:
        group = self.groups.get(name, Group())
        one = group.received.get(payload)
        if one is None or one.state == "dead" or not one.attempt:
            return 0
        if token is not None and token != one.token:
            return NOT_OWNER
        if token is None and one.attempt > 1 and one.state == "held" and one.at > self.now:
            return NOT_OWNER
        if one.attempt >= self.max_deliveries:
            self._bury(group, one)
        elif delay:
            one.state, one.at = "returned", self.now + delay
        else:
            one.state = "ready"
        return 1

    def extend(self, name: bytes, payload: bytes, token: bytes, ms: int) -> int | str:
        one = self.groups.get(name, Group()).received.get(payload)
        if one is None or one.state != "held" or one.token != token:
            return NOT_OWNER
        one.at = self.now + ms
        return one.at

    def _bury(self, group: Group, one: Received) -> None:
        one.state, one.at = "dead", self.now
        self._release(group, one.message)

    def dead(self, name: bytes) -> list[Received]:
        group = self.groups.get(name, Group())
        dead = [one for one in group.received.values() if one.state == "dead"]
        return sorted(dead, key=lambda one: (one.at, one.message.id))

    def replay(self, name: bytes, count: int) -> int:
        group = self.groups.get(name, Group())
        chosen = self.dead(name)[:count]
        for one in chosen:
            one.attempt, one.token = 0, None
            one.state = "ready" if self._take_turn(group, one.message) else "behind"
        return len(chosen)

    # --- removal and time -----------------------------------------------------------------

    def drop(self, name: bytes) -> int:
        if name not in self.groups:
            return 0
        del self.groups[name]
        self.cleaning = True
        return 1

    def purge(self) -> int:
        removed = len(self.messages) + len(self.delayed)
        self.messages.clear()
        self.delayed.clear()
        self.cleaning = False
        for group in self.groups.values():
            group.received.clear()
            group.turns.clear()
        return removed

    def sweep(self) -> None:
        """What the timer does."""
        self.promote()
        for name, group in self.groups.items():
            for one in list(group.received.values()):
                if one.state in ("held", "returned") and one.at <= self.now:
                    if one.attempt >= self.max_deliveries:
                        self._bury(group, one)
                    else:
                        one.state = "ready"
            for one in self.dead(name)[: max(0, len(self.dead(name)) - self.max_dead)]:
                self._confirm(group, one)
        self.seen = {
            name: (registered, last)
            for name, (registered, last) in self.seen.items()
            if self.now - last <= self.keep
        }
        for name, group in list(self.groups.items()):
            if group.last_read is not None and group.last_read <= self.now - self.idle_after:
                group.last_read, group.idle_at = None, self.now + min(GRACE_MS, self.idle_after)
            elif group.idle_at is not None and group.idle_at <= self.now:
                self.drop(name)
        if self.cleaning:
            self.clean()
            self.cleaning = False

    def clean(self) -> None:
        """Remove what all groups have confirmed."""
        for message in list(self.messages.values()):
            self._delete_if_confirmed(message)

    # --- what is shown --------------------------------------------------------------------

    def counts(self, name: bytes) -> dict[bytes, int]:
        group, now = self.groups[name], self.now
        received = group.received.values()
        unread = sum(not group.has_read(message) for message in self.messages.values())
        later = [one.state for one in received if one.state != "ready" and not one.can_be_read(now)]
        return {
            b"ready": unread + sum(one.can_be_read(now) for one in received),
            b"active": sum(
                group == name and max(0, now - last) <= self.ttl
                for (group, _), (_, last) in self.seen.items()
            ),
            **{
                state.encode(): later.count(state)
                for state in ("held", "returned", "behind", "dead")
            },
        }

    def presence(self) -> list[tuple[bytes, bytes, int, int, bytes]]:
        """Group, consumer, registration, last heartbeat and state."""
        found = []
        for (group, consumer), (registered, last) in sorted(self.seen.items()):
            age = max(0, self.now - last)
            state = (
                b"active" if age <= self.ttl else b"stale" if age <= 2 * self.ttl else b"expired"
            )
            found.append((group, consumer, registered, last, state))
        return found
