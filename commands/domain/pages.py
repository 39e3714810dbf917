"""Lists that are returned in pages: `CURSOR c` and `COUNT n` in, `[cursor, items]` out.

A cursor is 0 before the first page and after the last one. Any other names the last item of a
page, so an item that exists during the whole listing is returned once, whatever is added and
removed meanwhile. A page may have fewer items than `COUNT`, even none: only the cursor says
whether there is more.
"""

from __future__ import annotations

import re

from commands.domain.calls import call_integer, call_score, call_texts
from commands.domain.errors import failure
from commands.engine.errors import CommandError
from commands.engine.grammar import Argument, Integer, String
from commands.engine.numbers import format_float, read_float
from commands.instance.context import Context

PAGE_SIZE = 100
# How many items one request gets or examines at most, whatever its COUNT: so that other clients
# need not wait long.
LARGEST_PAGE = 1000
END = b"0"

# The score of the last member of a page, as text, and the member; None before the first page.
Place = tuple[bytes, bytes] | None

# Other commands may add members to a sorted set, so scores and members may be any.
_read_place = re.compile(
    rb"(-?(?:inf|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?))-(.*)", re.DOTALL
).fullmatch


def read_place(word: bytes) -> Place:
    """A cursor in a sorted set."""
    if word == END:
        return None
    match = _read_place(word)
    if match is None or read_float(match[1]) is None:
        raise invalid_cursor(word)
    return match[1], match[2]


def read_name(word: bytes) -> bytes | None:
    """A cursor in a list of names: the last name of the page before; None to begin."""
    if word == END:
        return None
    if word[:1] != b">":
        raise invalid_cursor(word)
    return word[1:]


def invalid_cursor(word: bytes) -> CommandError:
    return failure("ERR", "invalid cursor '{}'", word)


def name_cursor(last: bytes) -> bytes:
    return b">" + last


# The arguments of a command that lists the members of a sorted set, or names.
PLACE = String("cursor", "CURSOR", optional=True, convert=read_place)
NAME = String("cursor", "CURSOR", optional=True, convert=read_name)
PAGE: Argument = Integer("count", "COUNT", optional=True, low=1)


class SortedPage:
    """The part of a sorted set that a page is read from, by ranks."""

    def __init__(
        self,
        ctx: Context,
        key: bytes,
        cursor: Place,
        *,
        desc: bool = False,
        since: int | None = None,
        until: int | None = None,
    ) -> None:
        """`since` and `until` are the lowest and highest scores that are wanted."""
        self._ctx = ctx
        self._key = key
        self._desc = desc
        self._last = b""
        low = 0
        if since is not None:
            low = call_integer(ctx, b"ZCOUNT", key, b"-inf", b"(%d" % since)
        if until is None:
            high = call_integer(ctx, b"ZCARD", key)
        else:
            high = call_integer(ctx, b"ZCOUNT", key, b"-inf", b"%d" % until)
        if cursor is not None:
            rank = self._rank(*cursor, including=not desc)
            if desc:
                high = min(high, rank)
            else:
                low = max(low, rank)
        self._low, self._high = low, high

    @property
    def is_empty(self) -> bool:
        return self._low >= self._high

    def take(self, count: int) -> list[bytes]:
        """The next members, up to so many."""
        size = min(count, self._high - self._low)
        if size <= 0:
            return []
        if self._desc:
            members = self._members(self._high - size, self._high)[::-1]
            self._high -= size
        else:
            members = self._members(self._low, self._low + size)
            self._low += size
        self._last = members[-1]
        return members

    def cursor(self) -> bytes:
        """The cursor of the next page: after the last member that was taken."""
        if self.is_empty:
            return END
        score = call_score(self._ctx, b"ZSCORE", self._key, self._last)
        assert score is not None
        return b"%b-%b" % (format_float(score), self._last)

    def _members(self, low: int, high: int) -> list[bytes]:
        """The members from one rank up to, but not including, another."""
        return call_texts(self._ctx, b"ZRANGE", self._key, b"%d" % low, b"%d" % (high - 1))

    def _rank(self, score: bytes, last: bytes, *, including: bool) -> int:
        """How many members sort before this one (and this one too, if `including`).

        It may have been removed since its cursor was returned, so ZRANK will not do: its place
        is searched for among the members with the same score.
        """
        ctx, key = self._ctx, self._key
        low = call_integer(ctx, b"ZCOUNT", key, b"-inf", b"(" + score)
        high = call_integer(ctx, b"ZCOUNT", key, b"-inf", score)
        while low < high:
            middle = (low + high) // 2
            (member,) = self._members(middle, middle + 1)
            if member < last or (including and member == last):
                low = middle + 1
            else:
                high = middle
        return low
