"""Commands of several types, for sessions that are mostly MULTI, WATCH and pipelines.

MULTI and WATCH come from the session itself: inside a transaction they abort it in
valkey-server 9 but not in Redis.
"""

from tests.differential.machines.grammar import (
    ANY_TYPE,
    LIFE,
    cmd,
    count,
    key,
    one,
    one_of,
    opt,
    seconds,
    small,
    timeout,
    value,
    word,
)

COMMANDS = one_of(
    ANY_TYPE,
    LIFE,
    one_of(
        cmd("UNWATCH"),
        cmd("EXEC"),
        cmd("DISCARD"),
    ),
    one_of(
        cmd("INCR", key),
        cmd("GET", key),
        cmd("APPEND", key, value),
        cmd("LPOP", key, opt(count)),
        cmd("BLPOP", key, timeout),
        cmd("SMEMBERS", key),
        cmd("ZADD", key, small, word),
        cmd("ZPOPMIN", key),
        cmd("EXPIRE", key, seconds),
        cmd("FLUSHDB"),
        cmd("SELECT", one(0, 0, 0, 1, 99)),
        cmd("NOSUCHCOMMAND", word),
        cmd("PING", opt(word)),
        cmd("ECHO", word),
    ),
)
