"""The namespaces `models` and `model_versions`, beside what MODEL.* makes of their rows."""

from __future__ import annotations

from typing import Any

import pytest

from commands.domain.models.raw_rows import parse_version_key, version_key
from commands.domain.models.rows import ORDER, model_names
from commands.instance.context import Context
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


def pairs(reply: Any) -> dict[str, Any]:
    """A flat RESP2 map by name."""
    return {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}


@pytest.fixture
def ctx(server: RunningServer) -> Context:
    return server.call(lambda: Context(server.instance, server.instance.internal_client()))


def test_version_keys() -> None:
    assert version_key(b"spam_classifier", 42) == b"spam_classifier@v42"
    assert parse_version_key(b"spam_classifier@v42") == (b"spam_classifier", 42)
    assert parse_version_key(b"weird@name@v7") == (b"weird@name", 7)
    assert parse_version_key(b"a@v1@v2") == (b"a@v1", 2)
    assert parse_version_key(b"a@v4294967295") == (b"a", 4294967295)
    for malformed in (b"spam@vfoo", b"spam", b"spam@v", b"spam@v-1", b"a@v007", b"a@v4294967296"):
        assert parse_version_key(malformed) is None


def test_rows_put_with_ml_put(client: Connection) -> None:
    client("ML.PUT", "p", "models", "m", "{}")
    assert client("ML.GET", "p", "models", "m") == b"{}"
    assert client("MODEL.REGISTER", "m") == 1
    client("ML.PUT", "p", "model_versions", "m@v7", '{"metrics":"x"}')
    assert client("ML.GET", "p", "model_versions", "m@v7") == b'{"metrics":"x"}'
    assert pairs(client("MODEL.GET", "m", 7))["metrics"] == b"x"
    assert client("MODEL.REGISTER", "m", "INACTIVE", "WEIGHTS", "w") == 8
    assert client("MODEL.ACTIVATE", "m", 8) == "OK"
    client("MODEL.ARCHIVE", "m", 7)
    assert client("ML.DEL", "p", "model_versions", "m@v7") == 1
    assert client("ML.DEL", "p", "model_versions", "m@v8") == 1
    assert client("ML.DEL", "p", "model_versions", "m@v8") == 0
    assert client("MODEL.GET", "m") is None
    assert client("EXISTS", "redkeep:model_weights:{m}:8", "redkeep:model_archive:{m}") == 0
    assert client("MODEL.REGISTER", "m") == 9
    assert client("ML.DEL", "p", "models", "m") == 1
    assert client("ML.DEL", "p", "models", "m") == 0
    assert client("MODEL.LIST") == [b"0", []]
    assert client("MODEL.REGISTER", "m") == 10


def test_putting_a_version_creates_its_model(client: Connection) -> None:
    client("ML.PUT", "p", "model_versions", "m@v5", "{}")
    (found,) = client("MODEL.LIST")[1]
    assert tuple(pairs(found).values())[:4] == (b"m", None, 1, 0)
    client("ML.PUT", "p", "model_versions", "m@v3", "{}")
    assert client("MODEL.REGISTER", "m") == 6
    assert client("ML.PUT", "p", "model_versions", "@v1", "{}") == Error(
        "ERR invalid model name '': it must not be empty or start with '}'"
    )


def test_names_are_walked_in_order(server: RunningServer, client: Connection, ctx: Context) -> None:
    for name in ("a", "b", "b:c", "c"):
        client("MODEL.REGISTER", name)
    names = server.call(lambda: list(model_names(ctx)))
    assert sorted(names) == [b"a", b"b", b"b:c", b"c"]
    assert server.call(lambda: list(model_names(ctx, after=names[1]))) == names[2:]
    assert server.call(lambda: list(model_names(ctx, among=ORDER))) == names
