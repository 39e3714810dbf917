"""The clock of an instance: wall time that can be set, and monotonic time that only goes on."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from storage.clock import Clock

HOUR = 3_600_000

moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["set", "advance", "freeze"]), st.integers(-HOUR, HOUR)),
        st.tuples(st.sampled_from(["stop", "unfreeze", "reset"]), st.just(0)),
    ),
    max_size=20,
)


@given(moves)
def test_monotonic_time_never_goes_back_and_follows_what_passes(
    moves: list[tuple[str, int]],
) -> None:
    clock = Clock()
    for name, by in moves:
        wall, monotonic = clock.now_ms(), clock.monotonic_ms()
        started = time.monotonic()
        match name:
            case "set":
                clock.set(wall + by)
            case "advance":
                clock.advance(by)
            case "freeze":
                clock.freeze(wall + by)
            case "stop":
                clock.freeze()
            case "unfreeze":
                clock.unfreeze()
            case _:
                clock.reset()
        passed = clock.monotonic_ms() - monotonic
        took = int((time.monotonic() - started) * 1000) + 2
        assert max(0, by) - 2 <= passed <= max(0, by) + took


def test_a_frozen_clock_stands_still() -> None:
    clock = Clock()
    clock.freeze(HOUR)
    assert (clock.now_ms(), clock.monotonic_ms()) == (HOUR, clock.monotonic_ms())
    before = clock.monotonic_ms()
    clock.set(HOUR - 1000)
    assert (clock.now_ms(), clock.monotonic_ms()) == (HOUR - 1000, before)
    clock.set(HOUR + 5)
    assert (clock.now_ms(), clock.monotonic_ms()) == (HOUR + 5, before + 1005)
