"""The settings that do something, by theme. `inert_settings` has those that are only kept."""

from __future__ import annotations

from commands.engine.numbers import INT64_MAX
from commands.settings.kinds import (
    Boolean,
    Clamped,
    Enum,
    EventClasses,
    FileName,
    Integer,
    Memory,
    Octal,
    OutputLimits,
    Percentiles,
    SavePoints,
    Setting,
    ShutdownOptions,
    Text,
)

INT32_MAX = 2**31 - 1
COUNT = Integer()
SMALL = Integer(0, INT32_MAX)
PORT = Integer(0, 65535)
SIZE = Memory()
YES_NO = Boolean()
TEXT = Text()
_WHO = Enum("no", "yes", "local")

NETWORK = (
    Setting("port", PORT, "6379", "TCP port; 0 listens on no TCP port."),
    Setting("bind", TEXT, "127.0.0.1 ::1", "Addresses to listen on.", words=True),
    Setting("unixsocket", TEXT, "", "Path of a unix socket to listen on.", mutable=False),
    Setting(
        "unixsocketperm",
        Octal(0o777),
        "0",
        "Octal permissions of the unix socket; 0 leaves them to the umask.",
        mutable=False,
    ),
    Setting("tcp-backlog", SMALL, "511", "Length of the accept queue.", mutable=False),
    Setting("tcp-keepalive", SMALL, "300", "Seconds between TCP keep-alive probes; 0 is none."),
    Setting("timeout", SMALL, "0", "Seconds of idleness until a client is closed; 0 is never."),
    Setting("maxclients", Integer(1, 2**32 - 1), "10000", "Most clients connected at once."),
    Setting(
        "protected-mode",
        YES_NO,
        "yes",
        "Serve only this machine while there is no password.",
    ),
)

CLIENTS = (
    Setting(
        "client-query-buffer-limit",
        Memory(1 << 20),
        "1gb",
        "Most unread input of a client.",
    ),
    Setting(
        "client-output-buffer-limit",
        OutputLimits(),
        "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
        "Per class of client: hard limit, soft limit, seconds over the soft limit.",
        words=True,
    ),
    Setting("proto-max-bulk-len", Memory(1 << 20), "512mb", "Longest string a client may send."),
    Setting("requirepass", TEXT, "", "Password of the default user.", secret=True),
    Setting("aclfile", TEXT, "", "File with the users, in place of `user` lines.", mutable=False),
    Setting("acllog-max-len", COUNT, "128", "Entries kept in ACL LOG."),
    Setting(
        "acl-pubsub-default",
        Enum("allchannels", "resetchannels"),
        "resetchannels",
        "Channels that a new user may use.",
    ),
    Setting(
        "tracking-table-max-keys",
        COUNT,
        "1000000",
        "Most keys remembered for client-side caching; 0 is no limit.",
    ),
    Setting(
        "notify-keyspace-events",
        EventClasses(),
        "",
        "Classes of key events that are published.",
    ),
)

SERVER = (
    Setting("databases", Integer(1, INT32_MAX), "16", "Number of databases.", mutable=False),
    Setting("hz", Clamped(1, 500), "10", "How often a second background work is done."),
    Setting(
        "active-expire-effort",
        Integer(1, 10),
        "1",
        "How much time sweeps for expired keys may take.",
    ),
    Setting(
        "loglevel",
        Enum("debug", "verbose", "notice", "warning", "nothing"),
        "notice",
        "The least severe messages that are logged.",
    ),
    Setting("logfile", TEXT, "", "Log file; empty logs to standard error.", mutable=False),
    Setting("pidfile", TEXT, "", "File that holds the process id.", mutable=False),
    Setting(
        "shutdown-on-sigint",
        ShutdownOptions(),
        "default",
        "How SIGINT ends the server: SHUTDOWN's options.",
        words=True,
    ),
    Setting(
        "shutdown-on-sigterm",
        ShutdownOptions(),
        "default",
        "How SIGTERM ends the server: SHUTDOWN's options.",
        words=True,
    ),
    Setting(
        "busy-reply-threshold",
        COUNT,
        "5000",
        "Milliseconds until a script counts as busy; 0 is never.",
        alias="lua-time-limit",
    ),
    Setting(
        "enable-protected-configs",
        _WHO,
        "no",
        "Who may change protected settings.",
        mutable=False,
    ),
    Setting("enable-debug-command", _WHO, "no", "Who may use DEBUG.", mutable=False),
    Setting("enable-module-command", _WHO, "no", "Who may use MODULE.", mutable=False),
)

DIAGNOSTICS = (
    Setting(
        "slowlog-log-slower-than",
        Integer(-1, INT64_MAX),
        "10000",
        "Microseconds that make a command slow; 0 logs all, -1 none.",
        alias="commandlog-execution-slower-than",
    ),
    Setting(
        "slowlog-max-len",
        COUNT,
        "128",
        "Entries kept in the slow log.",
        alias="commandlog-slow-execution-max-len",
    ),
    Setting(
        "commandlog-request-larger-than",
        Integer(-1, INT64_MAX),
        "1048576",
        "Bytes that make a request large; -1 logs none.",
    ),
    Setting("commandlog-large-request-max-len", COUNT, "128", "Entries kept in the log of them."),
    Setting(
        "commandlog-reply-larger-than",
        Integer(-1, INT64_MAX),
        "1048576",
        "Bytes that make a reply large; -1 logs none.",
    ),
    Setting("commandlog-large-reply-max-len", COUNT, "128", "Entries kept in the log of them."),
    Setting(
        "latency-monitor-threshold",
        COUNT,
        "0",
        "Milliseconds from which on events are monitored; 0 turns that off.",
    ),
    Setting("latency-tracking", YES_NO, "yes", "Report the latencies of each command."),
    Setting(
        "latency-tracking-info-percentiles",
        Percentiles(),
        "50 99 99.9",
        "Percentiles that INFO latencystats reports.",
        words=True,
    ),
)

PERSISTENCE = (
    Setting("dir", TEXT, ".", "Directory of the data files.", protected=True),
    Setting(
        "dbfilename",
        FileName("dbfilename"),
        "dump.rdb",
        "Name of the snapshot file.",
        protected=True,
    ),
    Setting(
        "save",
        SavePoints(),
        "3600 1 300 100 60 10000",
        "When to snapshot: seconds and changes.",
        words=True,
    ),
    Setting("stop-writes-on-bgsave-error", YES_NO, "yes", "Refuse writes while snapshots fail."),
    Setting("rdbcompression", YES_NO, "yes", "Compress long strings in snapshots."),
    Setting("rdbchecksum", YES_NO, "yes", "End snapshots with a checksum.", mutable=False),
    Setting("appendonly", YES_NO, "no", "Log every write."),
    Setting(
        "appendfilename",
        FileName("appendfilename"),
        "appendonly.aof",
        "First part of the names of the log's files.",
        mutable=False,
    ),
    Setting(
        "appenddirname",
        FileName("appenddirname"),
        "appendonlydir",
        "Directory of the log's files, inside `dir`.",
        mutable=False,
    ),
    Setting(
        "appendfsync",
        Enum("everysec", "always", "no"),
        "everysec",
        "When the log is forced to disk.",
    ),
    Setting(
        "no-appendfsync-on-rewrite",
        YES_NO,
        "no",
        "Do not force the log to disk while a snapshot or rewrite runs.",
    ),
    Setting(
        "auto-aof-rewrite-percentage",
        SMALL,
        "100",
        "Growth of the log since its last rewrite that starts another; 0 is never.",
    ),
    Setting("auto-aof-rewrite-min-size", SIZE, "64mb", "No rewrite while the log is smaller."),
    Setting("aof-load-truncated", YES_NO, "yes", "Load a log whose end is cut off."),
    Setting("aof-use-rdb-preamble", YES_NO, "yes", "Rewrite the log as a snapshot."),
    Setting("aof-timestamp-enabled", YES_NO, "no", "Note the time in the log."),
    Setting(
        "sanitize-dump-payload",
        Enum("no", "yes", "clients"),
        "no",
        "Check payloads of RESTORE and snapshots thoroughly.",
        inert=True,
    ),
)

MEMORY = (
    Setting("maxmemory", Memory(0, 2**64 - 1), "0", "Most memory for data; 0 is no limit."),
    Setting(
        "maxmemory-policy",
        Enum(
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ),
        "noeviction",
        "What is removed when the data outgrows `maxmemory`.",
    ),
    Setting("maxmemory-samples", Integer(1, INT32_MAX), "5", "Keys compared per eviction."),
)

ENCODINGS = (
    Setting(
        "hash-max-listpack-entries",
        COUNT,
        "512",
        "Most fields of a compact hash.",
        alias="hash-max-ziplist-entries",
    ),
    Setting(
        "hash-max-listpack-value",
        SIZE,
        "64",
        "Longest value of a compact hash.",
        alias="hash-max-ziplist-value",
    ),
    Setting(
        "list-max-listpack-size",
        Integer(-(2**31), INT32_MAX),
        "-2",
        "Most entries, or size class, of a list node.",
        alias="list-max-ziplist-size",
    ),
    Setting("set-max-intset-entries", COUNT, "512", "Most members of a set of integers."),
    Setting("set-max-listpack-entries", COUNT, "128", "Most members of a compact set."),
    Setting("set-max-listpack-value", SIZE, "64", "Longest member of a compact set."),
    Setting(
        "zset-max-listpack-entries",
        COUNT,
        "128",
        "Most members of a compact sorted set.",
        alias="zset-max-ziplist-entries",
    ),
    Setting(
        "zset-max-listpack-value",
        SIZE,
        "64",
        "Longest member of a compact sorted set.",
        alias="zset-max-ziplist-value",
    ),
    Setting("stream-node-max-bytes", SIZE, "4096", "Most bytes of a stream node."),
    Setting("stream-node-max-entries", COUNT, "100", "Most entries of a stream node."),
    Setting("hll-sparse-max-bytes", SIZE, "3000", "Longest sparse HyperLogLog."),
)

# Redkeep's own: what Redis has no word for.
DOMAIN = (
    Setting(
        "job-kinds",
        TEXT,
        "train backfill feature_refresh drift_compute",
        "Kinds of jobs that JOB.SUBMIT accepts.",
        words=True,
    ),
    Setting("job-lease-ms", Integer(1), "30000", "Lease of a claimed job that names none."),
    Setting("presence-ttl-ms", Integer(1), "30000", "Age at which a consumer turns stale."),
    Setting("queue-max-deliveries", COUNT, "5", "Deliveries until a message is a dead letter."),
    Setting("domain-events", YES_NO, "no", "Keep events of domain commands in streams, too."),
    Setting(
        "hash-tags",
        YES_NO,
        "no",
        "Put hash tags into the checkpoint and store layouts that have none.",
        mutable=False,
    ),
)

WORKING = (
    *NETWORK,
    *CLIENTS,
    *SERVER,
    *DIAGNOSTICS,
    *PERSISTENCE,
    *MEMORY,
    *ENCODINGS,
    *DOMAIN,
)
