"""CP.*: the order of checkpoints over the whole range of steps, and pages of a history."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.families import load
from tests.support.checkpoints import NOW, A, ids
from tests.support.offline import Recorded
from tests.support.waiting import pages

EDGES = [0, 2**53, 2**60, 2**63, 2**64 - 4]
near_edges = st.builds(
    lambda edge, off: max(0, edge + off), st.sampled_from(EDGES), st.integers(-3, 3)
)
steps = st.one_of(st.integers(0, 2**64 - 1), near_edges)


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def identifier(number: int) -> str:
    return f"01890a5d-ac96-774b-bcce-{number:012x}"


def fill(client: Recorded, given: list[int]) -> list[str]:
    """Store checkpoints with these steps; return their ids, newest first."""
    for number, step in enumerate(given):
        client("CP.PUT", "acme", "t", "STEP", step, "STATE", 1, "ID", identifier(number))
    ordered = sorted(((step, identifier(n)) for n, step in enumerate(given)), reverse=True)
    return [ident for _, ident in ordered]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=12), st.integers(1, 5))
def test_steps_order_checkpoints_also_where_scores_are_equal(given: list[int], size: int) -> None:
    load()
    client = Recorded(NOW)
    expected = fill(client, given)
    assert ids([client("CP.LATEST", "acme", "t")]) == expected[:1]
    assert ids(client("CP.HISTORY", "acme", "t")) == expected
    for number, ident in enumerate(expected):
        after = client("CP.HISTORY", "acme", "t", "BEFORE", ident, "LIMIT", size)
        assert ids(after) == expected[number + 1 :][:size]
    found = pages(lambda at: client("CP.HISTORY", "acme", "t", "CURSOR", at, "COUNT", size))
    assert [ident for page in found for ident in ids(page)] == expected
    keep = len(expected) // 2
    assert client("CP.PRUNE", "acme", "t", "KEEP", keep) == len(expected) - keep
    assert ids(client("CP.HISTORY", "acme", "t")) == expected[:keep]


def test_the_latest_of_many_checkpoints_with_one_score(client: Recorded) -> None:
    given = [2**63 + number % 7 for number in range(1500)]
    expected = fill(client, given)
    assert len(ids(client("CP.HISTORY", "acme", "t"))) == len(expected)


@pytest.mark.parametrize("limit", [0, 2**63, 2**64 - 1])
def test_a_large_limit_is_accepted(client: Recorded, limit: int) -> None:
    expected = fill(client, [1, 2, 3])
    assert ids(client("CP.HISTORY", "acme", "t", "LIMIT", limit)) == expected


def test_a_page_goes_on_behind_a_checkpoint_that_was_removed(client: Recorded) -> None:
    expected = fill(client, [1, 2, 2, 2, 3])
    cursor, page = client("CP.HISTORY", "acme", "t", "COUNT", 2)
    assert ids(page) == expected[:2]
    client("CP.DEL", "acme", "t", expected[1])
    assert ids(client("CP.HISTORY", "acme", "t", "CURSOR", cursor)[1]) == expected[2:]
    client("CP.PUT", "acme", "t", "STEP", 9, "STATE", 1, "ID", expected[1])
    assert ids(client("CP.HISTORY", "acme", "t", "CURSOR", cursor)[1]) == expected[2:]


def test_a_page_with_a_filter_ends_after_a_thousand_checkpoints(client: Recorded) -> None:
    fill(client, list(range(1200)))
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", 1, "ID", A, "META", '{"a":1}')
    words = ("CP.HISTORY", "acme", "t", "FILTER", '{"a":1}', "COUNT", 5)
    cursor, page = client(*words)
    assert cursor != b"0"
    assert page == []
    cursor, page = client(*words, "CURSOR", cursor)
    assert (cursor, ids(page)) == (b"0", [A])
