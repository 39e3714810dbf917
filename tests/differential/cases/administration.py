"""Server commands of a single server: roles, modules, refused shutdowns."""

from tests.differential.compare import redis_way
from tests.differential.scripts import Script

ALONE: Script = [
    ("ROLE",),
    ("ROLE", "x"),
    ("REPLICAOF", "NO", "ONE"),
    ("SLAVEOF", "no", "one"),
    ("SLAVEOF", "no"),
    ("REPLICAOF", "a", "b"),
    ("REPLICAOF", "127.0.0.1", 99999999),
    ("REPLICAOF", "127.0.0.1", -1),
    ("FAILOVER",),
    ("FAILOVER", "ABORT"),
    ("FAILOVER", "TO", "a"),
    ("FAILOVER", "TO", "h", "x"),
    ("FAILOVER", "TO", "h", 1, "FORCE"),
    ("FAILOVER", "TO", "h", 1, "TO", "h", 2),
    ("FAILOVER", "TIMEOUT", 0),
    ("FAILOVER", "TIMEOUT", "x"),
    ("FAILOVER", "TIMEOUT"),
    ("FAILOVER", "TIMEOUT", 5),
]
CLUSTER: Script = [
    ("CLUSTER",),
    ("CLUSTER", "FOO"),
    ("CLUSTER", "INFO"),
    ("CLUSTER", "INFO", "x"),
    ("CLUSTER", "MYID"),
    ("CLUSTER", "SLOTS"),
    ("CLUSTER", "NODES"),
    ("CLUSTER", "ADDSLOTS"),
    ("CLUSTER", "ADDSLOTS", 1),
    ("CLUSTER", "MEET", "a", 1),
    ("ASKING",),
    redis_way("READONLY"),
    redis_way("READWRITE"),
]
MODULES: Script = [
    redis_way("MODULE", "LIST"),
    ("MODULE", "LOAD"),
    ("MODULE", "LOAD", "x"),
    ("MODULE", "LOADEX", "x"),
    ("MODULE", "UNLOAD", "x"),
    ("MODULE", "FOO"),
]
REST: Script = [
    ("SHUTDOWN", "ABORT"),
    ("SHUTDOWN", "foo"),
    ("SHUTDOWN", "NOSAVE", "SAVE"),
    ("SHUTDOWN", "ABORT", "NOW"),
    ("SHUTDOWN", "NOSAVE", "ABORT"),
    ("TIME",),
    ("TIME", "x"),
    ("LASTSAVE",),
    ("LASTSAVE", "x"),
    ("LOLWUT",),
    ("LOLWUT", "VERSION", "x"),
    ("LOLWUT", "VERSION", 5, "x"),
    ("LOLWUT", "VERSION", 5, 1, 1, 1),
    ("INFO",),
    ("INFO", "foo"),
    ("INFO", "SERVER", "cpu", "foo"),
    ("MONITOR", "x"),
]

CASES: dict[str, Script] = {
    "alone": ALONE,
    "cluster": CLUSTER,
    "modules": MODULES,
    "rest": REST,
}
