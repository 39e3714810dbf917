"""A server with `cluster-enabled yes`, beside real ones that own all slots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.oracles import BINARIES, STARTERS, Oracle, free_port
from tests.support.resp import Connection, Error, Map, Verbatim, Word
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

Request = tuple[Word, ...]

_CROSS = "#!lua flags=allow-cross-slot-keys\n"

# What both servers answer in the same way.
_SAME: dict[str, list[Request]] = {
    "descriptions": [
        ("CLUSTER", "MYID"),
        ("CLUSTER", "NODES"),
        ("CLUSTER", "SLOTS"),
        ("CLUSTER", "SHARDS"),
        ("CLUSTER", "INFO"),
        ("CLUSTER", "LINKS"),
        ("CLUSTER", "COUNT-FAILURE-REPORTS", "ME"),
        ("CLUSTER", "REPLICAS", "ME"),
        ("CLUSTER", "SLAVES", "ME"),
        ("INFO", "cluster"),
        ("CLUSTER", "MYID", "x"),
    ],
    "what is announced": [
        ("CONFIG", "SET", "cluster-announce-ip", "1.2.3.4"),
        ("CONFIG", "SET", "cluster-announce-hostname", "host.example"),
        ("CONFIG", "SET", "cluster-announce-port", 77),
        ("CONFIG", "SET", "cluster-announce-bus-port", 78),
        ("CLUSTER", "SLOTS"),
        ("CLUSTER", "NODES"),
        ("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname"),
        ("CLUSTER", "SLOTS"),
        ("CONFIG", "SET", "cluster-announce-hostname", ""),
        ("CLUSTER", "SLOTS"),
        ("CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint"),
        ("CLUSTER", "SLOTS"),
    ],
    "keys of slots": [
        ("SET", "a", 1),
        ("SET", "{a}2", 1),
        ("SET", "b", 1),
        ("CLUSTER", "COUNTKEYSINSLOT", 15495),
        ("CLUSTER", "COUNTKEYSINSLOT", 0),
        ("CLUSTER", "COUNTKEYSINSLOT", 16384),
        ("CLUSTER", "COUNTKEYSINSLOT", -1),
        ("CLUSTER", "COUNTKEYSINSLOT", "x"),
        ("CLUSTER", "GETKEYSINSLOT", 3300, 10),
        ("CLUSTER", "GETKEYSINSLOT", 0, 10),
        ("CLUSTER", "GETKEYSINSLOT", 15495, 0),
        ("CLUSTER", "GETKEYSINSLOT", 16384, 1),
        ("CLUSTER", "GETKEYSINSLOT", 1, -1),
        ("CLUSTER", "GETKEYSINSLOT", 1, "x"),
        ("CLUSTER", "KEYSLOT", "{}a"),
        ("CLUSTER", "FLUSHSLOTS"),
        ("CLUSTER", "RESET"),
        ("CLUSTER", "RESET", "HARD"),
    ],
    "refused changes": [
        ("CLUSTER", "ADDSLOTS", 1),
        ("CLUSTER", "ADDSLOTS", "x"),
        ("CLUSTER", "ADDSLOTS", 16384),
        ("CLUSTER", "ADDSLOTSRANGE", 0, 16383),
        ("CLUSTER", "ADDSLOTSRANGE", 2, 1),
        ("CLUSTER", "ADDSLOTSRANGE", 1),
        ("CLUSTER", "ADDSLOTSRANGE", 1, 2, 3),
        ("CLUSTER", "DELSLOTS", 16384),
        ("CLUSTER", "DELSLOTSRANGE", 3, 1),
        ("CLUSTER", "DELSLOTSRANGE", 3, "x"),
        ("CLUSTER", "SETSLOT", 1, "STABLE"),
        ("CLUSTER", "SETSLOT", 1, "NODE", "ME"),
        ("CLUSTER", "SETSLOT", 1, "NODE", "x"),
        ("CLUSTER", "SETSLOT", 1, "NODE"),
        ("CLUSTER", "SETSLOT", 1, "MIGRATING", "x"),
        ("CLUSTER", "SETSLOT", 1, "IMPORTING", "x"),
        ("CLUSTER", "SETSLOT", 1, "FOO"),
        ("CLUSTER", "SETSLOT", -1, "STABLE"),
        ("CLUSTER", "FORGET", "ME"),
        ("CLUSTER", "FORGET", "x"),
        ("CLUSTER", "REPLICATE", "ME"),
        ("CLUSTER", "REPLICATE", "x"),
        ("CLUSTER", "REPLICAS", "x"),
        ("CLUSTER", "FAILOVER"),
        ("CLUSTER", "FAILOVER", "FOO"),
        ("CLUSTER", "RESET", "FOO"),
        ("CLUSTER", "SAVECONFIG"),
        ("CLUSTER", "SET-CONFIG-EPOCH", -1),
        ("CLUSTER", "SET-CONFIG-EPOCH", "x"),
        ("CLUSTER", "NOSUCH"),
    ],
    "keys of several slots": [
        ("MSET", "a", 1, "b", 2),
        ("MSET", "{a}1", 1, "{a}2", 2),
        ("MGET", "{a}1", "{a}2"),
        ("COPY", "a", "b"),
        ("SORT", "a", "STORE", "b"),
        ("ZUNION", 2, "a", "b"),
        ("ZUNION", 0, "a", "b"),
        ("ZUNION", 9, "a", "b"),
        ("XREAD", "STREAMS", "a", "b", 0, 0),
        ("XREAD", "STREAMS", "a"),
        ("BLPOP", "a", "b", 0),
        ("GEORADIUS", "a", 1, 1, 1, "m", "STORE", "b"),
        ("SSUBSCRIBE", "a", "b"),
        ("SUNSUBSCRIBE", "a", "b"),
        ("SPUBLISH", "a", "b"),
        ("PUBLISH", "a", "b"),
        ("NOSUCH", "a", "b"),
        ("MSET", "a"),
    ],
    "transactions": [
        ("MULTI",),
        ("SET", "a", 1),
        ("MGET", "a", "b"),
        ("EXEC",),
        ("MULTI",),
        ("SET", "a", 1),
        ("SET", "b", 1),
        ("EXEC",),
        ("PING",),
        ("MULTI",),
        ("SET", "{a}1", 1),
        ("GET", "{a}1"),
        ("PING",),
        ("EXEC",),
        ("WATCH", "a", "b"),
        ("WATCH", "a"),
        ("WATCH", "b"),
        ("UNWATCH",),
        ("EXEC",),
    ],
    "scripts": [
        ("SET", "a", 1),
        ("SET", "b", 2),
        ("EVAL", "return redis.call('get', 'a')", 0),
        ("EVAL", "redis.call('get', 'a') return redis.call('get', 'b')", 0),
        ("EVAL", "return redis.call('get', 'b')", 1, "a"),
        ("EVAL", "return 1", 2, "a", "b"),
        ("EVAL", "return 1", 9, "a"),
        ("EVAL", f"{_CROSS}redis.call('get', 'a') return redis.call('get', 'b')", 0),
        ("EVAL", f"{_CROSS}return redis.pcall('mget', 'a', 'b')", 0),
        ("EVAL", f"{_CROSS}return 1", 2, "a", "b"),
        ("EVAL", "#!lua flags=no-cluster\nreturn 1", 0),
        ("EVAL", "#!lua\nreturn redis.pcall('mget', 'a', 'b')", 0),
        ("EVAL", "#!lua\nreturn redis.pcall('get', 'b')", 1, "a"),
        ("EVAL", "#!lua\nredis.call('get', 'a') return redis.pcall('get', 'b')", 0),
        ("EVAL", "#!lua\nreturn redis.pcall('select', 1)", 0),
        ("EVAL", "#!lua\nreturn redis.call('get', '{a}x')", 1, "a"),
    ],
    "databases": [
        ("SELECT", 0),
        ("SELECT", 1),
        ("SELECT", 16),
        ("SELECT", -1),
        ("SELECT", "x"),
        ("SET", "a", 1),
        ("MOVE", "a", 1),
        ("SWAPDB", 0, 1),
        ("COPY", "a", "{a}2", "DB", 1),
        ("COPY", "a", "{a}2", "DB", 0),
        ("MULTI",),
        ("SELECT", 1),
        ("EXEC",),
    ],
    "replicas": [
        ("READONLY",),
        ("READWRITE",),
        ("ASKING",),
        ("REPLICAOF", "h", 1),
        ("REPLICAOF", "NO", "ONE"),
        ("SLAVEOF", "NO", "ONE"),
    ],
    "patterns of SORT": [
        ("RPUSH", "a", 2, 1),
        ("SORT", "a"),
        ("SORT", "a", "BY", "nosort"),
        ("SORT", "a", "BY", "w_*"),
        ("SORT", "a", "GET", "w_*"),
        ("SORT_RO", "a", "BY", "w_*"),
    ],
}


@pytest.fixture(scope="module")
def real() -> Iterator[Oracle]:
    """A redis-server that owns all slots."""
    if BINARIES["redis"]() is None:
        pytest.skip("there is no redis-server on PATH")
    # By default the bus has a port 10,000 above the other, which may not exist.
    oracle = STARTERS["redis"]("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    assert oracle("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == "OK"
    wait_until(lambda: b"cluster_state:ok" in oracle("CLUSTER", "INFO"), "a cluster that works")
    yield oracle
    oracle.close()


class _Session:
    """One server, whose replies do not show its own id and ports."""

    def __init__(self, port: int, resp: int) -> None:
        self._port = port
        self._client = Connection(port, resp=resp)
        reply = self._client("CLUSTER", "MYID")
        assert isinstance(reply, bytes)
        self._id = reply
        nodes = self._client("CLUSTER", "NODES")
        text = nodes.text if isinstance(nodes, Verbatim) else nodes
        self._bus = text.split(b"@")[1].split(b" ")[0]

    def __call__(self, request: Request) -> Any:
        words = [self._id if word == "ME" else word for word in request]
        return self._masked(self._client(*words))

    def _masked(self, reply: Any) -> Any:
        if isinstance(reply, bytes):
            for shown, name in (
                (self._id, b"ID"),
                (b"@%b " % self._bus, b"@BUS "),
                (b":%d@" % self._port, b":PORT@"),
            ):
                reply = reply.replace(shown, name)
            return reply
        if isinstance(reply, Verbatim):
            return replace(reply, text=self._masked(reply.text))
        if isinstance(reply, Error):
            # Scripts are named by their hash, and texts of errors by the version.
            return Error(reply.text.replace(self._id.decode(), "ID"))
        if isinstance(reply, list):
            return [self._masked(each) for each in reply]
        if isinstance(reply, Map):
            return Map([(self._masked(name), self._masked(value)) for name, value in reply.items])
        return "PORT" if reply == self._port else reply

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def node(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server(cluster_enabled="yes")
    yield running
    running.close()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("name", _SAME)
def test_replies_are_those_of_redis(
    node: RunningServer, real: Oracle, name: str, resp: int
) -> None:
    real.reset()
    ours, theirs = _Session(node.port, resp), _Session(real.port, resp)
    for request in _SAME[name]:
        assert (request, ours(request)) == (request, theirs(request))
    ours.close()
    theirs.close()
