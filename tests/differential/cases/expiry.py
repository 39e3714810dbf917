"""Deadlines of keys: setting them under conditions, reading and removing them."""

from itertools import product

from tests.differential.scripts import Script

CONDITIONS = ("NX", "XX", "GT", "LT")
SETTERS = ("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT")
READERS = ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME")
FAR = 9_999_999_999  # in seconds of Unix time

ODD_NUMBERS = (
    "x",
    "",
    "1.5",
    " 1",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775",
    "9223372036854776",
    "-9223372036854775",
    "-9223372036854776",
)

CASES: dict[str, Script] = {
    "reading": [
        *[(reader, "missing") for reader in READERS],
        ("SET", "k", 1),
        *[(reader, "k") for reader in READERS],
        ("EXPIREAT", "k", FAR),
        *[(reader, "k") for reader in READERS],
        ("PEXPIREAT", "k", FAR * 1000 + 499),
        ("EXPIRETIME", "k"),
        ("PEXPIREAT", "k", FAR * 1000 + 500),
        ("EXPIRETIME", "k"),
        ("PEXPIRETIME", "k"),
        *[(reader,) for reader in READERS],
        *[(reader, "a", "b") for reader in READERS],
    ],
    "odd numbers": [
        step
        for setter, number in product(SETTERS, ODD_NUMBERS)
        for step in (("SET", "k", 1), (setter, "k", number), ("EXISTS", "k"))
    ],
    "odd numbers for no key": [
        (setter, "missing", number) for setter, number in product(SETTERS, ODD_NUMBERS)
    ],
    "conditions": [
        step
        for condition, before in product(("NX", "xx", "GT", "Lt"), (None, FAR - 9, FAR + 9))
        for step in (
            ("SET", "k", 1),
            *([("EXPIREAT", "k", before)] if before is not None else []),
            ("EXPIREAT", "k", FAR, condition),
            ("EXPIRETIME", "k"),
        )
    ],
    "equal deadlines": [
        ("SET", "k", 1),
        ("EXPIREAT", "k", FAR),
        ("EXPIREAT", "k", FAR, "GT"),
        ("EXPIREAT", "k", FAR, "LT"),
        ("EXPIREAT", "k", FAR, "XX"),
    ],
    "sets of conditions": [
        ("SET", "k", 1),
        ("EXPIREAT", "k", FAR),
        *(
            ("EXPIREAT", "k", FAR - 50, one, other)
            for one, other in product(CONDITIONS, CONDITIONS)
        ),
        ("EXPIRE", "k", 1000, "XX", "XX", "XX"),
        ("TTL", "k"),
        ("EXPIRE", "k", 50, "NX", "FOO"),
        ("EXPIRE", "k", 50, "NX", "XX", "FOO"),
        ("EXPIRE", "k", "x", "FOO"),
        ("EXPIRE", "missing", "x", "GT", "LT"),
        ("EXPIRE", "missing", 10, "GT"),
        ("EXPIRE", "k"),
        ("EXPIRE",),
    ],
    "a deadline that is past removes": [
        ("SET", "k", 1),
        ("EXPIRE", "k", -1, "XX"),
        ("EXISTS", "k"),
        ("EXPIRE", "k", -1, "NX"),
        ("EXISTS", "k"),
        ("RPUSH", "l", 1),
        ("PEXPIREAT", "l", 1),
        ("TYPE", "l"),
        ("HSET", "h", "f", "v"),
        ("EXPIREAT", "h", 0, "LT"),
        ("EXISTS", "h"),
    ],
    "losing deadlines": [
        ("SET", "k", 1),
        ("PERSIST", "k"),
        ("PERSIST", "missing"),
        ("EXPIRE", "k", 100),
        ("PERSIST", "k"),
        ("PERSIST", "k"),
        ("TTL", "k"),
        ("EXPIRE", "k", 100),
        ("SET", "k", 2),
        ("TTL", "k"),
        ("EXPIRE", "k", 100),
        ("APPEND", "k", 2),
        ("TTL", "k"),
        ("INCR", "k"),
        ("TTL", "k"),
        ("PERSIST",),
        ("PERSIST", "a", "b"),
    ],
    "under a watch": [
        ("SET", "k", 1),
        ("WATCH", "k"),
        ("EXPIRE", "k", 100, "XX"),
        ("MULTI",),
        ("PING",),
        ("EXEC",),
        ("WATCH", "k"),
        ("EXPIRE", "k", 100),
        ("MULTI",),
        ("PING",),
        ("EXEC",),
        ("WATCH", "k"),
        ("PERSIST", "k"),
        ("MULTI",),
        ("PING",),
        ("EXEC",),
    ],
}
