"""rq: two workers with schedulers run jobs at once, later, again, after others, and stop them."""

from __future__ import annotations

import time
from datetime import timedelta

from redis import Redis
from rq import Queue, Repeat, Retry
from rq.command import send_stop_job_command
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.worker import Worker
from support import SECONDS, URL, wait_until, worker

connection = Redis.from_url(URL)


def add(a: int, b: int) -> int:
    return a + b


def count(name: str) -> int:
    return int(connection.incr(name))


def fail_once(name: str) -> str:
    if connection.incr(name) == 1:
        raise ValueError("the first call fails")
    return "done"


def never_ends() -> None:
    connection.set("running", 1)
    time.sleep(600)


def result(job: Job) -> object:
    found = job.latest_result(timeout=SECONDS)
    assert found is not None, job
    assert found.type == found.Type.SUCCESSFUL, found.exc_string
    return found.return_value


def main() -> None:
    urgent, queue = Queue("urgent", connection=connection), Queue(connection=connection)
    with (
        worker("rq", "worker", "--with-scheduler", "--url", URL, "urgent", "default"),
        worker("rq", "worker", "--with-scheduler", "--url", URL, "urgent", "default"),
    ):
        jobs = [queue.enqueue(add, n, n) for n in range(5)]
        jobs.append(urgent.enqueue(add, 1, 2))
        assert [result(job) for job in jobs] == [0, 2, 4, 6, 8, 3]
        wait_until(lambda: len(FinishedJobRegistry(queue=queue)) == 5, "jobs are registered")

        later = queue.enqueue_in(timedelta(seconds=1), add, 3, 4)
        assert later.id in ScheduledJobRegistry(queue=queue)
        parent = queue.enqueue(add, 1, 1)
        child = queue.enqueue(add, 2, 2, depends_on=parent)
        retried = queue.enqueue(fail_once, "tries", retry=Retry(max=2, interval=1))
        failing = queue.enqueue(fail_once, "once")
        queue.enqueue(count, "repeats", repeat=Repeat(times=2, interval=1))
        assert result(child) == 4
        assert result(later) == 7
        wait_until(lambda: retried.get_status() == JobStatus.FINISHED, "the job is retried")
        assert retried.return_value() == "done"
        wait_until(lambda: failing.id in FailedJobRegistry(queue=queue), "the job has failed")
        assert "the first call fails" in failing.latest_result().exc_string
        assert FailedJobRegistry(queue=queue).requeue(failing.id).id == failing.id
        wait_until(lambda: failing.get_status() == JobStatus.FINISHED, "the job is requeued")
        wait_until(lambda: connection.get("repeats") == b"3", "the job has run three times")

        endless = queue.enqueue(never_ends)
        wait_until(lambda: connection.get("running"), "the endless job runs")
        send_stop_job_command(connection, endless.id)
        wait_until(lambda: endless.get_status() == JobStatus.STOPPED, "the job is stopped")
        assert len(Worker.all(connection=connection)) == 2
    assert Worker.all(connection=connection) == []


if __name__ == "__main__":
    # By this name the workers find the functions.
    from rq_jobs import main as run

    run()
