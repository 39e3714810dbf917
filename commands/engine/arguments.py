"""A cursor over the words of a request.

For the options of Redis commands that `commands.engine.options` cannot parse from the
declaration, because the order of Redis' checks or one of its error texts would change.
"""

from __future__ import annotations

import sys

from commands.engine.errors import (
    MUST_BE_POSITIVE,
    NOT_A_FLOAT,
    NOT_AN_INTEGER,
    SYNTAX,
    TIMEOUT_NEGATIVE,
    TIMEOUT_NOT_A_FLOAT,
    TIMEOUT_NOT_AN_INTEGER,
    CommandError,
)
from commands.engine.long_doubles import read_long_double
from commands.engine.numbers import (
    INT64_MAX,
    parse_float,
    parse_integer,
    read_float,
    read_unlimited_float,
)


class Arguments:
    """The words from `start` on, consumed one after the other."""

    __slots__ = ("_argv", "_at", "_end")

    def __init__(self, argv: list[bytes], start: int = 1, end: int | None = None) -> None:
        self._argv = argv
        self._at = start
        self._end = len(argv) if end is None else end

    def __bool__(self) -> bool:
        return self._at < self._end

    def __len__(self) -> int:
        """Return how many words are left."""
        return self._end - self._at

    def word(self) -> bytes:
        """Consume the next word unchanged; a syntax error if none is left."""
        if self._at >= self._end:
            raise CommandError(SYNTAX)
        word = self._argv[self._at]
        self._at += 1
        return word

    def option(self) -> bytes:
        """Consume the next word and return it in upper case."""
        return self.word().upper()

    def peek(self) -> bytes | None:
        """Return the next word in upper case without consuming it; None at the end."""
        return self._argv[self._at].upper() if self._at < self._end else None

    def flag(self, name: bytes) -> bool:
        """Consume the next word if it is `name`."""
        if self._at < self._end and self._argv[self._at].upper() == name:
            self._at += 1
            return True
        return False

    def integer(self, message: str = NOT_AN_INTEGER) -> int:
        return parse_integer(self.word(), message)

    def positive(self, message: str = MUST_BE_POSITIVE) -> int:
        """Consume an integer that is not negative."""
        number = parse_integer(self.word(), message)
        if number < 0:
            raise CommandError(message)
        return number

    def float(self, message: str = NOT_A_FLOAT) -> float:
        return parse_float(self.word(), message)

    def words(self, count: int) -> list[bytes]:
        """Consume the next `count` words; a syntax error if there are fewer."""
        if count > self._end - self._at:
            raise CommandError(SYNTAX)
        words = self._argv[self._at : self._at + count]
        self._at += count
        return words

    def rest(self) -> list[bytes]:
        words = self._argv[self._at : self._end]
        self._at = self._end
        return words

    def finish(self) -> None:
        """Raise a syntax error if a word is left."""
        if self._at < self._end:
            raise CommandError(SYNTAX)


def parse_timeout(text: bytes, now: int) -> int | None:
    """Convert a timeout in seconds into a deadline in epoch ms; None if there is no limit."""
    seconds = read_float(text)
    if seconds is None:
        # Redis reads a long double, which can be larger and smaller than a double.
        if read_long_double(text) is None:
            raise CommandError(TIMEOUT_NOT_A_FLOAT)
        seconds = read_unlimited_float(text) or 0.0
        if not seconds and not text.startswith(b"-"):
            seconds = sys.float_info.min
    if seconds < 0:
        raise CommandError(TIMEOUT_NEGATIVE)
    milliseconds = seconds * 1000
    if milliseconds > 2**63 - 1 - now:
        raise CommandError("ERR timeout is out of range")
    if seconds == 0:
        return None
    return now + -int(-milliseconds // 1)


def parse_duration(text: bytes, now: int) -> int:
    """Parse a timeout in milliseconds that can be added to `now` without overflow."""
    duration = parse_integer(text, TIMEOUT_NOT_AN_INTEGER)
    if duration < 0:
        raise CommandError(TIMEOUT_NEGATIVE)
    if duration > INT64_MAX - now:
        raise CommandError("ERR timeout is out of range")
    return duration
