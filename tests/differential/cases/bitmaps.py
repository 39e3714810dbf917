"""Bits and bit fields of strings."""

from tests.differential.compare import redis_way, same_changes
from tests.differential.scripts import Script

LIST = ("RPUSH", "list", "a")
CHANGES = same_changes("INFO", "persistence")
ENDS = ("0", "1", "2", "-1", "-2", "5", "-5", "100", "-100", "9223372036854775807")

CASES: dict[str, Script] = {
    "single bits": [
        ("SETBIT", "k", "7", "1"),
        ("SETBIT", "k", "7", "1"),
        ("GET", "k"),
        ("OBJECT", "ENCODING", "k"),
        ("SETBIT", "k", "100", "0"),
        ("STRLEN", "k"),
        *[("GETBIT", "k", at) for at in (0, 7, 8, 100, 104, 1 << 31)],
        ("GETBIT", "missing", "5"),
        *[("SETBIT", "k", at, "1") for at in ("-1", "x", "4294967296", "#1", "", "01")],
        *[("GETBIT", "k", at) for at in ("-1", "x", "4294967296", "99999999999999999999")],
        *[("SETBIT", "k", "1", bit) for bit in ("2", "x", "-1", "01", "")],
        ("SET", "n", "12"),
        ("SETBIT", "n", "7", "1"),
        ("OBJECT", "ENCODING", "n"),
        LIST,
        ("SETBIT", "list", "0", "1"),
        ("GETBIT", "list", "0"),
        ("SETBIT", "list", "x", "1"),
    ],
    "counting": [
        ("SET", "k", b"\xff\xf0\x00foobar"),
        ("SET", "empty", ""),
        ("BITCOUNT", "k"),
        *[
            ("BITCOUNT", key, start, end, *unit)
            for key in ("k", "empty")
            for start in ENDS
            for end in ENDS
            for unit in ((), ("BIT",), ("byte",))
        ],
        redis_way("BITCOUNT", "k", "0"),
        ("BITCOUNT", "k", "0", "1", "FOO"),
        ("BITCOUNT", "k", "x", "1"),
        ("BITCOUNT", "k", "0", "1", "BIT", "x"),
        ("BITCOUNT", "missing"),
        ("BITCOUNT", "missing", "x", "y"),
        LIST,
        ("BITCOUNT", "list"),
    ],
    "searching": [
        ("SET", "k", b"\x00\xff\xf0\x00"),
        ("SET", "ones", b"\xff\xff\xff"),
        ("SET", "zeros", bytes(3)),
        ("SET", "empty", ""),
        *[
            ("BITPOS", key, bit, *bounds)
            for key in ("k", "ones", "zeros", "empty", "missing")
            for bit in (0, 1)
            for bounds in (
                (),
                *((start,) for start in ENDS),
                *((start, end) for start in ENDS for end in ENDS[:6]),
                *((start, end, "BIT") for start in ENDS for end in ENDS[:6]),
            )
        ],
        ("SETRANGE", "long", "20000", b"\x10"),
        ("BITPOS", "long", "1"),
        ("BITPOS", "long", "1", "20001"),
        ("BITPOS", "long", "1", "0", "160002", "BIT"),
        ("BITPOS", "long", "1", "0", "160003", "BIT"),
        ("BITOP", "NOT", "long", "long"),
        ("BITPOS", "long", "0", "3"),
        ("BITPOS", "k", "2"),
        ("BITPOS", "k", "x"),
        ("BITPOS", "k", "1", "x"),
        ("BITPOS", "k", "1", "0", "x"),
        ("BITPOS", "k", "1", "0", "1", "FOO"),
        ("BITPOS", "missing", "1", "x"),
        LIST,
        ("BITPOS", "list", "1"),
    ],
    "combining": [
        ("MSET", "a", "foobar", "b", "abc", "c", b"\xff\x00\x0f"),
        *[
            words
            for operation in ("AND", "or", "XOR")
            for keys in (("a",), ("a", "b"), ("b", "a", "c"), ("a", "missing"))
            for words in (("BITOP", operation, "d", *keys), ("GET", "d"))
        ],
        ("BITOP", "NOT", "d", "c"),
        ("GET", "d"),
        ("OBJECT", "ENCODING", "d"),
        ("BITOP", "NOT", "d", "a", "b"),
        ("BITOP", "FOO", "d", "a"),
        ("BITOP", "AND", "d", "missing"),
        ("EXISTS", "d"),
        LIST,
        ("BITOP", "AND", "list", "a", "list"),
        ("BITOP", "AND", "list", "missing"),
        ("EXISTS", "list"),
    ],
    "fields": [
        ("BITFIELD", "k"),
        ("EXISTS", "k"),
        ("BITFIELD", "k", "GET", "u8", "0"),
        ("EXISTS", "k"),
        ("BITFIELD", "k", "SET", "u8", "#1", "200", "GET", "i8", "#1", "GET", "u4", "10"),
        ("GET", "k"),
        ("BITFIELD", "k", "INCRBY", "i5", "100", "1", "GET", "u4", "0"),
        ("STRLEN", "k"),
        *[
            ("BITFIELD", "o", "OVERFLOW", mode, verb, kind, "3", value)
            for mode in ("WRAP", "sat", "FAIL")
            for kind in ("u8", "i8", "u1", "i1", "u63", "i64")
            for verb in ("SET", "INCRBY")
            for value in ("1", "-1", "127", "200", "-200", "9223372036854775807")
        ],
        ("GET", "o"),
        ("BITFIELD", "only", "OVERFLOW", "FAIL", "INCRBY", "u1", "0", "2"),
        ("STRLEN", "only"),
        *[
            ("BITFIELD", "k", "GET", kind, "0")
            for kind in ("u64", "i65", "u0", "x8", "u", "", "U8", "i-1", "i08")
        ],
        *[("BITFIELD", "k", "GET", "u8", at) for at in ("-1", "x", "#-1", "#x", "4294967296")],
        ("BITFIELD", "k", "GET", "u8", "#536870911"),
        ("BITFIELD", "k", "SET", "u8", "0"),
        ("BITFIELD", "k", "SET", "u8", "0", "x"),
        ("BITFIELD", "k", "OVERFLOW", "NO"),
        ("BITFIELD", "k", "OVERFLOW"),
        ("BITFIELD", "k", "FOO", "u8", "0"),
        ("BITFIELD_RO", "k", "GET", "u8", "8", "GET", "i63", "3"),
        ("BITFIELD_RO", "k", "SET", "u8", "8", "1"),
        ("BITFIELD_RO", "missing", "GET", "u8", "8"),
        LIST,
        ("BITFIELD", "list", "GET", "u8", "0"),
        ("BITFIELD", "list", "SET", "u8", "0", "1"),
        ("BITFIELD_RO", "list", "GET", "u8", "0"),
        ("BITFIELD_RO", "list", "SET", "u8", "0", "1"),
    ],
    "what counts as a change": [
        ("SAVE",),
        ("BITFIELD", "k", "SET", "u4", 0, 0, "SET", "u4", 0, 3, "SET", "u4", 0, 3),
        CHANGES,
        ("BITFIELD", "k", "SET", "u4", 0, 3, "INCRBY", "u4", 4, 1, "GET", "u8", 0),
        CHANGES,
        ("BITFIELD", "k", "SET", "u4", 0, 3, "INCRBY", "u4", 4, 0),
        CHANGES,
        ("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u4", 0, 99),
        CHANGES,
        ("SETBIT", "k", 7, 0),
        ("SETBIT", "k", 7, 0),
        CHANGES,
        ("BITOP", "NOT", "k2", "missing"),
        ("BITOP", "NOT", "k2", "k"),
        CHANGES,
    ],
}
