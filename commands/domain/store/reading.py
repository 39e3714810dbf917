"""Reading entries in the order of their places, a bounded number in each request.

Without LIMIT or CURSOR a command answers completely or not at all: what would have to examine
more than `MOST_EXAMINED` entries is refused, with an error that says how to ask instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from commands.domain.calls import call_integer, call_values
from commands.domain.errors import failure
from commands.domain.namespaces import escape, split, unescape_valid
from commands.domain.pages import LARGEST_PAGE, PAGE_SIZE, invalid_cursor, read_name
from commands.domain.records import count_poison
from commands.domain.store.layout import Namespace, Places, named_at, weight
from commands.engine.errors import CommandError
from commands.engine.grammar import Argument, String
from commands.instance.context import Context

# How many entries one request examines: about ten milliseconds of work where each is parsed.
MOST_EXAMINED = 1500
# Entries are read in blocks. The first ones are small, for callers that want few entries.
_FIRST_BLOCK, _LARGEST_BLOCK = 16, 256


class Walk:
    """Entries in the order of their places, as values with their places.

    It stops after `most` places that were examined, where a long value counts as several if the
    caller parses it; `last` is the place that was examined last. Keys that do not hold a string
    are skipped and counted as bad records. `block` is how many entries the caller is going to
    use, if it knows.
    """

    def __init__(
        self,
        ctx: Context,
        space: Namespace,
        places: Places,
        *,
        after: bytes | None = None,
        most: int = MOST_EXAMINED,
        block: int = 0,
        parsed: bool = False,
    ) -> None:
        self._ctx = ctx
        self._space = space
        self._places = places
        self._most = most
        self._block = min(block or _FIRST_BLOCK, _LARGEST_BLOCK)
        self._parsed = parsed
        self.last = after
        self.examined = 0

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        ctx, block = self._ctx, self._block
        while self.examined < self._most:
            # Reading removes expired keys from the order, so a block of places is copied first.
            size = min(block, self._most - self.examined)
            places = list(islice(self._places(self.last), size))
            if not places:
                return
            keys = list(map(self._space.key_at, places))
            values = call_values(ctx, b"MGET", *keys)
            for place, key, value in zip(places, keys, values, strict=True):
                self.last = place
                self.examined += 1
                if value is not None:
                    yield place, value
                    if self._parsed:
                        self.examined += weight(value)
                        if self.examined >= self._most:
                            return
                elif call_integer(ctx, b"EXISTS", key):
                    count_poison(ctx)
            block = min(block * 4, _LARGEST_BLOCK)

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing behind the last place."""
        return next(self._places(self.last), None) is None


def within(ctx: Context, span: tuple[bytes, bytes]) -> Places:
    """All places from one up to, not including, another."""
    low, high = span
    return lambda after: ctx.db.ordered.between(low, high, after=after)


@dataclass(frozen=True, slots=True)
class Start:
    """Where the page begins that a client has asked for: behind an item, or with the first."""

    after: bytes | None


def start_with(read: Callable[[bytes], bytes | None]) -> Argument:
    """The argument CURSOR, as a `Start` at what it names."""
    return String("cursor", "CURSOR", optional=True, convert=lambda word: Start(read(word)))


# Names an entry by its namespace and escaped key, or a key.
CURSOR = start_with(read_name)


@dataclass(frozen=True, slots=True)
class Paging:
    """What a request says about the size of its answer."""

    is_paged: bool
    # The most items to return; 0 for all.
    limit: int
    after: bytes | None


def paging(start: Start | None, count: int, limit: int, offset: int = 0) -> Paging:
    """With CURSOR or COUNT the answer is a page, otherwise it is complete or an error."""
    if start is None and not count:
        return Paging(False, limit, None)
    if limit or offset:
        raise failure("ERR", "CURSOR and COUNT exclude LIMIT and OFFSET")
    return Paging(True, min(count or PAGE_SIZE, LARGEST_PAGE), start.after if start else None)


def entry_cursor(place: bytes) -> bytes:
    """The cursor that names an entry: its namespace and its escaped key."""
    name, key = named_at(place)
    return b">%b:%b" % (name, escape(key))


def place_of_cursor(space: Namespace, cursor: bytes) -> bytes:
    """The place of the entry that a cursor names, which must be at or below a namespace."""
    try:
        *segments, key = split(cursor)
    except CommandError:
        raise invalid_cursor(b">" + cursor) from None
    name = b":".join(segments)
    if not name or not (name + b":").startswith(space.name + b":"):
        raise invalid_cursor(b">" + cursor)
    return space.place_of(name, unescape_valid(key))


def too_many(command: str, name: bytes, instead: str) -> CommandError:
    """The error for a request that would have to examine more than is allowed in one."""
    return failure("ERR", "{} would examine too many entries of '{}': {}", command, name, instead)
