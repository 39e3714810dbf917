"""CLUSTER, ASKING, READONLY and READWRITE, and what they need to be declared.

Without `cluster-enabled yes` all return the error that cluster support is disabled, except
CLUSTER KEYSLOT, which needs no cluster.
"""

from __future__ import annotations

from functools import cache, wraps

from commands.engine.containers import container
from commands.engine.errors import CommandError
from commands.engine.grammar import Argument, ArgumentGroup, Integer, OneOf, String, Token
from commands.engine.registry import Handler, command
from commands.engine.replies import Reply
from commands.engine.slots import key_slot
from commands.instance.context import Context
from commands.operator import cluster_node

_DISABLED = "ERR This instance has cluster support disabled"


@cache
def _in_cluster(handler: Handler) -> Handler:
    """The handler, if the server presents a cluster; else the error that it does not."""

    @wraps(handler)
    def run(ctx: Context, argv: list[bytes]) -> Reply:
        if ctx.instance.cluster is None:
            raise CommandError(_DISABLED)
        reply: Reply = handler(ctx, argv)
        return reply

    return run


container(
    "CLUSTER",
    group="cluster",
    since="3.0.0",
    summary="Contains commands for cluster nodes.",
)

_READS = "stale"
_SERVES = "loading stale"
_SEES = "admin stale"
_CHANGES = "admin stale no_async_loading"
_UNSTEADY = ("nondeterministic_output",)

_RANGES = ArgumentGroup("range", Integer("start-slot"), Integer("end-slot"), multiple=True)
_NODE = String("node-id")


def _declare(
    name: str,
    handler: Handler,
    flags: str,
    summary: str,
    *arguments: Argument,
    since: str = "3.0.0",
    complexity: str = "O(1)",
    tips: tuple[str, ...] = (),
    deprecated: tuple[str, str] | None = None,
) -> None:
    command(
        f"CLUSTER {name}",
        group="cluster",
        since=since,
        flags=flags,
        complexity=complexity,
        summary=summary,
        arguments=arguments,
        tips=tips,
        deprecated=deprecated,
    )(_in_cluster(handler))


_PER_SLOT = "O(N) for N slots given"
_PER_NODE = "O(N) for N nodes"
_PER_REPLICA = "O(N) for N replicas"

_declare(
    "ADDSLOTS",
    cluster_node.cluster_addslots,
    _CHANGES,
    "Makes this node serve slots.",
    Integer("slot", multiple=True),
    complexity=_PER_SLOT,
)
_declare(
    "ADDSLOTSRANGE",
    cluster_node.cluster_addslotsrange,
    _CHANGES,
    "Makes this node serve ranges of slots.",
    _RANGES,
    since="7.0.0",
    complexity=_PER_SLOT,
)
_declare(
    "BUMPEPOCH",
    cluster_node.cluster_bumpepoch,
    _CHANGES,
    "Increments the configuration epoch.",
    tips=_UNSTEADY,
)
_declare(
    "COUNT-FAILURE-REPORTS",
    cluster_node.cluster_count_failure_reports,
    _SEES,
    "Counts the nodes that report another node as failing.",
    _NODE,
    complexity="O(N) for N reports",
    tips=_UNSTEADY,
)
_declare(
    "COUNTKEYSINSLOT",
    cluster_node.cluster_countkeysinslot,
    _READS,
    "Counts the keys whose slot is this one.",
    Integer("slot"),
)
_declare(
    "DELSLOTS",
    cluster_node.cluster_delslots,
    _CHANGES,
    "Removes slots from a node.",
    Integer("slot", multiple=True),
    complexity=_PER_SLOT,
)
_declare(
    "DELSLOTSRANGE",
    cluster_node.cluster_delslotsrange,
    _CHANGES,
    "Removes ranges of slots from a node.",
    _RANGES,
    since="7.0.0",
    complexity=_PER_SLOT,
)
_declare(
    "FAILOVER",
    cluster_node.cluster_failover,
    _CHANGES,
    "Promotes a replica to replace its master.",
    OneOf("options", Token("FORCE"), Token("TAKEOVER"), optional=True),
)
_declare("FLUSHSLOTS", cluster_node.cluster_flushslots, _CHANGES, "Makes this node serve no slots.")
_declare(
    "FORGET",
    cluster_node.cluster_forget,
    _CHANGES,
    "Makes this node drop what it knows about another node.",
    _NODE,
)
_declare(
    "GETKEYSINSLOT",
    cluster_node.cluster_getkeysinslot,
    _READS,
    "Returns keys in a slot.",
    Integer("slot"),
    Integer("count"),
    complexity="O(N) for N keys requested",
    tips=_UNSTEADY,
)
_declare(
    "INFO",
    cluster_node.cluster_info,
    _SERVES,
    "Describes the state of the cluster.",
    tips=_UNSTEADY,
)
_declare(
    "LINKS",
    cluster_node.cluster_links,
    _READS,
    "Returns the connections between nodes.",
    since="7.0.0",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "MEET",
    cluster_node.cluster_meet,
    _CHANGES,
    "Introduces this node to another one, to form a cluster with it.",
    String("ip"),
    Integer("port"),
    Integer("cluster-bus-port", optional=True, since="4.0.0"),
)
_declare(
    "MYID",
    cluster_node.cluster_myid,
    _SERVES,
    "Returns the ID under which other nodes know this one.",
)
_declare(
    "MYSHARDID",
    cluster_node.cluster_myshardid,
    _SERVES,
    "Returns the ID of the shard to which this node belongs.",
    since="7.2.0",
    tips=_UNSTEADY,
)
_declare(
    "NODES",
    cluster_node.cluster_nodes,
    _SERVES,
    "Returns the nodes of the cluster.",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "REPLICAS",
    cluster_node.cluster_replicas,
    _SEES,
    "Returns the replicas of a master.",
    _NODE,
    since="5.0.0",
    complexity=_PER_REPLICA,
    tips=_UNSTEADY,
)
_declare(
    "REPLICATE",
    cluster_node.cluster_replicate,
    _CHANGES,
    "Makes this node a replica of another node.",
    _NODE,
)
_declare(
    "RESET",
    cluster_node.cluster_reset,
    "admin noscript stale",
    "Removes this node from its cluster.",
    OneOf("reset-type", Token("HARD"), Token("SOFT"), optional=True),
    complexity="O(N) for N known nodes",
)
_declare(
    "SAVECONFIG",
    cluster_node.cluster_saveconfig,
    _CHANGES,
    "Saves the configuration file of the node.",
)
_declare(
    "SET-CONFIG-EPOCH",
    cluster_node.cluster_set_config_epoch,
    _CHANGES,
    "Gives a node without an epoch its first one.",
    Integer("config-epoch"),
)
_declare(
    "SETSLOT",
    cluster_node.cluster_setslot,
    _CHANGES,
    "Assigns a slot to a node, or starts or ends its migration.",
    Integer("slot"),
    OneOf(
        "subcommand",
        String("importing", "IMPORTING"),
        String("migrating", "MIGRATING"),
        String("node", "NODE"),
        Token("STABLE"),
    ),
    Integer("timeout", "TIMEOUT", optional=True, since="8.0.0"),
)
_declare(
    "SHARDS",
    cluster_node.cluster_shards,
    _SERVES,
    "Returns the slots and nodes of each shard.",
    since="7.0.0",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "SLAVES",
    cluster_node.cluster_replicas,
    _SEES,
    "Returns the replicas of a master, as CLUSTER REPLICAS does.",
    _NODE,
    complexity=_PER_REPLICA,
    tips=_UNSTEADY,
    deprecated=("5.0.0", "`CLUSTER REPLICAS`"),
)
_declare(
    "SLOTS",
    cluster_node.cluster_slots,
    _SERVES,
    "Returns the nodes of each range of slots.",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)


@command(
    "CLUSTER KEYSLOT",
    group="cluster",
    since="3.0.0",
    flags=_READS,
    complexity="O(N) for a key of length N",
    summary="Computes the slot to which a key belongs.",
    arguments=[String("key")],
)
def cluster_keyslot(ctx: Context, argv: list[bytes]) -> Reply:
    return key_slot(argv[2])


command(
    "ASKING",
    group="cluster",
    since="3.0.0",
    flags="fast",
    summary="Accepts a redirected request for a slot that is being imported.",
    categories="connection",
)(_in_cluster(cluster_node.accept))
command(
    "READONLY",
    group="cluster",
    since="3.0.0",
    flags="loading stale fast",
    summary="Allows the connection to read from a replica.",
    categories="connection",
)(_in_cluster(cluster_node.accept))
command(
    "READWRITE",
    group="cluster",
    since="3.0.0",
    flags="loading stale fast",
    summary="Cancels READONLY for the connection.",
    categories="connection",
)(_in_cluster(cluster_node.accept))
