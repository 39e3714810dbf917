"""Sets of integers, of few members and of many."""

from tests.differential.machines.grammar import (
    cmd,
    count,
    counted,
    key,
    many,
    mixed,
    one,
    one_of,
    opt,
    seq,
    shuffled,
    value,
)

numeral = one("1", "2", "3", "-5", "32768", "2147483648", "9223372036854775807", "007")
member = one(value, numeral)
COMMANDS = mixed(
    one_of(
        cmd("SADD", key, many(numeral)),
        cmd("SADD", key, many(member)),
        cmd("SREM", key, many(member)),
        cmd("SMOVE", key, key, member),
        cmd("SCARD", key),
        cmd("SISMEMBER", key, member),
        cmd("SMISMEMBER", key, many(member)),
        cmd("SMEMBERS", key),
        # Only whole sets: with a smaller count the members are random.
        seq("SPOP", key, one(1000, 0, -1, "x", 2**63)),
        cmd("SRANDMEMBER", key, opt(count)),
        cmd("SINTER", many(key)),
        cmd("SUNION", many(key)),
        cmd("SDIFF", many(key)),
        cmd("SINTERSTORE", key, many(key)),
        cmd("SUNIONSTORE", key, many(key)),
        cmd("SDIFFSTORE", key, many(key)),
        cmd("SINTERCARD", counted(key), opt("LIMIT", count)),
        cmd("SSCAN", key, "0", opt("MATCH", one("*", "a", "[1-3]")), "COUNT", "1000"),
        cmd("SORT", key, shuffled("ALPHA", one("ASC", "DESC"), seq("LIMIT", count, count))),
    )
)
