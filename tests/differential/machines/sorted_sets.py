"""Sorted sets by rank, score and name."""

from tests.differential.machines.grammar import (
    cmd,
    count,
    counted,
    index,
    key,
    many,
    mixed,
    number,
    one,
    one_of,
    opt,
    seq,
    shuffled,
    timeout,
    value,
    weighted,
    word,
)

member = weighted(word, value)
score = number
bound = weighted(
    one("-inf", "+inf", 0, 1, 2, "(1", "(0", 1.5, "(2"), one("x", "", "(", "nan", "(x")
)
name = weighted(one("-", "+", "[a", "(a", "[b", "(c", "["), one("a", "", "(", "+x"))
# With a negative offset Redis returns nothing, and Valkey members if the set is a skip list.
limit = opt("LIMIT", weighted(one(0, 1, 2, 10), one(2**63, "x", "")), index)
add_options = shuffled(one("NX", "XX"), one("GT", "LT"), "CH", "INCR")
combine = seq(
    counted(key),
    opt("WEIGHTS", many(score, 1, 3)),
    opt("AGGREGATE", one("SUM", "MIN", "MAX", "x")),
)
shown = opt(one("WITHSCORES", "withscores", "x"))
scored = one_of(
    cmd("ZADD", key, many(seq(score, member))),
    cmd("ZADD", key, many(seq(score, member), 1, 12)),
    cmd("ZADD", key, add_options, many(seq(score, member), 1, 2)),
)
single = one_of(
    cmd("ZINCRBY", key, score, member),
    cmd("ZREM", key, many(member)),
    cmd("ZCARD", key),
    cmd("ZSCORE", key, member),
    cmd("ZMSCORE", key, many(member)),
    cmd("ZRANK", key, member, opt(one("WITHSCORE", "x"))),
    cmd("ZREVRANK", key, member, opt("WITHSCORE")),
    cmd("ZCOUNT", key, bound, bound),
    cmd("ZPOPMIN", key, opt(count)),
    cmd("ZPOPMAX", key, opt(count)),
    cmd("ZRANDMEMBER", key, opt(count, shown)),
    cmd("ZSCAN", key, "0", opt("MATCH", one("*", "a", "[a-c]")), "COUNT", "1000"),
    cmd("SORT", key, shuffled("ALPHA", one("ASC", "DESC"), seq("LIMIT", count, count))),
)
by_rank = seq(index, index, opt("REV"))
by_score = seq(bound, bound, "BYSCORE", opt("REV"), limit)
by_name = seq(name, name, "BYLEX", opt("REV"), limit)
by_any = one(by_rank, by_score, seq(bound, bound, shuffled("BYSCORE", "REV", "LIMIT")))
ranges = one_of(
    cmd("ZRANGE", key, by_any, shown),
    cmd("ZREVRANGE", key, index, index, shown),
    cmd("ZRANGEBYSCORE", key, bound, bound, shown, limit),
    cmd("ZREVRANGEBYSCORE", key, bound, bound, limit, shown),
    cmd("ZRANGESTORE", key, key, by_any),
    cmd("ZREMRANGEBYRANK", key, index, index),
    cmd("ZREMRANGEBYSCORE", key, bound, bound),
)
# Ranges by name only where all scores are equal: otherwise the reply is unspecified.
names = one_of(
    cmd("ZADD names", many(seq("0", member))),
    cmd("ZLEXCOUNT names", name, name),
    cmd("ZRANGE names", by_name, shown),
    cmd("ZRANGEBYLEX names", name, name, limit),
    cmd("ZREVRANGEBYLEX names", name, name, limit),
    cmd("ZRANGESTORE", key, "names", by_name),
    cmd("ZREMRANGEBYLEX names", name, name),
)
algebra = one_of(
    cmd("ZUNION", combine, shown),
    cmd("ZINTER", combine, shown),
    cmd("ZDIFF", counted(key), shown),
    cmd("ZUNIONSTORE", key, combine),
    cmd("ZINTERSTORE", key, combine),
    cmd("ZDIFFSTORE", key, counted(key)),
    cmd("ZINTERCARD", counted(key), opt("LIMIT", count)),
    cmd("ZMPOP", counted(key), one("MIN", "MAX", "x"), opt("COUNT", count)),
    cmd("BZPOPMIN", many(key), timeout),
    cmd("BZPOPMAX", many(key), timeout),
    cmd("BZMPOP", timeout, counted(key), one("MIN", "MAX"), opt("COUNT", count)),
)
COMMANDS = mixed(one_of(scored, scored, single, ranges, names, algebra))
