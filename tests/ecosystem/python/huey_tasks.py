"""huey: tasks with priorities, results, schedules, retries, pipelines, locks and revocation."""

from __future__ import annotations

from huey import PriorityRedisHuey, crontab
from huey.exceptions import TaskException
from redis import Redis
from support import SECONDS, URL, wait_until, worker

huey = PriorityRedisHuey("ecosystem", url=URL)
connection = Redis.from_url(URL)


@huey.task()
def add(a: int, b: int) -> int:
    return a + b


@huey.task(retries=2)
def fail_twice() -> None:
    tries = int(connection.incr("tries"))
    if tries < 3:
        raise ValueError("not yet")
    connection.set("succeeded", tries)


@huey.task()
def fail() -> None:
    raise ValueError("always")


@huey.task()
@huey.lock_task("one-at-a-time")
def locked() -> str:
    return "locked"


@huey.periodic_task(crontab(minute="*"))
def tick() -> None:
    connection.incr("ticks")


def main() -> None:
    consumer = ("huey_consumer", "huey_tasks.huey", "--quiet", "--worker-type", "process")
    with worker(*consumer, "--workers", "2", "--scheduler-interval", "1"):
        sums = [add(n, n, priority=n) for n in range(10)]
        assert [r.get(blocking=True, timeout=SECONDS) for r in sums] == [2 * n for n in range(10)]
        later = add.schedule((1, 2), delay=1)
        cancelled = add.schedule((1, 2), delay=1)
        cancelled.revoke()
        assert cancelled.is_revoked()
        wait_until(lambda: huey.scheduled_count() == 2, "both tasks are scheduled")
        piped = huey.enqueue(add.s(1, 2).then(add, 10))
        assert piped.get(blocking=True, timeout=SECONDS) == [3, 13]
        assert add.map([(1, 1), (2, 2)]).get(blocking=True, timeout=SECONDS) == [2, 4]
        assert locked()(blocking=True, timeout=SECONDS) == "locked"
        fail_twice()
        wait_until(lambda: connection.get("succeeded") == b"3", "the task is retried")
        try:
            fail()(blocking=True, timeout=SECONDS)
        except TaskException as error:
            assert "always" in str(error)
        else:
            raise AssertionError("the exception is not handed on")
        assert later.get(blocking=True, timeout=SECONDS) == 3
        wait_until(lambda: huey.scheduled_count() == 0, "nothing is scheduled any more")
        wait_until(lambda: connection.get("ticks"), "the periodic task has run")
    assert huey.pending_count() == 0


if __name__ == "__main__":
    # By this name the workers find the tasks.
    from huey_tasks import main as run

    run()
