"""Hashes, with fields that expire."""

from tests.differential.compare import any_error
from tests.differential.machines.grammar import (
    cmd,
    count,
    counted,
    integer,
    key,
    many,
    milliseconds,
    mixed,
    number,
    one,
    one_of,
    opt,
    seconds,
    seq,
    value,
    weighted,
    word,
)

field = weighted(word, one("", "f" * 70))
fields = seq("FIELDS", counted(field))
# Redis 7.4 refuses fields that expire after the year 4199, and Valkey does not.
moment = weighted(one(4_102_444_800, 4_102_444_801), one(1, 0, -1, "x"))
moment_ms = weighted(one(4_102_444_800_000, 4_102_444_800_123), one(1, 0, -1, "x"))
condition = opt(one("NX", "XX", "GT", "LT", "x"))
expiry = one(
    seq("EX", seconds), seq("PX", milliseconds), seq("EXAT", moment), seq("PXAT", moment_ms)
)
pairs = seq("FIELDS", counted(field, 1), value)

PLAIN = one_of(
    cmd("HSET", key, many(seq(field, value))),
    cmd("HMSET", key, many(seq(field, value))),
    cmd("HSETNX", key, field, value),
    cmd("HGET", key, field),
    cmd("HMGET", key, many(field)),
    cmd("HGETALL", key),
    cmd("HKEYS", key),
    cmd("HVALS", key),
    cmd("HLEN", key),
    cmd("HEXISTS", key, field),
    cmd("HSTRLEN", key, field),
    cmd("HDEL", key, many(field)),
    cmd("HINCRBY", key, field, integer),
    cmd("HINCRBYFLOAT", key, field, number),
    cmd("HRANDFIELD", key, opt(count, opt(one("WITHVALUES", "x")))),
    cmd("HSCAN", key, "0", opt("MATCH", one("*", "a", "[a-c]")), "COUNT", "100", opt("NOVALUES")),
)
EXPIRING = one_of(
    cmd("HEXPIRE", key, seconds, condition, fields),
    cmd("HPEXPIRE", key, milliseconds, condition, fields),
    cmd("HEXPIREAT", key, moment, condition, fields),
    cmd("HPEXPIREAT", key, moment_ms, condition, fields),
    cmd("HTTL", key, fields),
    cmd("HPTTL", key, fields),
    cmd("HEXPIRETIME", key, fields),
    cmd("HPEXPIRETIME", key, fields),
    cmd("HPERSIST", key, fields),
    cmd("HGETDEL", key, fields),
    cmd("HGETEX", key, opt(one("PERSIST", expiry)), fields),
    cmd("HSETEX", key, opt(one("FNX", "FXX", "NX", "XX")), opt(one("KEEPTTL", expiry)), pairs),
)
# Redis 7.4 and valkey-server 9 check these arguments in a different order and with different
# error texts. Redkeep follows Redis 7.4, which is not available to compare with.
EITHER_ERROR = EXPIRING.map(lambda words: any_error(*words))
COMMANDS = mixed(one_of(PLAIN, PLAIN, EITHER_ERROR))
