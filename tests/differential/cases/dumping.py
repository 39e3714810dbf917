"""DUMP and RESTORE: options, errors, and payloads that all servers read."""

from tests.differential.scripts import Script

# The string "1" in a version of the format that all servers read.
ONE = b"\x00\xc0\x01\n\x00&x\xe7\xb6\xd1\x01\x11\xfc"


def _corrupt(payload: bytes) -> bytes:
    return payload[:-1] + bytes([payload[-1] ^ 1])


CASES: dict[str, Script] = {
    "restore": [
        ("RESTORE", "k", 0, ONE),
        ("GET", "k"),
        ("OBJECT", "ENCODING", "k"),
        ("TTL", "k"),
        ("RESTORE", "k", 0, ONE),
        ("RESTORE", "k", 0, ONE, "REPLACE"),
        ("RESTORE", "k", 0, ONE, "replace", "absttl"),
        ("TTL", "k"),
        ("RESTORE", "k", 100000, ONE, "REPLACE"),
        ("TTL", "k"),
        ("RESTORE", "k", 9223372036854775807, ONE, "REPLACE", "ABSTTL"),
        ("PEXPIRETIME", "k"),
    ],
    "restore what has run out": [
        ("RESTORE", "k", 1, ONE, "ABSTTL"),
        ("EXISTS", "k"),
        ("SET", "k", "x"),
        ("RESTORE", "k", 1, ONE, "ABSTTL"),
        ("RESTORE", "k", 1, ONE, "ABSTTL", "REPLACE"),
        ("EXISTS", "k"),
        ("RESTORE", "k", 9223372036854775807, ONE),
        ("EXISTS", "k"),
    ],
    "restore with usage": [
        ("RESTORE", "k", 0, ONE, "IDLETIME", 1000),
        ("OBJECT", "IDLETIME", "k"),
        ("RESTORE", "k", 0, ONE, "REPLACE", "IDLETIME", 5, "IDLETIME", 7),
        ("OBJECT", "IDLETIME", "k"),
        ("RESTORE", "k", 0, ONE, "REPLACE", "FREQ", 255),
        ("RESTORE", "k", 0, ONE, "REPLACE", "FREQ", 256),
        ("RESTORE", "k", 0, ONE, "REPLACE", "FREQ", -1),
        ("RESTORE", "k", 0, ONE, "REPLACE", "FREQ", "x"),
        ("RESTORE", "k", 0, ONE, "REPLACE", "FREQ"),
        ("RESTORE", "k", 0, ONE, "REPLACE", "IDLETIME", -1),
        ("RESTORE", "k", 0, ONE, "REPLACE", "IDLETIME", "x"),
        ("RESTORE", "k", 0, ONE, "REPLACE", "IDLETIME"),
        ("RESTORE", "k", 0, ONE, "REPLACE", "IDLETIME", 5, "FREQ", 5),
        ("RESTORE", "k", 0, ONE, "REPLACE", "FREQ", 5, "IDLETIME", 5),
    ],
    "restore refuses": [
        ("RESTORE", "k"),
        ("RESTORE", "k", 0),
        ("RESTORE", "k", 0, ONE, "NOW"),
        ("RESTORE", "k", "x", ONE),
        ("RESTORE", "k", -1, ONE),
        ("RESTORE", "k", -1, "bad"),
        ("RESTORE", "k", 0, ""),
        ("RESTORE", "k", 0, "bad"),
        ("RESTORE", "k", 0, ONE[:-1]),
        ("RESTORE", "k", 0, _corrupt(ONE)),
        ("RESTORE", "k", 0, ONE[:-8] + bytes(8)),
        ("EXISTS", "k"),
        ("RPUSH", "k", "a"),
        ("RESTORE", "k", -1, "bad"),
        ("RESTORE", "k", "x", "bad"),
        ("RESTORE", "k", 0, "bad", "REPLACE"),
        ("LRANGE", "k", 0, -1),
    ],
    "restore in a transaction that watches": [
        ("WATCH", "k"),
        ("RESTORE", "k", 0, ONE),
        ("MULTI",),
        ("RESTORE", "k", 0, ONE, "REPLACE"),
        ("EXEC",),
        ("MULTI",),
        ("RESTORE", "k", 0, ONE, "REPLACE"),
        ("RESTORE-ASKING", "k", 0, ONE, "REPLACE"),
        ("EXEC",),
    ],
    "dump": [("DUMP",), ("DUMP", "none"), ("DUMP", "a", "b")],
    "restore for a cluster": [
        ("RESTORE-ASKING", "k", 0, ONE),
        ("RESTORE-ASKING", "k", 0, ONE),
        ("RESTORE-ASKING", "k"),
        ("GET", "k"),
    ],
}
