"""CP.*: threads of very many checkpoints: what a command does at once, and what later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from commands.domain.checkpoints.removal import BATCH
from commands.families import load
from commands.instance.context import Context
from tests.support.checkpoints import NOW, A, body, ids, look_after
from tests.support.offline import Recorded

MANY = 2600


@pytest.fixture
def client() -> Recorded:
    load()
    client = Recorded(NOW)
    for step in range(MANY):
        fill(client, step)
    return client


def fill(client: Recorded, step: int, *options: str) -> None:
    words = ("STEP", str(step), "STATE", "1", "ID", identifier(step), "META", '{"a":1}')
    client("CP.PUT", "acme", "t", *words, *options)


def identifier(step: int) -> str:
    return f"01890a5d-ac96-774b-bcce-{step:012x}"


@contextmanager
def largest_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of words in the calls of one command, and of one step of a sweep."""
    sizes = [0]
    begin, call = Context.begin, Context.call

    def begun(ctx: Context, command: str) -> None:
        sizes.append(0)
        begin(ctx, command)

    def called(ctx: Context, *words: bytes) -> Any:
        sizes[-1] += len(words)
        return call(ctx, *words)

    with monkeypatch.context() as patch:
        patch.setattr(Context, "begin", begun)
        patch.setattr(Context, "call", called)
        yield sizes


def index_size(client: Recorded) -> int:
    size: int = client("ZCARD", "redkeep:cp-meta:acme:a")
    return size


def test_a_long_thread_is_pruned_in_steps(
    client: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with largest_call(monkeypatch) as sizes:
        assert client("CP.PRUNE", "acme", "t", "KEEP", 10) == MANY - 10
        assert client("ZCARD", "entelix:cp:acme:t:bystep") == MANY - BATCH
        fill(client, MANY)
        client.sweep()
    assert max(sizes) < 20 * BATCH
    newest = [identifier(step) for step in range(MANY, MANY - 11, -1)]
    assert ids(client("CP.HISTORY", "acme", "t")) == newest
    assert index_size(client) == 11
    assert client("KEYS", "redkeep:cp-work:*") == []


def test_pruning_goes_on_when_the_last_checkpoint_to_go_was_moved(client: Recorded) -> None:
    client("CP.PRUNE", "acme", "t", "KEEP", 10)
    last = MANY - 11
    client("CP.PUT", "acme", "t", "STEP", 2 * MANY, "STATE", 1, "ID", identifier(last))
    client.sweep()
    kept = [last, *range(MANY - 1, MANY - 11, -1)]
    assert ids(client("CP.HISTORY", "acme", "t")) == [identifier(step) for step in kept]


def test_a_long_thread_is_copied_in_steps(
    client: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("CP.WRITES", "PUT", "acme", "t", identifier(3), "task", 0, "channel", "value")
    client("CP.PUT", "acme", "t", "STEP", 5, "BSTATE", "blob", "ID", A, "NS", "n")
    client("PEXPIREAT", "entelix:cp:acme:t:bystep", NOW + 50_000)
    with largest_call(monkeypatch) as sizes:
        assert client("CP.COPY", "acme", "t", "u") == MANY + 1
        newest = [identifier(step) for step in range(MANY - 1, MANY - 1 - BATCH, -1)]
        assert ids(client("CP.HISTORY", "acme", "u")) == newest
        client.sweep()
    assert max(sizes) < 20 * BATCH
    copied = client("CP.HISTORY", "acme", "u")
    assert [body(one)["step"] for one in copied] == list(range(MANY - 1, -1, -1))
    assert client("CP.WRITES", "GET", "acme", "u", identifier(3))[0][3] == b"value"
    assert client("CP.STATE", "acme", "u", "NS", "n") == b"blob"
    assert index_size(client) == 2 * MANY
    for key in ("bystep", "byid", "writes"):
        assert client("PEXPIRETIME", f"entelix:cp:acme:u:{key}") == NOW + 50_000
    assert client("KEYS", "redkeep:cp-work:*") == []


def test_a_long_thread_is_gone_at_once_and_its_rows_later(
    client: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("PEXPIREAT", "entelix:cp:acme:t:byid", NOW + 50_000)
    with largest_call(monkeypatch) as sizes:
        assert client("CP.DEL", "acme", "t") == MANY
        assert client("CP.LATEST", "acme", "t") is None
        assert client("CP.SEARCH", "acme", "FILTER", '{"a":1}')[1] == []
        client.advance(60_000)
        fill(client, 7)
        client.sweep()
    assert max(sizes) < 20 * BATCH
    assert index_size(client) == 1
    assert ids(client("CP.SEARCH", "acme", "FILTER", '{"a":1}')[1]) == [identifier(7)]
    client("CP.DEL", "acme", "t")
    assert client("KEYS", "*") == []


def test_removing_a_thread_ends_what_is_left_to_do_in_it(client: Recorded) -> None:
    client("CP.PRUNE", "acme", "t", "KEEP", 10)
    client("CP.COPY", "acme", "t", "u")
    client("CP.DEL", "acme", "t")
    fill(client, 1)
    client.sweep()
    assert ids(client("CP.HISTORY", "acme", "t")) == [identifier(1)]


def test_large_states_are_handled_in_smaller_batches(client: Recorded) -> None:
    client("CP.DEL", "acme", "t")
    state = '"' + "x" * 300_000 + '"'
    for step in range(20):
        client("CP.PUT", "acme", "t", "STEP", step, "STATE", state)
    for step in range(100):
        fill(client, 100 + step)
    assert client("CP.PRUNE", "acme", "t", "KEEP", 5) == 115
    assert client("ZCARD", "entelix:cp:acme:t:bystep") == 70
    client.sweep()
    assert client("ZCARD", "entelix:cp:acme:t:bystep") == 5


def test_the_facts_of_a_long_thread_are_estimated(client: Recorded) -> None:
    info = client("CP.INFO", "acme", "t")
    facts = dict(zip(info[::2], info[1::2], strict=True))
    exact = sum(map(len, client("CP.HISTORY", "acme", "t")))
    assert facts[b"count"] == MANY
    assert (facts[b"first"], facts[b"last"]) == (
        identifier(0).encode(),
        identifier(MANY - 1).encode(),
    )
    assert (facts[b"first_step"], facts[b"last_step"]) == (0, MANY - 1)
    assert facts[b"last_at"] == b"2023-11-14T22:13:20.000Z"
    assert facts[b"measured"] == 200
    assert abs(facts[b"bytes"] - exact) < exact // 100
    assert facts[b"expires_at"] is None


def test_patrols_change_nothing_that_is_right(client: Recorded) -> None:
    client("CP.PUT", "acme", "t", "STEP", 5, "BSTATE", "blob", "ID", A)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "channel", "value")
    before = client("DEBUG", "DIGEST")
    look_after(client)
    assert client("DEBUG", "DIGEST") == before
