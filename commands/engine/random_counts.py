"""The count argument of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER."""

from __future__ import annotations

from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX, parse_in_range

# With a negative count the same member may be returned several times, so the size of the
# collection does not limit the reply. Redis has no limit; here this one protects the memory.
_MOST_REPEATED = 1 << 20


def parse_random_count(text: bytes) -> int:
    """Parse a count; a negative one allows repeated members."""
    count = parse_in_range(text, -INT64_MAX, INT64_MAX)
    if -INT64_MAX // 2 < count < -_MOST_REPEATED:
        raise CommandError("ERR value is out of range")
    return count
