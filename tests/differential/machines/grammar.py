"""Words and commands as hypothesis strategies.

    COMMANDS = one_of(
        cmd("SET", key, value, opt(one("NX", "XX")), opt("EX", ttl)),
        cmd("MGET", many(key)),
    )

Every strategy here gives a tuple of words; plain strings stand for themselves. Small pools
make commands affect the same data; now and then a word is invalid.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.resp import Word

Words = SearchStrategy[tuple[Word, ...]]
Part = str | Words


def _as_words(part: Part) -> Words:
    return st.just((part,)) if isinstance(part, str) else part


def one(*words: Word | Words) -> Words:
    """One of these."""
    plain = [word for word in words if not isinstance(word, SearchStrategy)]
    rest = [word for word in words if isinstance(word, SearchStrategy)]
    choices = ([st.sampled_from(plain).map(lambda word: (word,))] if plain else []) + rest
    return st.one_of(choices)


def seq(*parts: Part) -> Words:
    """All of these, one after the other."""
    return st.tuples(*map(_as_words, parts)).map(lambda found: sum(found, ()))


def opt(*parts: Part) -> Words:
    """All of these or nothing."""
    return st.one_of(st.just(()), seq(*parts))


def many(part: Part, least: int = 1, most: int = 4) -> Words:
    """Several of these."""
    return st.lists(_as_words(part), min_size=least, max_size=most).map(
        lambda found: sum(found, ())
    )


def shuffled(*parts: Part) -> Words:
    """Some of these options, in any order, now and then one of them twice."""
    return st.lists(st.sampled_from(parts), max_size=3).flatmap(lambda chosen: seq(*chosen))


def counted(part: Part, most: int = 3) -> Words:
    """A number and that many of these; sometimes the number is wrong."""

    def with_count(found: tuple[Word, ...]) -> Words:
        right = st.just((len(found),))
        wrong = one(0, -1, 1, 2, 100, "x", "")
        return seq(weighted(right, wrong), st.just(found))

    return many(part, 1, most).flatmap(with_count)


def weighted(usual: Part, odd: Part, usually: int = 9) -> Words:
    """Mostly the first, one time in ten the second."""
    return st.integers(0, usually).flatmap(lambda n: _as_words(odd if n == usually else usual))


def cmd(name: str, *parts: Part) -> Words:
    """A command, sometimes with a word too many or too few."""

    def damaged(words: tuple[Word, ...]) -> Words:
        return st.one_of(
            st.just(words[:-1] if len(words) > 1 else words),
            one("x", "", "-1", "NX", "COUNT").map(lambda extra: words + extra),
        )

    whole = seq(*name.split(" "), *parts)
    return st.integers(0, 24).flatmap(lambda n: whole if n else whole.flatmap(damaged))


def one_of(*commands: Words) -> Words:
    return st.one_of(commands)


# --- words ------------------------------------------------------------------------------

KEYS = ("k1", "k2", "k3")
key = st.sampled_from(KEYS).map(lambda word: (word,))

_LONG = "long" * 17  # 68 bytes: too long for a compact collection
small = st.integers(-4, 6).map(lambda number: (number,))
index = weighted(small, one(2**63 - 1, -(2**63), 2**63, 100, -100, "x", "", "1.5", " 1", "+1"))
integer = weighted(
    one(0, 1, -1, 2, 5, 10, 100, -7),
    one(2**63 - 1, -(2**63), 2**63, 2**31, "x", "", "1.5", "-0", "01", " 1", "1e3"),
)
count = weighted(one(1, 2, 3, 10), one(0, -1, -3, 2**31, 2**63, "x", ""))
# The text of doubles is tested elsewhere: Redis 7.0 prints them differently, and valkey-server
# reads no hexadecimal ones.
number = weighted(
    one(0, 1, -1, 2, 1.5, -0.25, 3, "1e3"),
    one("inf", "-inf", "+inf", "nan", "x", "", "1e400", " 1", "1_0"),
)
word = st.sampled_from(["a", "b", "c", "d", "1", "2", "-3", "10"]).map(lambda text: (text,))
value = weighted(word, one("", _LONG, b"\x00\xff\r\n", "12345678901234567890", "1.5", "x" * 45))
pattern = one("*", "k*", "a", "[a-b]", "?", "", "\\a", "k[12]")
# Too far in the future to expire during a session, and values that do not fit.
seconds = weighted(
    one(100, 1000, 100000), one(0, -1, 2**63 - 1, -(2**63), 9223372036854776, "x", "")
)
milliseconds = weighted(
    one(100_000, 1_000_000, 10**9), one(0, -5, 2**63 - 1, -(2**63), 2**63, "x", "")
)
moment = weighted(one(4_102_444_800, 4_102_444_801), one(1, 0, -1, 2**63 - 1, 10**16, "x"))
moment_ms = weighted(one(4_102_444_800_000, 4_102_444_800_123), one(1, 0, -1, 2**63 - 1, "x"))
# A short timeout for empty keys, and invalid timeouts.
timeout = weighted(one("0.01"), one("-1", "x", "", "1e300", "inf", "nan"))

# Other types under the same keys, and commands on keys of any type.
ANY_TYPE = one_of(
    cmd("SET", key, value),
    cmd("RPUSH", key, value),
    cmd("SADD", key, value),
    cmd("HSET", key, word, value),
    cmd("ZADD", key, small, word),
    cmd("DEL", many(key, 1, 2)),
)
LIFE = one_of(
    cmd("EXPIRE", key, seconds),
    cmd("PEXPIREAT", key, moment_ms),
    cmd("PERSIST", key),
    cmd("TTL", key),
    cmd("TYPE", key),
    cmd("OBJECT ENCODING", key),
    cmd("RENAME", key, key),
    cmd("COPY", key, key, opt("REPLACE")),
    cmd("EXISTS", many(key)),
)


def mixed(own: Words) -> Words:
    """A family's commands, with a few of others among them."""
    return st.integers(0, 9).flatmap(lambda n: ANY_TYPE if n == 0 else LIFE if n == 1 else own)
