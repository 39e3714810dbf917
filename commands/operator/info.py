"""INFO: the state of the server as lines of text, with the fields and the order of Redis 7.2.

Every field of Redis is present, because dashboards and clients look for them. Fields about
features that Redkeep does not have are zero or off. Fields that only Redkeep has are in a
section of their own at the end.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Callable
from functools import cache
from itertools import islice
from time import monotonic

from commands.engine.effects import BlockOn
from commands.engine.grammar import String
from commands.engine.registry import command
from commands.engine.replies import Reply, Verbatim
from commands.instance.context import Context
from commands.instance.instance import COMPATIBLE_VERSION, Instance
from commands.instance.statistics import CallStatistics
from commands.operator.info_memory import Fields, memory_fields
from commands.settings.settings import Settings
from storage.database import Database

# The number of deadlines sampled for the mean TTL of a database.
_TTL_SAMPLES = 100


@command(
    "INFO",
    group="server",
    since="1.0.0",
    flags="loading stale",
    complexity="O(1)",
    summary="Reports the state of the server as text, section by section.",
    arguments=[String("section", optional=True, multiple=True)],
    categories="dangerous",
    tips=["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
)
def info(ctx: Context, argv: list[bytes]) -> Reply:
    wanted = {word.lower().decode("latin-1") for word in argv[1:]} or {"default"}
    if wanted & {"all", "everything"}:
        selected = set(_SECTIONS)
    else:
        selected = wanted | (set(_SECTIONS) - _NOT_DEFAULT if "default" in wanted else set())
    if "module_list" in wanted:
        selected.add("modules")
    sections = []
    for name, (title, fields) in _SECTIONS.items():
        if name in selected:
            lines = [f"# {title}\r\n"]
            lines += (f"{field}:{value}\r\n" for field, value in fields(ctx.instance))
            sections.append("".join(lines))
    return Verbatim("\r\n".join(sections).encode("utf-8", "surrogateescape"))


def _server(instance: Instance) -> Fields:
    settings = instance.settings
    now = instance.clock.now_ns()
    uptime = instance.uptime_seconds
    hz = settings.hz
    uname = platform.uname()
    yield "redis_version", COMPATIBLE_VERSION
    yield "redis_git_sha1", "00000000"
    yield "redis_git_dirty", 0
    yield "redis_build_id", "0"
    yield "redis_mode", "standalone" if instance.cluster is None else "cluster"
    yield "os", f"{uname.system} {uname.release} {uname.machine}"
    yield "arch_bits", 64 if sys.maxsize > 2**32 else 32
    yield "monotonic_clock", "POSIX clock_gettime"
    yield "multiplexing_api", "epoll" if sys.platform.startswith("linux") else "kqueue"
    yield "atomicvar_api", "c11-builtin"
    yield "gcc_version", _compiler_version()
    yield "process_id", os.getpid()
    yield "process_supervised", _supervisor(settings)
    yield "run_id", instance.run_id.decode()
    yield "tcp_port", settings.port or settings.tls_port
    yield "server_time_usec", now // 1000
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // 86400
    yield "hz", hz
    yield "configured_hz", hz
    yield "lru_clock", now // 1_000_000_000 & 0xFFFFFF
    yield "executable", sys.executable
    yield "config_file", settings.config_file or ""
    yield "io_threads_active", 0
    yield from _listeners(settings)


def _supervisor(settings: Settings) -> str:
    told = settings.supervised in ("systemd", "auto") and "NOTIFY_SOCKET" in os.environ
    return "systemd" if told else "no"


def _listeners(settings: Settings) -> Fields:
    hosts = "".join(f",bind={host}" for host in settings.bind)
    if settings.port:
        yield "listener0", f"name=tcp{hosts},port={settings.port}"
    if settings.unixsocket:
        yield "listener1", f"name=unix,bind={settings.unixsocket}"
    if settings.tls_port:
        yield "listener2", f"name=tls{hosts},port={settings.tls_port}"


@cache
def _compiler_version() -> str:
    words = platform.python_compiler().split()
    return next((word for word in words if word[0].isdigit()), "0.0.0")


def _clients(instance: Instance) -> Fields:
    databases = instance.keyspace.databases
    yield "connected_clients", len(instance.clients)
    yield "cluster_connections", 0
    yield "maxclients", instance.settings.maxclients
    yield "client_recent_max_input_buffer", 0
    yield "client_recent_max_output_buffer", 0
    yield "blocked_clients", len(instance.blocked_clients)
    yield "tracking_clients", instance.tracking.active
    yield "pubsub_clients", sum(c.subscriptions > 0 for c in instance.clients.values())
    yield "watching_clients", sum(bool(c.watching) for c in instance.clients.values())
    yield "clients_in_timeout_table", _blocked_with_timeout(instance)
    yield "total_watched_keys", sum(len(database.watched) for database in databases)
    yield "total_blocking_keys", sum(len(database.awaited) for database in databases)
    yield (
        "total_blocking_keys_on_nokey",
        len(_keys_whose_loss_is_awaited(instance)),
    )


def _keys_whose_loss_is_awaited(instance: Instance) -> set[tuple[int, bytes]]:
    """Return the keys, with their databases, whose deletion would end a client's wait."""
    waits = (client.waiting for client in instance.blocked_clients)
    return {
        (waiting.db.index, key)
        for waiting in waits
        if waiting is not None and isinstance(waiting.effect, BlockOn) and waiting.effect.on_loss
        for key in waiting.effect.keys
    }


def _blocked_with_timeout(instance: Instance) -> int:
    return sum(
        client.waiting is not None and client.waiting.effect.deadline is not None
        for client in instance.blocked_clients
    )


def _persistence(instance: Instance) -> Fields:
    state = instance.persistence
    snapshot, rewrite, load, log = state.snapshot, state.rewrite, state.load, state.log
    now = monotonic()
    yield "loading", int(load is not None)
    yield "async_loading", 0
    yield "current_cow_peak", 0
    yield "current_cow_size", 0
    yield "current_cow_size_age", 0
    yield "current_fork_perc", "0.00"
    yield "current_save_keys_processed", 0
    yield "current_save_keys_total", state.keys_to_save
    yield "rdb_changes_since_last_save", instance.keyspace.dirty - state.dirty_at_last_save
    yield "rdb_bgsave_in_progress", int(snapshot.is_running)
    yield "rdb_last_save_time", state.last_save_ms // 1000
    yield "rdb_last_bgsave_status", _status(snapshot.succeeded)
    yield "rdb_last_bgsave_time_sec", snapshot.last_seconds
    yield "rdb_current_bgsave_time_sec", snapshot.running_seconds(now)
    yield "rdb_saves", snapshot.completed
    yield "rdb_last_cow_size", snapshot.copied_bytes
    yield "rdb_last_load_keys_expired", state.keys_expired_at_load
    yield "rdb_last_load_keys_loaded", state.loaded_keys
    yield "aof_enabled", int(log.enabled)
    yield "aof_rewrite_in_progress", int(rewrite.is_running)
    yield "aof_rewrite_scheduled", int(rewrite.scheduled)
    yield "aof_last_rewrite_time_sec", rewrite.last_seconds
    yield "aof_current_rewrite_time_sec", rewrite.running_seconds(now)
    yield "aof_last_bgrewrite_status", _status(rewrite.succeeded)
    yield "aof_rewrites", rewrite.completed
    yield "aof_rewrites_consecutive_failures", rewrite.failures_in_a_row
    yield "aof_last_write_status", _status(not log.error)
    yield "aof_last_cow_size", rewrite.copied_bytes
    yield "module_fork_in_progress", 0
    yield "module_fork_last_cow_size", 0
    if log.enabled:
        yield "aof_current_size", log.size
        yield "aof_base_size", log.base_size
        yield "aof_pending_rewrite", 0
        yield "aof_buffer_length", log.buffered_bytes
        yield "aof_pending_bio_fsync", log.syncs_running
        yield "aof_delayed_fsync", log.delayed_syncs
    if load is not None:
        yield "loading_start_time", load.started_ms // 1000
        yield "loading_total_bytes", load.total_bytes
        yield "loading_rdb_used_mem", 0
        yield "loading_loaded_bytes", load.loaded_bytes
        yield "loading_loaded_perc", f"{load.percent:.2f}"
        yield "loading_eta_seconds", load.seconds_left(instance.clock.now_ms())


def _status(fine: bool) -> str:
    return "ok" if fine else "err"


def _stats(instance: Instance) -> Fields:
    counted = instance.statistics
    keyspace = instance.keyspace
    rates = instance.rates
    pubsub = instance.pubsub
    yield "total_connections_received", counted.connections_received
    yield "total_commands_processed", instance.calls
    yield "instantaneous_ops_per_sec", round(rates["commands"].per_second)
    yield "total_net_input_bytes", counted.bytes_in
    yield "total_net_output_bytes", counted.bytes_out
    yield "total_net_repl_input_bytes", 0
    yield "total_net_repl_output_bytes", 0
    yield "instantaneous_input_kbps", f"{rates['input'].per_second / 1024:.2f}"
    yield "instantaneous_output_kbps", f"{rates['output'].per_second / 1024:.2f}"
    yield "instantaneous_input_repl_kbps", "0.00"
    yield "instantaneous_output_repl_kbps", "0.00"
    yield "rejected_connections", counted.connections_rejected
    yield "sync_full", 0
    yield "sync_partial_ok", 0
    yield "sync_partial_err", 0
    yield "expired_keys", keyspace.expired_keys
    yield "expired_subkeys", keyspace.expired_fields
    yield "expired_stale_perc", "0.00"
    yield "expired_time_cap_reached_count", 0
    yield "expire_cycle_cpu_milliseconds", 0
    yield "evicted_keys", keyspace.evicted_keys
    yield "evicted_clients", counted.evicted_clients
    yield "evicted_scripts", 0 if instance.scripts is None else instance.scripts.evicted
    yield "total_eviction_exceeded_time", instance.memory.total_exceeded_ms
    yield "current_eviction_exceeded_time", instance.memory.exceeded_ms
    yield "keyspace_hits", keyspace.hits
    yield "keyspace_misses", keyspace.misses
    yield "pubsub_channels", len(pubsub.channels)
    yield "pubsub_patterns", len(pubsub.patterns)
    yield "pubsubshard_channels", len(pubsub.shard_channels)
    yield "latest_fork_usec", instance.persistence.last_fork_microseconds
    yield "total_forks", instance.persistence.forks
    yield "migrate_cached_sockets", 0
    yield "slave_expires_tracked_keys", 0
    yield "active_defrag_hits", 0
    yield "active_defrag_misses", 0
    yield "active_defrag_key_hits", 0
    yield "active_defrag_key_misses", 0
    yield "total_active_defrag_time", 0
    yield "current_active_defrag_time", 0
    yield "tracking_total_keys", instance.tracking.keys
    yield "tracking_total_items", instance.tracking.items
    yield "tracking_total_prefixes", instance.tracking.prefixes
    yield "unexpected_error_replies", 0
    yield "total_error_replies", counted.error_replies
    yield "dump_payload_sanitizations", 0
    yield "total_reads_processed", counted.reads_processed
    yield "total_writes_processed", counted.writes_processed
    yield "io_threaded_reads_processed", 0
    yield "io_threaded_writes_processed", 0
    yield "client_query_buffer_limit_disconnections", counted.client_query_limit_disconnects
    yield "client_output_buffer_limit_disconnections", counted.client_output_limit_disconnects
    yield "reply_buffer_shrinks", 0
    yield "reply_buffer_expands", 0
    yield "eventloop_cycles", 0
    yield "eventloop_duration_sum", 0
    yield "eventloop_duration_cmd_sum", 0
    yield "instantaneous_eventloop_cycles_per_sec", 0
    yield "instantaneous_eventloop_duration_usec", 0
    yield "acl_access_denied_auth", counted.acl_denied_auth
    yield "acl_access_denied_cmd", counted.acl_denied_command
    yield "acl_access_denied_key", counted.acl_denied_key
    yield "acl_access_denied_channel", counted.acl_denied_channel


def _replication(instance: Instance) -> Fields:
    yield "role", "master"
    yield "connected_slaves", 0
    yield "master_failover_state", "no-failover"
    yield "master_replid", instance.replication_id.decode()
    yield "master_replid2", "0" * 40
    yield "master_repl_offset", 0
    yield "second_repl_offset", -1
    yield "repl_backlog_active", 0
    yield "repl_backlog_size", instance.settings.repl_backlog_size
    yield "repl_backlog_first_byte_offset", 0
    yield "repl_backlog_histlen", 0


def _cpu(instance: Instance) -> Fields:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    thread = resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF))
    yield "used_cpu_sys", f"{own.ru_stime:.6f}"
    yield "used_cpu_user", f"{own.ru_utime:.6f}"
    yield "used_cpu_sys_children", f"{children.ru_stime:.6f}"
    yield "used_cpu_user_children", f"{children.ru_utime:.6f}"
    yield "used_cpu_sys_main_thread", f"{thread.ru_stime:.6f}"
    yield "used_cpu_user_main_thread", f"{thread.ru_utime:.6f}"


def _modules(instance: Instance) -> Fields:
    return ()


def _commandstats(instance: Instance) -> Fields:
    for used in instance.used_commands:
        stats = used.stats
        if stats.calls or stats.rejected:
            microseconds = stats.nanoseconds // 1000
            yield (
                f"cmdstat_{used.command.wire_name}",
                f"calls={stats.calls},usec={microseconds},"
                f"usec_per_call={microseconds / max(1, stats.calls):.2f},"
                f"rejected_calls={stats.rejected},failed_calls={stats.failed}",
            )


# Characters that would break the format of the lines.
_UNSAFE = str.maketrans("#:\n\r", "____")


def _errorstats(instance: Instance) -> Fields:
    for code, count in instance.statistics.errors.items():
        name = code.decode("utf-8", "surrogateescape").translate(_UNSAFE)
        yield f"errorstat_{name}", f"count={count}"


def _latencystats(instance: Instance) -> Fields:
    if not instance.settings.latency_tracking:
        return
    percentiles = instance.settings.latency_tracking_info_percentiles
    for used in instance.used_commands:
        if used.stats.calls:
            yield (
                f"latency_percentiles_usec_{used.command.wire_name}",
                ",".join(f"p{part:g}={_percentile(used.stats, part):.3f}" for part in percentiles),
            )


def _percentile(stats: CallStatistics, part: float) -> float:
    """Return the duration in microseconds that this percentage of the calls did not exceed."""
    needed = stats.calls * part / 100
    calls = 0
    for place, count in enumerate(stats.histogram):
        calls += count
        if count and calls >= needed:
            return (1 << place) / 1000
    return 0.0


def _cluster(instance: Instance) -> Fields:
    yield "cluster_enabled", int(instance.cluster is not None)


def _keyspace(instance: Instance) -> Fields:
    now = instance.keyspace.now
    for database in instance.keyspace.databases:
        if len(database):
            yield (
                f"db{database.index}",
                f"keys={len(database)},expires={len(database.expires)},"
                f"avg_ttl={_mean_ttl(database, now)},subexpiry={len(database.field_expires)}",
            )


def _mean_ttl(database: Database, now: int) -> int:
    left = [max(0, at - now) for at in islice(database.expires.values(), _TTL_SAMPLES)]
    return sum(left) // len(left) if left else 0


def _redkeep(instance: Instance) -> Fields:
    yield "redkeep_version", _own_version()
    yield "python_version", platform.python_version()
    yield "python_implementation", platform.python_implementation()
    yield "clock_frozen", int(instance.clock.frozen)
    yield "slow_log_entries", len(instance.slowlog.entries)
    yield "monitors", len(instance.monitors)
    # How often a stored record of a domain command could not be read.
    yield "bad_records", instance.statistics.bad_records


@cache
def _own_version() -> str:
    # Imported late because this import takes a fifth of the start-up time.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("redkeep")
    except PackageNotFoundError:
        return "0+checkout"


_SECTIONS: dict[str, tuple[str, Callable[[Instance], Fields]]] = {
    "server": ("Server", _server),
    "clients": ("Clients", _clients),
    "memory": ("Memory", memory_fields),
    "persistence": ("Persistence", _persistence),
    "stats": ("Stats", _stats),
    "replication": ("Replication", _replication),
    "cpu": ("CPU", _cpu),
    "modules": ("Modules", _modules),
    "commandstats": ("Commandstats", _commandstats),
    "errorstats": ("Errorstats", _errorstats),
    "latencystats": ("Latencystats", _latencystats),
    "cluster": ("Cluster", _cluster),
    "keyspace": ("Keyspace", _keyspace),
    "redkeep": ("Redkeep", _redkeep),
}
# Shown only if named, or with "all" or "everything".
_NOT_DEFAULT = {"commandstats", "latencystats"}
