"""Parsing of range bounds such as `(1`, `+inf`, `[a` and `-`."""

from __future__ import annotations

from commands.engine.errors import CommandError
from commands.engine.numbers import read_unlimited_float
from storage.values.sorted_sets import MemberCut, ScoreCut, after_member, after_score

_NOT_A_FLOAT = "ERR min or max is not a float"
_NOT_A_MEMBER = "ERR min or max not valid string range item"


def score_bounds(low: bytes, high: bytes) -> tuple[ScoreCut, ScoreCut]:
    """Return the cuts at the bounds of a score range; `(` excludes the score itself."""
    return _score_cut(low, after=low[:1] == b"("), _score_cut(high, after=high[:1] != b"(")


def _score_cut(text: bytes, after: bool) -> ScoreCut:
    score = _read_score(text[1:] if text[:1] == b"(" else text)
    return after_score(score) if after else score


def _read_score(text: bytes) -> float:
    """Read a score as C's strtod does: no text is zero, overflow is infinity."""
    score = read_unlimited_float(text) if text else 0.0
    if score is None:
        raise CommandError(_NOT_A_FLOAT)
    return score


def member_bounds(low: bytes, high: bytes) -> tuple[MemberCut, MemberCut]:
    """Return the cuts at the bounds of a member range; `-` is below and `+` above all."""
    return _member_cut(low, after=low[:1] == b"("), _member_cut(high, after=high[:1] == b"[")


def _member_cut(text: bytes, after: bool) -> MemberCut:
    if text == b"-":
        return b""
    if text == b"+":
        return None
    if text[:1] not in (b"(", b"["):
        raise CommandError(_NOT_A_MEMBER)
    return after_member(text[1:]) if after else text[1:]
