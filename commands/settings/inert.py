"""Settings that are accepted, checked and remembered, but have no effect.

They control what Redkeep does not have: threads, a C allocator, a process in the background. They
exist because clients, test suites and redis.conf files use them. Each says why it has no effect,
and whoever changes one is told (`Settings.without_effect`).
"""

from __future__ import annotations

from commands.settings.inert_replication import NO_CONNECTIONS_OUT, NO_REPLICATION
from commands.settings.kinds import (
    INT32_MAX,
    SMALL,
    TEXT,
    YES_NO,
    Choice,
    Integer,
    Memory,
    OutOfMemoryScores,
    TitleTemplate,
)
from commands.settings.setting import InertSetting

# Why settings have no effect, as a part of a sentence.
_FOREGROUND = "the server runs in the foreground, and a supervisor or the shell keeps it running"
_NO_TITLE = "Python cannot change the title of a process"
_NO_SYSLOG = "the log goes to `logfile` or to standard error"
_NO_CRASH_REPORT = "an error in a command is logged when it happens, and the server goes on"
_ONE_THREAD = "one thread serves all clients"
_NO_CPU_LISTS = "the operating system chooses the CPUs; `taskset` limits them"
_NO_DEFRAGMENTATION = "the memory is managed by Python, which does not move what it holds"
_OTHER_STRUCTURES = "Python's own structures are used"
_FORCED_AT_THE_END = "files are forced to disk when they are complete"

_PERCENT = Integer(0, 1000)
_CYCLE = Integer(1, 99)


class InertSettings:
    """One attribute per setting; the setting's name has hyphens where this has underscores."""

    # --- process ---------------------------------------------------------------------------

    daemonize = InertSetting(
        YES_NO, "no", "Run in the background.", mutable=False, reason=_FOREGROUND
    )
    always_show_logo = InertSetting(
        YES_NO,
        "no",
        "Show the logo in the log at startup.",
        mutable=False,
        reason="there is no logo",
    )
    set_proc_title = InertSetting(
        YES_NO, "yes", "Set the process title that `ps` shows.", mutable=False, reason=_NO_TITLE
    )
    proc_title_template = InertSetting(
        TitleTemplate(),
        "{title} {listen-addr} {server-mode}",
        "Format of the process title.",
        reason=_NO_TITLE,
    )
    syslog_enabled = InertSetting(YES_NO, "no", "Log to syslog.", mutable=False, reason=_NO_SYSLOG)
    syslog_ident = InertSetting(
        TEXT, "redis", "Name of the process in syslog.", mutable=False, reason=_NO_SYSLOG
    )
    syslog_facility = InertSetting(
        Choice("user", *(f"local{number}" for number in range(8))),
        "local0",
        "Facility in syslog.",
        mutable=False,
        reason=_NO_SYSLOG,
    )
    crash_log_enabled = InertSetting(
        YES_NO, "yes", "Log a report when the process crashes.", reason=_NO_CRASH_REPORT
    )
    crash_memcheck_enabled = InertSetting(
        YES_NO, "yes", "Test the memory after a crash.", reason=_NO_CRASH_REPORT
    )
    use_exit_on_panic = InertSetting(
        YES_NO, "no", "Exit instead of aborting.", hidden=True, reason=_NO_CRASH_REPORT
    )
    watchdog_period = InertSetting(
        SMALL,
        "0",
        "Milliseconds after which the watchdog reports a delay.",
        hidden=True,
        reason="`latency-monitor-threshold` records delays",
    )
    ignore_warnings = InertSetting(
        TEXT, "", "Startup warnings to ignore.", reason="no warning of Redis' is made"
    )
    disable_thp = InertSetting(
        YES_NO,
        "yes",
        "Disable transparent huge pages.",
        mutable=False,
        reason="the server does not change how the system maps its memory",
    )
    oom_score_adj = InertSetting(
        Choice("no", "yes", "relative", "absolute"),
        "no",
        "Adjust the process' score for the kernel's out-of-memory killer.",
        reason="the score is left to the system or the supervisor",
    )
    oom_score_adj_values = InertSetting(
        OutOfMemoryScores(),
        "0 200 800",
        "Adjustments for a master, for a replica and for child processes.",
        words=True,
        reason="the score is left to the system or the supervisor",
    )
    io_threads = InertSetting(
        Integer(1, 128),
        "1",
        "Number of threads for network I/O.",
        mutable=False,
        reason=_ONE_THREAD,
    )
    io_threads_do_reads = InertSetting(
        YES_NO, "no", "Use the threads for reading, too.", mutable=False, reason=_ONE_THREAD
    )
    dynamic_hz = InertSetting(
        YES_NO,
        "yes",
        "Run background work more often when there are more clients.",
        reason="background work adapts to what is due, not to the number of clients",
    )
    server_cpulist = InertSetting(
        TEXT,
        "",
        "CPUs of the main thread.",
        mutable=False,
        underscored=True,
        reason=_NO_CPU_LISTS,
    )
    bio_cpulist = InertSetting(
        TEXT,
        "",
        "CPUs of background threads.",
        mutable=False,
        underscored=True,
        reason=_NO_CPU_LISTS,
    )
    aof_rewrite_cpulist = InertSetting(
        TEXT,
        "",
        "CPUs of the process that rewrites the append-only file.",
        mutable=False,
        underscored=True,
        reason=_NO_CPU_LISTS,
    )
    bgsave_cpulist = InertSetting(
        TEXT,
        "",
        "CPUs of the process that writes a snapshot.",
        mutable=False,
        underscored=True,
        reason=_NO_CPU_LISTS,
    )
    shutdown_timeout = InertSetting(
        SMALL, "10", "Seconds to wait for replicas during a shutdown.", reason=NO_REPLICATION
    )
    locale_collate = InertSetting(
        TEXT, "", "Locale for comparing strings.", reason="strings are compared byte by byte"
    )
    socket_mark_id = InertSetting(
        Integer(0, 2**32 - 1),
        "0",
        "Mark of the listening sockets.",
        mutable=False,
        reason="sockets are not marked",
    )
    bind_source_addr = InertSetting(
        TEXT, "", "Local address of outgoing connections.", reason=NO_CONNECTIONS_OUT
    )

    # --- memory ----------------------------------------------------------------------------

    activerehashing = InertSetting(
        YES_NO, "yes", "Rehash tables in idle time.", reason=_OTHER_STRUCTURES
    )
    list_compress_depth = InertSetting(
        SMALL,
        "0",
        "Number of nodes at each end of a list that are not compressed.",
        reason="lists are not compressed",
    )
    jemalloc_bg_thread = InertSetting(
        YES_NO, "yes", "Return free memory in a thread.", reason=_NO_DEFRAGMENTATION
    )
    activedefrag = InertSetting(
        YES_NO, "no", "Defragment the memory in the background.", reason=_NO_DEFRAGMENTATION
    )
    active_defrag_ignore_bytes = InertSetting(
        Memory(1),
        "100mb",
        "Fragmented bytes that start the defragmentation.",
        reason=_NO_DEFRAGMENTATION,
    )
    active_defrag_threshold_lower = InertSetting(
        _PERCENT,
        "10",
        "Percentage of fragmentation that starts the defragmentation.",
        reason=_NO_DEFRAGMENTATION,
    )
    active_defrag_threshold_upper = InertSetting(
        _PERCENT,
        "100",
        "Percentage of fragmentation at which the effort is greatest.",
        reason=_NO_DEFRAGMENTATION,
    )
    active_defrag_cycle_min = InertSetting(
        _CYCLE,
        "1",
        "Minimum percentage of CPU time for the defragmentation.",
        reason=_NO_DEFRAGMENTATION,
    )
    active_defrag_cycle_max = InertSetting(
        _CYCLE,
        "25",
        "Maximum percentage of CPU time for the defragmentation.",
        reason=_NO_DEFRAGMENTATION,
    )
    active_defrag_max_scan_fields = InertSetting(
        Integer(1),
        "1000",
        "Maximum number of members processed in one step.",
        reason=_NO_DEFRAGMENTATION,
    )

    # --- persistence -----------------------------------------------------------------------

    rdb_save_incremental_fsync = InertSetting(
        YES_NO, "yes", "Fsync a snapshot in steps while writing it.", reason=_FORCED_AT_THE_END
    )
    aof_rewrite_incremental_fsync = InertSetting(
        YES_NO,
        "yes",
        "Fsync a rewritten append-only file in steps while writing it.",
        reason=_FORCED_AT_THE_END,
    )
    aof_disable_auto_gc = InertSetting(
        YES_NO, "no", "Keep obsolete append-only files.", reason="obsolete files are always removed"
    )
    rdb_del_sync_files = InertSetting(
        YES_NO, "no", "Remove snapshot files that only replication used.", reason=NO_REPLICATION
    )
    rdb_key_save_delay = InertSetting(
        Integer(-(2**31), INT32_MAX),
        "0",
        "Microseconds of delay per saved key.",
        hidden=True,
        reason="it is for tests of Redis",
    )
    key_load_delay = InertSetting(
        Integer(-(2**31), INT32_MAX),
        "0",
        "Microseconds of delay per loaded key.",
        hidden=True,
        reason="it is for tests of Redis",
    )
    sanitize_dump_payload = InertSetting(
        Choice("no", "yes", "clients"),
        "no",
        "Verify payloads of RESTORE and snapshots in full.",
        reason="payloads are always verified in full",
    )
