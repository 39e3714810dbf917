"""Locks that processes take in turn: those of redis-py, python-redis-lock and pottery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing import get_context

import redis
import redis_lock
from pottery import AIORedlock, Redlock
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import LockError, LockNotOwnedError
from support import SECONDS, URL

TURNS = 10
connection = redis.Redis.from_url(URL)


LOCKS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "redis-py": lambda: connection.lock("redis-py", timeout=SECONDS, sleep=0.01),
    "python-redis-lock": lambda: redis_lock.Lock(connection, "prl", expire=5, auto_renewal=True),
    "pottery": lambda: Redlock(key="pottery", masters={connection}, auto_release_time=SECONDS),
}


def take_turns(name: str) -> None:
    """Count without atomic commands: a turn that is not alone loses a count."""
    for _ in range(TURNS):
        with LOCKS[name]():
            number = int(connection.get(f"count:{name}") or 0)
            connection.set(f"count:{name}", number + 1)


def processes_take_turns() -> None:
    context = get_context("spawn")
    for name in LOCKS:
        workers = [context.Process(target=take_turns, args=(name,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(SECONDS)
            assert worker.exitcode == 0, name
        assert connection.get(f"count:{name}") == b"%d" % (3 * TURNS), name


def redis_py() -> None:
    lock = connection.lock("held", timeout=10)
    assert lock.acquire()
    assert not connection.lock("held", timeout=10).acquire(blocking=False)
    assert lock.owned() and lock.locked()
    assert lock.extend(10)
    assert 10_000 < connection.pttl("held") <= 20_000
    assert lock.reacquire()
    assert connection.pttl("held") <= 10_000
    connection.set("held", "another")
    try:
        lock.release()
    except LockNotOwnedError:
        pass
    else:
        raise AssertionError("a lost lock is released")
    try:
        connection.lock("held", blocking_timeout=0.1).__enter__()
    except LockError:
        pass
    else:
        raise AssertionError("a held lock is taken")


def python_redis_lock() -> None:
    lock = redis_lock.Lock(connection, "one", expire=30, id="me")
    assert lock.acquire(blocking=False)
    assert not redis_lock.Lock(connection, "one", expire=30).acquire(blocking=False)
    assert lock.get_owner_id() == "me"
    lock.extend(60)
    lock.release()
    assert not lock.locked()
    redis_lock.Lock(connection, "two", expire=30).acquire()
    redis_lock.reset_all(connection)
    assert redis_lock.Lock(connection, "two", expire=30).acquire(blocking=False)


async def pottery_and_asyncio() -> None:
    async with AsyncRedis.from_url(URL) as client:
        lock = AIORedlock(key="aio", masters={client}, auto_release_time=10)
        assert await lock.acquire()
        assert 0 < await lock.locked() <= 10
        await lock.extend()
        await lock.release()
        assert not await lock.locked()
        async with client.lock("aio-py", timeout=10) as held:
            assert await held.owned()


if __name__ == "__main__":
    redis_py()
    python_redis_lock()
    asyncio.run(pottery_and_asyncio())
    processes_take_turns()
