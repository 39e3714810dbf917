"""Redis' glob patterns: `*`, `?`, `[a-z]`, `[^x]` and backslash escapes.

A pattern is split at its stars into pieces that each match a fixed number of bytes. The
leftmost match of each piece is therefore always good enough, and no pattern takes more than
(length of text) x (length of pattern) steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[bytes], bool]


@lru_cache(maxsize=1024)
def glob_matcher(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """Return a function that tests whether a text matches the whole pattern.

    As in Redis, the empty text matches only the empty pattern and a single star, not a
    pattern of several stars.
    """
    if pattern == b"*":
        return lambda text: True
    units = _units(pattern)
    pieces = _pieces(units)
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    if len(pieces) == 1:
        whole = re.compile(pieces[0], flags).fullmatch
        return lambda text: whole(text) is not None
    head = re.compile(pieces[0], flags)
    tail = re.compile(rb"(?:" + pieces[-1] + rb")\Z", flags)
    # Two adjacent stars have an empty piece between them, which matches anywhere.
    middle = [re.compile(piece, flags) for piece in pieces[1:-1] if piece]
    width = units[::-1].index(None)  # of the last piece, in bytes
    if not any(pieces):
        return bool

    def match(text: bytes) -> bool:
        found = head.match(text)
        if found is None:
            return False
        at = found.end()
        for piece in middle:
            found = piece.search(text, at)
            if found is None:
                return False
            at = found.end()
        if not width:
            return True
        return len(text) - width >= at and tail.match(text, len(text) - width) is not None

    return match


def has_glob(pattern: bytes) -> bool:
    """Return whether the pattern can match anything but itself."""
    return any(byte in b"*?[\\" for byte in pattern)


def _pieces(units: list[bytes | None]) -> list[bytes]:
    """Return the pieces between the stars, as regular expressions."""
    pieces = [b""]
    for unit in units:
        if unit is None:
            pieces.append(b"")
        else:
            pieces[-1] += unit
    return pieces


def _units(pattern: bytes) -> list[bytes | None]:
    """Return one regular expression per byte to match, and None for each star."""
    units: list[bytes | None] = []
    at, end = 0, len(pattern)
    while at < end:
        byte = pattern[at : at + 1]
        at += 1
        if byte == b"*":
            units.append(None)
        elif byte == b"?":
            units.append(b".")
        elif byte == b"[":
            unit, at = _bracket(pattern, at)
            units.append(unit)
        else:
            if byte == b"\\" and at < end:
                byte = pattern[at : at + 1]
                at += 1
            units.append(re.escape(byte))
    return units


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Parse a class whose `[` is just before `at`; an unclosed one extends to the end."""
    end = len(pattern)
    negated = pattern[at : at + 1] == b"^"
    if negated:
        at += 1
    members: list[bytes] = []
    while at < end and pattern[at : at + 1] != b"]":
        if pattern[at : at + 1] == b"\\" and at + 1 < end:
            members.append(re.escape(pattern[at + 1 : at + 2]))
            at += 2
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < end:
            low, high = sorted((pattern[at : at + 1], pattern[at + 2 : at + 3]))
            members.append(re.escape(low) + b"-" + re.escape(high))
            at += 3
        else:
            members.append(re.escape(pattern[at : at + 1]))
            at += 1
    at += 1
    if not members:
        return (b"." if negated else rb"(?!)"), at
    return b"[" + (b"^" if negated else b"") + b"".join(members) + b"]", at
