"""How many random members SRANDMEMBER, HRANDFIELD and the like are asked for."""

from __future__ import annotations

from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX, parse_in_range

# A negative count allows a member to come again, so the size of the collection does not
# bound the reply. Redis goes on until its memory ends; here this is the end.
_MOST_REPEATED = 1 << 20


def parse_random_count(text: bytes) -> int:
    """A count, negative for "with repetitions"."""
    count = parse_in_range(text, -INT64_MAX, INT64_MAX)
    if -INT64_MAX // 2 < count < -_MOST_REPEATED:
        raise CommandError("ERR value is out of range")
    return count
