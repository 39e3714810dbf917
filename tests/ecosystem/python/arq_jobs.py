"""arq: jobs at once, later, once only, retried, aborted, and by cron."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from arq import ArqRedis, Retry, create_pool, cron
from arq.connections import RedisSettings
from arq.jobs import JobStatus
from support import SECONDS, URL, worker


async def add(ctx: dict[str, Any], a: int, b: int) -> int:
    return a + b


async def fail_once(ctx: dict[str, Any]) -> int:
    if ctx["job_try"] == 1:
        raise Retry(defer=0.1)
    return int(ctx["job_try"])


async def fail(ctx: dict[str, Any]) -> None:
    raise ValueError("always")


async def never_ends(ctx: dict[str, Any]) -> None:
    await ctx["redis"].set("running", 1)
    await asyncio.sleep(600)


async def tick(ctx: dict[str, Any]) -> None:
    await ctx["redis"].incr("ticks")


class WorkerSettings:
    functions = [add, fail_once, fail, never_ends]
    cron_jobs = [cron(tick, second=set(range(60)))]
    redis_settings = RedisSettings.from_dsn(URL)
    allow_abort_jobs = True
    poll_delay = 0.1


async def use(pool: ArqRedis) -> None:
    async def run(name: str, *args: Any, **options: Any) -> Any:
        job = await pool.enqueue_job(name, *args, **options)
        assert job is not None
        return await job.result(timeout=SECONDS, poll_delay=0.05)

    assert await asyncio.gather(*(run("add", n, n) for n in range(10))) == [
        2 * n for n in range(10)
    ]
    assert await run("add", 1, 2, _defer_by=timedelta(seconds=1)) == 3
    assert await run("fail_once") == 2
    try:
        await run("fail")
    except ValueError as error:
        assert str(error) == "always"
    else:
        raise AssertionError("the exception is not handed on")
    assert await run("add", 1, 1, _job_id="only-one") == 2
    assert await pool.enqueue_job("add", 1, 1, _job_id="only-one") is None

    endless = await pool.enqueue_job("never_ends")
    assert endless is not None
    while not await pool.get("running"):
        await asyncio.sleep(0.02)
    assert await endless.status() == JobStatus.in_progress
    assert await endless.abort(timeout=SECONDS)
    while not await pool.get("ticks"):
        await asyncio.sleep(0.02)
    assert len(await pool.all_job_results()) >= 14


async def main() -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    with worker("arq", "arq_jobs.WorkerSettings"), worker("arq", "arq_jobs.WorkerSettings"):
        await asyncio.wait_for(use(pool), SECONDS)
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(main())
