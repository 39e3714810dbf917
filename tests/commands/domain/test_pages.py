"""No request gets more than a page, whatever its COUNT: other clients wait for its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.domain.jobs.claims import MOST_CLAIMED
from commands.domain.pages import LARGEST_PAGE
from commands.domain.queues.tokens import MOST_MESSAGES
from commands.families import load
from tests.support.jobs import NOW
from tests.support.offline import Recorded
from tests.support.resp import Word

MANY = LARGEST_PAGE + 50
HUGE = 2**31 - 1


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def fill(client: Recorded, request: Callable[[int], tuple[Word, ...]]) -> None:
    for number in range(MANY):
        client(*request(number))


@pytest.mark.parametrize("name", ["JOB.LIST p", "ML.LIST p jobs"])
def test_lists_of_jobs(client: Recorded, name: str) -> None:
    fill(client, lambda number: ("JOB.SUBMIT", "p", "train", "t", "{}"))
    words = name.split(" ")
    cursor, first = client(*words, "COUNT", HUGE)
    last, rest = client(*words, "COUNT", HUGE, "CURSOR", cursor)
    per_row = 1 if name.startswith("JOB") else 2
    assert (len(first), len(rest), last) == (LARGEST_PAGE * per_row, 50 * per_row, b"0")


def test_claims(client: Recorded) -> None:
    fill(client, lambda number: ("JOB.SUBMIT", "p", "train", "t", "{}"))
    assert len(client("JOB.CLAIM", "p", "w", "COUNT", HUGE)) == MOST_CLAIMED


def test_rows_of_models(client: Recorded) -> None:
    fill(client, lambda number: ("MODEL.REGISTER", f"m{number}"))
    # Each model whose versions are listed takes several reads, so fewer fit into a page.
    for namespace, most in (("models", LARGEST_PAGE), ("model_versions", LARGEST_PAGE // 2)):
        cursor, rows = client("ML.LIST", "p", namespace, "COUNT", HUGE)
        assert len(rows) == 2 * most
        left = min(MANY - most, most)
        assert (
            len(client("ML.LIST", "p", namespace, "CURSOR", cursor, "COUNT", HUGE)[1]) == 2 * left
        )


def test_threads(client: Recorded) -> None:
    fill(client, lambda number: ("CP.PUT", "acme", f"t{number}", "STEP", 0, "STATE", 1))
    cursor, threads = client("CP.THREADS", "acme", "COUNT", HUGE)
    assert len(threads) == LARGEST_PAGE
    assert len(client("CP.THREADS", "acme", "CURSOR", cursor)[1]) == 50


def test_messages_and_dead_letters(client: Recorded) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1)
    fill(client, lambda number: ("QUEUE.PUSH", "q", "m"))
    full, rest = divmod(LARGEST_PAGE + 50, MOST_MESSAGES)
    read = [len(client("QUEUE.READ", "q", "g", "c", "COUNT", HUGE)) for _ in range(full + 1)]
    # A message costs more than other items of a page.
    assert read == [*[MOST_MESSAGES] * full, rest]
    listed = client("QUEUE.PENDING", "q", "g", "COUNT", HUGE)[1]
    assert len(listed) == LARGEST_PAGE
    client.advance(30_000)
    client.sweep()
    cursor, letters = client("QUEUE.DEAD", "q", "g", "COUNT", HUGE)
    assert len(letters) == MOST_MESSAGES
    following = client("QUEUE.DEAD", "q", "g", "CURSOR", cursor, "COUNT", 7)[1]
    assert len(following) == 7
    assert following[0] not in letters
