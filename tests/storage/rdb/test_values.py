"""Values of every type and size are unchanged after a round trip through files and payloads."""

from __future__ import annotations

import io

from hypothesis import HealthCheck, given, settings

from commands.operator.dataset_digest import keyspace_digest
from storage.clock import Clock
from storage.keyspace import Keyspace
from storage.rdb import dump_value, load, load_value, save
from storage.values.consumer_groups import Pending
from storage.values.list_nodes import Node
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.streams import Stream
from storage.values.types import Value, encoding_of
from tests.storage.rdb.recipes import Command, datasets
from tests.support.resp import Error
from tests.support.servers import RunningServer

some = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fill(server: RunningServer, commands: list[Command]) -> Keyspace:
    client = server.connect()
    client("FLUSHALL")
    for command in commands:
        reply = client(*command)
        assert not isinstance(reply, Error), (command[:3], reply)
    client.close()
    return server.instance.keyspace


def shape(value: Value) -> object:
    """The state of a value that neither its digest nor its encoding shows."""
    if isinstance(value, List):
        nodes = [(node.entries, node.size, node.plain) for node in value.nodes or ()]
        return nodes if len(nodes) > 1 else list(value)
    if isinstance(value, Stream):
        return (
            [(node.first, node.ids) for node in value.nodes],
            (value.last_id, value.max_deleted_id, value.entries_added),
            [
                (
                    name,
                    group.last_id,
                    group.entries_read,
                    [(entry, vars_of(pending)) for entry, pending in group.pending.items()],
                    [
                        (one.name, one.seen_time, one.active_time, list(one.pending))
                        for one in group.consumers_by_name()
                    ],
                )
                for name, group in value.groups_by_name()
            ],
        )
    return getattr(value, "deadlines", None) or None


def vars_of(pending: Pending) -> tuple[bytes, int, int]:
    return pending.consumer.name, pending.delivery_time, pending.deliveries


def settled(value: Value) -> bytes:
    """The encoding after loading: small values are packed, and numbers are stored as such."""
    limits = Keyspace(Clock()).limits
    if isinstance(value, bytearray):
        return encoding_of(bytes(value))
    if isinstance(value, List):
        nodes = [Node(value.size, len(value))] if value.nodes is None else value.nodes
        return List.of_nodes(list(value), nodes, limits).encoding
    if isinstance(value, Set):
        return Set.of(list(value), limits).encoding
    return encoding_of(value)


@some
@given(datasets())
def test_a_keyspace_is_the_same_after_loading(
    server: RunningServer, commands: list[Command]
) -> None:
    keyspace = fill(server, commands)
    again = Keyspace(Clock())
    load(io.BytesIO(b"".join(server.call(list, save(keyspace, {})))), again)
    assert keyspace_digest(again) == keyspace_digest(keyspace)
    for database, twin in zip(keyspace.databases, again.databases, strict=True):
        assert dict(twin.expires) == dict(database.expires)
        assert set(twin.field_expires) == set(database.field_expires)
        for key, value in database.data.items():
            assert shape(twin.data[key]) == shape(value)
            assert encoding_of(twin.data[key]) == settled(value)


@some
@given(datasets())
def test_payloads_restore_the_same_values(server: RunningServer, commands: list[Command]) -> None:
    keyspace = fill(server, commands)
    for compress in (True, False):
        again = Keyspace(Clock())
        for database in keyspace.databases:
            for key, value in database.data.items():
                twin = load_value(dump_value(value, compress=compress), keyspace.limits)
                assert shape(twin) == shape(value)
                assert encoding_of(twin) == settled(value)
                again.databases[database.index].load(key, twin, database.deadline(key))
        assert keyspace_digest(again) == keyspace_digest(keyspace)
