"""Glob patterns, compared with a backtracking matcher and with the oracle."""

from __future__ import annotations

from functools import cache
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.engine.patterns import glob_matcher, has_glob
from tests.support.oracles import Oracle

# The time a real server takes to reply depends on the load of the machine.
WITH_ORACLE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Few letters, so that texts often match, and every character special in a pattern.
patterns = st.lists(
    st.sampled_from([b"a", b"b", b"c", b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"A", b"\n"]),
    max_size=9,
).map(b"".join)
texts = st.lists(
    st.sampled_from([b"a", b"b", b"c", b"A", b"]", b"[", b"-", b"\\", b"^", b"*", b"\n", b"\xff"]),
    max_size=7,
).map(b"".join)


def matches(pattern: bytes, text: bytes) -> bool:
    """Match by backtracking, as the syntax of patterns is described."""

    @cache
    def rest(p: int, t: int) -> bool:
        if p == len(pattern):
            return t == len(text)
        symbol = pattern[p : p + 1]
        if symbol == b"*":
            return any(rest(p + 1, later) for later in range(t, len(text) + 1))
        if t == len(text):
            return False
        byte = text[t]
        if symbol == b"?":
            return rest(p + 1, t + 1)
        if symbol == b"[":
            inside, after = in_class(p + 1, byte)
            return inside and rest(after, t + 1)
        if symbol == b"\\" and p + 1 < len(pattern):
            p += 1
        return pattern[p] == byte and rest(p + 1, t + 1)

    def in_class(p: int, byte: int) -> tuple[bool, int]:
        negated = pattern[p : p + 1] == b"^"
        p += negated
        inside = False
        while p < len(pattern) and pattern[p] != 0x5D:
            left = len(pattern) - p
            if pattern[p] == 0x5C and left >= 2:
                inside |= pattern[p + 1] == byte
                p += 2
            elif left >= 3 and pattern[p + 1] == 0x2D:
                low, high = sorted((pattern[p], pattern[p + 2]))
                inside |= low <= byte <= high
                p += 3
            else:
                inside |= pattern[p] == byte
                p += 1
        return inside != negated, min(p + 1, len(pattern))

    # In Redis only these patterns match the empty text.
    return pattern in (b"", b"*") if not text else rest(0, 0)


@settings(max_examples=1500)
@given(patterns, texts)
def test_agrees_with_backtracking(pattern: bytes, text: bytes) -> None:
    assert glob_matcher(pattern)(text) == matches(pattern, text)


@given(texts)
def test_a_pattern_without_special_characters_matches_only_itself(text: bytes) -> None:
    if not has_glob(text):
        assert glob_matcher(text)(text)
        assert not glob_matcher(text)(text + b"a")


@given(patterns, texts)
def test_ignoring_case(pattern: bytes, text: bytes) -> None:
    if b"[" not in pattern:
        expected = matches(pattern.lower(), text.lower())
        assert glob_matcher(pattern, ignore_case=True)(text) == expected


@pytest.mark.parametrize("pattern", [b"*a" * 30 + b"b", b"*" * 5000 + b"b", b"*?" * 500 + b"b"])
def test_no_pattern_takes_exponential_time(pattern: bytes) -> None:
    started = perf_counter()
    assert not glob_matcher(pattern)(b"a" * 20_000)
    # Backtracking would never finish; this takes far less than a second.
    assert perf_counter() - started < 5


TEXTS = [
    b"", b"a", b"b", b"A", b"]", b"[", b"-", b"\\", b"^", b"*", b"?", b"\n", b"\xff", b"ab", b"ba",
    b"abc", b"a]", b"a-", b"-]", b"a\\", b"^a", b"aa", b"aab", b"abab", b"[a]", b"a*b", b"b]c",
]  # fmt: skip


@settings(WITH_ORACLE, max_examples=500)
@given(pattern=patterns)
def test_agrees_with_the_oracle(pattern: bytes, running_valkey: Oracle) -> None:
    running_valkey("MSET", *[word for text in TEXTS for word in (text, "x")])
    found = set(running_valkey("KEYS", pattern))
    matcher = glob_matcher(pattern)
    assert {text for text in TEXTS if matcher(text)} == found & set(TEXTS)
