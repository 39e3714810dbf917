"""CLUSTER and its companions, as a server answers them that is not part of a cluster.

All are declared, because clients ask COMMAND for them, and all say the same: there is no
cluster. Only a key's slot can be told all the same.
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


def no_cluster(ctx: Context, argv: list[bytes]) -> Reply:
    raise CommandError(_DISABLED)


container("CLUSTER", group="cluster", since="3.0.0", summary="Commands for nodes of a cluster.")

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
    )(no_cluster)


_PER_SLOT = "O(N) where N is the number of slots given"
_PER_NODE = "O(N) where N is the number of nodes"
_PER_REPLICA = "O(N) where N is the number of replicas"

_declare(
    "ADDSLOTS",
    _CHANGES,
    "Gives slots to this node.",
    Integer("slot", multiple=True),
    complexity=_PER_SLOT,
)
_declare(
    "ADDSLOTSRANGE",
    _CHANGES,
    "Gives ranges of slots to this node.",
    _RANGES,
    since="7.0.0",
    complexity=_PER_SLOT,
)
_declare("BUMPEPOCH", _CHANGES, "Raises the configuration epoch.", tips=_UNSTEADY)
_declare(
    "COUNT-FAILURE-REPORTS",
    _SEES,
    "Counts who reports a node as failing.",
    _NODE,
    complexity="O(N) where N is the number of reports",
    tips=_UNSTEADY,
)
_declare("COUNTKEYSINSLOT", _READS, "Counts the keys of a slot.", Integer("slot"))
_declare(
    "DELSLOTS",
    _CHANGES,
    "Takes slots from a node.",
    Integer("slot", multiple=True),
    complexity=_PER_SLOT,
)
_declare(
    "DELSLOTSRANGE",
    _CHANGES,
    "Takes ranges of slots from a node.",
    _RANGES,
    since="7.0.0",
    complexity=_PER_SLOT,
)
_declare(
    "FAILOVER",
    _CHANGES,
    "Lets a replica take its master's place.",
    OneOf("options", Token("FORCE"), Token("TAKEOVER"), optional=True),
)
_declare("FLUSHSLOTS", _CHANGES, "Takes all slots from this node.")
_declare("FORGET", _CHANGES, "Removes a node from the table of nodes.", _NODE)
_declare(
    "GETKEYSINSLOT",
    _READS,
    "Names keys of a slot.",
    Integer("slot"),
    Integer("count"),
    complexity="O(N) where N is the number of keys asked for",
    tips=_UNSTEADY,
)
_declare("INFO", _SERVES, "Tells how the cluster is.", tips=_UNSTEADY)
_declare(
    "LINKS",
    _READS,
    "Lists the connections between nodes.",
    since="7.0.0",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "MEET",
    _CHANGES,
    "Introduces this node to another.",
    String("ip"),
    Integer("port"),
    Integer("cluster-bus-port", optional=True, since="4.0.0"),
)
_declare("MYID", _SERVES, "Tells this node's id.")
_declare("MYSHARDID", _SERVES, "Tells the id of this node's shard.", since="7.2.0", tips=_UNSTEADY)
_declare("NODES", _SERVES, "Lists the nodes.", complexity=_PER_NODE, tips=_UNSTEADY)
_declare(
    "REPLICAS",
    _SEES,
    "Lists a master's replicas.",
    _NODE,
    since="5.0.0",
    complexity=_PER_REPLICA,
    tips=_UNSTEADY,
)
_declare("REPLICATE", _CHANGES, "Makes this node a replica of another.", _NODE)
_declare(
    "RESET",
    "admin noscript stale",
    "Makes this node forget the cluster.",
    OneOf("reset-type", Token("HARD"), Token("SOFT"), optional=True),
    complexity="O(N) where N is the number of nodes known",
)
_declare("SAVECONFIG", _CHANGES, "Writes the node's file.")
_declare(
    "SET-CONFIG-EPOCH",
    _CHANGES,
    "Sets the configuration epoch of a new node.",
    Integer("config-epoch"),
)
_declare(
    "SETSLOT",
    _CHANGES,
    "Says where a slot belongs or moves to.",
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
    "Maps slots to shards.",
    since="7.0.0",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)
_declare(
    "SLAVES",
    _SEES,
    "The older name of CLUSTER REPLICAS.",
    _NODE,
    complexity=_PER_REPLICA,
    tips=_UNSTEADY,
    deprecated=("5.0.0", "`CLUSTER REPLICAS`"),
)
_declare(
    "SLOTS",
    _SERVES,
    "Maps slots to nodes.",
    complexity=_PER_NODE,
    tips=_UNSTEADY,
)


@command(
    "CLUSTER KEYSLOT",
    group="cluster",
    since="3.0.0",
    flags=_READS,
    complexity="O(N) where N is the length of the key",
    summary="Tells which slot a key belongs to.",
    arguments=[String("key")],
)
def cluster_keyslot(ctx: Context, argv: list[bytes]) -> Reply:
    return crc_hqx(_hashed_part(argv[2]), 0) % _SLOTS


def _hashed_part(key: bytes) -> bytes:
    """What stands in the key's first braces, if they are closed and not empty."""
    _, opened, rest = key.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    return tag if opened and closed and tag else key


command(
    "ASKING",
    group="cluster",
    since="3.0.0",
    flags="fast",
    summary="Follows a redirection while a slot is on the move.",
    categories="connection",
)(no_cluster)
command(
    "READONLY",
    group="cluster",
    since="3.0.0",
    flags="loading stale fast",
    summary="Lets this connection read from a replica.",
    categories="connection",
)(no_cluster)
command(
    "READWRITE",
    group="cluster",
    since="3.0.0",
    flags="loading stale fast",
    summary="Takes READONLY back.",
    categories="connection",
)(no_cluster)
