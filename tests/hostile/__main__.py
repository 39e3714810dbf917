"""Print a table of what each attack does to Redkeep and to redis-server.

python -m tests.hostile [WORD ...]   only the attacks whose names contain one of the words
"""

from __future__ import annotations

import sys

from tests.hostile.attacks import ATTACKS
from tests.hostile.damage import Damage, damage_of, redis, redkeep


def main(words: list[str]) -> None:
    print("| attack | worst PING of others | memory | duration |")
    print("|---|---|---|---|")
    for attack in ATTACKS:
        if words and not any(word in attack.name for word in words):
            continue
        with redkeep() as target:
            ours = damage_of(attack, target)
        with redis() as target:
            theirs = damage_of(attack, target)
        cells = (_waits(ours, theirs), _memory(ours, theirs), _seconds(ours, theirs))
        print(f"| {attack.name} | {' | '.join(cells)} |", flush=True)


def _waits(ours: Damage, theirs: Damage) -> str:
    return f"{ours.worst_wait * 1000:.0f} ms ({theirs.worst_wait * 1000:.0f})"


def _memory(ours: Damage, theirs: Damage) -> str:
    return f"{ours.memory >> 20} MB ({theirs.memory >> 20})"


def _seconds(ours: Damage, theirs: Damage) -> str:
    return f"{ours.seconds:.1f} s ({theirs.seconds:.1f})"


if __name__ == "__main__":
    main(sys.argv[1:])
