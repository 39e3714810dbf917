"""Redis' glob patterns: `*`, `?`, `[a-z]`, `[^x]` and backslash escapes.

A pattern is split at its stars into pieces that each match a fixed number of bytes. The
leftmost match of each piece is therefore always good enough, and no pattern takes more than
(length of text) x (length of pattern) steps.

Short patterns become a regular expression, and the most recent ones are kept. That would be
slow and large for long patterns, which are neither compiled nor kept. Each byte of a piece
needs a byte of the text, so a text can match only a pattern that is no wider: a pattern of a
million bytes is parsed only as far as a text reaches, which costs keys of twenty bytes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

Matcher = Callable[[bytes], bool]

# The length in bytes up to which a pattern is compiled, and how many compiled ones are kept.
_SHORT = 256
_KEPT = 512
# Redis finds no match for a pattern with more pieces than this after a star.
_MOST_PIECES = 1000
# A search looks for the beginning of a piece by a regular expression of so many parts, and
# so many bytes of each, and compares the whole piece where it finds one.
_SEARCHED_PARTS = 16
_SEARCHED_BYTES = 16

# Stars, a class, or a run of other bytes: of at most 512, so that a comparison ends soon.
_PART = re.compile(
    rb"\*++|\[\^?(?:\\.|[^]]-.|[^]])*+\]?|(?:\\.|[^*\[\\]){1,512}+|\\\Z", re.DOTALL
).match
_members = re.compile(rb"\\.|[^]]-.|[^]]", re.DOTALL).findall
_split_escapes = re.compile(rb"\\(.)", re.DOTALL).split
_find_special = re.compile(rb"[*?\[\\]").search
_STAR, _BRACKET = b"*["
# Zero for `?`, which needs no comparison, and all bits for any other byte.
_MASKS = bytes(0 if byte == ord("?") else 0xFF for byte in range(256))
_LOW_HALF = (1 << 128) - 1
_ALL = (1 << 256) - 1


class _Masked(NamedTuple):
    """Bytes with `?` between them: the bits of the text that the mask selects must be equal."""

    bits: int
    mask: int
    width: int


# Bytes match themselves. A class such as `[a-z]` is an integer with one bit per member.
_Part = bytes | int | _Masked


class _Piece:
    """The parts between two stars."""

    __slots__ = ("_beginning", "parts", "width")

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.width = 0
        self._beginning: re.Pattern[bytes] | None = None

    def expression(self) -> bytes:
        """Return the regular expression of the whole piece."""
        return b"".join([_expression(part, self.width) for part in self.parts])

    def is_at(self, text: bytes, at: int) -> bool:
        """Return whether the piece matches at a place that has enough bytes after it."""
        for part in self.parts:
            if isinstance(part, bytes):
                if not text.startswith(part, at):
                    return False
                at += len(part)
            elif isinstance(part, int):
                if not part >> text[at] & 1:
                    return False
                at += 1
            else:
                end = at + part.width
                if int.from_bytes(text[at:end], "big") & part.mask != part.bits:
                    return False
                at = end
        return True

    def find(self, text: bytes, at: int, end: int) -> int:
        """Return the first place from `at` on where the piece matches before `end`, or -1."""
        if self._beginning is None:
            parts = self.parts[:_SEARCHED_PARTS]
            expression = b"".join([_expression(part, _SEARCHED_BYTES) for part in parts])
            self._beginning = re.compile(expression, re.DOTALL)
        search = self._beginning.search
        last = end - self.width
        while at <= last and (found := search(text, at, end)) is not None:
            at = found.start()
            if at <= last and self.is_at(text, at):
                return at
            at += 1
        return -1


def glob_matcher(pattern: bytes, ignore_case: bool = False) -> Matcher:
    """Return a function that tests whether a text matches the whole pattern.

    As in Redis, the empty text matches only the empty pattern. Commands for which a single
    star means everything test for it themselves.
    """
    if len(pattern) <= _SHORT:
        return _short_matcher(pattern, ignore_case)
    return _long_matcher(pattern, ignore_case)


def has_glob(pattern: bytes) -> bool:
    """Return whether the pattern can match anything but itself."""
    return _find_special(pattern) is not None


@lru_cache(maxsize=_KEPT)
def _short_matcher(pattern: bytes, ignore_case: bool) -> Matcher:
    pieces, _ = _parse(pattern, len(pattern), ignore_case)
    head, *middle, tail = pieces if len(pieces) > 1 else [*pieces, _Piece()]
    # With a star, there must be something to match.
    expression = [b"(?=.)" if len(pieces) > 1 else b"", head.expression()]
    # Atomic groups keep the leftmost match of each piece.
    expression += [b"(?>.*?%b)" % piece.expression() for piece in middle]
    if len(pieces) > 1:
        expression.append(b".{%d,}+" % tail.width)
        if tail.width:
            expression.append(b"(?<=%b)" % tail.expression())
    whole = re.compile(b"".join(expression), re.DOTALL).fullmatch
    if ignore_case:
        return lambda text: whole(text.lower()) is not None
    return lambda text: whole(text) is not None


def _long_matcher(pattern: bytes, ignore_case: bool) -> Matcher:
    beginning, can_match_short = _parse(pattern, _SHORT, ignore_case)
    head = beginning[0]

    def match(text: bytes) -> bool:
        if ignore_case:
            text = text.lower()
        size = len(text)
        if size <= _SHORT:
            return can_match_short and _matches(beginning, text)
        if size < head.width or not head.is_at(text, 0):
            return False
        pieces, can_match = _parse(pattern, size, ignore_case)
        return can_match and _matches(pieces, text)

    return match


def _matches(pieces: list[_Piece], text: bytes) -> bool:
    head, tail = pieces[0], pieces[-1]
    if head is tail:
        return len(text) == head.width and head.is_at(text, 0)
    at, end = head.width, len(text) - tail.width
    if not text or end < at or not head.is_at(text, 0) or not tail.is_at(text, end):
        return False
    for place in range(1, len(pieces) - 1):
        piece = pieces[place]
        at = piece.find(text, at, end)
        if at < 0:
            return False
        at += piece.width
    return True


def _parse(pattern: bytes, longest: int, ignore_case: bool) -> tuple[list[_Piece], bool]:
    """Return the pieces, and whether any text of up to `longest` bytes can match them.

    Once none can, the rest of the pattern is not parsed.
    """
    pieces = [_Piece()]
    # A long pattern repeats its parts: equal ones are parsed once and share their memory.
    known: dict[bytes, tuple[_Part, int]] = {}
    width = at = 0
    while at < len(pattern):
        found = _PART(pattern, at)
        assert found is not None
        is_star, at = pattern[at] == _STAR, found.end()
        if is_star:
            pieces.append(_Piece())
            continue
        text = found[0]
        if text not in known:
            is_class = text[0] == _BRACKET
            known[text] = (_parse_class if is_class else _parse_run)(text, ignore_case)
        part, added = known[text]
        pieces[-1].parts.append(part)
        pieces[-1].width += added
        width += added
        if width > longest or len(pieces) > _MOST_PIECES + 1:
            return pieces, False
    return pieces, True


def _parse_run(run: bytes, ignore_case: bool) -> tuple[_Part, int]:
    """Return the part for bytes, escapes and `?` in a row, and its width."""
    if ignore_case:
        run = run.lower()
    text, masks = run, run.translate(_MASKS)
    if b"\\" in run and len(run) > 1:
        # Every second of these strings was escaped, so a `?` there is an ordinary byte.
        split = _split_escapes(run)
        text = b"".join(split)
        split[1::2] = [b"\\"] * (len(split) // 2)
        masks = b"".join(split).translate(_MASKS)
    width = len(text)
    mask = int.from_bytes(masks, "big")
    if 0 not in masks:
        return text, width
    return _Masked(int.from_bytes(text, "big") & mask, mask, width), width


def _parse_class(text: bytes, ignore_case: bool) -> tuple[_Part, int]:
    """Return the part for a class in brackets, an integer with one bit per member."""
    negated = text[1:2] == b"^"
    single = ranges = 0
    for member in set(_members(text, 2 if negated else 1)):
        if len(member) == 3:
            # C compares the bytes of a range as signed numbers: those from 0x80 on come first.
            low, high = sorted((member[0] ^ 0x80, member[2] ^ 0x80))
            if ignore_case:
                low, high = _lower(low ^ 0x80) ^ 0x80, _lower(high ^ 0x80) ^ 0x80
            ranges |= max(0, (2 << high) - (1 << low))
        elif len(member) == 1 and ignore_case:
            single |= 1 << _lower(member[0])
        else:
            single |= 1 << member[-1]
    found = single | ranges >> 128 | (ranges & _LOW_HALF) << 128
    return (found ^ _ALL if negated else found), 1


def _lower(byte: int) -> int:
    return byte + 32 if 0x41 <= byte <= 0x5A else byte


def _expression(part: _Part, longest: int) -> bytes:
    """Return the regular expression of a part, or of its first bytes if it is longer."""
    if isinstance(part, bytes):
        return re.escape(part[:longest])
    if isinstance(part, int):
        return _class_expression(part)
    text = part.bits.to_bytes(part.width, "big")[:longest]
    masks = part.mask.to_bytes(part.width, "big")[:longest]
    return b"".join(
        [re.escape(text[at : at + 1]) if masks[at] else b"." for at in range(len(text))]
    )


def _class_expression(members: int) -> bytes:
    ranges = []
    at = 0
    while rest := members >> at:
        low = at + _zeros_below(rest)
        at = low + _zeros_below(~(members >> low))
        ranges.append(rb"\x%02x-\x%02x" % (low, at - 1))
    return b"[%b]" % b"".join(ranges) if ranges else b"(?!)"


def _zeros_below(bits: int) -> int:
    """Return how many zeros there are below the lowest bit that is set."""
    return (bits & -bits).bit_length() - 1
