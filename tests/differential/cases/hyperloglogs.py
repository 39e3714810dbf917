"""HyperLogLogs: counts, and every byte of the stored value."""

from tests.differential.compare import same_changes
from tests.differential.scripts import Script

LIST = ("RPUSH", "list", "a")
CHANGES = same_changes("INFO", "persistence")
HEADER = b"HYLL\x01" + bytes(10) + b"\x80"


def added(key: str, start: int, count: int, step: int) -> Script:
    """PFADDs of `step` elements each, and a look at the bytes now and then."""
    return [
        words
        for at in range(start, start + count, step)
        for words in (
            ("PFADD", key, *(f"element:{number}" for number in range(at, at + step))),
            ("GET", key),
        )
    ]


CASES: dict[str, Script] = {
    "adding one by one": [
        ("PFADD", "k"),
        ("GET", "k"),
        ("PFADD", "k"),
        *added("k", 0, 60, 1),
        ("PFADD", "k", "element:1"),
        ("PFCOUNT", "k"),
        ("GET", "k"),
        ("PFCOUNT", "k"),
        ("PFDEBUG", "DECODE", "k"),
        ("PFDEBUG", "encoding", "k"),
        ("OBJECT", "ENCODING", "k"),
    ],
    "growing dense": [
        *added("k", 0, 4000, 200),
        ("PFCOUNT", "k"),
        ("PFDEBUG", "ENCODING", "k"),
        ("PFDEBUG", "DECODE", "k"),
        ("PFDEBUG", "TODENSE", "k"),
        *added("k", 4000, 20000, 4000),
        ("PFCOUNT", "k"),
        ("GET", "k"),
    ],
    "merging": [
        *added("a", 0, 300, 100),
        *added("b", 200, 300, 100),
        *added("c", 100, 6000, 2000),
        ("PFCOUNT", "a", "b"),
        ("PFCOUNT", "a", "b", "c", "missing"),
        ("PFMERGE", "d", "a", "b"),
        ("GET", "d"),
        ("PFMERGE", "a", "b"),
        ("GET", "a"),
        ("PFMERGE", "a", "c"),
        ("GET", "a"),
        ("PFMERGE", "e"),
        ("GET", "e"),
        ("PFMERGE", "e", "missing"),
        ("GET", "e"),
        ("PFCOUNT", "missing"),
        ("PFCOUNT", "missing", "missing"),
    ],
    "debugging": [
        ("PFADD", "k", "a", "b", "c"),
        ("PFDEBUG", "GETREG", "k"),
        ("PFDEBUG", "ENCODING", "k"),
        ("GET", "k"),
        ("PFADD", "k2", "a"),
        ("PFDEBUG", "TODENSE", "k2"),
        ("PFDEBUG", "TODENSE", "k2"),
        ("PFDEBUG", "FOO", "k2"),
        ("PFDEBUG", "FOO", "missing"),
        ("PFSELFTEST",),
    ],
    "what is none": [
        ("SET", "k", "HYLL"),
        ("PFADD", "k", "a"),
        ("PFCOUNT", "k"),
        ("PFMERGE", "k"),
        ("SET", "k", HEADER),
        ("PFADD", "k", "a"),
        ("PFCOUNT", "k"),
        ("SET", "k", HEADER + b"\x7f\xfe"),
        ("PFCOUNT", "k"),
        ("PFCOUNT", "k", "missing"),
        ("PFMERGE", "other", "k"),
        ("PFDEBUG", "GETREG", "k"),
        ("SET", "k", b"HYLL\x02" + bytes(20)),
        ("PFCOUNT", "k"),
        ("SET", "k", b"HYLL\x00" + bytes(12298)),
        ("PFCOUNT", "k"),
        ("SET", "k", b"HYLL\x00" + bytes(12299)),
        ("PFCOUNT", "k"),
        LIST,
        ("PFADD", "list", "a"),
        ("PFCOUNT", "list"),
        ("PFCOUNT", "missing", "list"),
        ("PFMERGE", "list"),
        ("PFMERGE", "k", "list"),
        ("PFDEBUG", "ENCODING", "list"),
    ],
    "what counts as a change": [
        ("SAVE",),
        ("PFADD", "k"),
        CHANGES,
        ("PFADD", "k2", "a", "b", "a", "c"),
        CHANGES,
        ("PFADD", "k2", "a", "d"),
        CHANGES,
        ("PFADD", "k2", "a"),
        CHANGES,
        ("PFCOUNT", "k2"),
        CHANGES,
        ("PFCOUNT", "k2"),
        CHANGES,
        ("PFMERGE", "k3", "k", "k2"),
        CHANGES,
    ],
    "made dense under a watch": [
        ("PFADD", "k", "a"),
        ("SAVE",),
        ("WATCH", "k"),
        ("PFDEBUG", "TODENSE", "k"),
        CHANGES,
        ("MULTI",),
        ("EXEC",),
        ("WATCH", "k"),
        ("PFADD", "k", "a"),
        ("MULTI",),
        ("EXEC",),
        ("WATCH", "k"),
        ("PFADD", "k", "b"),
        ("MULTI",),
        ("EXEC",),
    ],
}
