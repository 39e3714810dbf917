"""Lists, and blocking commands that find an element or have a short timeout."""

from tests.differential.machines.grammar import (
    cmd,
    count,
    counted,
    index,
    integer,
    key,
    many,
    mixed,
    one,
    one_of,
    opt,
    seq,
    shuffled,
    timeout,
    value,
)

side = one("LEFT", "RIGHT", "left", "x")
PLAIN = one_of(
    cmd("LPUSH", key, many(value)),
    cmd("RPUSH", key, many(value)),
    cmd("RPUSH", key, many(value, 1, 12)),
    cmd("LPUSHX", key, many(value)),
    cmd("RPUSHX", key, many(value)),
    cmd("LPOP", key, opt(count)),
    cmd("RPOP", key, opt(count)),
    cmd("LLEN", key),
    cmd("LRANGE", key, index, index),
    cmd("LINDEX", key, index),
    cmd("LSET", key, index, value),
    cmd("LINSERT", key, one("BEFORE", "AFTER", "x"), value, value),
    cmd("LREM", key, integer, value),
    cmd("LTRIM", key, index, index),
    cmd(
        "LPOS", key, value, shuffled(seq("RANK", index), seq("COUNT", count), seq("MAXLEN", count))
    ),
    cmd("RPOPLPUSH", key, key),
    cmd("LMOVE", key, key, side, side),
    cmd("LMPOP", counted(key), side, opt("COUNT", count)),
    cmd("SORT", key, shuffled("ALPHA", one("ASC", "DESC"), seq("LIMIT", index, index))),
)
WAITING = one_of(
    cmd("BLPOP", many(key), timeout),
    cmd("BRPOP", many(key), timeout),
    cmd("BLMOVE", key, key, side, side, timeout),
    cmd("BRPOPLPUSH", key, key, timeout),
    cmd("BLMPOP", timeout, counted(key), side, opt("COUNT", count)),
)
COMMANDS = mixed(one_of(PLAIN, PLAIN, PLAIN, WAITING))
