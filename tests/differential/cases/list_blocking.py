"""Blocking list commands where they need not block, and their errors."""

from __future__ import annotations

from tests.differential.scripts import Script

_NO_TIMEOUTS = ["", "x", "-1", "-0.1", "nan", "inf", "-inf", "1e300", "1 ", " 1"]

CASES: dict[str, Script] = {
    "there at once": [
        ("RPUSH", "l", *range(12)),
        ("BLPOP", "l", 0),
        ("BRPOP", "nothing", "l", "neither", 0),
        ("blpop", "l", "l", 0.5),
        ("BLPOP", "l", "0x1"),
        ("BLMPOP", 0, 1, "l", "LEFT"),
        ("BLMPOP", 1.5, 2, "nothing", "l", "RIGHT", "COUNT", 2),
        ("BLMOVE", "l", "m", "LEFT", "RIGHT", 0),
        ("BLMOVE", "l", "l", "RIGHT", "LEFT", 0),
        ("BRPOPLPUSH", "l", "m", 0),
        ("LRANGE", "l", 0, -1),
        ("LRANGE", "m", 0, -1),
    ],
    "in vain, for a moment": [
        ("BLPOP", "nothing", 0.01),
        ("BRPOP", "nothing", "neither", 0.01),
        ("BLMPOP", 0.01, 1, "nothing", "LEFT"),
        ("BLMOVE", "nothing", "m", "LEFT", "RIGHT", 0.01),
        ("BRPOPLPUSH", "nothing", "m", 0.01),
        ("PING",),
    ],
    "in a transaction nothing waits": [
        ("MULTI",),
        ("BLPOP", "l", 0),
        ("BRPOP", "l", "m", 0),
        ("BLMOVE", "l", "m", "LEFT", "RIGHT", 0),
        ("BRPOPLPUSH", "l", "m", 0),
        ("BLMPOP", 0, 1, "l", "LEFT"),
        ("RPUSH", "l", "a"),
        ("BLPOP", "l", 0),
        ("EXEC",),
        ("EXISTS", "l"),
    ],
    "timeouts that are none": [
        ("RPUSH", "l", "a"),
        *(("BLPOP", "l", timeout) for timeout in _NO_TIMEOUTS),
        *(("BRPOPLPUSH", "l", "m", timeout) for timeout in _NO_TIMEOUTS),
        *(("BLMOVE", "l", "m", "LEFT", "LEFT", timeout) for timeout in _NO_TIMEOUTS),
        *(("BLMPOP", timeout, 1, "l", "LEFT") for timeout in _NO_TIMEOUTS),
        ("BLMOVE", "l", "m", "UP", "LEFT", "x"),
        ("BLMPOP", "x", 0, "l", "LEFT"),
        ("BLMPOP", "x", 1, "l", "UP"),
        ("BLMPOP", 0, 1, "l", "LEFT", "COUNT", 0),
        ("BLMPOP", 0, 3, "l", "LEFT"),
        ("LRANGE", "l", 0, -1),
    ],
    "other types": [
        ("SET", "s", "text"),
        ("RPUSH", "l", "a"),
        ("BLPOP", "s", 0),
        ("BLPOP", "nothing", "s", "l", 0),
        ("BLPOP", "s", "x"),
        ("BLMPOP", 0, 2, "s", "l", "LEFT"),
        ("BLMOVE", "s", "l", "LEFT", "LEFT", 0),
        ("BLMOVE", "l", "s", "LEFT", "LEFT", 0),
        ("BRPOPLPUSH", "l", "s", 0),
        ("LRANGE", "l", 0, -1),
    ],
}
