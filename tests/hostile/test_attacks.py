"""No single client can make the others wait, or fill the memory, much beyond what redis allows.

Both servers are attacked while a bystander pings, and the results are compared: a time or a
size alone says little on a busy machine.
"""

from __future__ import annotations

import pytest

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.damage import Damage, damage_of, redis, redkeep
from tests.support.oracles import redis_binary

_ATTEMPTS = 3

pytestmark = pytest.mark.skipif(
    redis_binary() is None, reason="there is no redis-server on PATH to compare with"
)


def is_much_worse(ours: Damage, theirs: Damage) -> bool:
    waits = ours.worst_wait > 10 * theirs.worst_wait + 0.3
    memory = ours.memory > 2 * theirs.memory + (64 << 20)
    return waits or memory


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=attack.name, marks=[pytest.mark.deep] if attack.is_long else [])
        for attack in ATTACKS
    ],
)
def test_an_attack_harms_others_no_more_than_with_redis(attack: Attack) -> None:
    # What else runs on the machine can make the bystander wait: every attempt must be bad.
    for _ in range(_ATTEMPTS):
        with redis() as target:
            theirs = damage_of(attack, target)
        with redkeep() as target:
            ours = damage_of(attack, target)
        if not is_much_worse(ours, theirs):
            return
    pytest.fail(f"Redkeep: {ours}; redis-server: {theirs}")
