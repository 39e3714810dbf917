"""Saving and loading as clients see it."""

from __future__ import annotations

from tests.differential.scripts import Script

CASES: dict[str, Script] = {
    "arity and options": [
        ("SAVE", "now"),
        ("BGSAVE", "now"),
        ("BGSAVE", "SCHEDULE", "now"),
        ("BGSAVE", "SCHEDULE", "CANCEL"),
        ("BGSAVE", "CANCEL"),
        ("BGREWRITEAOF", "now"),
        ("LASTSAVE", "now"),
        ("SHUTDOWN", "ABORT"),
        ("SHUTDOWN", "SAVE", "NOSAVE"),
        ("SHUTDOWN", "WHENEVER"),
    ],
    "save": [("SET", "a", "b"), ("SAVE",), ("save",), ("GET", "a")],
    "in a transaction": [
        ("MULTI",),
        ("SET", "a", "b"),
        ("DEBUG", "RELOAD"),
        ("GET", "a"),
        ("EXEC",),
    ],
    "reload keeps every type and encoding": [
        ("SET", "int", 12345),
        ("SET", "short", "text"),
        ("SET", "long", "x" * 100),
        ("APPEND", "raw", "ab"),
        ("RPUSH", "list", "a", "b", 3),
        ("RPUSH", "long list", *range(200), "x" * 9000),
        ("SADD", "integers", 1, 2, 3),
        ("SADD", "words", "a", "b"),
        ("SADD", "many", *[f"member:{n}" for n in range(200)]),
        ("HSET", "hash", "f", "v"),
        ("HSET", "large hash", "f", "v" * 100),
        ("ZADD", "scores", 1.5, "a", "-inf", "b", "inf", "c"),
        ("XADD", "stream", "1-1", "f", "v"),
        ("XADD", "stream", "1-2", "g", "v"),
        ("XDEL", "stream", "1-1"),
        ("XGROUP", "CREATE", "stream", "group", 0),
        ("XREADGROUP", "GROUP", "group", "me", "STREAMS", "stream", ">"),
        ("EXPIREAT", "hash", 99999999999),
        ("DEBUG", "DIGEST"),
        ("DEBUG", "RELOAD"),
        ("DEBUG", "DIGEST"),
        *[
            ("OBJECT", "ENCODING", key)
            for key in (
                "int", "short", "list", "long list", "integers", "words", "many",
                "hash", "large hash", "scores", "stream",
            )
        ],
        ("EXPIRETIME", "hash"),
        ("XPENDING", "stream", "group"),
        ("XADD", "stream", "1-1", "f", "v"),
    ],
    "reload with options": [
        ("SET", "a", "1"),
        ("DEBUG", "RELOAD", "SOMEHOW"),
        ("SAVE",),
        ("SET", "a", "2"),
        ("SET", "b", "2"),
        ("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE"),
        ("MGET", "a", "b"),
        ("DEBUG", "RELOAD", "NOSAVE"),
        ("MGET", "a", "b"),
    ],
    "there is no log": [
        ("CONFIG", "SET", "appendonly", "perhaps"),
        ("CONFIG", "SET", "appendfsync", "sometimes"),
        ("CONFIG", "SET", "save", "60"),
    ],
}  # fmt: skip
