"""Patrols over checkpoints whose keys any client may have overwritten."""

from __future__ import annotations

import random

import pytest

from commands.families import load
from tests.support.adversary import OTHERS, PREPARATION, Adversary, is_attacked
from tests.support.checkpoints import NOW, look_after
from tests.support.offline import Recorded


@pytest.mark.parametrize("seed", range(30))
def test_no_data_breaks_a_patrol(seed: int) -> None:
    load()
    client = Recorded(NOW)
    for request in (*PREPARATION, *OTHERS):
        if request[0].startswith("CP.") or "redkeep:cp-" in request[1]:
            client(*request)
    untouched = {key: client("DUMP", key) for key in client("KEYS", "*") if not is_attacked(key)}
    adversary = Adversary(random.Random(seed), client)
    for _ in range(60):
        adversary.attack()
    look_after(client)
    client("CP.SEARCH", "acme", "FILTER", '{"a":1}')
    client.sweep()
    look_after(client)
    assert {key: client("DUMP", key) for key in untouched} == untouched
