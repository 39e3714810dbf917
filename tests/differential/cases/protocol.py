"""What all commands share: names, arities, case, and unknown commands."""

from tests.differential.scripts import Script

CASES: dict[str, Script] = {
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
