"""Lists: both ends, the middle, moving, and changes of encoding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from tests.differential.scripts import Script
from tests.support.resp import Word

_WORDS = ["a", "b", "c", "a", "1", "b", "007", "a"]
_INDEXES = [0, 1, -1, 7, 8, -8, -9, 100, -100, 2**31, -(2**31)]
_NO_INTEGERS: list[str | int] = ["", "x", "1.0", " 1", "+1", "01", 2**63, -(2**63) - 1]


def _around(*steps: Sequence[Word]) -> Script:
    """The steps, each followed by the contents and encoding of list `l`."""
    look: Script = [("LRANGE", "l", 0, -1), ("OBJECT", "ENCODING", "l")]
    return list(chain.from_iterable([step, *look] for step in steps))


def _on_words(*steps: Sequence[Word]) -> Script:
    """The steps on a new list `l` of `_WORDS`."""
    return [("DEL", "l"), ("RPUSH", "l", *_WORDS), *steps]


CASES: dict[str, Script] = {
    "pushing and popping": _around(
        ("LPUSH", "l", "a"),
        ("LPUSH", "l", "b", "c", ""),
        ("RPUSH", "l", "d"),
        ("rpush", "l", "e", "f", b"\x00\xff\r\n"),
        ("LPUSHX", "l", "g", "h"),
        ("RPUSHX", "l", "i", "j"),
        ("LLEN", "l"),
        ("LPOP", "l"),
        ("RPOP", "l"),
        ("LPOP", "l", 2),
        ("RPOP", "l", 2),
        ("LPOP", "l", 0),
        ("LPOP", "l", 100),
        ("LPOP", "l"),
        ("RPOP", "l"),
        ("LPOP", "l", 0),
        ("LPOP", "l", 1),
        ("RPOP", "l", 1),
        ("LPUSHX", "l", "a"),
        ("RPUSHX", "l", "a"),
        ("LLEN", "l"),
    ),
    "popping: counts that are none": [
        ("RPUSH", "l", "a"),
        *(("LPOP", "l", count) for count in [-1, *_NO_INTEGERS]),
        ("LPOP", "l", 2**63 - 1, "x"),
        ("RPOP", "l", -1),
        ("RPOP", "l", 1, 2),
        ("LPOP", "nothing", -1),
        ("LPOP", "l", 2**63 - 1),
    ],
    "indexes": [
        ("RPUSH", "l", *_WORDS),
        *(("LINDEX", "l", index) for index in [*_INDEXES, *_NO_INTEGERS]),
        ("LINDEX", "nothing", 0),
        ("LINDEX", "nothing", "x"),
        *(("LSET", "l", index, f"set {index}") for index in [*_INDEXES, *_NO_INTEGERS]),
        ("LSET", "nothing", 0, "a"),
        ("LSET", "nothing", "x", "a"),
        ("LRANGE", "l", 0, -1),
    ],
    "ranges": [
        ("RPUSH", "l", *_WORDS),
        *(
            ("LRANGE", "l", start, stop)
            for start in [0, 1, 7, 8, -1, -8, -9, 100, -100]
            for stop in [0, 1, 7, 8, -1, -8, -9, 100, -100]
        ),
        ("LRANGE", "l", -(2**63), 2**63 - 1),
        *(("LRANGE", "l", index, 1) for index in _NO_INTEGERS),
        *(("LRANGE", "nothing", 0, index) for index in _NO_INTEGERS),
        ("LRANGE", "nothing", 0, -1),
    ],
    "trimming": [
        *chain.from_iterable(
            _on_words(("LTRIM", "l", *bounds), ("LRANGE", "l", 0, -1), ("EXISTS", "l"))
            for bounds in [(0, -1), (1, -2), (0, 0), (-1, -1), (3, 1), (8, 9), (-100, 100), (2, 4)]
        ),
        ("LTRIM", "nothing", 0, 1),
        ("LTRIM", "nothing", "x", 1),
        ("LTRIM", "l", 0, "x"),
    ],
    "inserting": _around(
        ("LINSERT", "l", "BEFORE", "a", "x"),
        ("RPUSH", "l", *_WORDS),
        ("LINSERT", "l", "BEFORE", "a", "x"),
        ("LINSERT", "l", "after", "a", "y"),
        ("LINSERT", "l", "AFTER", "007", "z"),
        ("LINSERT", "l", "AFTER", "1", 1),
        ("LINSERT", "l", "BEFORE", "7", "none"),
        ("LINSERT", "l", "BESIDE", "a", "x"),
        ("LINSERT", "nothing", "BESIDE", "a", "x"),
        ("LINSERT", "l", "BEFORE", "a"),
    ),
    "removing": [
        *chain.from_iterable(
            _on_words(("LREM", "l", count, element), ("LRANGE", "l", 0, -1))
            for count in [0, 1, 2, 3, 100, -1, -2, -100, 2**63 - 1, -(2**63) + 1]
            for element in ["a", "1", "007", "none"]
        ),
        ("RPUSH", "one", "a", "a"),
        ("LREM", "one", 0, "a"),
        ("EXISTS", "one"),
        ("LREM", "nothing", 0, "a"),
        *(("LREM", "nothing", count, "a") for count in [*_NO_INTEGERS, -(2**63)]),
    ],
    "positions": [
        ("RPUSH", "l", *_WORDS),
        ("LPOS", "l", "a"),
        ("LPOS", "l", "none"),
        ("LPOS", "l", "7"),
        ("LPOS", "nothing", "a"),
        ("LPOS", "nothing", "a", "COUNT", 0),
        *(
            ("LPOS", "l", "a", *rank, *count, *most)
            for rank in [(), ("RANK", 2), ("rank", -1), ("RANK", -2), ("RANK", 9), ("RANK", -9)]
            for count in [(), ("COUNT", 0), ("COUNT", 1), ("count", 2), ("COUNT", 100)]
            for most in [(), ("MAXLEN", 0), ("MAXLEN", 1), ("maxlen", 4), ("MAXLEN", 100)]
        ),
        ("LPOS", "l", "a", "RANK", 0),
        ("LPOS", "l", "a", "RANK", -(2**63)),
        ("LPOS", "l", "a", "RANK", 2**63 - 1),
        ("LPOS", "l", "a", "COUNT", -1),
        ("LPOS", "l", "a", "MAXLEN", -1),
        ("LPOS", "l", "a", "COUNT"),
        ("LPOS", "l", "a", "FIRST", 1),
        ("LPOS", "l", "a", "RANK", 1, "RANK", 2),
        *(
            ("LPOS", "l", "a", option, number)
            for option in ["RANK", "COUNT", "MAXLEN"]
            for number in _NO_INTEGERS
        ),
    ],
    "moving": [
        ("RPUSH", "l", *_WORDS),
        *(
            step
            for source, target in [("LEFT", "right"), ("left", "LEFT"), ("RIGHT", "RIGHT")]
            for step in [
                ("LMOVE", "l", "m", source, target),
                ("LMOVE", "l", "l", source, target),
                ("LRANGE", "l", 0, -1),
                ("LRANGE", "m", 0, -1),
            ]
        ),
        ("RPOPLPUSH", "l", "m"),
        ("RPOPLPUSH", "m", "m"),
        ("LRANGE", "m", 0, -1),
        ("LMOVE", "nothing", "m", "LEFT", "RIGHT"),
        ("RPOPLPUSH", "nothing", "m"),
        ("LMOVE", "l", "m", "UP", "LEFT"),
        ("LMOVE", "nothing", "m", "LEFT", "DOWN"),
        ("DEL", "l"),
        ("RPUSH", "l", "only"),
        ("LMOVE", "l", "l", "LEFT", "RIGHT"),
        ("LMOVE", "l", "n", "LEFT", "RIGHT"),
        ("EXISTS", "l"),
        ("LRANGE", "n", 0, -1),
    ],
    "several lists": [
        ("RPUSH", "l", *_WORDS),
        ("LMPOP", 1, "l", "LEFT"),
        ("LMPOP", 2, "nothing", "l", "RIGHT", "COUNT", 3),
        ("lmpop", 1, "l", "left", "count", 100),
        ("LMPOP", 1, "l", "LEFT"),
        ("LMPOP", 2, "nothing", "neither", "RIGHT", "COUNT", 3),
        *(("LMPOP", number, "l", "LEFT") for number in [0, -1, 2, *_NO_INTEGERS]),
        *(("LMPOP", 1, "l", "LEFT", "COUNT", number) for number in [0, -1, *_NO_INTEGERS]),
        ("LMPOP", 1, "l", "UP"),
        ("LMPOP", 1, "l", "LEFT", "COUNT"),
        ("LMPOP", 1, "l", "LEFT", "FIRST", 1),
        ("LMPOP", 1, "l", "LEFT", "COUNT", 1, "COUNT", 1),
        ("LMPOP", 1, "l", "l", "LEFT"),
    ],
    "other types": [
        ("SET", "s", "text"),
        ("RPUSH", "l", "a", "b"),
        ("LPUSH", "s", "a"),
        ("RPUSHX", "s", "a"),
        ("LPOP", "s"),
        ("RPOP", "s"),
        ("LPOP", "s", 0),
        ("LPOP", "s", -1),
        ("LLEN", "s"),
        ("LINDEX", "s", 0),
        ("LINDEX", "s", "x"),
        ("LRANGE", "s", 0, -1),
        ("LRANGE", "s", "x", -1),
        ("LSET", "s", 0, "a"),
        ("LSET", "s", "x", "a"),
        ("LINSERT", "s", "BEFORE", "a", "b"),
        ("LREM", "s", 0, "a"),
        ("LTRIM", "s", 0, 1),
        ("LPOS", "s", "a"),
        ("LPOS", "s", "a", "RANK", 0),
        ("LMOVE", "s", "l", "LEFT", "LEFT"),
        ("LMOVE", "l", "s", "LEFT", "LEFT"),
        ("LMOVE", "nothing", "s", "LEFT", "LEFT"),
        ("RPOPLPUSH", "l", "s"),
        ("LMPOP", 2, "nothing", "s", "LEFT"),
        ("LMPOP", 2, "l", "s", "LEFT"),
        ("GET", "l"),
        ("LRANGE", "l", 0, -1),
    ],
    "encoding: by size": _around(
        ("RPUSH", "l", "x" * 8000),
        ("RPUSH", "l", "y" * 180),
        ("RPUSH", "l", "y"),
        ("RPUSH", "l", "y"),
        ("RPOP", "l"),
        ("LPOP", "l"),
        ("LSET", "l", 0, "z" * 9000),
        ("LSET", "l", 0, "z"),
        ("LPUSH", "l", "a" * 8193),
        ("LPOP", "l"),
    ),
    "encoding: by number": [
        ("CONFIG", "SET", "list-max-listpack-size", 4),
        *_around(
            ("RPUSH", "l", 1, 2, 3, 4),
            ("RPUSH", "l", 5),
            ("LPOP", "l"),
            ("LPOP", "l", 2),
            ("RPUSH", "l", 6, 7, 8),
            ("LTRIM", "l", 1, 2),
            ("LREM", "l", 0, 6),
            ("LINSERT", "l", "AFTER", 7, 8),
            ("LMOVE", "l", "l", "LEFT", "RIGHT"),
            ("COPY", "l", "m"),
        ),
        ("OBJECT", "ENCODING", "m"),
        ("CONFIG", "SET", "list-max-listpack-size", -2),
    ],
}
