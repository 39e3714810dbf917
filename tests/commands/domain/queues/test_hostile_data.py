"""Queue commands, the sweep and the patrol over keys that any client may have overwritten.

Whatever they find, they read before they write, and the sweep ends.
"""

from __future__ import annotations

import random

import pytest

from server.offline import OfflineSession
from tests.commands.domain.queues.test_healing import Patrolled
from tests.commands.domain.test_adversary import Requests
from tests.support.adversary import PREPARATION, Adversary
from tests.support.queues import NOW
from tests.test_domain_completeness import EXAMPLES, RUNNABLE

NAMES = [name for name in RUNNABLE if name.startswith("queue.")]
DEEP_WORLDS = 5000


@pytest.fixture
def stopped_clock() -> None:
    """There is no server to stop the clock of."""


def play(rng: random.Random) -> None:
    world = Patrolled(NOW)
    for request in PREPARATION:
        if request[0].startswith("QUEUE") or b"queue" in request[1].encode():
            world(*request)
    adversary, requests = Adversary(rng, world), Requests(rng)
    done: list[list[bytes]] = []
    try:
        for name in rng.choices(NAMES, k=60):
            if rng.random() < 0.5:
                done.append(adversary.attack())
            one = EXAMPLES[name].request.encode().split()
            for words in (one, requests.of(RUNNABLE[name])):
                done.append(words)
                assert b"internal error" not in OfflineSession(world.instance).run(words)
            if rng.random() < 0.2:
                done.append([b"(sweep)"])
                world.advance(rng.choice((0, 1000, 10**9)))
                world.sweep()
            if rng.random() < 0.1:
                done.append([b"(patrol)"])
                world.patrol()
                assert not world._faults
    except Exception as fault:
        raise AssertionError(done[-6:]) from fault


@pytest.mark.parametrize("seed", range(60))
def test_no_data_breaks_a_command_the_sweep_or_the_patrol(seed: int) -> None:
    play(random.Random(seed))


@pytest.mark.deep
def test_no_data_of_many_seeds_breaks_anything() -> None:
    for seed in range(DEEP_WORLDS):
        try:
            play(random.Random(seed))
        except Exception as fault:
            raise AssertionError(f"seed {seed}") from fault
