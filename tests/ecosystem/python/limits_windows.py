"""limits: fixed, moving and sliding windows, shared by processes, also with asyncio."""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from limits import RateLimitItemPerHour, strategies
from limits.aio import storage as aio_storage
from limits.aio import strategies as aio_strategies
from limits.storage import storage_from_string
from support import URL

KINDS = {
    "fixed": "FixedWindowRateLimiter",
    "moving": "MovingWindowRateLimiter",
    "sliding": "SlidingWindowCounterRateLimiter",
}
LIMIT = RateLimitItemPerHour(25)


def hits(kind: str) -> int:
    limiter = getattr(strategies, KINDS[kind])(storage_from_string(URL))
    return sum(limiter.hit(LIMIT, "shared", kind) for _ in range(20))


async def with_asyncio(kind: str) -> None:
    storage = aio_storage.RedisStorage("async+" + URL, implementation="redispy")
    limiter = getattr(aio_strategies, KINDS[kind])(storage)
    limit = RateLimitItemPerHour(3)
    assert [await limiter.hit(limit, "aio", kind) for _ in range(5)] == [True] * 3 + [False] * 2
    assert not await limiter.test(limit, "aio", kind)


def main() -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        for kind in KINDS:
            assert sum(pool.map(hits, [kind] * 3)) == 25, kind
    storage = storage_from_string(URL)
    assert storage.check()
    for kind, name in KINDS.items():
        limiter = getattr(strategies, name)(storage)
        assert not limiter.test(LIMIT, "shared", kind)
        assert limiter.get_window_stats(LIMIT, "shared", kind).remaining == 0
        limiter.clear(LIMIT, "shared", kind)
        assert limiter.hit(LIMIT, "shared", kind, cost=20)
        assert limiter.get_window_stats(LIMIT, "shared", kind).remaining == 5
        assert not limiter.hit(LIMIT, "shared", kind, cost=6)
        asyncio.run(with_asyncio(kind))
    assert storage.reset()


if __name__ == "__main__":
    main()
