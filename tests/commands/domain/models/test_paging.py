"""Lists of models and versions in pages, each of which costs a bounded amount."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.commands.domain.models.test_removal import count_calls
from tests.support.models import NOW, all_pages, pairs
from tests.support.offline import Recorded

LARGE = 2**63 - 1


@pytest.fixture
def client() -> Recorded:
    return Recorded(NOW)


@pytest.mark.parametrize("count", [1, 2, 7, 100, LARGE])
def test_versions_are_paged_in_their_order(client: Recorded, count: int) -> None:
    for _ in range(15):
        client("MODEL.REGISTER", "m")
    client("ML.PUT", "p", "model_versions", "m@v4294967295", "{}")
    client("ML.DEL", "p", "model_versions", "m@v3")
    client("ML.PUT", "p", "model_versions", "m@v4", "[]")
    found = [pairs(one)["version"] for one in all_pages(client, "MODEL.VERSIONS", "m", count=count)]
    assert found == [1, 2, *range(5, 16), 4294967295]


@pytest.mark.parametrize("count", [1, 2, 7, LARGE])
def test_models_are_paged_by_name(client: Recorded, count: int) -> None:
    names = [f"m{number:02d}" for number in range(15)]
    for name in (*names, "other"):
        client("MODEL.REGISTER", name)
    client("ML.PUT", "p", "models", "m03", "[]")
    found = all_pages(client, "MODEL.LIST", "PREFIX", "m", count=count)
    listed = [pairs(one)["name"].decode() for one in found]
    assert listed == [name for name in names if name != "m03"]


def test_a_name_that_begins_with_another_is_listed_once(client: Recorded) -> None:
    names = ["a", "ab", "a}", "a}b", "a:b", "a b", "ä", "a\x00"]
    for name in names:
        client("MODEL.REGISTER", name)
    found = [pairs(one)["name"].decode() for one in all_pages(client, "MODEL.LIST", count=1)]
    assert sorted(found) == sorted(names)
    keys = client("ML.LIST", "p", "model_versions", "COUNT", LARGE)[1][::2]
    assert sorted(keys) == sorted(f"{name}@v1".encode() for name in names)


@pytest.mark.parametrize("request_", ["MODEL.LIST", "ML.LIST p models", "ML.LIST p model_versions"])
def test_a_page_over_many_models_is_bounded(
    client: Recorded, request_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2500):
        name = f"{number:04d}"
        client("ML.PUT", "p", "models", name, "{}" if number % 3 else "7")
        # Some versions are in the order and nowhere else.
        client("ZADD", f"redkeep:model_order:{{{name}}}", 1, 1)
    counted = count_calls(monkeypatch)
    cursor = b"0"
    while True:
        before = counted[0]
        cursor, _ = client(*request_.split(), "CURSOR", cursor, "COUNT", LARGE)
        assert counted[0] - before <= 12_000
        if cursor == b"0":
            break


def test_a_page_over_many_versions_is_bounded(
    client: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in range(0, 5000, 500):
        words = [b"%d" % version for version in range(start, start + 500)]
        client("ZADD", "redkeep:model_order:{m}", *(word for one in words for word in (one, one)))
        client("HSET", "redkeep:model_versions:{m}", *(w for one in words for w in (one, b"{}")))
    counted = count_calls(monkeypatch)
    for request in ("MODEL.VERSIONS m", "ML.LIST p model_versions"):
        counts, cursor, seen = [counted[0]], b"0", 0
        while True:
            cursor, items = client(*request.split(), "CURSOR", cursor, "COUNT", LARGE)
            counts.append(counted[0])
            seen += len(items) // (2 if request.startswith("ML") else 1)
            if cursor == b"0":
                break
        assert seen == 5000
        assert max(after - before for before, after in pairwise(counts)) < 2_000


def test_scores_and_members_that_no_command_made_do_not_stop_a_list(client: Recorded) -> None:
    for _ in range(10):
        client("MODEL.REGISTER", "m")
    client("ZADD", "redkeep:model_order:{m}", "inf", "x", "-inf", "y", 3.5, "z", 2, "01", 7, "8")
    found = [pairs(one)["version"] for one in all_pages(client, "MODEL.VERSIONS", "m", count=2)]
    assert sorted(found) == list(range(1, 11))
    cursor, keys = b"0", []
    for _ in range(30):
        cursor, page = client("ML.LIST", "p", "model_versions", "CURSOR", cursor, "COUNT", 2)
        keys += page[::2]
        if cursor == b"0":
            break
    assert keys == [b"m@v%d" % version for version in range(1, 11) if version != 8]
