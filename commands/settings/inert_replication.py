"""Settings without effect that are about other servers: replicas, a cluster's nodes, and TLS.

See `inert` for the others.
"""

from __future__ import annotations

from commands.settings.kinds import (
    COUNT,
    INT32_MAX,
    PASSWORD,
    PORT,
    SMALL,
    TEXT,
    YES_NO,
    Choice,
    Integer,
    Memory,
    Names,
)
from commands.settings.setting import InertSetting

# Why settings have no effect, as a part of a sentence.
NO_REPLICATION = "there is no replication"
_ALONE = "the cluster has one node"
NO_CONNECTIONS_OUT = "the server opens no connections"
_NO_SUCH_CONTROL = "Python's ssl module does not control it"


class InertReplicationSettings:
    """One attribute per setting; the setting's name has hyphens where this has underscores."""

    # --- replication -----------------------------------------------------------------------

    replicaof = InertSetting(
        Names(),
        "",
        "Address of the master.",
        mutable=False,
        words=True,
        alias="slaveof",
        reason=NO_REPLICATION,
    )
    masteruser = InertSetting(
        TEXT,
        "",
        "User name for the master.",
        secret=True,
        alias="primaryuser",
        reason=NO_REPLICATION,
    )
    masterauth = InertSetting(
        PASSWORD,
        "",
        "Password for the master.",
        secret=True,
        alias="primaryauth",
        reason=NO_REPLICATION,
    )
    replica_serve_stale_data = InertSetting(
        YES_NO,
        "yes",
        "Serve clients while the master cannot be reached.",
        alias="slave-serve-stale-data",
        reason=NO_REPLICATION,
    )
    replica_read_only = InertSetting(
        YES_NO,
        "yes",
        "Reject writes on a replica.",
        alias="slave-read-only",
        reason=NO_REPLICATION,
    )
    replica_lazy_flush = InertSetting(
        YES_NO,
        "no",
        "Flush a replica's data in a thread.",
        alias="slave-lazy-flush",
        reason=NO_REPLICATION,
    )
    replica_ignore_maxmemory = InertSetting(
        YES_NO,
        "yes",
        "Never evict keys on a replica.",
        alias="slave-ignore-maxmemory",
        reason=NO_REPLICATION,
    )
    replica_ignore_disk_write_errors = InertSetting(
        YES_NO,
        "no",
        "Continue as a replica when the disk cannot be written.",
        reason=NO_REPLICATION,
    )
    replica_priority = InertSetting(
        SMALL,
        "100",
        "Priority of a replica in Sentinel.",
        alias="slave-priority",
        reason=NO_REPLICATION,
    )
    replica_announced = InertSetting(
        YES_NO, "yes", "Announce the replica to Sentinel.", reason=NO_REPLICATION
    )
    replica_announce_ip = InertSetting(
        TEXT,
        "",
        "Address that a replica announces.",
        alias="slave-announce-ip",
        reason=NO_REPLICATION,
    )
    replica_announce_port = InertSetting(
        PORT,
        "0",
        "Port that a replica announces.",
        alias="slave-announce-port",
        reason=NO_REPLICATION,
    )
    repl_diskless_sync = InertSetting(
        YES_NO, "yes", "Send snapshots to replicas without writing a file.", reason=NO_REPLICATION
    )
    repl_diskless_sync_delay = InertSetting(
        SMALL,
        "5",
        "Seconds to wait for more replicas before sending a snapshot.",
        reason=NO_REPLICATION,
    )
    repl_diskless_sync_max_replicas = InertSetting(
        SMALL, "0", "Number of waiting replicas that ends the delay.", reason=NO_REPLICATION
    )
    repl_diskless_load = InertSetting(
        Choice("disabled", "on-empty-db", "swapdb"),
        "disabled",
        "Load a master's snapshot without writing a file.",
        reason=NO_REPLICATION,
    )
    repl_ping_replica_period = InertSetting(
        Integer(1, INT32_MAX),
        "10",
        "Seconds between pings to replicas.",
        alias="repl-ping-slave-period",
        reason=NO_REPLICATION,
    )
    repl_timeout = InertSetting(
        Integer(1, INT32_MAX),
        "60",
        "Seconds of silence that end a replication link.",
        reason=NO_REPLICATION,
    )
    repl_disable_tcp_nodelay = InertSetting(
        YES_NO, "no", "Send fewer, larger packets to replicas.", reason=NO_REPLICATION
    )
    repl_backlog_size = InertSetting(
        Memory(1), "1mb", "Size of the replication backlog.", reason=NO_REPLICATION
    )
    repl_backlog_ttl = InertSetting(
        COUNT,
        "3600",
        "Seconds without replicas after which the backlog is freed.",
        reason=NO_REPLICATION,
    )
    min_replicas_to_write = InertSetting(
        SMALL,
        "0",
        "Number of replicas that writes require.",
        alias="min-slaves-to-write",
        reason=NO_REPLICATION,
    )
    min_replicas_max_lag = InertSetting(
        SMALL,
        "10",
        "Seconds of lag up to which a replica counts for `min-replicas-to-write`.",
        alias="min-slaves-max-lag",
        reason=NO_REPLICATION,
    )
    propagation_error_behavior = InertSetting(
        Choice("ignore", "panic", "panic-on-replicas"),
        "ignore",
        "Reaction to an error in the replication stream.",
        reason=NO_REPLICATION,
    )

    # --- cluster ---------------------------------------------------------------------------

    cluster_config_file = InertSetting(
        TEXT,
        "nodes.conf",
        "File with the state of the node.",
        mutable=False,
        reason="nothing about the node is kept; a restart gives it a new id",
    )
    cluster_node_timeout = InertSetting(
        COUNT,
        "15000",
        "Milliseconds of silence after which a node is considered down.",
        reason=_ALONE,
    )
    cluster_replica_validity_factor = InertSetting(
        SMALL,
        "10",
        "How old a replica's data may be for a failover.",
        alias="cluster-slave-validity-factor",
        reason=_ALONE,
    )
    cluster_migration_barrier = InertSetting(
        SMALL, "1", "Minimum number of replicas that a master keeps.", reason=_ALONE
    )
    cluster_allow_replica_migration = InertSetting(
        YES_NO, "yes", "Allow replicas to move to another master.", reason=_ALONE
    )
    cluster_require_full_coverage = InertSetting(
        YES_NO, "yes", "Stop serving while any slot has no node.", reason=_ALONE
    )
    cluster_replica_no_failover = InertSetting(
        YES_NO,
        "no",
        "Never promote the replica automatically.",
        alias="cluster-slave-no-failover",
        reason=_ALONE,
    )
    cluster_allow_reads_when_down = InertSetting(
        YES_NO, "no", "Serve reads while the cluster is down.", reason=_ALONE
    )
    cluster_allow_pubsubshard_when_down = InertSetting(
        YES_NO, "yes", "Serve shard channels while the cluster is down.", reason=_ALONE
    )
    cluster_link_sendbuf_limit = InertSetting(
        Memory(0, 2**64 - 1),
        "0",
        "Maximum size of the send buffer of a cluster link.",
        reason=_ALONE,
    )
    cluster_announce_human_nodename = InertSetting(
        TEXT, "", "Name of the node in log messages.", reason=_ALONE
    )

    # --- TLS -------------------------------------------------------------------------------

    tls_client_cert_file = InertSetting(
        TEXT, "", "Certificate for outgoing connections.", reason=NO_CONNECTIONS_OUT
    )
    tls_client_key_file = InertSetting(
        TEXT, "", "Private key for outgoing connections.", reason=NO_CONNECTIONS_OUT
    )
    tls_client_key_file_pass = InertSetting(
        TEXT,
        "",
        "Password of the private key for outgoing connections.",
        secret=True,
        reason=NO_CONNECTIONS_OUT,
    )
    tls_ciphersuites = InertSetting(TEXT, "", "Cipher suites for TLS 1.3.", reason=_NO_SUCH_CONTROL)
    tls_session_cache_size = InertSetting(
        SMALL, "20480", "Maximum number of TLS sessions in the cache.", reason=_NO_SUCH_CONTROL
    )
    tls_session_cache_timeout = InertSetting(
        SMALL, "300", "Seconds for which TLS sessions are cached.", reason=_NO_SUCH_CONTROL
    )
    tls_cluster = InertSetting(YES_NO, "no", "Use TLS on the cluster bus.", reason=_ALONE)
    tls_replication = InertSetting(YES_NO, "no", "Use TLS for replication.", reason=NO_REPLICATION)
