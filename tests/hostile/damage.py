"""What an attack does to a server: how long others wait, and how much memory it takes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.hostile.attacks import Attack
from tests.support.bystander import Bystander
from tests.support.oracles import start_redis
from tests.support.processes import ServeProcess
from tests.support.resp import Connection


@dataclass(frozen=True, slots=True)
class Damage:
    """`worst_wait` is the bystander's, in seconds; `memory` is the highest growth, in bytes."""

    seconds: float
    worst_wait: float
    memory: int


class Target(Protocol):
    """A server in a process of its own."""

    @property
    def port(self) -> int: ...

    @property
    def pid(self) -> int: ...


@contextmanager
def redkeep() -> Iterator[Target]:
    with ServeProcess("--save", "", "--appendonly", "no") as process:
        yield process


@contextmanager
def redis() -> Iterator[Target]:
    """A redis-server; LookupError if there is none."""
    oracle = start_redis()
    try:
        yield oracle
    finally:
        oracle.close()


def damage_of(attack: Attack, target: Target) -> Damage:
    if attack.password:
        with Connection(target.port) as administrator:
            administrator("CONFIG", "SET", "requirepass", attack.password)
    before = _highest_memory(target.pid)
    with Bystander(target.port, attack.password) as bystander:
        started = time.perf_counter()
        attack.run(target.port)
        seconds = time.perf_counter() - started
    return Damage(seconds, bystander.waits.worst, _highest_memory(target.pid) - before)


def _highest_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024
