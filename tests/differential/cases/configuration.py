"""CONFIG: names, values, errors, and setting several at once."""

from tests.differential.compare import as_pairs, redis_way
from tests.differential.scripts import Script


def _set(name: str, *values: str | int) -> Script:
    """Set each value in turn, reading the setting after each."""
    script: Script = []
    for value in values:
        script += [("CONFIG", "SET", name, value), ("CONFIG", "GET", name)]
    return script


NUMBERS: Script = [
    *_set("maxclients", "abc", 0, "99999999999999999999", 2000, 10000),
    *_set("timeout", -1, "1k", "1 ", "010", "", 7, 0),
    *_set("hz", 0, -1, 1000, 10),
    *_set("slowlog-log-slower-than", -5, -1, 10000),
    *_set("list-max-listpack-size", -6, 99999999999, -2),
    *_set("active-expire-effort", 0, 11, 1),
    ("CONFIG", "SET", "repl-backlog-size", 0),
    redis_way("CONFIG", "SET", "maxmemory-samples", 0),
    *_set("replica-priority", -1, 100),
    *_set("acllog-max-len", -1, 128),
    *_set("tracking-table-max-keys", -1, 1000000),
]
SIZES: Script = [
    *_set("maxmemory", "1xx", "1k", "1kB", "1Mb", "1gb", "1tb", "1.5gb", -1, "100%", "", 0),
    *_set("proto-max-bulk-len", 1, "512mb"),
    *_set("client-query-buffer-limit", 1, "1gb"),
    *_set("stream-node-max-bytes", -1, "4kb", 4096),
    *_set("maxmemory-clients", "5%", "101%", "x", "10mb", 0),
]
WORDS: Script = [
    *_set("appendonly", "maybe", "NO", "no"),
    *_set("maxmemory-policy", "foo", "ALLKEYS-LRU", "noeviction"),
    *_set("appendfsync", "foo", "always", "everysec"),
    redis_way("CONFIG", "SET", "repl-diskless-load", "foo"),
    *_set("oom-score-adj", "foo"),
    *_set("propagation-error-behavior", "foo"),
    *_set("cluster-preferred-endpoint-type", "foo"),
    *_set("tls-auth-clients", "foo"),
    *_set("acl-pubsub-default", "foo"),
    redis_way("CONFIG", "SET", "shutdown-on-sigterm", "foo"),
    *_set("shutdown-on-sigterm", "nosave now", "now nosave", "save nosave", "default"),
]
LISTS: Script = [
    *_set("save", "a b", "10 1", "10 1 20", "0 1", "10 -1", "10 1 20 2", ""),
    *_set(
        "client-output-buffer-limit",
        "normal 1",
        "foo 1 1 1",
        "normal 1mb x 1",
        "normal 1mb 2mb 3",
        "replica 5mb 2mb 3 pubsub 1 2 3",
        "",
        "normal 1mb 2mb -3",
        "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
    ),
    *_set("oom-score-adj-values", "0 200", "0 200 5000", "a b c", "0 200 800"),
    *_set(
        "latency-tracking-info-percentiles",
        "50 99.5 100",
        "50 abc",
        "50 101",
        " 5",
        "5  6",
        "",
        "50 99 99.9",
    ),
    *_set("notify-keyspace-events", "KEA", "Kx$n", "foo", "AKEmn", "g$lshzxetdKE", "mnt", ""),
    *_set("cluster-announce-hostname", "a b", "a_b", "-a.b-", "x" * 255, "x" * 256, ""),
    redis_way("CONFIG", "SET", "shutdown-on-sigint", ""),
    redis_way("CONFIG", "SET", "shutdown-on-sigint", "now  save"),
    *_set("proc-title-template", "{foo}", "{title}", "x {title}", ""),
    ("CONFIG", "SET", "proc-title-template", "{title} {listen-addr} {server-mode}"),
]
EXTREMES: Script = [
    *_set("tcp-keepalive", 40000, 2147483647, 2147483648, -1, 300),
    *_set("set-max-listpack-value", -1, "1kb", "9" * 5000, 9223372036854775808, 64),
    *_set("proto-max-bulk-len", 18446744073709551615, 18446744073709551616, "9" * 5000, "512mb"),
    *_set("maxmemory-clients", "101%", "0%", 0),
    *_set("bind", "127.0.0.1  127.0.0.2", "127.0.0.1 ", "127.0.0.1\n", "é", "a\0b", "-", "x" * 300),
    *_set("bind", " ".join(f"127.0.0.{number}" for number in range(1, 18))),
    *[("CONFIG", "SET", "port", value) for value in (-1, 65536, "9" * 5000)],
]
IMMUTABLE: Script = [
    ("CONFIG", "SET", name, value)
    for name, value in (
        ("databases", 5),
        ("tcp-backlog", 1),
        ("appendfilename", "foo"),
        ("unixsocket", "foo"),
        ("unixsocketperm", "777"),
        ("enable-debug-command", "no"),
        ("set-proc-title", "yes"),
        ("syslog-facility", "local1"),
        ("slaveof", "no one"),
        ("aclfile", "foo"),
        ("logfile", "foo"),
        ("pidfile", "foo"),
        ("daemonize", "no"),
        ("dir", "/nonexistent"),
        ("dbfilename", "foo"),
        ("dbfilename", "a/b"),
    )
]
TOGETHER: Script = [
    ("CONFIG", "SET", "maxclients", 5000, "timeout", "abc"),
    ("CONFIG", "GET", "maxclients"),
    ("CONFIG", "SET", "timeout", 5, "maxmemory-samples", 7),
    as_pairs("CONFIG", "GET", "timeout", "maxmemory-samples"),
    ("CONFIG", "SET", "timeout", 0, "maxmemory-samples", 5),
    ("CONFIG", "SET", "maxclients", 5000, "foo", "abc"),
    ("CONFIG", "SET", "maxclients", "abc", "foo", "abc"),
    ("CONFIG", "SET", "maxclients", 5000, "databases", 3),
    ("CONFIG", "SET", "databases", 3, "foo", 1),
    ("CONFIG", "SET", "foo", 1, "databases", 3),
    ("CONFIG", "SET", "foo", 1, "bar", 2),
    ("CONFIG", "SET", "maxclients", 1, "maxclients", 2),
    ("CONFIG", "SET", "maxclients", 1, "MAXCLIENTS", 2, "foo", 3),
    ("CONFIG", "SET", "MAXCLIENTS", "abc"),
    ("CONFIG", "SET", "Hash-max-ziplist-entries", "abc"),
    ("CONFIG", "SET", "hash-max-listpack-entries", 1, "hash-max-ziplist-entries", 2),
    ("CONFIG", "SET", "hash-max-listpack-entries", 512),
    ("CONFIG", "SET", "a"),
    ("CONFIG", "SET", "a", "b", "c"),
    ("CONFIG", "SET"),
]
NAMES: Script = [
    as_pairs("CONFIG", "GET", "hash-max-*"),
    as_pairs("CONFIG", "GET", "maxm*y", "ma?clients", "timeout"),
    ("CONFIG", "GET", "MAXCLIENTS"),
    ("CONFIG", "GET", "*policy", "maxmemory-POLICY"),
    as_pairs("CONFIG", "GET", "slaveof", "replicaof"),
    ("CONFIG", "GET", "lua-time-limit"),
    ("CONFIG", "GET", "key-load-delay"),
    ("CONFIG", "GET", "key-load-dela?"),
    ("CONFIG", "GET", "["),
    ("CONFIG", "GET", ""),
    ("CONFIG", "GET", "nothing", "no*thing"),
    ("CONFIG", "GET"),
    ("CONFIG", "FOO"),
    ("CONFIG",),
    ("CONFIG", "RESETSTAT", "x"),
    ("CONFIG", "RESETSTAT"),
    ("CONFIG", "REWRITE"),
    ("CONFIG", "HELP", "x"),
]
EFFECTS: Script = [
    ("CONFIG", "SET", "hash-max-ziplist-entries", 2),
    ("HSET", "h", "a", 1, "b", 2),
    ("OBJECT", "ENCODING", "h"),
    ("HSET", "h", "c", 3),
    ("OBJECT", "ENCODING", "h"),
    ("CONFIG", "SET", "hash-max-listpack-entries", 512),
]

CASES: dict[str, Script] = {
    "numbers": NUMBERS,
    "sizes": SIZES,
    "words": WORDS,
    "lists": LISTS,
    "extremes": EXTREMES,
    "immutable": IMMUTABLE,
    "together": TOGETHER,
    "names": NAMES,
    "effects": EFFECTS,
}
