"""The slots of a cluster: which one a key belongs to, and which ones a request needs."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence

from commands.engine.registry import Command

SLOTS = 16384
CROSS_SLOT = b"CROSSSLOT Keys in request don't hash to the same slot"


def key_slot(key: bytes) -> int:
    return crc_hqx(_hashed_part(key), 0) % SLOTS


def _hashed_part(key: bytes) -> bytes:
    """The hash tag: the text in the first pair of braces, unless it is empty; or the whole key."""
    _, opened, rest = key.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    return tag if opened and closed and tag else key


def pattern_slot(pattern: bytes) -> int | None:
    """The slot of all keys that a pattern can match; None if they may be in several."""
    hashed = _hashed_part(pattern)
    return None if b"*" in hashed else key_slot(pattern)


def request_slots(command: Command, argv: Sequence[bytes]) -> set[int]:
    """The slots of all keys of a request, or of its shard channels."""
    if "pubsub" in command.flags:
        return {key_slot(argv[place]) for spec in command.keys for place in spec.find(argv)}
    return {key_slot(command.key_at(argv, place)) for place in command.key_indexes(argv)}
