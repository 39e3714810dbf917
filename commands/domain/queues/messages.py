"""Messages and their ids.

A message is an entry of one of the streams of its queue. Its id is the id of the entry and,
if its priority is not 0, the priority: `1700000000000-0@5`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from commands.engine.errors import CommandError
from commands.engine.numbers import UINT64_MAX
from storage.values.streams import Row

_MESSAGE_ID = re.compile(rb"([0-9]{1,20}-[0-9]{1,20})(?:@([1-9]))?").fullmatch
_LONGEST_SHOWN = 128


class MessageId(NamedTuple):
    """The priority of a message and the id of its entry."""

    level: int
    entry_id: bytes

    @property
    def text(self) -> bytes:
        return b"%b@%d" % (self.entry_id, self.level) if self.level else self.entry_id

    @property
    def place(self) -> tuple[int, int]:
        """The place of the entry in its stream."""
        return place_of(self.entry_id)


def read_message_id(text: bytes) -> MessageId | None:
    """The id in a stored text, or None if it is not one."""
    found = _MESSAGE_ID(text)
    if found is None or max(place_of(found[1])) > UINT64_MAX:
        return None
    return MessageId(int(found[2] or 0), found[1])


def parse_message_id(word: bytes) -> MessageId:
    """The id in a word from a client."""
    found = read_message_id(word)
    if found is None:
        raise CommandError(b"ERR '%b' is not the id of a message" % word[:_LONGEST_SHOWN])
    return found


def place_of(entry_id: bytes) -> tuple[int, int]:
    """The place of an entry in its stream."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


def payload_of(row: Row) -> bytes | None:
    """The payload in an entry; None if the entry was not made for a queue."""
    for at in range(0, len(row), 2):
        if row[at] == b"payload":
            return row[at + 1]
    return None


@dataclass(slots=True)
class Delivery:
    """A message as it is delivered. The payload is None in an entry that has none."""

    id: MessageId
    payload: bytes | None
    deliveries: int
