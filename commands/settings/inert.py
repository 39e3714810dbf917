"""Settings that are accepted, checked and remembered, but change nothing here.

They steer machinery that Redkeep does not have: replication, clustering, TLS, threads, a
C allocator. Clients, test suites and existing redis.conf files name them all the same.
"""

from __future__ import annotations

from commands.settings.kinds import (
    Enum,
    HostName,
    Integer,
    Kind,
    Memory,
    MemoryOrPercent,
    OutOfMemoryScores,
    Setting,
    TitleTemplate,
)
from commands.settings.table import COUNT, INT32_MAX, PORT, SMALL, TEXT, YES_NO


def _kept(
    name: str,
    kind: Kind,
    default: str,
    help: str,
    *,
    mutable: bool = True,
    secret: bool = False,
    hidden: bool = False,
    words: bool = False,
    alias: str | None = None,
) -> Setting:
    return Setting(
        name,
        kind,
        default,
        help,
        mutable=mutable,
        secret=secret,
        hidden=hidden,
        words=words,
        alias=alias,
        inert=True,
    )


_PERCENT = Integer(0, 1000)
_CYCLE = Integer(1, 99)

PROCESS = (
    _kept("daemonize", YES_NO, "no", "Run in the background.", mutable=False),
    _kept(
        "supervised",
        Enum("upstart", "systemd", "auto", "no"),
        "no",
        "Who watches over the process.",
        mutable=False,
    ),
    _kept("always-show-logo", YES_NO, "no", "Greet with a picture.", mutable=False),
    _kept("set-proc-title", YES_NO, "yes", "Name the process for `ps`.", mutable=False),
    _kept(
        "proc-title-template",
        TitleTemplate(),
        "{title} {listen-addr} {server-mode}",
        "The process' name for `ps`.",
    ),
    _kept("syslog-enabled", YES_NO, "no", "Log to syslog.", mutable=False),
    _kept("syslog-ident", TEXT, "redis", "Name in syslog.", mutable=False),
    _kept(
        "syslog-facility",
        Enum("user", *(f"local{number}" for number in range(8))),
        "local0",
        "Facility in syslog.",
        mutable=False,
    ),
    _kept("crash-log-enabled", YES_NO, "yes", "Report a crash in the log."),
    _kept("crash-memcheck-enabled", YES_NO, "yes", "Test the memory after a crash."),
    _kept("use-exit-on-panic", YES_NO, "no", "Exit instead of aborting.", hidden=True),
    _kept("watchdog-period", SMALL, "0", "Milliseconds of the watchdog.", hidden=True),
    _kept("ignore-warnings", TEXT, "", "Start-up warnings to pass over."),
    _kept("disable-thp", YES_NO, "yes", "Turn huge pages off.", mutable=False),
    _kept(
        "oom-score-adj",
        Enum("no", "yes", "relative", "absolute"),
        "no",
        "Adjust whom the kernel kills when memory runs out.",
    ),
    _kept("oom-score-adj-values", OutOfMemoryScores(), "0 200 800", "By how much.", words=True),
    _kept("io-threads", Integer(1, 128), "1", "Threads for sockets.", mutable=False),
    _kept("io-threads-do-reads", YES_NO, "no", "Read in threads too.", mutable=False),
    _kept("dynamic-hz", YES_NO, "yes", "More background work with more clients."),
    _kept("server-cpulist", TEXT, "", "CPUs to run on.", mutable=False, alias="server_cpulist"),
    _kept("bio-cpulist", TEXT, "", "CPUs of the helpers.", mutable=False, alias="bio_cpulist"),
    _kept(
        "aof-rewrite-cpulist",
        TEXT,
        "",
        "CPUs of log rewrites.",
        mutable=False,
        alias="aof_rewrite_cpulist",
    ),
    _kept("bgsave-cpulist", TEXT, "", "CPUs of snapshots.", mutable=False, alias="bgsave_cpulist"),
    _kept("shutdown-timeout", SMALL, "10", "Seconds to wait for replicas at the end."),
    _kept("locale-collate", TEXT, "", "Locale that orders text."),
    _kept("socket-mark-id", Integer(0, 2**32 - 1), "0", "Mark of the sockets.", mutable=False),
    _kept("bind-source-addr", TEXT, "", "Address of outgoing connections."),
)

MEMORY = (
    _kept("maxmemory-clients", MemoryOrPercent(), "0", "Most memory of all clients together."),
    _kept("maxmemory-eviction-tenacity", Integer(0, 100), "10", "How long evictions may take."),
    _kept("lfu-log-factor", SMALL, "10", "How fast frequencies saturate."),
    _kept("lfu-decay-time", SMALL, "1", "Minutes until a frequency is halved."),
    _kept("lazyfree-lazy-eviction", YES_NO, "no", "Free evicted values in a thread."),
    _kept("lazyfree-lazy-expire", YES_NO, "no", "Free expired values in a thread."),
    _kept("lazyfree-lazy-server-del", YES_NO, "no", "Free replaced values in a thread."),
    _kept("lazyfree-lazy-user-del", YES_NO, "no", "Make DEL an UNLINK."),
    _kept("lazyfree-lazy-user-flush", YES_NO, "no", "Make FLUSHALL asynchronous."),
    _kept("activerehashing", YES_NO, "yes", "Rehash tables in idle time."),
    _kept("list-compress-depth", SMALL, "0", "Nodes at a list's ends that stay uncompressed."),
    _kept("jemalloc-bg-thread", YES_NO, "yes", "Let the allocator purge in a thread."),
    _kept("activedefrag", YES_NO, "no", "Defragment while running."),
    _kept("active-defrag-ignore-bytes", Memory(1), "100mb", "Waste that starts it."),
    _kept("active-defrag-threshold-lower", _PERCENT, "10", "Fragmentation that starts it."),
    _kept("active-defrag-threshold-upper", _PERCENT, "100", "Fragmentation for full effort."),
    _kept("active-defrag-cycle-min", _CYCLE, "1", "Least CPU percentage."),
    _kept("active-defrag-cycle-max", _CYCLE, "25", "Most CPU percentage."),
    _kept("active-defrag-max-scan-fields", Integer(1), "1000", "Members looked at in one go."),
)

PERSISTENCE = (
    _kept("rdb-save-incremental-fsync", YES_NO, "yes", "Force a snapshot to disk piecemeal."),
    _kept("aof-rewrite-incremental-fsync", YES_NO, "yes", "Force a rewrite to disk piecemeal."),
    _kept("aof-disable-auto-gc", YES_NO, "no", "Keep the log's obsolete files."),
    _kept("rdb-del-sync-files", YES_NO, "no", "Remove files that replication left."),
    _kept("rdb-key-save-delay", Integer(-(2**31), INT32_MAX), "0", "For tests.", hidden=True),
    _kept("key-load-delay", Integer(-(2**31), INT32_MAX), "0", "For tests.", hidden=True),
)

REPLICATION = (
    _kept("replicaof", TEXT, "", "The master.", mutable=False, words=True, alias="slaveof"),
    _kept("masteruser", TEXT, "", "User at the master.", secret=True, alias="primaryuser"),
    _kept("masterauth", TEXT, "", "Password at the master.", secret=True, alias="primaryauth"),
    _kept(
        "replica-serve-stale-data",
        YES_NO,
        "yes",
        "Serve without the master.",
        alias="slave-serve-stale-data",
    ),
    _kept("replica-read-only", YES_NO, "yes", "Refuse writes.", alias="slave-read-only"),
    _kept("replica-lazy-flush", YES_NO, "no", "Flush in a thread.", alias="slave-lazy-flush"),
    _kept(
        "replica-ignore-maxmemory", YES_NO, "yes", "Never evict.", alias="slave-ignore-maxmemory"
    ),
    _kept("replica-ignore-disk-write-errors", YES_NO, "no", "Go on without a disk."),
    _kept("replica-priority", SMALL, "100", "For Sentinel.", alias="slave-priority"),
    _kept("replica-announced", YES_NO, "yes", "Be known to Sentinel."),
    _kept("replica-announce-ip", TEXT, "", "Address to show.", alias="slave-announce-ip"),
    _kept("replica-announce-port", PORT, "0", "Port to show.", alias="slave-announce-port"),
    _kept("repl-diskless-sync", YES_NO, "yes", "Send snapshots without a file."),
    _kept("repl-diskless-sync-delay", SMALL, "5", "Seconds to wait for more replicas."),
    _kept("repl-diskless-sync-max-replicas", SMALL, "0", "Replicas not to wait beyond."),
    _kept(
        "repl-diskless-load",
        Enum("disabled", "on-empty-db", "swapdb"),
        "disabled",
        "Load without a file.",
    ),
    _kept(
        "repl-ping-replica-period",
        Integer(1, INT32_MAX),
        "10",
        "Seconds between pings.",
        alias="repl-ping-slave-period",
    ),
    _kept("repl-timeout", Integer(1, INT32_MAX), "60", "Seconds of silence."),
    _kept("repl-disable-tcp-nodelay", YES_NO, "no", "Fewer, larger packets."),
    _kept("repl-backlog-size", Memory(1), "1mb", "Size of the backlog."),
    _kept("repl-backlog-ttl", COUNT, "3600", "Seconds the backlog outlives its replicas."),
    _kept(
        "min-replicas-to-write",
        SMALL,
        "0",
        "Replicas without which writes fail.",
        alias="min-slaves-to-write",
    ),
    _kept(
        "min-replicas-max-lag",
        SMALL,
        "10",
        "Seconds that count as lost.",
        alias="min-slaves-max-lag",
    ),
    _kept(
        "propagation-error-behavior",
        Enum("ignore", "panic", "panic-on-replicas"),
        "ignore",
        "What follows when replication disagrees.",
    ),
)

CLUSTER = (
    _kept("cluster-enabled", YES_NO, "no", "Be a node of a cluster.", mutable=False),
    _kept("cluster-config-file", TEXT, "nodes.conf", "The node's file.", mutable=False),
    _kept("cluster-port", PORT, "0", "Port of the cluster bus.", mutable=False),
    _kept("cluster-node-timeout", COUNT, "15000", "Milliseconds until a node is down."),
    _kept(
        "cluster-replica-validity-factor",
        SMALL,
        "10",
        "How stale a replica may take over.",
        alias="cluster-slave-validity-factor",
    ),
    _kept("cluster-migration-barrier", SMALL, "1", "Replicas a master keeps."),
    _kept("cluster-allow-replica-migration", YES_NO, "yes", "Let replicas migrate."),
    _kept("cluster-require-full-coverage", YES_NO, "yes", "Stop when slots are missing."),
    _kept(
        "cluster-replica-no-failover",
        YES_NO,
        "no",
        "Never take over.",
        alias="cluster-slave-no-failover",
    ),
    _kept("cluster-allow-reads-when-down", YES_NO, "no", "Read while the cluster is down."),
    _kept("cluster-allow-pubsubshard-when-down", YES_NO, "yes", "Publish while it is down."),
    _kept("cluster-link-sendbuf-limit", Memory(0, 2**64 - 1), "0", "Most bytes queued per link."),
    _kept("cluster-announce-ip", TEXT, "", "Address to show."),
    _kept("cluster-announce-hostname", HostName(), "", "Host name to show."),
    _kept("cluster-announce-human-nodename", TEXT, "", "Name for the log."),
    _kept("cluster-announce-port", PORT, "0", "Port to show."),
    _kept("cluster-announce-tls-port", PORT, "0", "TLS port to show."),
    _kept("cluster-announce-bus-port", PORT, "0", "Bus port to show."),
    _kept(
        "cluster-preferred-endpoint-type",
        Enum("ip", "hostname", "unknown-endpoint"),
        "ip",
        "How nodes are named to clients.",
    ),
)

TLS = (
    _kept("tls-port", PORT, "0", "TLS port."),
    _kept("tls-cert-file", TEXT, "", "Certificate."),
    _kept("tls-key-file", TEXT, "", "Its key."),
    _kept("tls-key-file-pass", TEXT, "", "The key's password.", secret=True),
    _kept("tls-client-cert-file", TEXT, "", "Certificate as a client."),
    _kept("tls-client-key-file", TEXT, "", "Its key."),
    _kept("tls-client-key-file-pass", TEXT, "", "The key's password.", secret=True),
    _kept("tls-dh-params-file", TEXT, "", "Diffie-Hellman parameters."),
    _kept("tls-ca-cert-file", TEXT, "", "Authorities to trust."),
    _kept("tls-ca-cert-dir", TEXT, "", "Directory of authorities."),
    _kept("tls-auth-clients", Enum("no", "yes", "optional"), "yes", "Ask for certificates."),
    _kept("tls-protocols", TEXT, "", "TLS versions."),
    _kept("tls-ciphers", TEXT, "", "Ciphers up to TLS 1.2."),
    _kept("tls-ciphersuites", TEXT, "", "Ciphers of TLS 1.3."),
    _kept("tls-prefer-server-ciphers", YES_NO, "no", "Choose the cipher here."),
    _kept("tls-session-caching", YES_NO, "yes", "Resume sessions."),
    _kept("tls-session-cache-size", SMALL, "20480", "Sessions kept."),
    _kept("tls-session-cache-timeout", SMALL, "300", "Seconds they are kept."),
    _kept("tls-cluster", YES_NO, "no", "TLS on the cluster bus."),
    _kept("tls-replication", YES_NO, "no", "TLS to the master."),
)

INERT = (*PROCESS, *MEMORY, *PERSISTENCE, *REPLICATION, *CLUSTER, *TLS)
