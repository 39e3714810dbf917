"""Every domain command and every sweep, over keys that any client may have overwritten.

A command answers, whatever it finds: with an error reply at worst, and with integers of 64
bits. Collections that were not touched stay as they are, sweeps end, and what is due elsewhere
is done.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.engine.grammar import Argument
from commands.families import load
from server.offline import OfflineSession
from storage.database import Database
from tests.support.adversary import (
    CHECKPOINT,
    DELAYED,
    JOB,
    LEASED,
    OTHERS,
    PREPARATION,
    WAITING,
    Adversary,
    is_attacked,
)
from tests.support.fuzzing import Commands
from tests.support.offline import Recorded
from tests.support.resp import Map, Push, Set, parse_all
from tests.test_domain_completeness import EXAMPLES, RUNNABLE

NOW = 1_700_000_000_000
ROOT = Path(__file__).resolve().parents[3]
# A clock far enough ahead for everything that was prepared to be due.
LATER = 200_000
DEEP_WORLDS = 20_000


class World(Recorded):
    """A server with an attacked collection of each family, and with others."""

    def __init__(self) -> None:
        load()
        super().__init__(NOW)
        for request in PREPARATION:
            self(*request)
        for database in (1, 0):
            self("SELECT", database)
            for request in OTHERS:
                self(*request)
        # Due elsewhere, and to be done in spite of everything.
        self("JOB.SUBMIT", "due", "train", "ham", "{}", "ID", JOB, "ATTEMPTS", 1)
        self("JOB.CLAIM", "due", "w", "LEASE", 1000)
        self("QUEUE.PUSH", "due", "late", "DELAY", 1000)

    def untouched(self) -> dict[tuple[int, bytes], bytes]:
        return {
            (database.index, key): self._dump(database, key)
            for database in self.instance.keyspace.databases
            for key in list(database.data)
            if not is_attacked(key) and b"due" not in key
        }

    def _dump(self, database: Database, key: bytes) -> bytes:
        self.context.select(database)
        dumped: bytes = self("DUMP", key)
        self.context.select(self.database)
        return dumped


def check_bounds(reply: Any) -> None:
    """Every integer of a reply fits the protocol."""
    if isinstance(reply, bool):
        return
    if isinstance(reply, int):
        assert -(2**63) <= reply < 2**63
    elif isinstance(reply, Map):
        for name, value in reply.items:
            check_bounds(name)
            check_bounds(value)
    elif isinstance(reply, (list, Set, Push)):
        for item in reply if isinstance(reply, list) else reply.items:
            check_bounds(item)


class Requests(Commands):
    """Requests of domain commands about the attacked collections."""

    _BY_NAME: dict[str, tuple[str, ...]] = {
        "pool": ("gpu",),
        "queue": ("q",),
        "name": ("spam",),
        "tenant": ("acme",),
        "thread": ("t", "t", "u"),
        "newthread": ("t", "u"),
        "prefix": ("acme", "acme:a", "s", ""),
        "namespace": ("acme:a", "acme:a:b"),
        "key": ("k", "spam@v1", "spam", JOB, "none"),
        "group": ("g", "none"),
        "consumer": ("c", "d"),
        "worker": ("w1", "w2"),
        "kind": ("train",),
        "target": ("spam",),
        "id": (JOB, LEASED, DELAYED, WAITING, CHECKPOINT, "1700000000000-0", "5-5"),
        "after-id": (JOB, LEASED, WAITING),
        "parent": (CHECKPOINT,),
        "from": (CHECKPOINT,),
        "path": ("n", "m"),
        "json": ("{}", '{"active":1,"latest":2}'),
        "filter": ('{"a":1}', '{"a":{"$gt":0}}'),
        "state": ("{}", "[1]"),
        "version": ("1", "2", "7"),
    }

    def _value(self, argument: Argument) -> bytes:
        rng = self._rng
        if argument.name == "namespace" and argument.kind != "key":
            return rng.choice((b"jobs", b"models", b"model_versions"))
        values = self._BY_NAME.get(argument.name)
        if values is not None and rng.random() < 0.95:
            return rng.choice(values).encode()
        if argument.kind == "integer" and rng.random() < 0.7:
            return rng.choice((b"0", b"1", b"3", b"100"))
        return super()._value(argument)


def play(rng: random.Random) -> None:
    """Run every command and the sweeps in a world that is attacked all the while."""
    world = World()
    adversary, requests = Adversary(rng, world), Requests(rng)
    untouched = world.untouched()
    done: list[list[bytes]] = []
    names = list(RUNNABLE)
    rng.shuffle(names)
    for at, name in enumerate(names):
        if rng.random() < 0.4:
            done.append(adversary.attack())
        # The commands name attacked collections only: what they write belongs to these.
        one = [word.encode() for word in EXAMPLES[name].words]
        for request in (one, requests.of(RUNNABLE[name])):
            done.append(request)
            session = OfflineSession(world.instance, resp=rng.choice((2, 3)))
            try:
                replies = session.run(request)
            except Exception as fault:
                raise AssertionError(done) from fault
            for reply in parse_all(replies):
                assert "internal error" not in getattr(reply, "text", ""), done
                check_bounds(reply)
        if at % 20 == 10:
            world.advance(LATER // 4)
            world.sweep()
    world.advance(LATER)
    world.sweep()
    now = world.untouched()
    assert {place: now.get(place) for place in untouched} == untouched, done
    assert b'"status":"failed"' in world("JOB.GET", "due", JOB)
    assert world("XLEN", "redkeep:queue:{due}:stream:0") == 1


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**64))
def test_no_data_breaks_a_command_or_a_sweep(seed: int) -> None:
    """Only the seed is drawn: all the choices of a session are more than one example can have."""
    play(random.Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_no_data_of_these_seeds_breaks_a_command_or_a_sweep(seed: int) -> None:
    play(random.Random(seed))


@pytest.mark.deep
def test_no_data_of_many_seeds_breaks_a_command_or_a_sweep() -> None:
    for seed in range(DEEP_WORLDS):
        try:
            play(random.Random(seed))
        except Exception as fault:
            raise AssertionError(f"seed {seed}") from fault


@pytest.mark.parametrize(
    "module", ["jobs/layout", "models/rows", "checkpoints/keys", "queues/layout"]
)
def test_the_attacked_keys_are_of_every_kind(module: str) -> None:
    """The tables of keys in the modules name no key that the adversary does not have."""
    text = (ROOT / "commands/domain" / f"{module}.py").read_text()
    templates = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert templates
    keys = [key for key in World().database.data if is_attacked(key)]
    for template in templates:
        pattern = "".join(
            ".+" if part[:1] == "<" else r"\{.+\}" if part[:1] == "{" else re.escape(part)
            for part in re.split(r"(<[^>]+>|\{[^}]+\})", template)
        )
        assert any(re.fullmatch(pattern.encode(), key) for key in keys), template
