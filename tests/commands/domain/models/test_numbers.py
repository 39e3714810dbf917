"""A version number is never given twice."""

from __future__ import annotations

import pytest

from tests.support.models import NOW
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

YEAR_MS = 365 * 86_400_000


def register(client: Connection, times: int = 1) -> list[int]:
    return [client("MODEL.REGISTER", "m") for _ in range(times)]


def test_after_ml_del_of_the_highest_version(client: Connection) -> None:
    assert register(client, 3) == [1, 2, 3]
    client("SET", "redkeep:models:{m}", '{"name":"m","active":null}')
    assert client("ML.DEL", "p", "model_versions", "m@v3") == 1
    assert register(client) == [4]


@pytest.mark.parametrize("row", ["{}", '{"latest":1}', '{"latest":null}', '{"latest":"9"}'])
def test_after_the_row_of_the_model_was_overwritten(client: Connection, row: str) -> None:
    register(client, 3)
    client("ML.DEL", "p", "model_versions", "m@v3")
    client("ML.PUT", "p", "models", "m", row)
    assert register(client) == [4]
    client("ML.DEL", "p", "model_versions", "m@v4")
    client("ML.DEL", "p", "models", "m")
    assert register(client) == [5]


def test_a_higher_latest_in_the_row_is_obeyed(client: Connection) -> None:
    client("ML.PUT", "p", "models", "m", '{"latest":9}')
    assert register(client) == [10]


@pytest.mark.parametrize("row", ["{}", "[]", '{"latest":0}'])
def test_a_number_in_a_row_that_is_overwritten_stays_given(client: Connection, row: str) -> None:
    client("ML.PUT", "p", "models", "m", '{"latest":9}')
    client("ML.PUT", "p", "models", "m", row)
    client("ML.PUT", "p", "models", "m", "{}")
    assert register(client) == [10]


def test_after_model_del(client: Connection) -> None:
    register(client, 3)
    assert client("MODEL.DEL", "m") == 1
    assert client("KEYS", "*") == [b"redkeep:model_latest:{m}"]
    assert client("MODEL.DEL", "m") == 0
    assert register(client) == [4]
    assert client("TTL", "redkeep:model_latest:{m}") == -1


def test_after_the_last_row_was_removed_with_ml_del(client: Connection) -> None:
    register(client, 3)
    client("ML.DEL", "p", "models", "m")
    for version in (1, 2, 3):
        assert client("ML.DEL", "p", "model_versions", f"m@v{version}") == 1
    assert client("KEYS", "*") == [b"redkeep:model_latest:{m}"]
    assert register(client) == [4]


def test_how_long_the_number_of_a_removed_model_is_kept(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    register(client, 3)
    client("MODEL.DEL", "m")
    assert client("PTTL", "redkeep:model_latest:{m}") == YEAR_MS
    server.advance(YEAR_MS + 1)
    assert client("EXISTS", "redkeep:model_latest:{m}") == 0
    client("CONFIG", "SET", "model-number-keep-ms", 0)
    assert register(client, 2) == [1, 2]
    client("MODEL.DEL", "m")
    assert client("PTTL", "redkeep:model_latest:{m}") == -1


def test_a_row_alone_keeps_the_number(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    register(client, 3)
    client("MODEL.DEL", "m")
    client("ML.PUT", "p", "models", "m", "{}")
    server.advance(YEAR_MS + 1)
    assert register(client) == [4]


def test_numbers_of_open_versions_are_given_too(client: Connection) -> None:
    assert client("MODEL.REGISTER", "m", "PIECES") == 1
    assert client("MODEL.DROP", "m", 1) == 1
    assert register(client) == [2]


def test_a_number_that_ml_put_chose_is_given(client: Connection) -> None:
    client("ML.PUT", "p", "model_versions", "m@v7", "5")
    client("ML.DEL", "p", "model_versions", "m@v7")
    assert register(client) == [8]


def test_the_counter_may_be_lost_while_the_versions_are_there(client: Connection) -> None:
    register(client, 3)
    client("DEL", "redkeep:model_latest:{m}")
    assert register(client) == [4]
    client("SET", "redkeep:model_latest:{m}", "junk")
    assert register(client) == [5]


def test_the_numbers_of_a_model_may_end(client: Connection) -> None:
    client("ML.PUT", "p", "model_versions", "m@v4294967295", "{}")
    used_up = Error("ERR model 'm' has used up its versions")
    assert client("MODEL.REGISTER", "m") == used_up
    client("ML.DEL", "p", "model_versions", "m@v4294967295")
    assert client("MODEL.REGISTER", "m") == used_up
