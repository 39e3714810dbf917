"""CLUSTER on a server without cluster support."""

from tests.differential.compare import redis_way
from tests.differential.scripts import Script

CASES: dict[str, Script] = {
    "cluster support is disabled": [
        ("CLUSTER", "INFO"),
        ("CLUSTER", "SLOTS"),
        ("CLUSTER", "SHARDS"),
        ("CLUSTER", "NODES"),
        ("CLUSTER", "MYID"),
        ("CLUSTER", "MYSHARDID"),
        ("CLUSTER", "LINKS"),
        ("CLUSTER", "KEYSLOT", "k"),
        ("CLUSTER", "COUNTKEYSINSLOT", 0),
        ("CLUSTER", "GETKEYSINSLOT", 0, 10),
        ("CLUSTER", "COUNT-FAILURE-REPORTS", "node"),
        ("CLUSTER", "REPLICAS", "node"),
        ("CLUSTER", "SLAVES", "node"),
        ("CLUSTER", "REPLICATE", "node"),
        ("CLUSTER", "MEET", "127.0.0.1", 1),
        ("CLUSTER", "FORGET", "node"),
        ("CLUSTER", "FAILOVER"),
        ("CLUSTER", "RESET"),
        ("CLUSTER", "SAVECONFIG"),
        ("CLUSTER", "BUMPEPOCH"),
        ("CLUSTER", "SET-CONFIG-EPOCH", 1),
        ("CLUSTER", "SETSLOT", 0, "STABLE"),
        ("CLUSTER", "ADDSLOTS", 0),
        ("CLUSTER", "ADDSLOTSRANGE", 0, 1),
        ("CLUSTER", "DELSLOTS", 0),
        ("CLUSTER", "DELSLOTSRANGE", 0, 1),
        ("CLUSTER", "FLUSHSLOTS"),
        ("CLUSTER", "NOSUCH"),
        ("CLUSTER", "KEYSLOT"),
        ("CLUSTER",),
        redis_way("READONLY"),
        redis_way("READWRITE"),
        ("ASKING",),
    ],
}
