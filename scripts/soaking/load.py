"""The load of a soak: clients of every kind that come, work for a while, and go.

python -m scripts.soaking.load PORT SEED runs until its standard input is closed, then prints
how many commands it sent, and every error reply that it did not expect.

What is stored is bounded: names come from small ranges, and most things have a TTL or are
deleted by the same function some time later. So memory and keys must be flat.
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ResponseError, WatchError

_THREADS = 4
_MOST_STEPS = 200
# Error replies that a mixed load must get now and then.
_EXPECTED = (
    "NOTFOUND", "CONFLICT", "TERMINAL", "NOTOWNER", "EXISTS", "BUSYGROUP", "NOGROUP",
    "UNBLOCKED", "Background save already", "Background append only file rewriting already",
    "can't BGSAVE because AOF", "no such key", "smaller than the target stream top item",
    "open versions",
)  # fmt: skip

Client = Any
Step = Callable[[Client, random.Random], object]
STEPS: list[Step] = []


def step(function: Step) -> Step:
    """Add a function to the steps that clients take."""
    STEPS.append(function)
    return function


def some(rng: random.Random, kind: str) -> str:
    return f"{kind}:{rng.randrange(200)}"


# --- Redis commands -------------------------------------------------------------------------


@step
def strings(client: Client, rng: random.Random) -> None:
    key = some(rng, "string")
    client.set(key, rng.randbytes(rng.choice((10, 1000, 30_000))), px=rng.choice((50, 60_000)))
    client.get(key)
    client.incr(some(rng, "counter"))
    client.setrange(key, 100, b"x")
    client.mget(some(rng, "string"), key)
    client.getdel(some(rng, "string"))


@step
def lists(client: Client, rng: random.Random) -> None:
    key = some(rng, "list")
    client.rpush(key, *range(rng.randrange(1, 200)))
    client.lrange(key, 0, 50)
    client.ltrim(key, 0, 100)
    client.lpop(key, rng.randrange(1, 100))
    client.blpop([key, "nothing"], 0.01)


@step
def sets(client: Client, rng: random.Random) -> None:
    key = some(rng, "set")
    client.sadd(key, *(rng.randrange(500) for _ in range(50)))
    client.sinter(key, some(rng, "set"))
    client.spop(key, 60)
    client.srandmember(key, -20)


@step
def sorted_sets(client: Client, rng: random.Random) -> None:
    key = some(rng, "zset")
    client.zadd(key, {str(rng.randrange(300)): rng.random() for _ in range(50)})
    client.zrange(key, 0, 20, withscores=True)
    client.zremrangebyrank(key, 0, -100)
    client.zunionstore(some(rng, "zset"), [key, some(rng, "zset")])
    client.bzpopmin([key], 0.01)


@step
def hashes(client: Client, rng: random.Random) -> None:
    key = some(rng, "hash")
    client.hset(key, mapping={str(rng.randrange(200)): "x" * 20 for _ in range(30)})
    client.execute_command("HPEXPIRE", key, 50, "FIELDS", 1, rng.randrange(200))
    client.hgetall(key)
    client.hscan(key, 0, count=50)
    if rng.random() < 0.2:
        client.delete(key)


@step
def streams(client: Client, rng: random.Random) -> None:
    key = some(rng, "stream")
    with suppress(ResponseError):
        client.xgroup_create(key, "group", mkstream=True)
    client.xadd(key, {"field": "x" * 50}, maxlen=100)
    client.xreadgroup("group", "consumer", {key: ">"}, count=10, block=5)
    pending = client.xpending_range(key, "group", "-", "+", 20)
    if pending:
        client.xack(key, "group", *(entry["message_id"] for entry in pending))


@step
def transactions(client: Client, rng: random.Random) -> None:
    with client.pipeline() as pipeline, suppress(WatchError):
        pipeline.watch(some(rng, "counter"))
        pipeline.multi()
        for _ in range(rng.randrange(1, 50)):
            pipeline.incr(some(rng, "counter"))
        pipeline.execute()


@step
def pipelines(client: Client, rng: random.Random) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(500):
            pipeline.set(some(rng, "string"), "x", ex=60)
        pipeline.execute()


@step
def messages(client: Client, rng: random.Random) -> None:
    listener = client.pubsub()
    listener.subscribe(some(rng, "channel"))
    listener.psubscribe("channel:1*")
    for _ in range(20):
        client.publish(some(rng, "channel"), "x" * 200)
    listener.get_message(timeout=0.01)
    listener.close()


@step
def keys(client: Client, rng: random.Random) -> None:
    client.scan(0, match="string:*", count=100)
    client.rename(some(rng, "string"), some(rng, "string"))
    client.expire(some(rng, "list"), 60)
    client.copy(some(rng, "set"), "copied", replace=True)
    client.object("encoding", some(rng, "zset"))
    client.unlink(some(rng, "list"), some(rng, "hash"))


@step
def operators(client: Client, rng: random.Random) -> None:
    client.info()
    client.client_list()
    client.config_get("max*")
    client.memory_usage(some(rng, "list"))
    client.slowlog_get(5)
    if rng.random() < 0.01:
        client.bgsave()
    if rng.random() < 0.01:
        client.bgrewriteaof()


# --- domain commands ------------------------------------------------------------------------


@step
def jobs(client: Client, rng: random.Random) -> None:
    pool = f"pool-{rng.randrange(20)}"
    call = client.execute_command
    for _ in range(10):
        call("JOB.SUBMIT", pool, "train", "target", json.dumps({"x": rng.random()}))
    claimed: Any = call("JOB.CLAIM", pool, "worker", "COUNT", 8, "LEASE", 200)
    for row in claimed or ():
        ident = json.loads(row)["id"]
        call("JOB.PROGRESS", pool, ident, rng.randrange(100))
        end = rng.randrange(4)
        if end == 0:
            call("JOB.FAIL", pool, ident, "soaked")
        elif end < 3:
            call("JOB.COMPLETE", pool, ident)
    call("JOB.STATS", pool)
    call("JOB.PRUNE", pool, "OLDER", 2000)
    _, rows = call("JOB.LIST", pool, "COUNT", 1000)
    for row in rows[200:]:
        call("JOB.DEL", pool, json.loads(row)["id"])


@step
def models(client: Client, rng: random.Random) -> None:
    name, call = f"model-{rng.randrange(20)}", client.execute_command
    version = call("MODEL.REGISTER", name, "WEIGHTS", "weights")
    call("MODEL.ACTIVATE", name, version)
    call("MODEL.TAG", name, version, "stage", "shadow")
    call("MODEL.ALIAS", name, "champion", version)
    call("MODEL.GET", name, "@champion")
    call("MODEL.VERSIONS", name)
    open_version = call("MODEL.REGISTER", name, "PIECES")
    call("MODEL.APPEND", name, open_version, 0, "weights")
    if rng.random() < 0.5:
        call("MODEL.SEAL", name, open_version, hashlib.sha256(b"weights").hexdigest())
    else:
        call("MODEL.DROP", name, open_version)
    if rng.random() < 0.1:
        call("MODEL.DEL", name)


@step
def checkpoints(client: Client, rng: random.Random) -> None:
    thread, call = f"thread-{rng.randrange(50)}", client.execute_command
    for number in range(10):
        call("CP.PUT", "tenant", thread, "STEP", number, "STATE", json.dumps("x" * 500))
    call("CP.LATEST", "tenant", thread)
    call("CP.HISTORY", "tenant", thread, "LIMIT", 5)
    call("CP.PRUNE", "tenant", thread, "KEEP", 5)
    if rng.random() < 0.1:
        call("CP.DEL", "tenant", thread)


@step
def memories(client: Client, rng: random.Random) -> None:
    namespace, call = f"tenant:{rng.randrange(20)}", client.execute_command
    for _ in range(10):
        value = json.dumps({"n": rng.randrange(10)})
        call("STORE.PUT", namespace, f"key-{rng.randrange(200)}", value, "TTL", 5000)
    call("STORE.GET", namespace, f"key-{rng.randrange(200)}")
    call("STORE.LIST", namespace, "LIMIT", 20)
    call("STORE.NAMESPACES", "tenant")
    call("STORE.SEARCH", "tenant", "LIMIT", 5)
    call("STORE.INDEX", "tenant", "FIELDS", 1, "n")
    call("STORE.SEARCH", "tenant", "FILTER", '{"n":3}', "COUNT", 5)
    call("STORE.PUT", namespace, "near", "{}", "TTL", 5000, "VECTOR", "abcdefgh")
    call("STORE.NEAR", namespace, "VECTOR", "abcdefgh", "K", 1)


@step
def queues(client: Client, rng: random.Random) -> None:
    queue, call = f"queue-{rng.randrange(20)}", client.execute_command
    consumer = f"consumer-{rng.randrange(5)}"
    call("QUEUE.HEARTBEAT", queue, "group", consumer)
    for _ in range(10):
        call("QUEUE.PUSH", queue, "x" * 100)
    for message in call("QUEUE.READ", queue, "group", consumer, "COUNT", 20, "BLOCK", 5) or ():
        ident = message[b"id"] if isinstance(message, dict) else message[1]
        call("QUEUE.ACK", queue, "group", ident)
    call("QUEUE.PRESENCE", queue, "group")
    call("QUEUE.INFO", queue)


# --- clients --------------------------------------------------------------------------------


class Worker(threading.Thread):
    """Takes random steps with one connection after the other."""

    def __init__(self, port: int, seed: int, told: threading.Event) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._rng = random.Random(seed)
        self._told = told
        self.steps = 0
        self.errors: Counter[str] = Counter()

    def run(self) -> None:
        while not self._told.is_set():
            try:
                self._connection()
            except Disconnected as error:
                self.errors[f"disconnected: {error}"] += 1

    def _connection(self) -> None:
        rng = self._rng
        client = Redis(
            port=self._port,
            protocol=rng.choice((2, 3)),
            single_connection_client=True,
            socket_timeout=60,
        )
        for _ in range(rng.randrange(1, _MOST_STEPS)):
            if self._told.is_set():
                break
            take = rng.choice(STEPS)
            try:
                take(client, rng)
            except ResponseError as error:
                if not any(word in str(error) for word in _EXPECTED):
                    self.errors[f"{take.__name__}: {error}"] += 1
            except (ValueError, TypeError, LookupError) as error:
                self.errors[f"{take.__name__}: a reply is not as expected: {error!r}"] += 1
            self.steps += 1
        self._leave(client)

    def _leave(self, client: Client) -> None:
        """Disconnect, sometimes in the middle of something."""
        if client.connection is None:
            return
        way, sock = self._rng.randrange(5), client.connection._sock
        if way == 1:
            sock.sendall(b"*3\r\n$3\r\nSET\r\n$100\r\nhalf")
        elif way == 2:
            sock.sendall(b"*3\r\n$5\r\nBLPOP\r\n$7\r\nnothing\r\n$1\r\n0\r\nPING\r\n")
        elif way == 3:
            sock.sendall(b"MULTI\r\nSUBSCRIBE x\r\n")
            # Reset the connection instead of closing it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


def main(port: int, seed: int) -> None:
    told = threading.Event()
    workers = [Worker(port, seed * 1000 + number, told) for number in range(_THREADS)]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    told.set()
    for worker in workers:
        worker.join()
    errors = sum((worker.errors for worker in workers), Counter[str]())
    print(json.dumps({"steps": sum(worker.steps for worker in workers), "errors": errors}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
