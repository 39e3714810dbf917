"""Streams and consumer groups. Ids are given, because generated ones contain the time."""

from tests.differential.machines.grammar import (
    cmd,
    count,
    key,
    many,
    mixed,
    one,
    one_of,
    opt,
    seq,
    shuffled,
    value,
    weighted,
    word,
)

ident = weighted(
    one("1-1", "1-2", "2-0", "3-5", "5", "7-1", "9-3", "1-*", "9-*"),
    one("0-0", "0", "x", "", "1-", "-1", "18446744073709551615-18446744073709551615", "1-1-1"),
)
edge = weighted(one("-", "+", "1", "2-0", "(1-1", "(3-5", "5", "9"), one("(", "x", "(-", "(+"))
group = one("g1", "g2")
consumer = one("alice", "bob")
trim = seq(
    one("MAXLEN", "MINID"),
    opt(one("=", "~")),
    weighted(one(0, 1, 2, 3, "2-0", 100), one(-1, "x")),
    opt("LIMIT", count),
)
plain = one_of(
    cmd("XADD", key, ident, many(seq(word, value), 1, 2)),
    cmd("XADD", key, ident, many(seq(word, value), 1, 2)),
    cmd("XADD", key, opt("NOMKSTREAM"), opt(trim), ident, many(seq(word, value), 1, 2)),
    cmd("XLEN", key),
    cmd("XRANGE", key, edge, edge, opt("COUNT", count)),
    cmd("XREVRANGE", key, edge, edge, opt("COUNT", count)),
    cmd("XDEL", key, many(ident)),
    cmd("XTRIM", key, trim),
    cmd("XSETID", key, ident, opt("ENTRIESADDED", count, "MAXDELETEDID", ident)),
    cmd("XREAD", opt("COUNT", count), "STREAMS", key, one("0", "1-1", "$", "x")),
    cmd(
        "XREAD",
        opt("BLOCK", one("1", "-1", "x")),
        "STREAMS",
        key,
        key,
        one("0", "$"),
        one("2", ">"),
    ),
    cmd("XINFO STREAM", key),
    cmd("XINFO STREAM", key, "FULL", opt("COUNT", count)),
)
groups = one_of(
    cmd(
        "XGROUP CREATE",
        key,
        group,
        one("0", "$", "1-1", "x"),
        opt("MKSTREAM"),
        opt("ENTRIESREAD", count),
    ),
    cmd("XGROUP SETID", key, group, one("0", "$", "2-0"), opt("ENTRIESREAD", count)),
    cmd("XGROUP DESTROY", key, group),
    cmd("XGROUP CREATECONSUMER", key, group, consumer),
    cmd("XGROUP DELCONSUMER", key, group, consumer),
    cmd(
        "XREADGROUP",
        "GROUP",
        group,
        consumer,
        opt("COUNT", count),
        opt("NOACK"),
        "STREAMS",
        key,
        one(">", "0", "1-1", "$"),
    ),
    cmd("XACK", key, group, many(ident)),
    cmd("XPENDING", key, group),
    cmd("XPENDING", key, group, opt("IDLE", one(0, 10**7, "x")), edge, edge, count, opt(consumer)),
    cmd(
        "XCLAIM",
        key,
        group,
        consumer,
        one(0, 10**7, "x"),
        many(ident),
        shuffled(
            "FORCE",
            "JUSTID",
            seq("RETRYCOUNT", count),
            seq("LASTID", ident),
            seq("IDLE", one(0, 5)),
        ),
    ),
    cmd(
        "XAUTOCLAIM",
        key,
        group,
        consumer,
        one(0, 10**7, "x"),
        edge,
        opt("COUNT", count),
        opt("JUSTID"),
    ),
    cmd("XINFO GROUPS", key),
    cmd("XINFO CONSUMERS", key, group),
)
COMMANDS = mixed(one_of(plain, groups))
