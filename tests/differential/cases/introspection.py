"""COMMAND: shapes and errors; tests/test_completeness.py compares the declarations."""

from tests.differential.compare import as_set
from tests.differential.scripts import Script

INFO: Script = [
    ("COMMAND", "INFO", "get"),
    ("COMMAND", "INFO", "foo", "get"),
    ("COMMAND", "INFO", "mset", "xread", "zunionstore", "lmpop"),
    ("COMMAND", "INFO", "CONFIG|GET", "config|foo", "config|set"),
    ("COMMAND", "DOCS", "foo"),
    ("COMMAND", "COUNT", "x"),
    ("COMMAND", "FOO"),
]
LIST: Script = [
    as_set("COMMAND", "LIST", "FILTERBY", "PATTERN", "config|*"),
    as_set("COMMAND", "LIST", "FILTERBY", "pattern", "X?dd"),
    as_set("COMMAND", "LIST", "FILTERBY", "ACLCAT", "hyperloglog"),
    ("COMMAND", "LIST", "FILTERBY", "ACLCAT", "foo"),
    ("COMMAND", "LIST", "FILTERBY", "MODULE", "foo"),
    ("COMMAND", "LIST", "FILTERBY", "FOO", "bar"),
    ("COMMAND", "LIST", "FILTERBY"),
    ("COMMAND", "LIST", "foo"),
]
REQUESTS: Script = [
    ("get", "a"),
    ("mset", "a", 1, "b", 2),
    ("mset", "a", "b", "c"),
    ("foo", "a"),
    ("config", "get", "x"),
    ("config", "foo"),
    ("object", "encoding", "k"),
    ("memory", "usage", "k"),
    ("publish", "a", "b"),
    ("set", "a", "b"),
    ("set", "a", "b", "get"),
    ("set", "get", "get"),
    ("set", "a", "b", "ex", 10, "GET"),
    ("bitfield", "k", "get", "u4", 0),
    ("bitfield", "k", "set", "u4", 0, 1),
    ("bitfield", "k", "get", "u4", 0, "incrby", "u4", 0, 1),
    ("bitfield", "k", "store", "u4", 0),
    ("bitfield", "k", "overflow", "sat", "get", "u4", 0),
    ("bitfield", "k", "get"),
    ("pfmerge", "d"),
    ("pfmerge", "d", "a"),
    ("zunionstore", "d", 2, "a", "b"),
    ("zunionstore", "d", 9, "a", "b"),
    ("zunionstore", "d", "x", "a", "b"),
    ("zunion", 0, "a"),
    ("lmpop", 1, "a", "left"),
    ("sort", "a", "store", "b"),
    ("sort", "a", "store", "b", "store", "c"),
    ("sort", "a", "by", "x", "get", "y"),
    ("xread", "streams", "a", "b", 0, 0),
    ("xread", "count", 1, "streams", "a", 0),
    ("xread", "streams", "a", "b", 0),
    ("xreadgroup", "group", "g", "c", "streams", "a", ">"),
    ("blpop", "a", "b", 0),
    ("rename", "a", "b"),
    ("del", "a", "b", "c"),
    ("smove", "a", "b", "c"),
]
KEYS: Script = [
    ("COMMAND", name, *request) for request in REQUESTS for name in ("GETKEYS", "GETKEYSANDFLAGS")
]
FEW_WORDS: Script = [
    ("COMMAND", "GETKEYS"),
    ("COMMAND", "GETKEYS", "get"),
    ("COMMAND", "GETKEYS", "ping"),
]

# Redis 7.2 and Valkey accept requests of one word, which Redis 7.0 refuses.
LATER_THAN_REDIS_7_0 = ["few words"]
CASES: dict[str, Script] = {"info": INFO, "list": LIST, "keys": KEYS, "few words": FEW_WORDS}
