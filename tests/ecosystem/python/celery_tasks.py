"""Celery: Redis as broker and result backend, with a chord, retries, a countdown and beat."""

from __future__ import annotations

import tempfile
import time

from celery import Celery, Task, chain, chord, group
from celery.exceptions import TaskRevokedError
from redis import Redis
from support import SECONDS, URL, wait_until, worker

connection = Redis.from_url(URL)
app = Celery("celery_tasks", broker=URL, backend=URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0, 5, 9]},
    beat_schedule={"tick": {"task": "celery_tasks.tick", "schedule": 0.5}},
)


@app.task
def add(a: int, b: int) -> int:
    return a + b


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(bind=True)
def fail_twice(self: Task) -> int:
    if self.request.retries < 2:
        raise self.retry(exc=ValueError("not yet"), countdown=0.1)
    return int(self.request.retries)


@app.task
def fail() -> None:
    raise ValueError("always")


@app.task
def never_ends() -> None:
    connection.set("running", 1)
    time.sleep(600)


@app.task(ignore_result=True)
def tick() -> None:
    connection.incr("ticks")


def main() -> None:
    tasks = ("-A", "celery_tasks")
    options = ("--loglevel", "WARNING", "--concurrency", "2")
    with (
        tempfile.TemporaryDirectory() as scratch,
        worker("celery", *tasks, "worker", *options, "-n", "first@%h"),
        worker("celery", *tasks, "worker", *options, "-n", "second@%h"),
        worker("celery", *tasks, "beat", "-s", f"{scratch}/schedule", "--loglevel", "WARNING"),
    ):
        assert add.delay(1, 2).get(timeout=SECONDS) == 3
        assert add.apply_async((1, 2), priority=9).get(timeout=SECONDS) == 3
        assert add.apply_async((2, 2), countdown=1).get(timeout=SECONDS) == 4
        numbers = group(add.s(n, n) for n in range(10))
        assert numbers().get(timeout=SECONDS) == [2 * n for n in range(10)]
        assert chain(add.s(1, 2), add.s(10))().get(timeout=SECONDS) == 13
        assert chord(numbers)(total.s()).get(timeout=SECONDS) == 90
        assert fail_twice.delay().get(timeout=SECONDS) == 2

        failed = fail.delay()
        assert repr(failed.get(timeout=SECONDS, propagate=False)) == "ValueError('always')"
        assert failed.status == "FAILURE"

        assert len(app.control.ping(timeout=5, limit=2)) == 2
        endless = never_ends.delay()
        wait_until(lambda: connection.get("running"), "the endless task runs")
        app.control.revoke(endless.id, terminate=True)
        assert isinstance(endless.get(timeout=SECONDS, propagate=False), TaskRevokedError)

        failed.forget()
        assert failed.status == "PENDING"
        wait_until(lambda: int(connection.get("ticks") or 0) >= 2, "the beat starts tasks")


if __name__ == "__main__":
    # By this name the workers find the tasks.
    from celery_tasks import main as run

    run()
