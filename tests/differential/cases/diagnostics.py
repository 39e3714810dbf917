"""SLOWLOG, LATENCY and MEMORY: errors, and replies that do not depend on the machine."""

from tests.differential.compare import loosely
from tests.differential.scripts import Script

SLOWLOG: Script = [
    ("SLOWLOG", "GET", -2),
    ("SLOWLOG", "GET", "abc"),
    ("SLOWLOG", "GET", 0),
    ("SLOWLOG", "GET", -1),
    ("SLOWLOG", "GET", 1, 2),
    ("SLOWLOG", "get", 1, 2),
    ("SLOWLOG", "LEN"),
    ("SLOWLOG", "LEN", "x"),
    ("SLOWLOG", "RESET"),
    ("SLOWLOG", "FOO"),
    ("SLOWLOG",),
    ("CONFIG", "SET", "slowlog-log-slower-than", 0),
    ("PING",),
    ("CONFIG", "SET", "slowlog-log-slower-than", 10000),
    ("SLOWLOG", "LEN"),
    ("SLOWLOG", "RESET"),
    ("SLOWLOG", "LEN"),
]
LATENCY: Script = [
    ("LATENCY", "LATEST"),
    ("LATENCY", "HISTORY", "foo"),
    ("LATENCY", "HISTORY"),
    ("LATENCY", "GRAPH", "foo"),
    ("LATENCY", "RESET"),
    ("LATENCY", "RESET", "foo", "bar"),
    ("LATENCY", "HISTOGRAM", "foo"),
    loosely("LATENCY", "HISTOGRAM"),
    loosely("LATENCY", "DOCTOR"),
    ("LATENCY", "DOCTOR", "x"),
    ("LATENCY", "FOO"),
    ("CONFIG", "SET", "latency-monitor-threshold", 1),
    ("DEBUG", "SLEEP", 0.002),
    loosely("LATENCY", "HISTORY", "command"),
    ("LATENCY", "RESET", "command", "foo"),
    ("LATENCY", "LATEST"),
    ("CONFIG", "SET", "latency-monitor-threshold", 0),
]
MEMORY: Script = [
    ("MEMORY", "USAGE", "nothing"),
    ("SET", "a", "b"),
    loosely("MEMORY", "USAGE", "a"),
    loosely("MEMORY", "USAGE", "a", "SAMPLES", 0),
    loosely("MEMORY", "USAGE", "a", "SAMPLES", 1, "SAMPLES", 2),
    ("MEMORY", "USAGE", "a", "b"),
    ("MEMORY", "USAGE", "a", "SAMPLES"),
    ("MEMORY", "USAGE", "a", "SAMPLES", "x"),
    ("MEMORY", "USAGE", "a", "SAMPLES", -1),
    ("MEMORY", "USAGE", "a", "SAMPLES", 0, "x"),
    ("MEMORY", "USAGE"),
    loosely("MEMORY", "STATS"),
    loosely("MEMORY", "DOCTOR"),
    ("MEMORY", "PURGE"),
    ("MEMORY", "PURGE", "x"),
    ("MEMORY", "FOO"),
    ("MEMORY",),
]

CASES: dict[str, Script] = {"slow log": SLOWLOG, "latency": LATENCY, "memory": MEMORY}
