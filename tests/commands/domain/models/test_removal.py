"""Models with many versions: removed at once, their data deleted in bounded steps."""

from __future__ import annotations

import pytest

from commands.instance.context import Context
from tests.support.models import NOW, all_pages, pairs
from tests.support.offline import Recorded
from tests.support.resp import Word

MANY = 1200


@pytest.fixture
def client() -> Recorded:
    """With a model of many versions."""
    recorded = Recorded(NOW)
    fill(recorded, MANY)
    return recorded


def fill(client: Recorded, versions: int) -> None:
    for version in range(1, versions + 1):
        client("MODEL.REGISTER", "m", "WEIGHTS", f"w{version}", "INACTIVE")
        if version % 3 == 0:
            client("MODEL.ARCHIVE", "m", version)
        elif version % 3 == 1:
            client("MODEL.TAG", "m", version, "a", "b")
    client("MODEL.REGISTER", "m", "PIECES")
    client("MODEL.ALIAS", "m", "champion", 1)
    client("MODEL.DESCRIBE", "m", "text")


def keys(client: Recorded) -> list[bytes]:
    return sorted(client("KEYS", "*"))


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the words of all calls from now on."""
    counted = [0]
    call = Context.call

    def counting(ctx: Context, *words: bytes) -> object:
        counted[0] += len(words)
        return call(ctx, *words)

    monkeypatch.setattr(Context, "call", counting)
    return counted


def test_a_large_model_is_gone_at_once_and_its_data_later(
    client: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = count_calls(monkeypatch)
    assert client("MODEL.DEL", "m") == 1
    assert counted[0] < 100
    assert client("MODEL.DEL", "m") == 0
    assert client("MODEL.LIST") == [b"0", []]
    assert client("MODEL.VERSIONS", "m") == [b"0", []]
    assert client("ML.LIST", "p", "model_versions") == [b"0", []]
    assert client("MODEL.GET", "m", 5) is None
    # A new model of that name has nothing of the old one, before and after the sweep.
    assert client("MODEL.REGISTER", "m") == MANY + 2
    client("ML.PUT", "p", "model_versions", "m@v5", "{}")
    for _ in range(2):
        versions = [pairs(one) for one in all_pages(client, "MODEL.VERSIONS", "m")]
        assert [one["version"] for one in versions] == [5, MANY + 2]
        assert not any(one["tags"] or one["archived"] or one["aliases"] for one in versions)
        assert client("MODEL.WEIGHTS", "m", 5) is None
        client.sweep()
    assert keys(client) == [
        *(b"redkeep:model_latest:{m}", b"redkeep:model_order:{m}"),
        *(b"redkeep:model_versions:{m}", b"redkeep:models:{m}"),
    ]


def test_two_models_of_one_name_may_be_deleted_at_once(client: Recorded) -> None:
    client("MODEL.DEL", "m")
    fill(client, 600)
    client("MODEL.DEL", "m")
    client.sweep()
    assert keys(client) == [b"redkeep:model_latest:{m}"]


def test_a_step_of_the_sweep_is_bounded(client: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    client("MODEL.DEL", "m")
    counted = count_calls(monkeypatch)
    client.sweep()
    steps = MANY // 100
    assert counted[0] / steps < 700


def test_the_log_of_a_removal_gives_the_same_keys(client: Recorded) -> None:
    client("MODEL.DEL", "m")
    client.sweep()
    copy = Recorded(NOW)
    copy.replay(client.take_log())
    assert copy.contents() == client.contents()


@pytest.mark.parametrize(
    "overwritten",
    ["models", "model_versions", "model_order", "model_archive", "model_aliases", "model_open",
     "model_notes"],
)  # fmt: skip
@pytest.mark.parametrize("value", [("SET", "junk"), ("RPUSH", "junk"), ("ZADD", "1", "junk")])
@pytest.mark.parametrize("versions", [3, 600])
def test_whatever_is_stored_of_a_model_can_be_deleted(
    overwritten: str, value: tuple[Word, ...], versions: int
) -> None:
    client = Recorded(NOW)
    fill(client, versions)
    key = f"redkeep:{overwritten}:{{m}}"
    client("DEL", key)
    client(value[0], key, *value[1:])
    assert client("MODEL.DEL", "m") == 1
    client.sweep()
    left = [key for key in keys(client) if not key.startswith(b"redkeep:model_weights:")]
    assert left == [b"redkeep:model_latest:{m}"]
    assert client("MODEL.REGISTER", "m") == versions + 2
