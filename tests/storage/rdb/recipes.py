"""Hypothesis strategies for commands that create keys of every type and size class."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Command = tuple[bytes | int | str, ...]

# Around every size at which the encoding changes: numbers of 8, 16 and 32 bits, strings that
# may be numbers (11), are compressed (21), embedded (44), have a longer length (64, 16384),
# fit in packed collections (64), in a stream node (4096), in a list node (8192).
SIZES = (0, 1, 5, 11, 12, 20, 21, 44, 45, 63, 64, 65, 127, 128, 500, 4095, 4096, 9000, 16384)
NUMBERS = [
    sign * (1 << bits) + delta
    for bits in (0, 6, 7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 62)
    for sign in (1, -1)
    for delta in (-1, 0, 1)
] + [2**63 - 1, -(2**63)]
COUNTS = (1, 2, 3, 20, 100, 127, 128, 129, 300, 511, 512, 513, 600)
FAR = 32_000_000_000_000

numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(-(2**63), 2**63 - 1))
almost_numbers = st.sampled_from(
    [b"-0", b"00", b"+1", b"1.0", b" 1", b"9223372036854775808", b"-9223372036854775809", b"1e5"]
)


@st.composite
def sized_texts(draw: DrawFn, most: int = SIZES[-1]) -> bytes:
    """A string of one of the sizes, random or repetitive."""
    size = draw(st.sampled_from([size for size in SIZES if size <= most]))
    seed: bytes = draw(st.binary(min_size=1, max_size=12))
    if draw(st.booleans()):
        return (seed * (size // len(seed) + 1))[:size]
    return Random(seed).randbytes(size)


def texts(most: int = SIZES[-1]) -> SearchStrategy[bytes]:
    return st.one_of(
        sized_texts(most),
        numbers.map(lambda number: b"%d" % number),
        almost_numbers,
        st.binary(max_size=20),
    )


@st.composite
def many(draw: DrawFn, each: SearchStrategy[bytes]) -> list[bytes]:
    """Distinct members: a few drawn ones, filled up with generated ones."""
    count = draw(st.sampled_from(COUNTS))
    members = draw(st.lists(each, min_size=1, max_size=min(count, 8), unique=True))
    form = draw(st.sampled_from([b"%d", b"m%d", b"member with %d"]))
    step = draw(st.sampled_from([1, 1000, 2**40]))
    filler = (form % (index * step) for index in range(count))
    return list(dict.fromkeys([*members, *filler]))[:count]


scores: SearchStrategy[str] = st.one_of(
    st.sampled_from(
        [0, 1, -1, 2**52, 2**53 + 2, 1.5, 0.1, -1e300, 5e-324, "inf", "-inf", 3e15]
    ).map(str),
    st.integers(-(2**53), 2**53).map(str),
    st.floats(allow_nan=False).map(repr),
)


@st.composite
def strings(draw: DrawFn, key: bytes) -> list[Command]:
    made: list[Command] = [("SET", key, draw(texts()))]
    if draw(st.booleans()):
        made.append(("APPEND", key, draw(texts(20))))
    return made


@st.composite
def lists(draw: DrawFn, key: bytes) -> list[Command]:
    made: list[Command] = [("RPUSH", key, *draw(many(texts())))]
    if draw(st.booleans()):
        made.append(("LPUSH", key, *draw(st.lists(texts(), min_size=1, max_size=3))))
    if draw(st.booleans()):
        made.append(("LTRIM", key, 0, draw(st.sampled_from([0, 5, 200]))))
    return made


@st.composite
def sets(draw: DrawFn, key: bytes) -> list[Command]:
    members = draw(many(st.one_of(texts(200), numbers.map(lambda number: b"%d" % number))))
    return [("SADD", key, *members)]


@st.composite
def integer_sets(draw: DrawFn, key: bytes) -> list[Command]:
    count = draw(st.sampled_from(COUNTS))
    some = draw(st.lists(numbers, min_size=1, max_size=5))
    return [("SADD", key, *some, *range(count))]


@st.composite
def sorted_sets(draw: DrawFn, key: bytes) -> list[Command]:
    members = draw(many(texts(200)))
    drawn = draw(st.lists(scores, min_size=1, max_size=6))
    words: list[bytes | int | str] = []
    for index, member in enumerate(members):
        words += [drawn[index % len(drawn)], member]
    return [("ZADD", key, *words)]


@st.composite
def hashes(draw: DrawFn, key: bytes) -> list[Command]:
    fields = draw(many(texts(200)))
    values = draw(st.lists(texts(500), min_size=1, max_size=5))
    words: list[bytes] = []
    for index, field in enumerate(fields):
        words += (field, values[index % len(values)])
    return [("HSET", key, *words)]


@st.composite
def hashes_with_deadlines(draw: DrawFn, key: bytes) -> list[Command]:
    made: list[Command] = draw(hashes(key))
    fields = made[0][2::2]
    some = fields[: draw(st.integers(1, min(3, len(fields))))]
    at = FAR + draw(st.integers(0, 10**9))
    return [*made, ("HPEXPIREAT", key, at, "FIELDS", len(some), *some)]


@st.composite
def streams(draw: DrawFn, key: bytes) -> list[Command]:
    made: list[Command] = []
    row = draw(st.lists(texts(200), min_size=2, max_size=4).filter(lambda row: len(row) % 2 == 0))
    count = draw(st.sampled_from([1, 2, 99, 100, 101, 250]))
    ms = draw(st.sampled_from([1, 1000, 2**40, 2**63]))
    for number in range(count):
        other = draw(st.booleans()) if number < 5 else False
        made.append(
            ("XADD", key, f"{ms + number // 3}-{number}", *(row if other else (b"f", number)))
        )
    ids = [str(command[2]) for command in made]
    for gone in draw(st.lists(st.sampled_from(ids), max_size=3)):
        made.append(("XDEL", key, gone))
    for name in draw(st.lists(st.sampled_from([b"g1", b"g2", b"7"]), unique=True)):
        start = draw(st.sampled_from(["0", "$", *ids[:5]]))
        made.append(("XGROUP", "CREATE", key, name, start))
        for consumer in draw(st.lists(st.sampled_from([b"ann", b"bob"]), unique=True)):
            reads = draw(st.sampled_from([1, 3, 50]))
            made.append(
                ("XREADGROUP", "GROUP", name, consumer, "COUNT", reads, "STREAMS", key, ">")
            )
        if draw(st.booleans()):
            made.append(("XACK", key, name, *ids[:2]))
    if draw(st.booleans()):
        made.append(("XTRIM", key, "MAXLEN", draw(st.sampled_from([0, 1, 50]))))
    return made


MAKERS: dict[str, Callable[[bytes], SearchStrategy[list[Command]]]] = {
    "string": strings,
    "list": lists,
    "set": sets,
    "integer set": integer_sets,
    "sorted set": sorted_sets,
    "hash": hashes,
    "hash with deadlines": hashes_with_deadlines,
    "stream": streams,
}
OLD = tuple(name for name in MAKERS if name != "hash with deadlines")


@st.composite
def datasets(draw: DrawFn, kinds: tuple[str, ...] = tuple(MAKERS)) -> list[Command]:
    """Commands that create some keys in several databases, some with deadlines."""
    commands: list[Command] = []
    names = draw(st.lists(texts(64), min_size=1, max_size=5, unique=True))
    for name in names:
        commands.append(("SELECT", draw(st.sampled_from([0, 0, 0, 1, 15]))))
        commands += draw(MAKERS[draw(st.sampled_from(kinds))](name))
        if draw(st.booleans()):
            commands.append(("PEXPIREAT", name, FAR + draw(st.integers(0, 10**9))))
    return commands
