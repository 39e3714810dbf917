"""The count argument of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER.

A negative count allows repeated members, so the size of the collection does not limit the
reply: a few words can ask for any number of bytes. Redis has no limit either, other than its
memory; here large replies are encoded without an object per pick, and enormous ones refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX, parse_in_range
from commands.engine.replies import Pairs, RandomPicks, Reply

_MOST_PICKS = 1 << 24
# The limit of a single string.
_MOST_BYTES = 512 << 20
# Fewer picks than the collection has members divided by this are made one by one.
_FEW = 4


def parse_random_count(text: bytes) -> int:
    """Parse a count; a negative one allows repeated members."""
    return parse_in_range(text, -INT64_MAX, INT64_MAX)


def are_few(count: int, size: int) -> bool:
    """Return whether to pick `count` members one by one, rather than from a list of all."""
    return count < size // _FEW


def random_picks(items: Sequence[bytes] | Pairs, count: int, rng: Random) -> Reply:
    """Return so many random items, or refuse a reply that would be enormous."""
    if isinstance(items, Pairs):
        # Scores do not count: the limit need not be exact.
        words = (word for pair in items.items for word in pair if isinstance(word, bytes))
        size, total = len(items.items), sum(map(len, words))
    else:
        size, total = len(items), sum(map(len, items))
    if count > _MOST_PICKS or count * total // size > _MOST_BYTES:
        raise CommandError("ERR value is out of range")
    return RandomPicks(items, count, rng)
