"""Requests of any command: unknown names, arity, and upper and lower case."""

from tests.differential.compare import Call

CASES: dict[str, list[tuple[str | bytes | int | float, ...] | Call]] = {
    "unknown commands": [
        ("NOSUCH",),
        ("nosuch", "a", "b c"),
        ("NOSUCH", b"\xff\x00", "\r\n"),
        ("NOSUCH", "x" * 200, "y"),
        ("n" * 200,),
        ("NOSUCH", *["argument"] * 40),
        ("",),
        ("", "", ""),
        (b"\xff\xfe", "a"),
        ("GET\r\n", "a"),
    ],
    "case of names": [("set", "k", "v"), ("GeT", "k"), ("gET", "K"), ("pInG",)],
    "wrong arities": [
        ("GET",),
        ("get", "a", "b"),
        ("SET", "a"),
        ("Config",),
        ("CONFIG", "GET"),
        ("CONFIG", "nosuch"),
        ("CONFIG", "nosuch", "a"),
        ("OBJECT", "ENCODING"),
        ("object", "encoding", "a", "b"),
        ("XGROUP", "x" * 200),
        ("PING", "a", "b"),
        ("ECHO",),
    ],
}
