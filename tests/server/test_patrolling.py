"""Rounds of patrols: every key is visited, at a small cost, and none stops a round."""

from __future__ import annotations

import logging

import pytest

from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.patrols import Patrol
from server.patrolling import Patrolling
from tests.support.offline import Offline

PREFIX = b"redkeep:patrolled:"
MINUTE = 60_000


@pytest.fixture
def session() -> Offline:
    return Offline(now=1_700_000_000_000)


class Looks:
    """A patrol that looks at three places of each key."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bytes, bytes]] = []
        self.failure: Exception | None = None

    def look(self, ctx: Context, key: bytes, position: bytes) -> bytes | None:
        self.seen.append((ctx.db.index, key, position))
        if self.failure is not None and key.endswith(b"1"):
            raise self.failure
        following = {b"": b"a", b"a": b"b", b"b": None}
        return following[position]


def patrolling(session: Offline, looks: Looks) -> Patrolling:
    return Patrolling(session.instance, session.run_sweep, [Patrol(PREFIX, looks.look)])


def finish_round(patrol: Patrolling, looks: Looks) -> None:
    """Tick until a tick looks at nothing: the round is over and the next has not begun."""
    before = -1
    while before != len(looks.seen):
        before = len(looks.seen)
        patrol.tick()


def test_a_round_visits_every_place_of_every_key(session: Offline) -> None:
    for number in range(50):
        session("SET", PREFIX + b"%02d" % number, "")
    session("SET", "other", "")
    session("SELECT", 3)
    session("SET", PREFIX + b"x", "")
    looks = Looks()
    finish_round(patrolling(session, looks), looks)
    names = [(0, PREFIX + b"%02d" % number) for number in range(50)] + [(3, PREFIX + b"x")]
    assert looks.seen == [(*name, position) for name in names for position in (b"", b"a", b"b")]


def test_the_next_round_begins_a_minute_later(session: Offline) -> None:
    session("SET", PREFIX, "")
    looks = Looks()
    patrol = patrolling(session, looks)
    finish_round(patrol, looks)
    assert len(looks.seen) == 3
    session.advance(MINUTE - 1)
    finish_round(patrol, looks)
    assert len(looks.seen) == 3
    session.advance(1)
    finish_round(patrol, looks)
    assert len(looks.seen) == 6


@pytest.mark.parametrize("failure", [CommandError("ERR no"), ValueError("a fault of ours")])
def test_a_key_that_fails_does_not_stop_the_round(
    session: Offline, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        session("SET", PREFIX + b"%d" % number, "")
    looks = Looks()
    looks.failure = failure
    with caplog.at_level(logging.ERROR):
        finish_round(patrolling(session, looks), looks)
    assert [key[-1:] for _, key, _ in looks.seen] == [b"0"] * 3 + [b"1"] + [b"2"] * 3
    assert bool(caplog.records) is isinstance(failure, ValueError)


def test_keys_may_change_during_a_round(session: Offline) -> None:
    for number in range(3):
        session("SET", PREFIX + b"%d" % number, "")
    looks = Looks()

    def remove_all(ctx: Context, key: bytes, position: bytes) -> bytes | None:
        looks.look(ctx, key, position)
        ctx.call(b"DEL", *(PREFIX + b"%d" % number for number in range(3)))
        return b"a" if not position else None

    patrol = Patrolling(session.instance, session.run_sweep, [Patrol(PREFIX, remove_all)])
    finish_round(patrol, looks)
    assert [position for _, _, position in looks.seen] == [b"", b"a"]
