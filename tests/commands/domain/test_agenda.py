"""The agenda: timed work is found by when it is due, however many collections have some."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.domain.agenda import Agenda
from commands.instance.context import Context
from tests.support.offline import Recorded

NOW = 1_700_000_000_000
AGENDA = Agenda(b"redkeep:plans:")
NEXT = b"redkeep:plan:{t}:next"


@pytest.fixture
def session() -> Recorded:
    return Recorded(NOW)


def agenda(session: Recorded) -> list[bytes]:
    return sorted(session("KEYS", "redkeep:plans:*"))


@given(
    steps=st.lists(st.tuples(st.booleans(), st.none() | st.integers(NOW - 5, NOW + 5)), max_size=12)
)
def test_a_collection_is_planned_once_and_never_late(
    steps: list[tuple[bool, int | None]],
) -> None:
    session = Recorded(NOW)
    ctx = Context(session.instance, session.client)
    earliest: int | None = None
    for visit, moment in steps:
        entry = AGENDA.entry(ctx, b"t", NEXT)
        if visit:
            entry.replan(ctx, AGENDA.key(entry.planned or NOW, b"t"), moment)
            earliest = moment
        elif moment is not None:
            entry.plan(ctx, moment)
            earliest = moment if earliest is None else min(earliest, moment)
        expected = [] if earliest is None else [AGENDA.key(earliest, b"t")]
        assert agenda(session) == expected
        assert session("GET", NEXT) == (None if earliest is None else b"%d" % earliest)


def test_a_next_key_that_cannot_be_read_is_replaced(session: Recorded) -> None:
    ctx = Context(session.instance, session.client)
    for damage in ((b"SET", NEXT, b"soon"), (b"DEL", NEXT), (b"SADD", NEXT, b"x")):
        session(*damage)
        AGENDA.entry(ctx, b"t", NEXT).plan(ctx, NOW + 1)
        assert session("GET", NEXT) == b"%d" % (NOW + 1)


@pytest.mark.parametrize("family", ["jobs", "queues"])
def test_a_sweep_visits_only_collections_with_something_due(
    session: Recorded, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(name: str, delay: int) -> None:
        if family == "jobs":
            session("JOB.SUBMIT", name, "train", "t", "{}", "DELAY", delay)
        else:
            session("QUEUE.PUSH", name, "x", "DELAY", delay)

    for number in range(1000):
        add(f"n{number}", 10**9)
    add("due", 10)
    session.advance(10)
    calls: list[bytes] = []
    call = Context.call

    def counted(ctx: Context, *words: bytes) -> Any:
        calls.append(words[0])
        return call(ctx, *words)

    monkeypatch.setattr(Context, "call", counted)
    session.sweep()
    assert 5 < len(calls) < 40, calls
    calls.clear()
    session.sweep()
    assert calls == []
