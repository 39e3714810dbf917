"""CLUSTER, ASKING, READONLY and READWRITE on a server without cluster support.

All commands are declared, because clients look them up with COMMAND. All return the error
that cluster support is disabled, except CLUSTER KEYSLOT, which needs no cluster.
"""

from __future__ import annotations

from binascii import crc_hqx

from commands.engine.containers import container
from commands.engine.errors import CommandError
from commands.engine.grammar import Argument, ArgumentGroup, Integer, OneOf, String, Token
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_SLOTS = 16384
_DISABLED = "ERR This instance has cluster support disabled"


def cluster_disabled(ctx: Context, argv: list[bytes]) -> Reply:
    raise CommandError(_DISABLED)


container(
    "CLUSTER",
    group="cluster",
    since="3.0.0",
    summary="Contains commands for cluster nodes; cluster support is disabled.",
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
    )(cluster_disabled)


_PER_SLOT = "O(N) for N slots given"
_PER_NODE = "O(N) for N nodes"
_PER_REPLICA = "O(N) for N replicas"

_declare(
    "ADDSLOTS",
    _CHANGES,
    "Makes this node serve slots.",
    Integer("slot", multiple=True),
    complexity=_PER_SLOT,
)
_declare(
    "ADDSLOTSRANGE",
    _CHANGES,
    "Makes this node serve ranges of slots.",
    _RANGES,
    since="7.0.0",
    complexity=_PER_SLOT,
)
_declare("BUMPEPOCH", _CHANGES, "Increments the configuration epoch.", tips=_UNSTEADY)
_declare(
    "COUNT-FAILURE-REPORTS",
    _SEES,
    "Counts the nodes that report another node as failing.",
    _NODE,
    complexity="O(N) for N reports",
    tips=_UNSTEADY,
)
_declare("COUNTKEYSINSLOT", _READS, "Counts the keys whose slot is this one.", Integer("slot"))
_declare(
    "DELSLOTS",
    _CHANGES,
    "Removes slots from a node.",
    Integer("slot", multiple=True),
    complexity=_PER_SLOT,
)
_declare(
    "DELSLOTSRANGE",
    _CHANGES,
    "Removes ranges of slots from a node.",
    _RANGES,
    since="7.0.0",
    complexity=_PER_SLOT,
)
_declare(
    "FAILOVER",
    _CHANGES,
    "Promotes a replica to replace its master.",
    OneOf("options", Token("FORCE"), Token("TAKEOVER"), optional=True),
)
_declare("FLUSHSLOTS", _CHANGES, "Makes this node serve no slots.")
_declare("FORGET", _CHANGES, "Makes this node drop what it knows about another node.", _NODE)
_declare(
    "GETKEYSINSLOT",
    _READS,
    "Returns keys in a slot.",
    Integer("slot"),
    Integer("count"),
    complexity="O(N) for N keys requested",
    tips=_UNSTEADY,
)
_declare("INFO", _SERVES, "Describes the state of the cluster.", tips=_UNSTEADY)
_declare(
    "LINKS",
    _READS,
    "Returns the connections between nodes.",
    since="7.0.0",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "MEET",
    _CHANGES,
    "Introduces this node to another one, to form a cluster with it.",
    String("ip"),
    Integer("port"),
    Integer("cluster-bus-port", optional=True, since="4.0.0"),
)
_declare("MYID", _SERVES, "Returns the ID under which other nodes know this one.")
_declare(
    "MYSHARDID",
    _SERVES,
    "Returns the ID of the shard to which this node belongs.",
    since="7.2.0",
    tips=_UNSTEADY,
)
_declare(
    "NODES", _SERVES, "Returns the nodes of the cluster.", complexity=_PER_NODE, tips=_UNSTEADY
)
_declare(
    "REPLICAS",
    _SEES,
    "Returns the replicas of a master.",
    _NODE,
    since="5.0.0",
    complexity=_PER_REPLICA,
    tips=_UNSTEADY,
)
_declare("REPLICATE", _CHANGES, "Makes this node a replica of another node.", _NODE)
_declare(
    "RESET",
    "admin noscript stale",
    "Removes this node from its cluster.",
    OneOf("reset-type", Token("HARD"), Token("SOFT"), optional=True),
    complexity="O(N) for N known nodes",
)
_declare("SAVECONFIG", _CHANGES, "Saves the configuration file of the node.")
_declare(
    "SET-CONFIG-EPOCH",
    _CHANGES,
    "Gives a node without an epoch its first one.",
    Integer("config-epoch"),
)
_declare(
    "SETSLOT",
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
    _SERVES,
    "Returns the slots and nodes of each shard.",
    since="7.0.0",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "SLAVES",
    _SEES,
    "Returns the replicas of a master, as CLUSTER REPLICAS does.",
    _NODE,
    complexity=_PER_REPLICA,
    tips=_UNSTEADY,
    deprecated=("5.0.0", "`CLUSTER REPLICAS`"),
)
_declare(
    "SLOTS",
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
    return crc_hqx(_hashed_part(argv[2]), 0) % _SLOTS


def _hashed_part(key: bytes) -> bytes:
    """Return the hash tag: the text in the first pair of braces, unless it is empty."""
    _, opened, rest = key.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    return tag if opened and closed and tag else key


command(
    "ASKING",
    group="cluster",
    since="3.0.0",
    flags="fast",
    summary="Accepts a redirected request for a slot that is being imported.",
    categories="connection",
)(cluster_disabled)
command(
    "READONLY",
    group="cluster",
    since="3.0.0",
    flags="loading stale fast",
    summary="Allows the connection to read from a replica.",
    categories="connection",
)(cluster_disabled)
command(
    "READWRITE",
    group="cluster",
    since="3.0.0",
    flags="loading stale fast",
    summary="Cancels READONLY for the connection.",
    categories="connection",
)(cluster_disabled)
