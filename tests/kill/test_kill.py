"""No acknowledged write is lost when the process is killed; `-s` shows the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kill.harness import Arena

MOMENTS = ("writing", "snapshot", "rewrite", "loading", "rewrite", "writing")


def run(directory: Path, policy: str, rounds: int, seed: int = 0) -> None:
    arena = Arena(directory, policy, seed)
    for number in range(rounds):
        arena.round(MOMENTS[number % len(MOMENTS)])
    losses = arena.finish()
    print(f"\nappendfsync {policy}: {losses}")
    assert not losses.half_applied
    assert losses.acknowledged > rounds
    assert losses.lost == 0


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_killed_server_keeps_acknowledged_writes(tmp_path: Path, policy: str) -> None:
    run(tmp_path, policy, 12)


@pytest.mark.deep
@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_a_killed_server_keeps_acknowledged_writes_a_thousand_times(
    tmp_path: Path, policy: str
) -> None:
    for block in range(100):
        directory = tmp_path / str(block)
        directory.mkdir()
        run(directory, policy, 10, seed=block)
