"""The two ends of a range as requests spell them: `(1`, `+inf`, `[a`, `-`."""

from __future__ import annotations

import re

from commands.engine.errors import CommandError
from commands.engine.numbers import read_float
from storage.values.sorted_sets import MemberCut, ScoreCut, after_member, after_score

# What `read_float` refuses of this is out of range.
_WITH_EXPONENT = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+").fullmatch
_NOT_A_FLOAT = "ERR min or max is not a float"
_NOT_A_MEMBER = "ERR min or max not valid string range item"


def score_bounds(low: bytes, high: bytes) -> tuple[ScoreCut, ScoreCut]:
    """The cuts at the ends of a range of scores; `(` leaves the score itself out."""
    return _score_cut(low, after=low[:1] == b"("), _score_cut(high, after=high[:1] != b"(")


def _score_cut(text: bytes, after: bool) -> ScoreCut:
    score = _read_score(text[1:] if text[:1] == b"(" else text)
    return after_score(score) if after else score


def _read_score(text: bytes) -> float:
    """A score as a bare strtod reads it: nothing is zero, too much is infinite."""
    score = read_float(text) if text else 0.0
    if score is None:
        if not _WITH_EXPONENT(text):
            raise CommandError(_NOT_A_FLOAT)
        return float(text)
    return score


def member_bounds(low: bytes, high: bytes) -> tuple[MemberCut, MemberCut]:
    """The cuts at the ends of a range of members; `-` and `+` are below and above all."""
    return _member_cut(low, after=low[:1] == b"("), _member_cut(high, after=high[:1] == b"[")


def _member_cut(text: bytes, after: bool) -> MemberCut:
    if text == b"-":
        return b""
    if text == b"+":
        return None
    if text[:1] not in (b"(", b"["):
        raise CommandError(_NOT_A_MEMBER)
    return after_member(text[1:]) if after else text[1:]
