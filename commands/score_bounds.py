"""The two ends of a range as requests spell them: `(1`, `+inf`, `[a`, `-`."""

from __future__ import annotations

from commands.errors import CommandError
from commands.numbers import parse_float
from storage.values.sorted_sets import MemberCut, ScoreCut, after_member, after_score

_NOT_A_FLOAT = "ERR min or max is not a float"
_NOT_A_MEMBER = "ERR min or max not valid string range item"


def score_bounds(low: bytes, high: bytes) -> tuple[ScoreCut, ScoreCut]:
    """The cuts at the ends of a range of scores; `(` leaves the score itself out."""
    return _score_cut(low, after=low[:1] == b"("), _score_cut(high, after=high[:1] != b"(")


def _score_cut(text: bytes, after: bool) -> ScoreCut:
    digits = text[1:] if text[:1] == b"(" else text
    # Redis reads these with a bare strtod, to which nothing is zero.
    score = parse_float(digits, _NOT_A_FLOAT) if digits else 0.0
    return after_score(score) if after else score


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
