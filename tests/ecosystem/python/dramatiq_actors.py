"""dramatiq: actors with results, delays, retries, pipelines, rate limits and dead letters."""

from __future__ import annotations

import dramatiq
from dramatiq import group, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as RateLimitBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from redis import Redis
from support import SECONDS, URL, wait_until, worker

MILLISECONDS = SECONDS * 1000
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)
connection = Redis.from_url(URL)


@dramatiq.actor(store_results=True)
def add(a: int, b: int) -> int:
    return a + b


@dramatiq.actor(store_results=True, max_retries=3, min_backoff=50, max_backoff=100)
def fail_twice() -> int:
    tries = int(connection.incr("tries"))
    if tries < 3:
        raise ValueError("not yet")
    return tries


@dramatiq.actor(max_retries=0)
def fail() -> None:
    raise ValueError("always")


def main() -> None:
    with worker("dramatiq", "dramatiq_actors", "--processes", "2", "--threads", "2"):
        sums = [add.send(n, n) for n in range(10)]
        assert [m.get_result(block=True, timeout=MILLISECONDS) for m in sums] == [
            2 * n for n in range(10)
        ]
        delayed = add.send_with_options(args=(1, 2), delay=1000)
        piped = pipeline([add.message(1, 2), add.message(10)]).run()
        assert piped.get_result(block=True, timeout=MILLISECONDS) == 13
        grouped = group(add.message(n, 1) for n in range(3)).run()
        assert list(grouped.get_results(block=True, timeout=MILLISECONDS)) == [1, 2, 3]
        assert fail_twice.send().get_result(block=True, timeout=MILLISECONDS) == 3
        assert delayed.get_result(block=True, timeout=MILLISECONDS) == 3
        fail.send()
        wait_until(lambda: connection.zcard("dramatiq:default.XQ") == 1, "a dead letter is kept")
        wait_until(lambda: broker.do_qsize("default") == 0, "the queue is empty")

    backend = RateLimitBackend(url=URL)
    mutex = ConcurrentRateLimiter(backend, "mutex", limit=1)
    with mutex.acquire(raise_on_failure=False) as first:
        assert first
        with mutex.acquire(raise_on_failure=False) as second:
            assert not second
    window = WindowRateLimiter(backend, "window", limit=3, window=60)
    taken = []
    for _ in range(4):
        with window.acquire(raise_on_failure=False) as granted:
            taken.append(bool(granted))
    assert taken == [True, True, True, False]


if __name__ == "__main__":
    # By this name the workers find the actors.
    from dramatiq_actors import main as run

    run()
