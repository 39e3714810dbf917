"""The settings that have an effect. Those that are only remembered are in `inert`."""

from __future__ import annotations

from typing import Literal, get_args

from commands.engine.numbers import INT64_MAX
from commands.settings.kinds import (
    COUNT,
    INT32_MAX,
    PASSWORD,
    SIZE,
    SMALL,
    TEXT,
    YES_NO,
    Choice,
    Clamped,
    EventClasses,
    FileName,
    Integer,
    Memory,
    MemoryOrPercent,
    Names,
    OutputLimits,
    Percentiles,
    SavePoints,
    ShutdownOptions,
)
from commands.settings.setting import Setting

Access = Literal["no", "yes", "local"]
FsyncPolicy = Literal["everysec", "always", "no"]
ChannelDefault = Literal["allchannels", "resetchannels"]
LogLevel = Literal["debug", "verbose", "notice", "warning", "nothing"]
Supervisor = Literal["upstart", "systemd", "auto", "no"]
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

_LAZY = "Free large {} values in the background; this is done in either case."


class WorkingSettings:
    """One attribute per setting; the setting's name has hyphens where this has underscores."""

    # --- clients ---------------------------------------------------------------------------

    client_query_buffer_limit = Setting(
        Memory(1 << 20), "1gb", "Maximum unprocessed input of one client, in bytes."
    )
    client_output_buffer_limit = Setting(
        OutputLimits(),
        "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
        "Unread replies per class of client: hard limit, soft limit, and how many seconds the "
        "soft limit may be exceeded.",
        words=True,
        words_per_line=4,
    )
    proto_max_bulk_len = Setting(
        Memory(1 << 20), "512mb", "Maximum length of one string in a request, in bytes."
    )
    requirepass = Setting(PASSWORD, "", "Password of the default user.", secret=True)
    aclfile = Setting(
        TEXT, "", "File that defines the users, instead of `user` lines.", mutable=False
    )
    acllog_max_len = Setting(COUNT, "128", "Maximum number of entries in ACL LOG.")
    acl_pubsub_default: Setting[ChannelDefault] = Setting(
        Choice(*get_args(ChannelDefault)),
        "resetchannels",
        "Pub/sub channels that a new user may access.",
    )

    # --- server ----------------------------------------------------------------------------

    databases = Setting(Integer(1, INT32_MAX), "16", "Number of databases.", mutable=False)
    hz = Setting(Clamped(1, 500), "10", "Runs of the background work per second.")
    active_expire_effort = Setting(
        Integer(1, 10), "1", "Effort spent on removing expired keys, from 1 to 10."
    )
    loglevel: Setting[LogLevel] = Setting(
        Choice(*get_args(LogLevel)), "notice", "Lowest severity of the messages that are logged."
    )
    logfile = Setting(
        TEXT, "", "Path of the log file; empty logs to standard error.", mutable=False
    )
    pidfile = Setting(TEXT, "", "Path of the file that holds the process id.", mutable=False)
    supervised: Setting[Supervisor] = Setting(
        Choice(*get_args(Supervisor)),
        "no",
        "Tell systemd when the server is ready and when it stops; `auto` does so if systemd "
        "started the server. `upstart` has no effect.",
        mutable=False,
    )
    shutdown_on_sigint = Setting(
        ShutdownOptions(),
        "default",
        "Options of SHUTDOWN that apply when SIGINT stops the server.",
        words=True,
    )
    shutdown_on_sigterm = Setting(
        ShutdownOptions(),
        "default",
        "Options of SHUTDOWN that apply when SIGTERM stops the server.",
        words=True,
    )
    enable_protected_configs: Setting[Access] = Setting(
        Choice(*get_args(Access)),
        "no",
        "Which clients may change protected settings.",
        mutable=False,
    )
    enable_debug_command: Setting[Access] = Setting(
        Choice(*get_args(Access)), "no", "Which clients may use DEBUG.", mutable=False
    )
    enable_module_command: Setting[Access] = Setting(
        Choice(*get_args(Access)), "no", "Which clients may use MODULE.", mutable=False
    )

    # --- diagnostics -----------------------------------------------------------------------

    busy_reply_threshold = Setting(
        COUNT,
        "5000",
        "Milliseconds after which a running script counts as busy; 0 is never.",
        alias="lua-time-limit",
    )
    script_memory_limit = Setting(
        Memory(1 << 20, 2**40), "256mb", "Maximum memory of scripts and what they hold."
    )
    slowlog_log_slower_than = Setting(
        Integer(-1, INT64_MAX),
        "10000",
        "Microseconds above which a command is logged as slow; 0 logs every command, -1 none.",
        alias="commandlog-execution-slower-than",
    )
    slowlog_max_len = Setting(
        COUNT,
        "128",
        "Maximum number of entries in the slow log.",
        alias="commandlog-slow-execution-max-len",
    )
    commandlog_request_larger_than = Setting(
        Integer(-1, INT64_MAX),
        "1048576",
        "Bytes above which a request is logged as large; -1 logs none.",
    )
    commandlog_large_request_max_len = Setting(
        COUNT, "128", "Maximum number of entries in the log of large requests."
    )
    commandlog_reply_larger_than = Setting(
        Integer(-1, INT64_MAX),
        "1048576",
        "Bytes above which a reply is logged as large; -1 logs none.",
    )
    commandlog_large_reply_max_len = Setting(
        COUNT, "128", "Maximum number of entries in the log of large replies."
    )
    latency_monitor_threshold = Setting(
        COUNT,
        "0",
        "Milliseconds from which an event is recorded by the latency monitor; 0 disables it.",
    )
    latency_tracking = Setting(YES_NO, "yes", "Record a latency histogram for each command.")
    latency_tracking_info_percentiles = Setting(
        Percentiles(),
        "50 99 99.9",
        "Percentiles that INFO latencystats reports.",
        words=True,
    )

    # --- messages about keys ---------------------------------------------------------------

    notify_keyspace_events = Setting(
        EventClasses(),
        "",
        "Classes of keyspace events that are published, as in Redis; none by default.",
    )
    tracking_table_max_keys = Setting(
        COUNT,
        "1000000",
        "Maximum number of keys tracked for client-side caching; 0 is no limit.",
    )

    # --- persistence -----------------------------------------------------------------------

    dir = Setting(TEXT, ".", "Directory of the data files.", protected=True)
    dbfilename = Setting(
        FileName("dbfilename"), "dump.rdb", "Name of the snapshot file.", protected=True
    )
    save = Setting(
        SavePoints(),
        "3600 1 300 100 60 10000",
        "When to take a snapshot: after this many seconds with at least this many changes.",
        words=True,
        words_per_line=2,
    )
    stop_writes_on_bgsave_error = Setting(
        YES_NO, "yes", "Reject writes while the last snapshot has failed."
    )
    rdbcompression = Setting(YES_NO, "yes", "Compress long strings in snapshots.")
    rdbchecksum = Setting(YES_NO, "yes", "Write a checksum at the end of snapshots.", mutable=False)
    appendonly = Setting(YES_NO, "no", "Log every write in the append-only file.")
    appendfilename = Setting(
        FileName("appendfilename"),
        "appendonly.aof",
        "Prefix of the names of the append-only files.",
        mutable=False,
    )
    appenddirname = Setting(
        FileName("appenddirname"),
        "appendonlydir",
        "Directory of the append-only files, inside `dir`.",
        mutable=False,
    )
    appendfsync: Setting[FsyncPolicy] = Setting(
        Choice(*get_args(FsyncPolicy)), "everysec", "When to fsync the append-only file."
    )
    no_appendfsync_on_rewrite = Setting(
        YES_NO,
        "no",
        "Do not fsync the append-only file while a snapshot or rewrite is in progress.",
    )
    auto_aof_rewrite_percentage = Setting(
        SMALL,
        "100",
        "Growth of the append-only file, in percent since its last rewrite, that starts a "
        "rewrite; 0 is never.",
    )
    auto_aof_rewrite_min_size = Setting(
        SIZE, "64mb", "Size of the append-only file below which no rewrite starts by itself."
    )
    aof_load_truncated = Setting(
        YES_NO, "yes", "Load an append-only file whose last record is incomplete."
    )
    aof_use_rdb_preamble = Setting(
        YES_NO, "yes", "Rewrite the append-only file in the format of a snapshot."
    )
    aof_timestamp_enabled = Setting(YES_NO, "no", "Write timestamps to the append-only file.")

    # --- memory ----------------------------------------------------------------------------

    maxmemory = Setting(
        Memory(0, 2**64 - 1),
        "0",
        "Maximum memory for data, clients and scripts, in bytes; 0 is no limit.",
    )
    maxmemory_policy: Setting[EvictionPolicy] = Setting(
        Choice(*get_args(EvictionPolicy)),
        "noeviction",
        "Which keys are evicted when `maxmemory` is exceeded.",
    )
    maxmemory_samples = Setting(
        Integer(1, INT32_MAX), "5", "Number of random keys compared for each eviction."
    )
    maxmemory_eviction_tenacity = Setting(
        Integer(0, 100),
        "10",
        "How long a request may be held up by evictions, from 0 to 100: 10 is half a millisecond, "
        "100 is any time.",
    )
    maxmemory_clients = Setting(
        MemoryOrPercent(),
        "0",
        "Maximum memory of all clients together, in bytes or as a percentage of `maxmemory`; the "
        "largest are disconnected; 0 is no limit.",
    )
    lfu_log_factor = Setting(SMALL, "10", "How slowly access counters grow.")
    lfu_decay_time = Setting(
        SMALL, "1", "Minutes after which the counter of an unused key is lowered by 1; 0 is never."
    )
    lazyfree_lazy_eviction = Setting(YES_NO, "no", _LAZY.format("evicted"))
    lazyfree_lazy_expire = Setting(YES_NO, "no", _LAZY.format("expired"))
    lazyfree_lazy_server_del = Setting(YES_NO, "no", _LAZY.format("replaced"))
    lazyfree_lazy_user_del = Setting(YES_NO, "no", _LAZY.format("deleted"))
    lazyfree_lazy_user_flush = Setting(YES_NO, "no", _LAZY.format("flushed"))

    # --- encodings -------------------------------------------------------------------------

    hash_max_listpack_entries = Setting(
        COUNT,
        "512",
        "Maximum number of fields in a compact hash.",
        alias="hash-max-ziplist-entries",
    )
    hash_max_listpack_value = Setting(
        SIZE,
        "64",
        "Maximum length of a field or value in a compact hash, in bytes.",
        alias="hash-max-ziplist-value",
    )
    list_max_listpack_size = Setting(
        Integer(-(2**31), INT32_MAX),
        "-2",
        "Maximum number of entries in a list node; a negative number is a class of sizes.",
        alias="list-max-ziplist-size",
    )
    set_max_intset_entries = Setting(
        COUNT, "512", "Maximum number of members in a compact set of integers."
    )
    set_max_listpack_entries = Setting(COUNT, "128", "Maximum number of members in a compact set.")
    set_max_listpack_value = Setting(
        COUNT, "64", "Maximum length of a member in a compact set, in bytes."
    )
    zset_max_listpack_entries = Setting(
        COUNT,
        "128",
        "Maximum number of members in a compact sorted set.",
        alias="zset-max-ziplist-entries",
    )
    zset_max_listpack_value = Setting(
        SIZE,
        "64",
        "Maximum length of a member in a compact sorted set, in bytes.",
        alias="zset-max-ziplist-value",
    )
    stream_node_max_bytes = Setting(SIZE, "4096", "Maximum size of a stream node, in bytes.")
    stream_node_max_entries = Setting(COUNT, "100", "Maximum number of entries in a stream node.")
    hll_sparse_max_bytes = Setting(
        SIZE, "3000", "Maximum size of a HyperLogLog in the sparse encoding, in bytes."
    )

    # --- Redkeep's own commands; Redis has no such settings --------------------------------

    job_kinds = Setting(
        Names(),
        "",
        "The kinds of jobs that can be submitted; empty for any.",
        words=True,
    )
    job_lease_ms = Setting(
        Integer(1), "30000", "Milliseconds of a job's lease if the claim does not name any."
    )
    job_log_lines = Setting(Integer(1), "1000", "Number of log lines that are kept of a job.")
    job_retain_count = Setting(
        COUNT, "100000", "Number of ended jobs that a pool keeps, the newest; 0 for any number."
    )
    job_retain_ms = Setting(
        COUNT, "2592000000", "Milliseconds for which ended jobs are kept; 0 for ever."
    )
    presence_ttl_ms = Setting(
        Integer(1), "30000", "Milliseconds after which a consumer that was not seen is stale."
    )
    presence_keep_ms = Setting(
        Integer(1, 2**52),
        "86400000",
        "Milliseconds for which a consumer is listed that sends no heartbeats.",
    )
    queue_max_deliveries = Setting(
        COUNT, "5", "Number of deliveries after which a message becomes a dead letter."
    )
    store_times = Setting(
        YES_NO, "yes", "Keep when each entry was created and updated, for STORE.INFO."
    )
    store_near_numbers = Setting(
        Integer(1),
        "170000",
        "Numbers of vectors that one STORE.NEAR compares at most: the more, the longer other "
        "clients wait for it.",
    )
    model_open_ms = Setting(
        Integer(1, 2**52),
        "86400000",
        "Milliseconds after the last piece of weights until an open version is dropped.",
    )
    model_number_keep_ms = Setting(
        Integer(0, 2**52),
        "31536000000",
        "Milliseconds for which the highest version of a deleted model is remembered, so that no "
        "number is given twice; 0 is for ever.",
    )
    queue_max_dead_letters = Setting(
        COUNT,
        "10000",
        "Number of dead letters that a group keeps, the newest; 0 is no limit.",
    )
    queue_idle_group_ms = Setting(
        Integer(0, 2**52),
        "604800000",
        "Milliseconds after which a group that is not read is dropped; 0 is never.",
    )
    domain_events = Setting(
        YES_NO, "no", "Also append the events of Redkeep's own commands to streams."
    )
    hash_tags = Setting(
        YES_NO,
        "no",
        "Use the tenant as the hash tag in the keys of checkpoints and stores.",
        mutable=False,
    )
