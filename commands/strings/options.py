"""The options shared by SET, GETEX and MSETEX: conditions and expiry.

They are not parsed from the declarations: the number after EX is read only once the whole
request was (by GETEX, only if the key exists), and IFEQ may not be repeated although every
other option may.
"""

from __future__ import annotations

from commands.engine.errors import SYNTAX, CommandError, invalid_expire
from commands.engine.grammar import Argument, Integer, Token, UnixTime
from commands.engine.numbers import INT64_MAX, parse_integer

CONDITIONS = frozenset([b"NX", b"XX"])
COMPARISONS = frozenset([b"IFEQ"])
RELATIVE_TTLS = frozenset([b"EX", b"PX"])
ABSOLUTE_TTLS = frozenset([b"EXAT", b"PXAT"])
TTLS = RELATIVE_TTLS | ABSOLUTE_TTLS
_IN_SECONDS = frozenset([b"EX", b"EXAT"])
_WITH_VALUE = TTLS | COMPARISONS

SET_OPTIONS = CONDITIONS | COMPARISONS | TTLS | {b"KEEPTTL", b"GET"}
MSETEX_OPTIONS = CONDITIONS | TTLS | {b"KEEPTTL"}
GETEX_OPTIONS = TTLS | {b"PERSIST"}


def expiry_arguments(since: str | None, absolute_since: str | None) -> tuple[Argument, ...]:
    """EX, PX, EXAT and PXAT as COMMAND DOCS describes them."""
    return (
        Integer("seconds", "EX", since=since),
        Integer("milliseconds", "PX", since=since),
        UnixTime("unix-time-seconds", "EXAT", since=absolute_since),
        UnixTime("unix-time-milliseconds", "PXAT", since=absolute_since),
    )


def condition_tokens(since: str | None) -> tuple[Argument, Argument]:
    return Token("NX", since=since), Token("XX", since=since)


class Options:
    """The options from `start` on.

    At most one condition and at most one TTL option are allowed. The same option (except
    IFEQ) may be repeated; its last value counts.
    """

    __slots__ = ("comparison", "condition", "get", "ttl", "ttl_value")

    def __init__(self, argv: list[bytes], start: int, allowed: frozenset[bytes]) -> None:
        self.condition: bytes | None = None
        self.comparison = b""
        self.get = False
        # One of the TTL words, KEEPTTL or PERSIST.
        self.ttl: bytes | None = None
        self.ttl_value = b""
        at, end = start, len(argv)
        while at < end:
            word = argv[at].upper()
            at += 1
            if word not in allowed:
                raise CommandError(SYNTAX)
            value = b""
            if word in _WITH_VALUE:
                if at >= end:
                    raise CommandError(SYNTAX)
                value = argv[at]
                at += 1
            if word == b"GET":
                self.get = True
            elif word in COMPARISONS:
                if self.condition is not None:
                    raise CommandError(SYNTAX)
                self.condition, self.comparison = word, value
            elif word in CONDITIONS:
                if self.condition not in (None, word):
                    raise CommandError(SYNTAX)
                self.condition = word
            else:
                if self.ttl not in (None, word):
                    raise CommandError(SYNTAX)
                self.ttl, self.ttl_value = word, value

    def deadline(self, now: int, command: str) -> int | None:
        """Return when the key expires, in epoch ms; None if the options do not set that."""
        if self.ttl is None or self.ttl not in TTLS:
            return None
        return parse_deadline(
            self.ttl_value,
            command,
            seconds=self.ttl in _IN_SECONDS,
            base=now if self.ttl in RELATIVE_TTLS else 0,
        )


def parse_deadline(text: bytes, command: str, *, seconds: bool, base: int) -> int:
    """Convert a positive TTL, counted from `base`, into a deadline in epoch ms."""
    number = parse_integer(text)
    milliseconds = number * 1000 if seconds else number
    if number <= 0 or milliseconds + base > INT64_MAX:
        raise invalid_expire(command)
    return milliseconds + base
