"""aiocache: the Redis cache, its decorator, its locks and its conditional writes."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from aiocache import RedisCache, cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, StringSerializer
from support import URL

server = {"endpoint": urlsplit(URL).hostname, "port": urlsplit(URL).port}
calls = 0


@cached(ttl=100, cache=RedisCache, key="made", namespace="calls", **server)
async def make() -> int:
    global calls
    calls += 1
    return calls


async def main() -> None:
    cache = RedisCache(serializer=JsonSerializer(), namespace="app:", **server)
    assert await cache.set("a", {"n": 1}, ttl=100)
    assert await cache.get("a") == {"n": 1}
    assert await cache.multi_set([("b", 2), ("c", 3)], ttl=50)
    assert await cache.multi_get(["a", "b", "none"]) == [{"n": 1}, 2, None]
    assert await cache.increment("n", 5) == 5
    assert await cache.expire("b", 10)
    assert await cache.delete("c") == 1
    assert not await cache.exists("c")
    try:
        await cache.add("a", 1)
    except ValueError:
        pass
    else:
        raise AssertionError("an existing key is added")
    assert await asyncio.gather(*(make() for _ in range(2))) in ([1, 1], [1, 2], [2, 1])
    assert await make() == calls

    async with RedLock(cache, "report", lease=10):
        await cache.set("report", "made")
    texts = RedisCache(serializer=StringSerializer(), namespace="texts:", **server)
    await texts.set("key", "one")
    async with OptimisticLock(texts, "key") as lock:
        await lock.cas("two")
    assert await texts.get("key") == "two"
    try:
        async with OptimisticLock(texts, "key") as lock:
            await texts.set("key", "three")
            await lock.cas("four")
    except OptimisticLockError:
        pass
    else:
        raise AssertionError("a changed value is written over")
    assert await cache.clear(namespace="app:")
    assert await cache.get("a") is None
    assert await texts.get("key") == "three"
    await cache.close()
    await texts.close()


if __name__ == "__main__":
    asyncio.run(main())
