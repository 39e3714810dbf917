"""`cluster-enabled yes`: one node that owns all slots, as clients of clusters use it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException

from tests.support.info import info
from tests.support.resp import Error
from tests.support.servers import Loop, RunningServer


@pytest.fixture
def node(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server(cluster_enabled="yes")
    yield running
    running.close()


def test_a_client_of_clusters_connects_and_works(node: RunningServer) -> None:
    with RedisCluster(host="127.0.0.1", port=node.port) as client:
        assert [each.port for each in client.get_nodes()] == [node.port]
        assert client.set("a", 1)
        assert client.mset_nonatomic({"a": "1", "b": "2"})
        assert client.mget_nonatomic("a", "b") == [b"1", b"2"]
        assert client.cluster_keyslot("a") == 15495
        assert client.cluster_countkeysinslot(15495) == 1
        assert client.eval("return redis.call('get', KEYS[1])", 1, "b") == b"2"
        with client.pipeline() as pipeline:
            pipeline.incr("a").incr("b")
            assert pipeline.execute() == [2, 3]
        assert sorted(client.scan_iter()) == [b"a", b"b"]
        assert client.dbsize() == 2
        with pytest.raises(RedisClusterException):
            client.mget("a", "b")


def test_redis_cli_works_in_cluster_mode(node: RunningServer) -> None:
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("there is no redis-cli on PATH")
    ran = subprocess.run(
        [program, "-c", "-p", str(node.port)],
        input="SET a 1\nSET b 2\nGET a\nMGET a b\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split("\n")[:4] == [
        "OK",
        "OK",
        "1",
        "CROSSSLOT Keys in request don't hash to the same slot",
    ]


@pytest.mark.parametrize("enabled", ["no", "yes"])
def test_the_mode_is_shown(loop: Loop, enabled: str) -> None:
    server = loop.start_server(cluster_enabled=enabled)
    client = server.connect(resp=3)
    mode = "cluster" if enabled == "yes" else "standalone"
    assert client("HELLO", 3)[b"mode"] == mode.encode()
    assert info(client, "redis_mode") == mode
    assert info(client, "cluster_enabled") == str(int(enabled == "yes"))
    server.close()


def test_changes_that_would_need_other_nodes_are_refused(node: RunningServer) -> None:
    client = node.connect()
    alone = Error("ERR The cluster has this node only, and it keeps all slots")
    own = client("CLUSTER", "MYID")
    assert client("CLUSTER", "DELSLOTS", 1) == alone
    assert client("CLUSTER", "DELSLOTSRANGE", 1, 2) == alone
    assert client("CLUSTER", "FLUSHSLOTS") == alone
    assert client("CLUSTER", "MEET", "127.0.0.1", 7000) == alone
    assert client("CLUSTER", "SETSLOT", 1, "MIGRATING", own) == alone
    assert b"cluster_slots_ok:16384" in client("CLUSTER", "INFO")


def test_a_hard_reset_makes_a_new_node_with_all_slots(node: RunningServer) -> None:
    client = node.connect()
    first = client("CLUSTER", "MYID")
    assert client("CLUSTER", "BUMPEPOCH") == "BUMPED 1"
    assert client("CLUSTER", "BUMPEPOCH") == "STILL 1"
    assert client("CLUSTER", "SET-CONFIG-EPOCH", 1) == Error(
        "ERR Node config epoch is already non-zero"
    )
    assert client("CLUSTER", "RESET") == "OK"
    assert client("CLUSTER", "MYID") == first
    assert client("CLUSTER", "RESET", "HARD") == "OK"
    assert client("CLUSTER", "MYID") != first
    assert client("CLUSTER", "SET-CONFIG-EPOCH", 5) == "OK"
    assert b" 5 connected 0-16383\n" in client("CLUSTER", "NODES")


def test_patterns_of_sort_may_name_keys_of_the_same_slot(node: RunningServer) -> None:
    client = node.connect()
    client("RPUSH", "{a}list", 1, 2)
    client("MSET", "{a}w1", 2, "{a}w2", 1)
    assert client("SORT", "{a}list", "BY", "{a}w*", "GET", "#") == [b"2", b"1"]


@pytest.mark.parametrize("tagged", ["no", "yes"])
def test_domain_commands_work(loop: Loop, tagged: str) -> None:
    server = loop.start_server(cluster_enabled="yes", hash_tags=tagged)
    client = server.connect()
    for request in (
        ("JOB.SUBMIT", "gpu", "train", "ham", "{}"),
        ("JOB.CLAIM", "gpu", "w1"),
        ("STORE.PUT", "acme:notes", "a", "{}"),
        ("STORE.GET", "acme:notes", "a"),
        ("CP.PUT", "acme", "thread-1", "STEP", "1", "STATE", "{}"),
        ("CP.HISTORY", "acme", "thread-1"),
        ("QUEUE.PUSH", "mail", "hello"),
    ):
        reply = client(*request)
        assert not isinstance(reply, Error), (request, reply)
    if tagged == "yes":
        keys = [key for key in client("KEYS", "*") if b"acme" in key]
        assert len({client("CLUSTER", "KEYSLOT", key) for key in keys}) == 1
    server.close()


def test_without_cluster_enabled_slots_do_not_matter(server: RunningServer) -> None:
    client = server.connect()
    assert client("MSET", "a", 1, "b", 2) == "OK"
    assert client("CLUSTER", "SLOTS") == Error("ERR This instance has cluster support disabled")
    assert client("EVAL", "#!lua flags=no-cluster\nreturn 1", 0) == 1
