"""Data of every type in a server, and the ends of its saves and rewrites."""

from __future__ import annotations

from tests.support.info import info
from tests.support.resp import Connection, Error
from tests.support.waiting import wait_until

LOG = {"appendonly": "yes", "appendfsync": "always"}


FILL: list[tuple[str, ...]] = [
    ("SET", "string", "value"), ("SET", "number", "17"), ("APPEND", "raw", "more"),
    ("RPUSH", "list", "a", "b", "c"), ("LPOP", "list"), ("SADD", "set", "1", "2", "three"),
    ("SPOP", "set"), ("HSET", "hash", "a", "1", "b", "2"),
    ("ZADD", "zset", "1.5", "a", "-inf", "b"),
    ("ZINCRBY", "zset", "0.1", "a"), ("INCRBYFLOAT", "float", "0.1"), ("PFADD", "hll", "a", "b"),
    ("SETBIT", "bits", "70", "1"), ("GEOADD", "geo", "13.4", "52.5", "berlin"),
    ("XADD", "stream", "*", "f", "v"), ("XADD", "stream", "*", "g", "w"),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "STREAMS", "stream", ">"),
    ("SET", "volatile", "x", "EX", "1000"), ("EXPIRE", "hash", "500"), ("PERSIST", "hash"),
    ("SELECT", "3"), ("SET", "elsewhere", "1"), ("MULTI",), ("INCR", "n"), ("SELECT", "0"),
    ("INCR", "n"), ("RPUSH", "q", "x"), ("EXEC",), ("COPY", "list", "copied"),
    ("RENAME", "number", "renamed"), ("MOVE", "string", "5"),
    ("SORT", "set", "ALPHA", "STORE", "s"),
]  # fmt: skip


def fill(client: Connection) -> None:
    """Store values of every type, with deadlines, in several databases."""
    for words in FILL:
        reply = client(*words)
        assert not isinstance(reply, Error), (words, reply)


def digest(client: Connection) -> str:
    """Return a digest of all keys, values and deadlines."""
    answer: str = client("DEBUG", "DIGEST")
    return answer


def saved(client: Connection) -> None:
    """Wait until no background save is running."""
    wait_until(lambda: info(client, "rdb_bgsave_in_progress") == "0", "the end of the save")


def rewritten(client: Connection) -> None:
    """Wait until no rewrite of the log is running or scheduled."""
    fields = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")
    wait_until(
        lambda: all(info(client, field) == "0" for field in fields), "the end of the rewrite"
    )
