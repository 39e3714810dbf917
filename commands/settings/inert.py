"""Settings that are accepted, checked and remembered, but have no effect.

They control features that Redkeep does not have: eviction, ACL users, keyspace events,
scripts, replication, clustering, TLS, threads and a C allocator. They exist because clients,
test suites and redis.conf files use them.
"""

from __future__ import annotations

from typing import Literal, get_args

from commands.settings.kinds import (
    COUNT,
    INT32_MAX,
    PASSWORD,
    PORT,
    SMALL,
    TEXT,
    YES_NO,
    Choice,
    EventClasses,
    HostName,
    Integer,
    Memory,
    MemoryOrPercent,
    Names,
    OutOfMemoryScores,
    TitleTemplate,
)
from commands.settings.setting import InertSetting

_PERCENT = Integer(0, 1000)
_CYCLE = Integer(1, 99)

EvictionPolicy = Literal[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
]


class InertSettings:
    """One attribute per setting; the setting's name has hyphens where this has underscores."""

    # --- users, events, scripts, eviction ----------------------------------------------------

    aclfile = InertSetting(
        TEXT, "", "File that defines the users, instead of `user` lines.", mutable=False
    )
    acllog_max_len = InertSetting(COUNT, "128", "Maximum number of entries in ACL LOG.")
    acl_pubsub_default = InertSetting(
        Choice("allchannels", "resetchannels"),
        "resetchannels",
        "Pub/sub channels that a new user may access.",
    )
    tracking_table_max_keys = InertSetting(
        COUNT,
        "1000000",
        "Maximum number of keys tracked for client-side caching; 0 is no limit.",
    )
    notify_keyspace_events = InertSetting(
        EventClasses(), "", "Classes of keyspace events that are published."
    )
    maxmemory = InertSetting(Memory(0, 2**64 - 1), "0", "Maximum memory for data; 0 is no limit.")
    maxmemory_policy: InertSetting[EvictionPolicy] = InertSetting(
        Choice(*get_args(EvictionPolicy)),
        "noeviction",
        "Which keys are evicted when the data exceeds `maxmemory`.",
    )
    maxmemory_samples = InertSetting(
        Integer(1, INT32_MAX), "5", "Number of keys compared for each eviction."
    )

    # --- process ---------------------------------------------------------------------------

    daemonize = InertSetting(YES_NO, "no", "Run in the background.", mutable=False)
    supervised = InertSetting(
        Choice("upstart", "systemd", "auto", "no"),
        "no",
        "The supervisor of the process.",
        mutable=False,
    )
    always_show_logo = InertSetting(
        YES_NO, "no", "Show the logo in the log at startup.", mutable=False
    )
    set_proc_title = InertSetting(
        YES_NO, "yes", "Set the process title that `ps` shows.", mutable=False
    )
    proc_title_template = InertSetting(
        TitleTemplate(), "{title} {listen-addr} {server-mode}", "Format of the process title."
    )
    syslog_enabled = InertSetting(YES_NO, "no", "Log to syslog.", mutable=False)
    syslog_ident = InertSetting(TEXT, "redis", "Name of the process in syslog.", mutable=False)
    syslog_facility = InertSetting(
        Choice("user", *(f"local{number}" for number in range(8))),
        "local0",
        "Facility in syslog.",
        mutable=False,
    )
    crash_log_enabled = InertSetting(YES_NO, "yes", "Log a report when the process crashes.")
    crash_memcheck_enabled = InertSetting(YES_NO, "yes", "Test the memory after a crash.")
    use_exit_on_panic = InertSetting(YES_NO, "no", "Exit instead of aborting.", hidden=True)
    watchdog_period = InertSetting(
        SMALL, "0", "Milliseconds after which the watchdog reports a delay.", hidden=True
    )
    ignore_warnings = InertSetting(TEXT, "", "Startup warnings to ignore.")
    disable_thp = InertSetting(YES_NO, "yes", "Disable transparent huge pages.", mutable=False)
    oom_score_adj = InertSetting(
        Choice("no", "yes", "relative", "absolute"),
        "no",
        "Adjust the process' score for the kernel's out-of-memory killer.",
    )
    oom_score_adj_values = InertSetting(
        OutOfMemoryScores(),
        "0 200 800",
        "Adjustments for a master, for a replica and for child processes.",
        words=True,
    )
    io_threads = InertSetting(
        Integer(1, 128), "1", "Number of threads for network I/O.", mutable=False
    )
    io_threads_do_reads = InertSetting(
        YES_NO, "no", "Use the threads for reading, too.", mutable=False
    )
    dynamic_hz = InertSetting(
        YES_NO, "yes", "Run background work more often when there are more clients."
    )
    server_cpulist = InertSetting(
        TEXT, "", "CPUs of the main thread.", mutable=False, underscored=True
    )
    bio_cpulist = InertSetting(
        TEXT, "", "CPUs of background threads.", mutable=False, underscored=True
    )
    aof_rewrite_cpulist = InertSetting(
        TEXT,
        "",
        "CPUs of the process that rewrites the append-only file.",
        mutable=False,
        underscored=True,
    )
    bgsave_cpulist = InertSetting(
        TEXT,
        "",
        "CPUs of the process that writes a snapshot.",
        mutable=False,
        underscored=True,
    )
    shutdown_timeout = InertSetting(SMALL, "10", "Seconds to wait for replicas during a shutdown.")
    locale_collate = InertSetting(TEXT, "", "Locale for comparing strings.")
    socket_mark_id = InertSetting(
        Integer(0, 2**32 - 1), "0", "Mark of the listening sockets.", mutable=False
    )
    bind_source_addr = InertSetting(TEXT, "", "Local address of outgoing connections.")

    # --- memory ----------------------------------------------------------------------------

    maxmemory_clients = InertSetting(
        MemoryOrPercent(), "0", "Maximum memory of all clients together."
    )
    maxmemory_eviction_tenacity = InertSetting(
        Integer(0, 100), "10", "Share of time spent on evictions."
    )
    lfu_log_factor = InertSetting(SMALL, "10", "How slowly access counters saturate.")
    lfu_decay_time = InertSetting(SMALL, "1", "Minutes after which an access counter decays.")
    lazyfree_lazy_eviction = InertSetting(YES_NO, "no", "Free evicted values in a thread.")
    lazyfree_lazy_expire = InertSetting(YES_NO, "no", "Free expired values in a thread.")
    lazyfree_lazy_server_del = InertSetting(YES_NO, "no", "Free replaced values in a thread.")
    lazyfree_lazy_user_del = InertSetting(YES_NO, "no", "Make DEL behave as UNLINK.")
    lazyfree_lazy_user_flush = InertSetting(YES_NO, "no", "Make FLUSHALL asynchronous.")
    activerehashing = InertSetting(YES_NO, "yes", "Rehash tables in idle time.")
    list_compress_depth = InertSetting(
        SMALL, "0", "Number of nodes at each end of a list that are not compressed."
    )
    jemalloc_bg_thread = InertSetting(YES_NO, "yes", "Return free memory in a thread.")
    activedefrag = InertSetting(YES_NO, "no", "Defragment the memory in the background.")
    active_defrag_ignore_bytes = InertSetting(
        Memory(1), "100mb", "Fragmented bytes that start the defragmentation."
    )
    active_defrag_threshold_lower = InertSetting(
        _PERCENT, "10", "Percentage of fragmentation that starts the defragmentation."
    )
    active_defrag_threshold_upper = InertSetting(
        _PERCENT, "100", "Percentage of fragmentation at which the effort is greatest."
    )
    active_defrag_cycle_min = InertSetting(
        _CYCLE, "1", "Minimum percentage of CPU time for the defragmentation."
    )
    active_defrag_cycle_max = InertSetting(
        _CYCLE, "25", "Maximum percentage of CPU time for the defragmentation."
    )
    active_defrag_max_scan_fields = InertSetting(
        Integer(1), "1000", "Maximum number of members processed in one step."
    )

    # --- persistence -----------------------------------------------------------------------

    rdb_save_incremental_fsync = InertSetting(
        YES_NO, "yes", "Fsync a snapshot in steps while writing it."
    )
    aof_rewrite_incremental_fsync = InertSetting(
        YES_NO, "yes", "Fsync a rewritten append-only file in steps while writing it."
    )
    aof_disable_auto_gc = InertSetting(YES_NO, "no", "Keep obsolete append-only files.")
    rdb_del_sync_files = InertSetting(
        YES_NO, "no", "Remove snapshot files that only replication used."
    )
    rdb_key_save_delay = InertSetting(
        Integer(-(2**31), INT32_MAX), "0", "Microseconds of delay per saved key.", hidden=True
    )
    key_load_delay = InertSetting(
        Integer(-(2**31), INT32_MAX), "0", "Microseconds of delay per loaded key.", hidden=True
    )
    sanitize_dump_payload = InertSetting(
        Choice("no", "yes", "clients"), "no", "Verify payloads of RESTORE and snapshots in full."
    )

    # --- replication -----------------------------------------------------------------------

    replicaof = InertSetting(
        Names(), "", "Address of the master.", mutable=False, words=True, alias="slaveof"
    )
    masteruser = InertSetting(
        TEXT, "", "User name for the master.", secret=True, alias="primaryuser"
    )
    masterauth = InertSetting(
        PASSWORD, "", "Password for the master.", secret=True, alias="primaryauth"
    )
    replica_serve_stale_data = InertSetting(
        YES_NO,
        "yes",
        "Serve clients while the master cannot be reached.",
        alias="slave-serve-stale-data",
    )
    replica_read_only = InertSetting(
        YES_NO, "yes", "Reject writes on a replica.", alias="slave-read-only"
    )
    replica_lazy_flush = InertSetting(
        YES_NO, "no", "Flush a replica's data in a thread.", alias="slave-lazy-flush"
    )
    replica_ignore_maxmemory = InertSetting(
        YES_NO, "yes", "Never evict keys on a replica.", alias="slave-ignore-maxmemory"
    )
    replica_ignore_disk_write_errors = InertSetting(
        YES_NO, "no", "Continue as a replica when the disk cannot be written."
    )
    replica_priority = InertSetting(
        SMALL, "100", "Priority of a replica in Sentinel.", alias="slave-priority"
    )
    replica_announced = InertSetting(YES_NO, "yes", "Announce the replica to Sentinel.")
    replica_announce_ip = InertSetting(
        TEXT, "", "Address that a replica announces.", alias="slave-announce-ip"
    )
    replica_announce_port = InertSetting(
        PORT, "0", "Port that a replica announces.", alias="slave-announce-port"
    )
    repl_diskless_sync = InertSetting(
        YES_NO, "yes", "Send snapshots to replicas without writing a file."
    )
    repl_diskless_sync_delay = InertSetting(
        SMALL, "5", "Seconds to wait for more replicas before sending a snapshot."
    )
    repl_diskless_sync_max_replicas = InertSetting(
        SMALL, "0", "Number of waiting replicas that ends the delay."
    )
    repl_diskless_load = InertSetting(
        Choice("disabled", "on-empty-db", "swapdb"),
        "disabled",
        "Load a master's snapshot without writing a file.",
    )
    repl_ping_replica_period = InertSetting(
        Integer(1, INT32_MAX),
        "10",
        "Seconds between pings to replicas.",
        alias="repl-ping-slave-period",
    )
    repl_timeout = InertSetting(
        Integer(1, INT32_MAX), "60", "Seconds of silence that end a replication link."
    )
    repl_disable_tcp_nodelay = InertSetting(YES_NO, "no", "Send fewer, larger packets to replicas.")
    repl_backlog_size = InertSetting(Memory(1), "1mb", "Size of the replication backlog.")
    repl_backlog_ttl = InertSetting(
        COUNT, "3600", "Seconds without replicas after which the backlog is freed."
    )
    min_replicas_to_write = InertSetting(
        SMALL,
        "0",
        "Number of replicas that writes require.",
        alias="min-slaves-to-write",
    )
    min_replicas_max_lag = InertSetting(
        SMALL,
        "10",
        "Seconds of lag up to which a replica counts for `min-replicas-to-write`.",
        alias="min-slaves-max-lag",
    )
    propagation_error_behavior = InertSetting(
        Choice("ignore", "panic", "panic-on-replicas"),
        "ignore",
        "Reaction to an error in the replication stream.",
    )

    # --- cluster ---------------------------------------------------------------------------

    cluster_enabled = InertSetting(YES_NO, "no", "Run as a node of a cluster.", mutable=False)
    cluster_config_file = InertSetting(
        TEXT, "nodes.conf", "File with the state of the node.", mutable=False
    )
    cluster_port = InertSetting(PORT, "0", "Port of the cluster bus.", mutable=False)
    cluster_node_timeout = InertSetting(
        COUNT, "15000", "Milliseconds of silence after which a node is considered down."
    )
    cluster_replica_validity_factor = InertSetting(
        SMALL,
        "10",
        "How old a replica's data may be for a failover.",
        alias="cluster-slave-validity-factor",
    )
    cluster_migration_barrier = InertSetting(
        SMALL, "1", "Minimum number of replicas that a master keeps."
    )
    cluster_allow_replica_migration = InertSetting(
        YES_NO, "yes", "Allow replicas to move to another master."
    )
    cluster_require_full_coverage = InertSetting(
        YES_NO, "yes", "Stop serving while any slot has no node."
    )
    cluster_replica_no_failover = InertSetting(
        YES_NO,
        "no",
        "Never promote the replica automatically.",
        alias="cluster-slave-no-failover",
    )
    cluster_allow_reads_when_down = InertSetting(
        YES_NO, "no", "Serve reads while the cluster is down."
    )
    cluster_allow_pubsubshard_when_down = InertSetting(
        YES_NO, "yes", "Serve shard channels while the cluster is down."
    )
    cluster_link_sendbuf_limit = InertSetting(
        Memory(0, 2**64 - 1), "0", "Maximum size of the send buffer of a cluster link."
    )
    cluster_announce_ip = InertSetting(TEXT, "", "Address that the node announces.")
    cluster_announce_hostname = InertSetting(HostName(), "", "Host name that the node announces.")
    cluster_announce_human_nodename = InertSetting(TEXT, "", "Name of the node in log messages.")
    cluster_announce_port = InertSetting(PORT, "0", "Port that the node announces.")
    cluster_announce_tls_port = InertSetting(PORT, "0", "TLS port that the node announces.")
    cluster_announce_bus_port = InertSetting(
        PORT, "0", "Port of the cluster bus that the node announces."
    )
    cluster_preferred_endpoint_type = InertSetting(
        Choice("ip", "hostname", "unknown-endpoint"),
        "ip",
        "How the node refers clients to other nodes.",
    )

    # --- TLS -------------------------------------------------------------------------------

    tls_port = InertSetting(PORT, "0", "Port for TLS connections.")
    tls_cert_file = InertSetting(TEXT, "", "Certificate of the server.")
    tls_key_file = InertSetting(TEXT, "", "Private key of the server.")
    tls_key_file_pass = InertSetting(TEXT, "", "Password of the server's private key.", secret=True)
    tls_client_cert_file = InertSetting(TEXT, "", "Certificate for outgoing connections.")
    tls_client_key_file = InertSetting(TEXT, "", "Private key for outgoing connections.")
    tls_client_key_file_pass = InertSetting(
        TEXT, "", "Password of the private key for outgoing connections.", secret=True
    )
    tls_dh_params_file = InertSetting(TEXT, "", "Diffie-Hellman parameters.")
    tls_ca_cert_file = InertSetting(TEXT, "", "Certificates of trusted authorities.")
    tls_ca_cert_dir = InertSetting(TEXT, "", "Directory of certificates of trusted authorities.")
    tls_auth_clients = InertSetting(
        Choice("no", "yes", "optional"), "yes", "Require certificates from clients."
    )
    tls_protocols = InertSetting(TEXT, "", "TLS versions to accept.")
    tls_ciphers = InertSetting(TEXT, "", "Ciphers for versions up to TLS 1.2.")
    tls_ciphersuites = InertSetting(TEXT, "", "Cipher suites for TLS 1.3.")
    tls_prefer_server_ciphers = InertSetting(YES_NO, "no", "Prefer the server's order of ciphers.")
    tls_session_caching = InertSetting(YES_NO, "yes", "Allow clients to resume TLS sessions.")
    tls_session_cache_size = InertSetting(
        SMALL, "20480", "Maximum number of TLS sessions in the cache."
    )
    tls_session_cache_timeout = InertSetting(
        SMALL, "300", "Seconds for which TLS sessions are cached."
    )
    tls_cluster = InertSetting(YES_NO, "no", "Use TLS on the cluster bus.")
    tls_replication = InertSetting(YES_NO, "no", "Use TLS for replication.")
