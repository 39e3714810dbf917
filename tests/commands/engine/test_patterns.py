"""Glob patterns, compared with a backtracking matcher and with the oracle."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.engine.patterns import glob_matcher, has_glob
from tests.support.memory import peak_memory
from tests.support.oracles import Oracle
from tests.support.resp import Connection

# The time a real server takes to reply depends on the load of the machine.
WITH_ORACLE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Few letters, so that texts often match, and every character special in a pattern.
patterns = st.lists(
    st.sampled_from(
        [b"a", b"b", b"c", b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"A", b"\n", b"\xff"]
    ),
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
                low, high = sorted((_signed(pattern[p]), _signed(pattern[p + 2])))
                inside |= low <= _signed(byte) <= high
                p += 3
            else:
                inside |= pattern[p] == byte
                p += 1
        return inside != negated, min(p + 1, len(pattern))

    # In Redis only the empty pattern matches the empty text.
    return rest(0, 0) if text else not pattern


def _signed(byte: int) -> int:
    """The byte as C compares it on the usual machines."""
    return byte - 256 if byte > 127 else byte


@settings(max_examples=1500)
@given(patterns, texts)
def test_agrees_with_backtracking(pattern: bytes, text: bytes) -> None:
    assert glob_matcher(pattern)(text) == matches(pattern, text)


# Each makes a pattern long; the second one of each pair is what it matches.
LONG = [
    (b"x" * 300, b"x" * 300), (b"?[x-z]\\x" * 100, b"x" * 300), (b"*x" * 150, b"x" * 150),
    (b"*[x]?" * 100, b"xx" * 100), (b"[" + b"x" * 300 + b"]", b"x"), (b"*" * 300, b"xx"),
]  # fmt: skip


@settings(max_examples=200)
@given(st.sampled_from(LONG), patterns, texts, st.booleans())
def test_a_long_pattern_agrees_with_backtracking(
    long: tuple[bytes, bytes], pattern: bytes, text: bytes, last: bool
) -> None:
    if last:
        pattern, text = pattern + long[0], text + long[1]
    else:
        pattern, text = long[0] + pattern, long[1] + text
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
    # Backtracking would never finish, and the test would reach its time limit.
    assert not glob_matcher(pattern)(b"a" * 20_000)


HUGE = [
    b"?" * 1_000_000, b"[ab]" * 250_000, b"[ab]?" * 200_000, b"?a" * 500_000, b"\\a" * 500_000,
    b"a" * 1_000_000, b"*a" * 500_000, b"*[ab]?" * 200_000, b"*" * 1_000_000 + b"b",
]  # fmt: skip


@pytest.mark.parametrize("pattern", HUGE, ids=lambda pattern: pattern[:8].decode())
def test_a_pattern_is_parsed_only_as_far_as_a_text_reaches(pattern: bytes) -> None:
    with peak_memory() as peak:
        matches = glob_matcher(pattern)
        assert not matches(b"a")
    assert peak.bytes < 100_000


@pytest.mark.parametrize("pattern", HUGE, ids=lambda pattern: pattern[:8].decode())
def test_a_long_text_takes_memory_in_proportion_to_the_pattern(pattern: bytes) -> None:
    with peak_memory() as peak:
        glob_matcher(pattern)(b"a" * 1_000_000)
    assert peak.bytes < 10_000_000


def test_long_patterns_are_not_kept() -> None:
    with peak_memory() as peak:
        for number in range(100):
            glob_matcher(b"?[a%d]" % number * 12_000)(b"a" * 100)
    assert peak.kept < 500_000


@pytest.mark.parametrize("end", [b"", b"*", b"**", b"*b"])
@pytest.mark.parametrize("stars", [999, 1000, 1001])
def test_the_number_of_pieces_is_limited(stars: int, end: bytes, running_valkey: Oracle) -> None:
    key = b"a" * 1500 + b"b"
    running_valkey("FLUSHALL")
    running_valkey("SET", key, "x")
    pattern = b"*a" * (stars - 1) + b"**ab" + end
    assert [key] * glob_matcher(pattern)(key) == running_valkey("KEYS", pattern)


def test_fifty_thousand_stars_match_nothing(client: Connection, valkey: Oracle) -> None:
    for connection in (client, valkey.connect()):
        connection("MSET", "a", 1, "a" * 60_000, 2)
        assert connection("KEYS", "*?" * 50_000) == []
        assert connection("SCAN", 0, "MATCH", "*?" * 50_000) == [b"0", []]
        assert connection("COMMAND", "LIST", "FILTERBY", "PATTERN", "*?" * 50_000) == []


@given(low=st.binary(max_size=1), high=st.binary(max_size=1), sign=st.sampled_from([b"", b"^"]))
@settings(WITH_ORACLE, max_examples=100)
def test_ranges_of_all_bytes(low: bytes, high: bytes, sign: bytes, running_valkey: Oracle) -> None:
    every_byte = [bytes([byte]) for byte in range(256)]
    running_valkey("FLUSHALL")
    running_valkey("MSET", *[word for byte in every_byte for word in (byte, b"x")])
    pattern = b"[%b%b-%b]" % (sign, low, high)
    assert set(filter(glob_matcher(pattern), every_byte)) == set(running_valkey("KEYS", pattern))


def test_a_single_star_matches_the_empty_text_in_keys_and_scan_only(
    client: Connection, valkey: Oracle
) -> None:
    for run in (client, valkey):
        run("SET", "", "x")
        assert run("KEYS", "*") == [b""]
        assert run("KEYS", "**") == []
        assert run("SCAN", 0, "MATCH", "*") == [b"0", [b""]]
        assert run("SCAN", 0, "MATCH", "**") == [b"0", []]
    for subscriber, publisher in ((client, client), (valkey.connect(), valkey)):
        subscriber("HELLO", 3)
        subscriber("PSUBSCRIBE", "*")
        assert publisher("PUBLISH", "", "x") == 0


TEXTS = [
    b"", b"a", b"b", b"A", b"]", b"[", b"-", b"\\", b"^", b"*", b"?", b"\n", b"\xff", b"ab", b"ba",
    b"abc", b"a]", b"a-", b"-]", b"a\\", b"^a", b"aa", b"aab", b"abab", b"[a]", b"a*b", b"b]c",
]  # fmt: skip


@settings(WITH_ORACLE, max_examples=500)
@given(pattern=patterns)
def test_agrees_with_the_oracle(pattern: bytes, running_valkey: Oracle) -> None:
    running_valkey("MSET", *[word for text in TEXTS for word in (text, "x")])
    found = set(running_valkey("KEYS", pattern))
    # KEYS does not apply the pattern `*`, so that it matches the empty key, too.
    matcher = glob_matcher(pattern)
    assert {text for text in TEXTS if matcher(text) or pattern == b"*"} == found & set(TEXTS)
