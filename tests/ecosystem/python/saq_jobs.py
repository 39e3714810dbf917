"""saq: jobs at once, later, retried, aborted, and by cron."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from saq import CronJob, Queue
from saq.job import Status
from support import SECONDS, URL, worker

queue = Queue.from_url(URL)


async def add(ctx: dict[str, Any], *, a: int, b: int) -> int:
    return a + b


async def fail_once(ctx: dict[str, Any]) -> int:
    attempts = int(ctx["job"].attempts)
    if attempts == 1:
        raise ValueError("not yet")
    return attempts


async def never_ends(ctx: dict[str, Any]) -> None:
    await asyncio.sleep(600)


async def tick(ctx: dict[str, Any]) -> None:
    await queue.redis.incr("ticks")


settings = {
    "queue": queue,
    "functions": [add, fail_once, never_ends],
    "cron_jobs": [CronJob(tick, cron="* * * * * */1")],
    "concurrency": 4,
    "timers": {"schedule": 1, "worker_info": 1, "abort": 1},
}


async def use() -> None:
    # A worker that starts sweeps the jobs that another has taken in this very moment.
    while len((await queue.info())["workers"]) < 2:
        await asyncio.sleep(0.02)
    assert await asyncio.gather(*(queue.apply("add", a=n, b=n) for n in range(10))) == [
        2 * n for n in range(10)
    ]
    assert await queue.map("add", [{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == [3, 7]
    assert await queue.apply("fail_once", retries=2) == 2
    later = await queue.enqueue("add", a=1, b=2, scheduled=time.time() + 1)
    assert later is not None
    await later.refresh(SECONDS)
    assert later.result == 3

    once = await queue.enqueue("never_ends", key="once")
    assert once is not None
    assert await queue.enqueue("never_ends", key="once") is None
    while once.status != Status.ACTIVE:
        await asyncio.sleep(0.02)
        await once.refresh()
    await once.abort("enough")
    await once.refresh(SECONDS)
    assert once.status == Status.ABORTED
    while not await queue.redis.get("ticks"):
        await asyncio.sleep(0.02)
    assert (await queue.info())["queued"] == 0


async def main() -> None:
    with worker("saq", "saq_jobs.settings"), worker("saq", "saq_jobs.settings"):
        await queue.connect()
        await asyncio.wait_for(use(), SECONDS)
        await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
