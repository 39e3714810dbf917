"""Strings, counters, bitmaps and bit fields."""

from tests.differential.machines.grammar import (
    cmd,
    count,
    index,
    integer,
    key,
    many,
    milliseconds,
    mixed,
    moment,
    moment_ms,
    number,
    one,
    one_of,
    opt,
    seconds,
    seq,
    shuffled,
    value,
    weighted,
    word,
)

expiry = one(
    seq("EX", seconds), seq("PX", milliseconds), seq("EXAT", moment), seq("PXAT", moment_ms)
)
offset = weighted(one(0, 1, 7, 8, 9, 15, 100), one(-1, 2**32, 2**33, "x", "", "#1"))
field_type = weighted(one("u8", "i8", "u4", "i5", "u63", "i64", "u1"), one("u64", "i65", "u0", "x"))
field_offset = weighted(one(0, 1, 3, 8, "#0", "#1", "#2"), one(-1, "#-1", "x", 2**40))
bit_step = one(
    seq("GET", field_type, field_offset),
    seq("SET", field_type, field_offset, integer),
    seq("INCRBY", field_type, field_offset, integer),
    seq("OVERFLOW", one("WRAP", "SAT", "FAIL", "fail", "x")),
)
bit_range = seq(index, index, opt(one("BYTE", "BIT", "x")))

STRINGS = one_of(
    cmd("SET", key, value),
    cmd("SET", key, value, shuffled(expiry, one("NX", "XX"), "GET", "KEEPTTL", seq("IFEQ", word))),
    cmd("GET", key),
    cmd("GETSET", key, value),
    cmd("GETDEL", key),
    cmd("GETEX", key, opt(one("PERSIST", expiry))),
    cmd("SETNX", key, value),
    cmd("SETEX", key, seconds, value),
    cmd("PSETEX", key, milliseconds, value),
    cmd("MGET", many(key)),
    cmd("MSET", many(seq(key, value))),
    cmd("MSETNX", many(seq(key, value), 1, 2)),
    cmd("APPEND", key, value),
    cmd("STRLEN", key),
    cmd("GETRANGE", key, index, index),
    cmd("SUBSTR", key, index, index),
    cmd("SETRANGE", key, weighted(one(0, 1, 5, 40), one(-1, 2**29, 2**63, "x")), value),
    cmd("INCR", key),
    cmd("DECR", key),
    cmd("INCRBY", key, integer),
    cmd("DECRBY", key, integer),
    cmd("INCRBYFLOAT", key, number),
    cmd("LCS", key, key, shuffled("LEN", "IDX", seq("MINMATCHLEN", count), "WITHMATCHLEN")),
    cmd("DELIFEQ", key, word),
)
BITS = one_of(
    cmd("SETBIT", key, offset, one(0, 1, 2, "x")),
    cmd("GETBIT", key, offset),
    cmd("BITCOUNT", key, opt(bit_range)),
    cmd("BITPOS", key, one(0, 1, 2), opt(index, opt(index, opt(one("BYTE", "BIT"))))),
    cmd("BITOP", one("AND", "OR", "XOR", "x"), key, many(key)),
    cmd("BITOP", "NOT", key, many(key, 1, 2)),
    cmd("BITFIELD", key, many(bit_step)),
    cmd("BITFIELD_RO", key, many(bit_step)),
)
COMMANDS = mixed(one_of(STRINGS, STRINGS, BITS))
