"""Keys of every type: names, deadlines and databases."""

from tests.differential.machines.grammar import (
    ANY_TYPE,
    LIFE,
    cmd,
    count,
    index,
    key,
    many,
    milliseconds,
    moment,
    moment_ms,
    one,
    one_of,
    pattern,
    seconds,
    seq,
    shuffled,
    weighted,
)

condition = shuffled("NX", "XX", "GT", "LT")
database = weighted(one(0, 1, 2), one(16, -1, "x", ""))
kind = one("string", "list", "set", "zset", "hash", "stream", "x")
COMMANDS = one_of(
    ANY_TYPE,
    LIFE,
    one_of(
        cmd("EXPIRE", key, seconds, condition),
        cmd("PEXPIRE", key, milliseconds, condition),
        cmd("EXPIREAT", key, moment, condition),
        cmd("PEXPIREAT", key, moment_ms, condition),
        cmd("PTTL", key),
        cmd("EXPIRETIME", key),
        cmd("PEXPIRETIME", key),
    ),
    one_of(
        cmd("DEL", many(key)),
        cmd("UNLINK", many(key)),
        cmd("TOUCH", many(key)),
        cmd("RENAMENX", key, key),
        cmd("MOVE", key, database),
        cmd("COPY", key, key, shuffled(seq("DB", database), "REPLACE")),
        cmd("SWAPDB", database, database),
        cmd("DBSIZE"),
        cmd("KEYS", pattern),
        cmd("RANDOMKEY"),
        cmd("SCAN", "0", shuffled(seq("MATCH", pattern), seq("TYPE", kind)), "COUNT", "1000"),
        cmd("SCAN", one("0", "x", ""), shuffled(seq("COUNT", count), seq("TYPE", kind))),
        cmd("OBJECT", one("ENCODING", "FREQ", "x"), key),
        cmd(
            "SORT",
            key,
            shuffled(
                "ALPHA",
                "DESC",
                seq("LIMIT", index, index),
                seq("BY", one("k*", "x", "*->a")),
                seq("GET", one("#", "k*", "*->a")),
            ),
        ),
        cmd("SORT", key, "ALPHA", "STORE", key),
        cmd("SORT_RO", key, "ALPHA"),
    ),
)
