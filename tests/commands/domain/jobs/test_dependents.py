"""Many jobs that depend on each other: the end of one reaches all, a bounded part at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from commands.domain.jobs.table import MOST_FOLLOWED
from commands.families import load
from commands.instance.context import Context
from server.sweeping import Sweeping
from storage.database import Database
from tests.support.jobs import NOW, STATUSES
from tests.support.offline import Recorded
from tests.support.resp import Word

MANY = 3 * MOST_FOLLOWED + 7


def ident(number: int) -> str:
    return f"{number:032x}"


class Jobs(Recorded):
    """An offline server that counts the jobs written by each call of the sweep."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.written: list[int] = []
        run = self.run_sweep

        def counted(database: Database, work: Callable[[Context], bool]) -> bool:
            self._journal.take()
            more = run(database, work)
            self.written.append(jobs_in(self._journal.take()))
            return more

        self._sweeping = Sweeping(self.instance, counted)

    def submit(self, number: int, *after: int) -> None:
        words: list[Word] = ["AFTER", len(after), *map(ident, after)] if after else []
        self("JOB.SUBMIT", "p", "train", "t", "{}", "ID", ident(number), *words)

    def statuses(self) -> Counter[str]:
        flat = self("JOB.STATS", "p")
        counts = flat[3]
        return Counter(
            {name: counts[2 * at + 1] for at, name in enumerate(STATUSES) if counts[2 * at + 1]}
        )

    def ready(self) -> int:
        return int(self("JOB.STATS", "p")[7])


def jobs_in(log: list[list[bytes]]) -> int:
    return len({words[1] for words in log if words[0] == b"HSET" and b":job:" in words[1]})


@pytest.fixture
def jobs() -> Jobs:
    load()
    return Jobs()


def chain(jobs: Jobs) -> None:
    jobs.submit(0)
    for number in range(1, MANY):
        jobs.submit(number, number - 1)


def fan(jobs: Jobs) -> None:
    jobs.submit(0)
    for number in range(1, MANY):
        jobs.submit(number, 0)


def diamonds(jobs: Jobs) -> None:
    """0, then two that depend on it, then one that depends on both, and so on."""
    jobs.submit(0)
    for number in range(1, MANY - 3, 3):
        jobs.submit(number, number - 1)
        jobs.submit(number + 1, number - 1)
        jobs.submit(number + 2, number, number + 1)


@pytest.mark.parametrize("shape", [chain, fan, diamonds])
@pytest.mark.parametrize(
    "end",
    [("JOB.CANCEL", "p", ident(0)), ("JOB.DEL", "p", ident(0)), ("JOB.FAIL", "p", ident(0), "x")],
)
def test_cancelling_reaches_all_dependents_in_steps(
    jobs: Jobs, shape: Callable[[Jobs], None], end: tuple[str, ...]
) -> None:
    shape(jobs)
    total = sum(jobs.statuses().values())
    jobs._journal.take()
    jobs(*end)
    assert jobs_in(jobs._journal.take()) <= MOST_FOLLOWED + 1
    jobs.sweep()
    assert max(jobs.written) <= 2 * MOST_FOLLOWED
    expected = Counter(cancelled=total)
    if end[0] != "JOB.CANCEL":
        expected["cancelled"] -= 1
    if end[0] == "JOB.FAIL":
        expected["failed"] = 1
    assert jobs.statuses() == expected
    assert jobs("ZRANGE", "redkeep:jobs-due:{p}", 0, -1) == [b"retain"]
    assert not [key for key in jobs("KEYS", "redkeep:jobs:*") if b"dependents" in key]


def test_completing_unblocks_all_dependents_in_steps_even_if_the_job_is_removed(jobs: Jobs) -> None:
    fan(jobs)
    jobs("JOB.COMPLETE", "p", ident(0))
    assert jobs.ready() == MOST_FOLLOWED
    jobs("JOB.DEL", "p", ident(0))
    jobs.sweep()
    assert jobs.ready() == MANY - 1
    assert jobs.statuses() == Counter(queued=MANY - 1)


def test_workers_get_all_dependents_without_a_sweep(jobs: Jobs) -> None:
    fan(jobs)
    jobs("JOB.COMPLETE", "p", ident(0))
    claimed = 0
    while rows := jobs("JOB.CLAIM", "p", "w", "COUNT", 50):
        claimed += len(rows)
    assert claimed == MANY - 1


def test_steps_go_on_after_a_restart(jobs: Jobs) -> None:
    chain(jobs)
    jobs("JOB.CANCEL", "p", ident(0))
    fresh = Jobs()
    fresh.replay(jobs.take_log())
    fresh.sweep()
    assert fresh.statuses() == Counter(cancelled=MANY)


def test_forged_cycles_end(jobs: Jobs) -> None:
    for number in range(4):
        jobs.submit(number)
    # 0 -> 1 -> 2 -> 0, and 3 waits for itself.
    for waiting, awaited in ((1, 0), (2, 1), (0, 2), (3, 3)):
        key = "redkeep:job:{p}:" + ident(waiting)
        jobs("HSET", key, "after", ident(awaited), "waiting_for", ident(awaited))
        jobs("SADD", "redkeep:jobs:{p}:dependents:" + ident(awaited), ident(waiting))
    jobs("JOB.CANCEL", "p", ident(0))
    jobs("JOB.DEL", "p", ident(3))
    jobs.sweep()
    assert jobs.statuses() == Counter(cancelled=3)


def test_an_id_that_is_used_again_has_the_old_dependents(jobs: Jobs) -> None:
    fan(jobs)
    jobs("JOB.DEL", "p", ident(0))
    jobs.submit(0)
    jobs.sweep()
    assert jobs.statuses() == Counter(cancelled=MOST_FOLLOWED, queued=MANY - MOST_FOLLOWED)
    jobs("JOB.COMPLETE", "p", ident(0))
    jobs.sweep()
    assert jobs.ready() == MANY - 1 - MOST_FOLLOWED


def test_a_claim_removes_a_bounded_number_of_members_that_are_of_no_ready_job(jobs: Jobs) -> None:
    ready = "redkeep:jobs:{p}:ready"
    for number in range(900):
        jobs("ZADD", ready, -1, f"{number:016d}:{number:032x}")
    jobs.submit(0)
    asked = 0
    while (row := jobs("JOB.CLAIM", "p", "w", "BLOCK", 0)) is None:
        asked += 1
        assert asked < 10
    assert asked > 2
    assert ident(0).encode() in row
