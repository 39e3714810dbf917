"""Messages, their ids, and the tokens of their deliveries.

A message is an entry of one of the streams of its queue. Its id is the id of the entry and,
if its priority is not 0, the priority: `1700000000000-0@5`. Each delivery makes a token: the
id, a slash and 16 random hex digits.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from commands.domain.errors import failure
from commands.engine.numbers import UINT64_MAX
from storage.values.streams import Row

_MESSAGE_ID = re.compile(rb"([0-9]{1,20}-[0-9]{1,20})(?:@([1-9]))?").fullmatch
_TOKEN = re.compile(rb"([^/]*)(?:/([0-9a-f]{16}))?").fullmatch


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


class Named(NamedTuple):
    """A message as a client names it: by its id, or by the token of a delivery."""

    id: MessageId
    # The random part of the token.
    secret: bytes | None

    @property
    def text(self) -> bytes:
        return self.id.text


def parse_message_id(word: bytes) -> MessageId:
    """The id in a word from a client."""
    found = read_message_id(word)
    if found is None:
        raise failure("ERR", "'{}' is not the id of a message", word)
    return found


def parse_named(word: bytes) -> Named:
    """The id or token in a word from a client."""
    found = _TOKEN(word)
    message = None if found is None else read_message_id(found[1])
    if found is None or message is None:
        raise failure("ERR", "'{}' is not the id or token of a message", word)
    return Named(message, found[2])


def parse_token(word: bytes) -> Named:
    """The token in a word from a client."""
    found = _TOKEN(word)
    message = None if found is None or found[2] is None else read_message_id(found[1])
    if found is None or message is None:
        raise failure("ERR", "'{}' is not the token of a message", word)
    return Named(message, found[2])


def place_of(entry_id: bytes) -> tuple[int, int]:
    """The place of an entry in its stream."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


def field_of(row: Row, field: bytes) -> bytes | None:
    """A field of an entry; None if it does not have it."""
    for at in range(0, len(row), 2):
        if row[at] == field:
            return row[at + 1]
    return None


def payload_of(row: Row) -> bytes | None:
    """The payload in an entry; None if the entry was not made for a queue."""
    return field_of(row, b"payload")


def order_of(row: Row) -> bytes | None:
    """The ORDER key in an entry, if it has one."""
    return field_of(row, b"order")
