"""Patrols bring what is kept beside the rows of versions into line with them."""

from __future__ import annotations

import pytest

from commands.instance.patrols import patrols
from server.patrolling import Patrolling
from tests.support.models import NOW, all_pages, get, pairs
from tests.support.offline import Recorded

VERSIONS = "redkeep:model_versions:{m}"


@pytest.fixture
def client() -> Recorded:
    return Recorded(NOW)


def walk(client: Recorded) -> None:
    """One round of all patrols."""
    patrolling = Patrolling(client.instance, client.run_sweep, patrols())
    for _ in patrolling._steps():
        pass


def numbers(client: Recorded) -> list[int]:
    return [pairs(one)["version"] for one in all_pages(client, "MODEL.VERSIONS", "m")]


def test_rows_that_other_commands_stored_become_versions(client: Recorded) -> None:
    client("MODEL.REGISTER", "m")
    for version in range(2, 100):
        client("HSET", VERSIONS, version, "{}")
    client("HSET", VERSIONS, "007", "{}", "x", "{}")
    assert numbers(client) == [1]
    walk(client)
    assert numbers(client) == list(range(1, 100))
    assert client("MODEL.REGISTER", "m") == 100


def test_nothing_is_kept_of_versions_whose_rows_other_commands_deleted(client: Recorded) -> None:
    for version in range(1, 100):
        client("MODEL.REGISTER", "m")
        client("MODEL.TAG", "m", version, "a", "b")
        client("MODEL.ARCHIVE", "m", version)
    client("MODEL.DESCRIBE", "m", "text")
    for version in range(2, 100):
        client("HDEL", VERSIONS, version)
    client("ZADD", "redkeep:model_order:{m}", 5, "junk")
    walk(client)
    assert client("ZRANGE", "redkeep:model_order:{m}", 0, -1) == [b"1"]
    assert client("SMEMBERS", "redkeep:model_archive:{m}") == [b"1"]
    assert sorted(client("HKEYS", "redkeep:model_notes:{m}")) == [b"1", b"model"]
    (model,) = client("MODEL.LIST")[1]
    assert list(pairs(model).values())[:4] == [b"m", None, 1, 1]
    assert client("MODEL.REGISTER", "m") == 100


def test_a_wrong_score_is_set_right(client: Recorded) -> None:
    for _ in range(3):
        client("MODEL.REGISTER", "m")
    client("ZADD", "redkeep:model_order:{m}", 99, 1)
    walk(client)
    assert numbers(client) == [1, 2, 3]


def test_what_is_right_stays_as_it_is(client: Recorded) -> None:
    for _ in range(30):
        client("MODEL.REGISTER", "m", "WEIGHTS", "w")
    client("MODEL.ARCHIVE", "m", 3)
    client("MODEL.TAG", "m", 4, "a", "b")
    before, written = client("DEBUG", "DIGEST"), len(client.take_log())
    walk(client)
    assert client("DEBUG", "DIGEST") == before
    assert len(client.take_log()) == written
    assert get(client, "m", 3) is not None


@pytest.mark.parametrize("key", ["model_versions", "model_order", "model_archive", "model_notes"])
def test_keys_of_another_type_are_left_alone(client: Recorded, key: str) -> None:
    client("MODEL.REGISTER", "n")
    client("SET", f"redkeep:{key}:{{m}}", "junk")
    client("SET", f"redkeep:{key}:{{", "junk")
    before = client("DEBUG", "DIGEST")
    walk(client)
    assert client("DEBUG", "DIGEST") == before
