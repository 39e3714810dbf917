"""The bytes that a client sends while its requests cannot run."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from server.net.held_input import HeldInput


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.binary(min_size=1, max_size=200_000)),
            st.tuples(st.just("put back"), st.binary(min_size=1, max_size=100)),
            st.tuples(st.just("take"), st.integers(1, 100_000)),
        ),
        max_size=30,
    )
)
def test_it_returns_all_bytes_in_order(steps: list[tuple[str, bytes | int]]) -> None:
    held, expected = HeldInput(), b""
    for step, argument in steps:
        if isinstance(argument, int):
            if not held.size:
                continue
            taken = held.take(argument)
            assert 1 <= len(taken) <= argument
            assert expected.startswith(taken)
            expected = expected[len(taken) :]
        elif step == "add":
            held.add(argument)
            expected += argument
        else:
            held.put_back(argument)
            expected = argument + expected
        assert held.size == len(expected)


def test_single_bytes_take_about_their_size() -> None:
    held = HeldInput()
    tracemalloc.start()
    for _ in range(1_000_000):
        held.add(b"x")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 1_500_000
