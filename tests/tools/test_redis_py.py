"""redis-py, synchronous and asynchronous, in both protocols, across its whole interface.

Locks that redis-py extends, releases or takes over run as Lua scripts, which the server does not
support yet.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    DataError,
    ResponseError,
    WatchError,
)
from redis.retry import Retry

from tests.support.servers import Loop, RunningServer

# The annotations of redis-py are unions of its synchronous and asynchronous replies.
Client = Any

both_protocols = pytest.mark.parametrize("protocol", [2, 3])


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def db(server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client in either protocol."""
    with redis.Redis(port=server.port, protocol=request.param, decode_responses=True) as client:
        yield client


def speaks_resp3(db: Client) -> bool:
    return bool(db.connection_pool.connection_kwargs["protocol"] == 3)


# --- synchronous ------------------------------------------------------------------------


def test_strings(db: Client) -> None:
    assert db.set("a", "1") is True
    assert db.set("a", "2", nx=True) is None
    assert db.set("a", "3", ex=100, get=True) == "1"
    assert db.ttl("a") == 100
    assert db.get("a") == "3"
    assert db.getex("a", persist=True) == "3"
    assert db.ttl("a") == -1
    assert (db.incr("a"), db.decr("a", 2), db.incrbyfloat("a", 0.5)) == (4, 2, 2.5)
    assert db.mset({"b": "x", "c": "y"}) is True
    assert db.mget("a", "b", "nothing", "c") == ["2.5", "x", None, "y"]
    assert db.msetnx({"c": 1, "d": 2}) is False
    assert (db.append("b", "yz"), db.strlen("b"), db.getrange("b", 1, -1)) == (3, 3, "yz")
    assert (db.setbit("bits", 7, 1), db.getbit("bits", 7), db.bitcount("bits")) == (0, 1, 1)
    field = db.bitfield("bits").set("u8", 0, 255).incrby("u8", 0, 10, "SAT").get("u4", 0)
    assert field.execute() == [1, 255, 15]
    assert db.lcs("b", "b", len=True) == 3
    assert (db.getdel("b"), db.exists("b")) == ("xyz", 0)
    assert db.pfadd("h", "a", "b", "c") == 1
    assert db.pfcount("h") == 3


def test_keys(db: Client) -> None:
    db.mset({f"key:{number}": number for number in range(500)})
    assert db.dbsize() == 500
    assert set(db.scan_iter(match="key:1*", count=7)) == set(db.keys("key:1*"))
    assert len(set(db.scan_iter())) == 500
    assert db.rename("key:1", "renamed") is True
    assert db.renamenx("key:2", "renamed") is False
    assert db.copy("renamed", "copied") is True
    assert db.type("copied") == "string"
    assert db.object("encoding", "copied") == "int"
    assert db.expire("copied", 100, nx=True) is True
    assert db.expiretime("copied") > 0
    assert db.persist("copied") is True
    assert db.delete("copied", "renamed", "nothing") == 2
    assert db.unlink("key:3") == 1
    assert db.touch("key:4", "key:3") == 1
    assert db.randomkey().startswith("key:")
    assert db.flushdb() is True
    with pytest.raises(ResponseError, match="no such key"):
        db.rename("nothing", "something")


def test_hashes(db: Client) -> None:
    assert db.hset("h", mapping={"a": 1, "b": "x"}) == 2
    assert db.hgetall("h") == {"a": "1", "b": "x"}
    assert db.hmget("h", "b", "nothing") == ["x", None]
    assert (db.hincrby("h", "a", 4), db.hincrbyfloat("h", "a", 0.5)) == (5, 5.5)
    assert dict(db.hscan_iter("h")) == {"a": "5.5", "b": "x"}
    assert list(db.hscan_iter("h", match="a", no_values=True)) == ["a"]
    assert db.hexpire("h", 100, "a", "nothing") == [1, -2]
    assert db.httl("h", "a", "b") == [100, -1]
    assert db.hpersist("h", "a") == [1]
    assert db.hgetdel("h", "b") == ["x"]
    assert (db.hdel("h", "a"), db.exists("h")) == (1, 0)
    db.hset("h", "only", 1)
    assert db.hrandfield("h", 2, withvalues=True) == (
        [["only", "1"]] if speaks_resp3(db) else ["only", "1"]
    )


def test_lists(db: Client) -> None:
    assert db.rpush("l", "a", "b", "c", "b") == 4
    assert db.lrange("l", 0, -1) == ["a", "b", "c", "b"]
    assert db.lpos("l", "b", count=0) == [1, 3]
    assert db.linsert("l", "before", "c", "x") == 5
    assert db.lset("l", 0, "A") is True
    assert db.lmove("l", "m", "LEFT", "RIGHT") == "A"
    assert db.lmpop(2, "nothing", "l", direction="RIGHT", count=2) == ["l", ["b", "c"]]
    assert db.lpop("l", 5) == ["b", "x"]
    assert db.lpop("l") is None
    db.rpush("numbers", 3, 1, 2)
    assert db.sort("numbers", desc=True) == ["3", "2", "1"]


def test_sets(db: Client) -> None:
    assert db.sadd("s", "a", "b", "c") == 3
    assert db.sadd("t", "b", "c", "d") == 3
    assert db.smembers("s") == {"a", "b", "c"}
    assert db.sinter("s", "t") == {"b", "c"}
    assert db.sdiff("s", "t") == {"a"}
    assert db.sunionstore("u", "s", "t") == 4
    assert db.sintercard(2, ["s", "t"], limit=1) == 1
    assert (db.sismember("s", "a"), db.smismember("s", ["a", "x"])) == (1, [1, 0])
    assert set(db.sscan_iter("u")) == {"a", "b", "c", "d"}
    assert len(db.srandmember("u", 3)) == 3
    assert len(set(db.spop("u", 4))) == 4


def test_sorted_sets(db: Client) -> None:
    assert db.zadd("z", {"a": 1, "b": 2, "c": 3.5}) == 3
    assert db.zadd("z", {"a": 5}, gt=True, ch=True) == 1
    pairs = db.zrange("z", 0, -1, withscores=True)
    assert [tuple(pair) for pair in pairs] == [("b", 2.0), ("c", 3.5), ("a", 5.0)]
    assert db.zrangebyscore("z", "(2", "+inf") == ["c", "a"]
    assert db.zscore("z", "c") == 3.5
    assert db.zmscore("z", ["a", "nothing"]) == [5.0, None]
    assert db.zincrby("z", 0.5, "c") == 4.0
    assert (db.zrank("z", "b"), db.zrevrank("z", "b")) == (0, 2)
    assert dict(db.zscan_iter("z")) == {"a": 5.0, "b": 2.0, "c": 4.0}
    assert db.zunionstore("y", {"z": 2}) == 3
    assert db.zinter(["z", "y"]) == ["b", "c", "a"]
    assert [list(pair) for pair in db.zmpop(1, ["z"], min=True)[1]] in ([["b", 2.0]], [["b", "2"]])
    assert db.zcount("z", 0, 10) == 2
    popped = db.zpopmax("z", 2)
    assert [tuple(pair) for pair in popped] == [("a", 5.0), ("c", 4.0)]
    assert db.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert db.geodist("g", "Palermo", "Catania", "km") == pytest.approx(166.2742)
    assert db.geosearch("g", longitude=15, latitude=37, radius=100, unit="km") == ["Catania"]


def test_streams(db: Client) -> None:
    first = db.xadd("x", {"a": 1})
    second = db.xadd("x", {"a": 2}, maxlen=10)
    assert db.xrange("x") == [(first, {"a": "1"}), (second, {"a": "2"})]
    assert db.xlen("x") == 2
    assert db.xgroup_create("x", "g", "0") is True
    with pytest.raises(ResponseError, match="BUSYGROUP"):
        db.xgroup_create("x", "g", "0")
    entries = [(first, {"a": "1"})]
    got = db.xreadgroup("g", "one", {"x": ">"}, count=1)
    assert got == ({"x": [entries]} if speaks_resp3(db) else [["x", entries]])
    pending = db.xpending("x", "g")
    assert (pending["pending"], pending["consumers"]) == (1, [{"name": "one", "pending": 1}])
    assert db.xpending_range("x", "g", "-", "+", 5)[0]["times_delivered"] == 1
    assert db.xclaim("x", "g", "two", 0, [first]) == [(first, {"a": "1"})]
    assert db.xautoclaim("x", "g", "three", 0)[1] == [(first, {"a": "1"})]
    assert db.xack("x", "g", first) == 1
    (group,) = db.xinfo_groups("x")
    assert (group["name"], group["entries-read"], group["lag"]) == ("g", 1, 1)
    consumers = db.xinfo_consumers("x", "g")
    assert [consumer["name"] for consumer in consumers] == ["one", "three", "two"]
    assert db.xinfo_stream("x")["length"] == 2
    assert db.xinfo_stream("x", full=True)["length"] == 2
    assert db.xread({"x": second}) in ([], {})
    assert db.xtrim("x", maxlen=1, approximate=False) == 1
    assert db.xdel("x", second) == 1


def test_pipelines_and_transactions(db: Client) -> None:
    with db.pipeline(transaction=False) as pipe:
        assert pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, "2"]
    with db.pipeline() as pipe:
        assert pipe.rpush("l", "x").lrange("l", 0, -1).hgetall("h").execute() == [1, ["x"], {}]
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            pipe.incr("a").lpush("a", "x").incr("a").execute()
        assert db.get("a") == "4"
        replies = pipe.incr("l").incr("a").execute(raise_on_error=False)
        assert isinstance(replies[0], ResponseError)
        assert replies[1] == 5


def test_watching(db: Client) -> None:
    db.set("balance", 10)
    with db.pipeline() as pipe:
        pipe.watch("balance")
        assert pipe.get("balance") == "10"
        db.set("balance", 5)
        pipe.multi()
        pipe.decrby("balance", 10)
        with pytest.raises(WatchError):
            pipe.execute()
    tries: list[int] = []

    def withdraw(pipe: Any) -> None:
        current = int(pipe.get("balance"))
        if not tries:
            db.incr("balance")
        tries.append(current)
        pipe.multi()
        pipe.set("balance", current - 1)

    assert db.transaction(withdraw, "balance") == [True]
    assert (tries, db.get("balance")) == ([5, 6], "5")


def test_blocking(db: Client, server: RunningServer) -> None:
    db.rpush("l", "ready")
    assert db.blpop(["nothing", "l"], timeout=1) in (("l", "ready"), ["l", "ready"])
    assert db.blpop("nothing", timeout=0.01) is None
    answers: list[Any] = []
    ways: list[Callable[[], Any]] = [
        lambda: db.blpop("l", 10),
        lambda: db.blmove("l", "m", 10),
        lambda: db.blmpop(10, 1, "l", direction="LEFT"),
        lambda: db.bzpopmin("z", 10),
        lambda: db.xread({"x": "$"}, block=10_000),
    ]
    for way in ways:
        waiting = threading.Thread(target=lambda way=way: answers.append(way()))
        waiting.start()
        server.wait_for_blocked(1)
        if len(answers) < 3:
            db.rpush("l", "x")
        db.zadd("z", {"a": 1})
        db.xadd("x", {"a": 1})
        waiting.join(10)
        db.delete("l", "z")
    assert [answer is not None for answer in answers] == [True] * 5
    assert tuple(answers[0]) == ("l", "x")
    assert answers[1] == "x"


def test_pubsub(db: Client) -> None:
    def next_message(channel: Any) -> Any:
        message = channel.get_message(timeout=10)
        return message and (message["type"], message["channel"], message["data"])

    with db.pubsub() as heard:
        heard.subscribe("news", "more")
        heard.psubscribe("n*")
        assert [next_message(heard) for _ in range(3)] == [
            ("subscribe", "news", 1),
            ("subscribe", "more", 2),
            ("psubscribe", "n*", 3),
        ]
        assert db.publish("news", "hello") == 2
        assert sorted(next_message(heard) for _ in range(2)) == [
            ("message", "news", "hello"),
            ("pmessage", "news", "hello"),
        ]
        assert set(db.pubsub_channels()) == {"more", "news"}
        assert [tuple(pair) for pair in db.pubsub_numsub("news")] == [("news", 1)]
        assert db.pubsub_numpat() == 1
        if not speaks_resp3(db):
            # redis-py mistakes the plain string that PING returns in RESP3 for a message.
            heard.ping("still there")
            assert next_message(heard)[2] == "still there"
        heard.unsubscribe()
        heard.punsubscribe()
        assert sorted(next_message(heard)[0] for _ in range(3)) == [
            "punsubscribe",
            "unsubscribe",
            "unsubscribe",
        ]
    with db.pubsub() as heard:
        calls: list[Any] = []
        heard.ssubscribe(shard=calls.append)
        assert next_message(heard) == ("ssubscribe", "shard", 1)
        assert db.spublish("shard", "hello") == 1
        assert heard.get_message(timeout=10) is None or calls
        assert calls[0]["data"] == "hello"


def test_monitor(db: Client) -> None:
    with db.monitor() as monitor:
        db.set("a", "x y")
        # The first line shows the setup of the connection itself.
        seen = iter(monitor.listen())
        assert any(line["command"] == "SET a x y" for line in seen)


def test_administration(db: Client) -> None:
    assert db.ping() is True
    assert db.echo("x") == "x"
    assert db.config_get("maxmemory*")["maxmemory"] == "0"
    assert db.config_set("maxmemory", "100mb") is True
    assert db.info("server")["redis_mode"] == "standalone"
    assert db.info()["connected_clients"] >= 1
    assert db.client_setname("me") is True
    assert db.client_getname() == "me"
    (me,) = (client for client in db.client_list() if client["name"] == "me")
    assert me["lib-name"].startswith("redis-py")
    assert me["resp"] == ("3" if speaks_resp3(db) else "2")
    assert db.client_info()["id"] == db.client_id()
    assert db.client_no_evict("ON") == "OK"
    assert db.time()[0] > 0
    assert db.command_count() > 200
    assert db.command()["get"]["arity"] == 2
    assert db.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]
    assert db.slowlog_reset() is True
    assert db.slowlog_get() == []
    assert db.memory_usage("nothing") is None
    assert db.role()[0] == "master"
    assert db.wait(0, 10) == 0
    assert db.swapdb(0, 1) is True


def test_pools_health_and_retries(server: RunningServer) -> None:
    pool = redis.ConnectionPool(
        port=server.port,
        db=2,
        client_name="pooled",
        max_connections=3,
        health_check_interval=1,
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[redis.ConnectionError],
    )
    db: Client
    with redis.Redis(connection_pool=pool) as db:
        taken = [pool.get_connection() for _ in range(3)]
        with pytest.raises(redis.ConnectionError):
            pool.get_connection()
        for connection in taken:
            pool.release(connection)
        assert {client["name"] for client in db.client_list()} == {"pooled"}
        assert {client["db"] for client in db.client_list()} == {"2"}
        # A closed connection is replaced by a new one.
        with redis.Redis(port=server.port) as other:
            assert other.client_kill_filter(_type="normal", skipme=True) == 3
        assert db.set("a", 1) is True
        for connection in taken:
            connection.next_health_check = 0
        assert db.get("a") == b"1"
        with pytest.raises(DataError):
            db.set("a", None)
        with pytest.raises(ResponseError):
            db.execute_command("NOSUCH")
    pool.disconnect()


@both_protocols
def test_passwords_and_unix_sockets(loop: Loop, tmp_path: Path, protocol: int) -> None:
    path = str(tmp_path / "socket")
    server = loop.start_server(unixsocket=path, requirepass="secret")
    try:
        options = f"?db=1&protocol={protocol}"
        with redis.Redis.from_url(f"unix://:secret@{path}{options}") as db:
            assert db.set("a", "x") is True
        with redis.Redis.from_url(f"unix://default:secret@{path}{options}") as db:
            assert db.get("a") == b"x"
        for login in ("", ":wrong@", "nobody:secret@"):
            with (
                redis.Redis.from_url(f"unix://{login}{path}{options}") as db,
                pytest.raises(AuthenticationError),
            ):
                db.ping()
    finally:
        server.close()


def test_a_lock_is_taken_once(db: Client) -> None:
    lock, other = db.lock("lock", timeout=10), db.lock("lock", timeout=10, blocking=False)
    assert lock.acquire() is True
    assert (other.acquire(), lock.locked(), other.owned()) == (False, True, False)
    assert 0 < db.pttl("lock") <= 10_000


# --- asyncio ----------------------------------------------------------------------------


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def under_asyncio(
    server: RunningServer, request: pytest.FixtureRequest
) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Run a function with a client in its own event loop."""

    def run(use: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            async with redis.asyncio.Redis(
                port=server.port, protocol=request.param, decode_responses=True
            ) as db:
                await asyncio.wait_for(use(db), 20)

        asyncio.run(main())

    return run


RunAsync = Callable[[Callable[[Any], Awaitable[None]]], None]


def test_asyncio_commands(under_asyncio: RunAsync) -> None:
    async def use(db: Any) -> None:
        assert await db.set("a", 1) is True
        # Each request uses its own connection.
        counts = await asyncio.gather(*(db.incr("a") for _ in range(20)))
        assert sorted(counts) == list(range(2, 22))
        assert await db.hset("h", mapping={"a": 1}) == 1
        assert await db.hgetall("h") == {"a": "1"}
        assert await db.zadd("z", {"a": 1.5}) == 1
        assert [tuple(p) for p in await db.zrange("z", 0, -1, withscores=True)] == [("a", 1.5)]
        assert await db.sadd("s", "a", "b") == 2
        assert await db.smembers("s") == {"a", "b"}
        assert sorted([key async for key in db.scan_iter(match="[ahs]", count=1)]) == list("ahs")
        entry = await db.xadd("x", {"a": 1})
        assert await db.xrange("x") == [(entry, {"a": "1"})]
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await db.lpush("a", "x")

    under_asyncio(use)


def test_asyncio_pipelines_and_watching(under_asyncio: RunAsync) -> None:
    async def use(db: Any) -> None:
        async with db.pipeline() as pipe:
            assert await pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, "2"]
            await pipe.watch("a")
            await db.incr("a")
            pipe.multi()
            pipe.incr("a")
            with pytest.raises(WatchError):
                await pipe.execute()
        assert await db.get("a") == "3"

    under_asyncio(use)


def test_asyncio_blocking_and_messages(under_asyncio: RunAsync, server: RunningServer) -> None:
    async def use(db: Any) -> None:
        waiting = [asyncio.create_task(db.blpop("l", 10)) for _ in range(3)]
        await asyncio.to_thread(server.wait_for_blocked, 3)
        await db.rpush("l", "a", "b", "c")
        assert sorted([(await task)[1] for task in waiting]) == ["a", "b", "c"]
        async with db.pubsub() as heard:
            await heard.subscribe("news")
            assert (await heard.get_message(timeout=10))["type"] == "subscribe"
            await db.publish("news", "hello")
            assert (await heard.get_message(timeout=10))["data"] == "hello"
        # A task that is cancelled while it is blocked takes no element.
        lost = asyncio.create_task(db.blpop("m", 0))
        await asyncio.to_thread(server.wait_for_blocked, 1)
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        await asyncio.to_thread(server.wait_for_blocked, 0)
        await db.rpush("m", "x")
        assert await db.lpop("m") == "x"

    under_asyncio(use)
