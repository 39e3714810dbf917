"""What CLUSTER replies with `cluster-enabled yes`: one node that owns all slots, for good.

Whatever would give slots away, or make other nodes known, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from commands.engine.errors import NOT_AN_INTEGER, SYNTAX, CommandError
from commands.engine.numbers import parse_integer, read_integer
from commands.engine.replies import OK, Reply, Verbatim
from commands.engine.slots import SLOTS, key_slot
from commands.instance.cluster import Cluster
from commands.instance.context import Context

_ALONE = "ERR The cluster has this node only, and it keeps all slots"
_BAD_SLOT = "ERR Invalid or out of range slot"
_BAD_SETSLOT = "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"


def _cluster(ctx: Context) -> Cluster:
    cluster = ctx.instance.cluster
    assert cluster is not None
    return cluster


# --- descriptions ---------------------------------------------------------------------------------


def _port(ctx: Context) -> int:
    """The port at which clients that came as this one did can connect."""
    settings = ctx.instance.settings
    if ctx.client.tls or not settings.port:
        return settings.cluster_announce_tls_port or settings.tls_port
    return settings.cluster_announce_port or settings.port


def _endpoint(ctx: Context) -> bytes | None:
    """The host to which clients are sent; empty if it is the one they already use."""
    settings = ctx.instance.settings
    if settings.cluster_preferred_endpoint_type == "ip":
        return settings.cluster_announce_ip.encode()
    if settings.cluster_preferred_endpoint_type == "hostname":
        return settings.cluster_announce_hostname.encode() or b"?"
    return None


def cluster_info(ctx: Context, argv: list[bytes]) -> Reply:
    epoch = _cluster(ctx).epoch
    fields = {
        "cluster_state": "ok",
        "cluster_slots_assigned": SLOTS,
        "cluster_slots_ok": SLOTS,
        "cluster_slots_pfail": 0,
        "cluster_slots_fail": 0,
        "cluster_known_nodes": 1,
        "cluster_size": 1,
        "cluster_current_epoch": epoch,
        "cluster_my_epoch": epoch,
        "cluster_stats_messages_sent": 0,
        "cluster_stats_messages_received": 0,
        "total_cluster_links_buffer_limit_exceeded": 0,
    }
    return Verbatim("".join(f"{name}:{value}\r\n" for name, value in fields.items()).encode())


def cluster_myid(ctx: Context, argv: list[bytes]) -> Reply:
    return _cluster(ctx).node_id


def cluster_myshardid(ctx: Context, argv: list[bytes]) -> Reply:
    return _cluster(ctx).shard_id


def cluster_nodes(ctx: Context, argv: list[bytes]) -> Reply:
    settings, cluster = ctx.instance.settings, _cluster(ctx)
    plain = (settings.port or settings.tls_port) + 10_000
    bus = settings.cluster_announce_bus_port or settings.cluster_port or plain
    host = settings.cluster_announce_hostname
    address = f"{settings.cluster_announce_ip}:{_port(ctx)}@{bus}{',' if host else ''}{host}"
    return Verbatim(
        b"%b %b myself,master - 0 0 %d connected 0-%d\n"
        % (cluster.node_id, address.encode(), cluster.epoch, SLOTS - 1)
    )


def cluster_slots(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.instance.settings
    more: dict[bytes, Reply] = {}
    kind, hostname = settings.cluster_preferred_endpoint_type, settings.cluster_announce_hostname
    if kind != "ip":
        more[b"ip"] = settings.cluster_announce_ip.encode()
    if hostname and kind != "hostname":
        more[b"hostname"] = hostname.encode()
    node: list[Reply] = [_endpoint(ctx), _port(ctx), _cluster(ctx).node_id, more]
    return [[0, SLOTS - 1, node]]


def cluster_shards(ctx: Context, argv: list[bytes]) -> Reply:
    settings = ctx.instance.settings
    node: dict[bytes, Reply] = {b"id": _cluster(ctx).node_id}
    if settings.port:
        node[b"port"] = settings.cluster_announce_port or settings.port
    if settings.tls_port:
        node[b"tls-port"] = settings.cluster_announce_tls_port or settings.tls_port
    node[b"ip"] = settings.cluster_announce_ip.encode()
    node[b"endpoint"] = _endpoint(ctx) or b""
    if settings.cluster_announce_hostname:
        node[b"hostname"] = settings.cluster_announce_hostname.encode()
    node |= {b"role": b"master", b"replication-offset": 0, b"health": b"online"}
    return [{b"slots": [0, SLOTS - 1], b"nodes": [node]}]


def cluster_links(ctx: Context, argv: list[bytes]) -> Reply:
    return []


def _own_node(ctx: Context, node: bytes) -> None:
    if node != _cluster(ctx).node_id:
        raise CommandError(b"ERR Unknown node " + node)


def cluster_replicas(ctx: Context, argv: list[bytes]) -> Reply:
    _own_node(ctx, argv[2])
    return []


def cluster_count_failure_reports(ctx: Context, argv: list[bytes]) -> Reply:
    _own_node(ctx, argv[2])
    return 0


# --- keys -----------------------------------------------------------------------------------------


def _keys_in(ctx: Context, slot: int) -> Iterable[bytes]:
    return (key for key in ctx.db.data if key_slot(key) == slot)


def cluster_countkeysinslot(ctx: Context, argv: list[bytes]) -> Reply:
    slot = parse_integer(argv[2])
    if not 0 <= slot < SLOTS:
        raise CommandError("ERR Invalid slot")
    return sum(1 for _ in _keys_in(ctx, slot))


def cluster_getkeysinslot(ctx: Context, argv: list[bytes]) -> Reply:
    slot, count = parse_integer(argv[2]), parse_integer(argv[3])
    if not 0 <= slot < SLOTS or count < 0:
        raise CommandError("ERR Invalid slot or number of keys")
    return list(islice(_keys_in(ctx, slot), count))


# --- changes --------------------------------------------------------------------------------------


def _slot(word: bytes) -> int:
    number = read_integer(word)
    if number is None or not 0 <= number < SLOTS:
        raise CommandError(_BAD_SLOT)
    return number


def _ranges(argv: list[bytes]) -> list[int]:
    """The first slots of the ranges that a request names."""
    if len(argv) % 2:
        name = f"cluster|{argv[1].decode().lower()}"
        raise CommandError(f"ERR wrong number of arguments for '{name}' command")
    firsts = []
    for start, end in zip(argv[2::2], argv[3::2], strict=True):
        first, last = _slot(start), _slot(end)
        if first > last:
            raise CommandError(
                f"ERR start slot number {first} is greater than end slot number {last}"
            )
        firsts.append(first)
    return firsts


def _busy(slot: int) -> CommandError:
    return CommandError(f"ERR Slot {slot} is already busy")


def cluster_addslots(ctx: Context, argv: list[bytes]) -> Reply:
    named = [_slot(word) for word in argv[2:]]
    raise _busy(named[0])


def cluster_addslotsrange(ctx: Context, argv: list[bytes]) -> Reply:
    raise _busy(_ranges(argv)[0])


def cluster_delslots(ctx: Context, argv: list[bytes]) -> Reply:
    for word in argv[2:]:
        _slot(word)
    raise CommandError(_ALONE)


def cluster_delslotsrange(ctx: Context, argv: list[bytes]) -> Reply:
    _ranges(argv)
    raise CommandError(_ALONE)


def cluster_flushslots(ctx: Context, argv: list[bytes]) -> Reply:
    if len(ctx.db):
        raise CommandError("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.")
    raise CommandError(_ALONE)


def cluster_setslot(ctx: Context, argv: list[bytes]) -> Reply:
    slot, action, node = _slot(argv[2]), argv[3].upper(), argv[4] if len(argv) > 4 else None
    own = node == _cluster(ctx).node_id
    if action == b"STABLE" and node is None:
        return OK
    if node is None or action not in (b"NODE", b"MIGRATING", b"IMPORTING"):
        raise CommandError(_BAD_SETSLOT)
    if action == b"IMPORTING":
        raise CommandError(f"ERR I'm already the owner of hash slot {slot}")
    if action == b"NODE":
        _own_node(ctx, node)
    elif own:
        raise CommandError(_ALONE)
    else:
        raise CommandError(b"ERR I don't know about node " + node)
    return OK


def cluster_meet(ctx: Context, argv: list[bytes]) -> Reply:
    if read_integer(argv[3]) is None:
        raise CommandError(b"ERR Invalid TCP base port specified: " + argv[3])
    raise CommandError(_ALONE)


def cluster_forget(ctx: Context, argv: list[bytes]) -> Reply:
    _own_node(ctx, argv[2])
    raise CommandError("ERR I tried hard but I can't forget myself...")


def cluster_replicate(ctx: Context, argv: list[bytes]) -> Reply:
    _own_node(ctx, argv[2])
    raise CommandError("ERR Can't replicate myself")


def cluster_failover(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2 and argv[2].upper() not in (b"FORCE", b"TAKEOVER"):
        raise CommandError(SYNTAX)
    raise CommandError("ERR You should send CLUSTER FAILOVER to a replica")


def cluster_reset(ctx: Context, argv: list[bytes]) -> Reply:
    """The node keeps its slots. HARD gives it a new id."""
    kind = argv[2].upper() if len(argv) > 2 else b"SOFT"
    if kind not in (b"HARD", b"SOFT"):
        raise CommandError(SYNTAX)
    if len(ctx.db):
        raise CommandError("ERR CLUSTER RESET can't be called with master nodes containing keys")
    if kind == b"HARD":
        _cluster(ctx).reset()
    return OK


def cluster_saveconfig(ctx: Context, argv: list[bytes]) -> Reply:
    """There is nothing to save."""
    return OK


def cluster_bumpepoch(ctx: Context, argv: list[bytes]) -> Reply:
    cluster = _cluster(ctx)
    if cluster.epoch:
        return f"STILL {cluster.epoch}"
    cluster.epoch = 1
    return "BUMPED 1"


def cluster_set_config_epoch(ctx: Context, argv: list[bytes]) -> Reply:
    epoch = parse_integer(argv[2], NOT_AN_INTEGER)
    if epoch < 0:
        raise CommandError(f"ERR Invalid config epoch specified: {epoch}")
    cluster = _cluster(ctx)
    if cluster.epoch:
        raise CommandError("ERR Node config epoch is already non-zero")
    cluster.epoch = epoch
    return OK


def accept(ctx: Context, argv: list[bytes]) -> Reply:
    """READONLY, READWRITE, ASKING: every key is here, and may be read and written."""
    return OK
