"""STORE.*: answers in pages, and how much one request examines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from commands.domain.store.reading import MOST_EXAMINED
from commands.instance.context import Context
from tests.support.offline import Recorded
from tests.support.resp import Error
from tests.support.waiting import pages

NOW = 1_700_000_000_000
MANY = MOST_EXAMINED + 500


@pytest.fixture
def session() -> Recorded:
    return Recorded(NOW)


def fill(session: Recorded, namespace: str, number: int, value: str = "{}") -> None:
    session("CONFIG", "SET", "store-times", "no")
    for start in range(0, number, 500):
        keys = [f"k{key:05}" for key in range(start, min(start + 500, number))]
        session("STORE.MPUT", namespace, *(word for key in keys for word in (key, value)))


def all_pages(session: Recorded, *request: str | int) -> tuple[list[Any], int]:
    """Return the items of all pages, and how many pages there were."""
    found = list(pages(lambda cursor: session(*request, "CURSOR", cursor)))
    return [item for page in found for item in page], len(found)


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the keys that commands read and remove."""
    total, call = 0, Context.call

    def counted(ctx: Context, *words: bytes) -> Any:
        nonlocal total
        total += len(words) - 1
        return call(ctx, *words)

    monkeypatch.setattr(Context, "call", counted)

    def take() -> int:
        nonlocal total
        taken, total = total, 0
        return taken

    return take


# --- pages are complete ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 7, 1000])
def test_pages_together_are_the_whole_list(session: Recorded, count: int) -> None:
    for name in ("acme:a", "acme:a:b", "acme:a:b\\:c", "acme:ab", "acme:a:b:\\\\"):
        for key in ("x", "y:z", "\\", "", "z"):
            session("STORE.PUT", name, key, json.dumps({"n": len(key)}))
    keys, _ = all_pages(session, "STORE.LIST", "acme:a", "COUNT", count)
    assert keys == session("STORE.LIST", "acme:a") == [b"", b"\\", b"x", b"y:z", b"z"]
    names, _ = all_pages(session, "STORE.NAMESPACES", "acme", "COUNT", count)
    assert names == session("STORE.NAMESPACES", "acme")
    assert len(names) == 5
    for depth in (0, 1, 2):
        names, _ = all_pages(session, "STORE.NAMESPACES", "acme", "DEPTH", depth, "COUNT", count)
        assert names == session("STORE.NAMESPACES", "acme", "DEPTH", depth)
    for wanted in ("{}", '{"n":1}', '{"n":{"$gt":1}}', '{"n":9}'):
        request = ("STORE.SEARCH", "acme:a", "FILTER", wanted)
        rows, _ = all_pages(session, *request, "COUNT", count)
        assert rows == session(*request)


def test_a_page_with_values_is_a_map(session: Recorded) -> None:
    session("STORE.MPUT", "acme:a", "x", "1", "y", "2", "z", "3")
    assert session("STORE.LIST", "acme:a", "CURSOR", 0, "COUNT", 2, "WITHVALUES") == [
        b">y", [b"x", b"1", b"y", b"2"]
    ]  # fmt: skip
    assert session("STORE.LIST", "acme:a", "CURSOR", ">y", "WITHVALUES") == [b"0", [b"z", b"3"]]
    assert session("STORE.LIST", "acme:a", "CURSOR", ">a", "AFTER", "y") == [b"0", [b"z"]]
    assert session("STORE.LIST", "acme:a", "CURSOR", 0, "PREFIX", "z") == [b"0", [b"z"]]


def test_an_entry_that_stays_is_on_one_page_whatever_else_changes(session: Recorded) -> None:
    fill(session, "acme:a", 50)
    cursor, page = session("STORE.SEARCH", "acme", "COUNT", 10)
    session("STORE.DEL", "acme:a", *[f"k{number:05}" for number in range(5, 15)])
    session("STORE.PUT", "acme:a", "k00000-new", "{}")
    found = [row[3] for row in page]
    while cursor != b"0":
        cursor, page = session("STORE.SEARCH", "acme", "COUNT", 10, "CURSOR", cursor)
        found += [row[3] for row in page]
    assert found == [b"k%05d" % number for number in (*range(10), *range(15, 50))]


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        ("STORE.LIST", "acme:a"),
        ("STORE.LIST", "acme:a", "LIMIT", MANY),
        ("STORE.SEARCH", "acme"),
        ("STORE.SEARCH", "acme", "LIMIT", 10, "FILTER", '{"n":1}'),
        ("STORE.SEARCH", "acme", "LIMIT", 10, "OFFSET", MANY - 5),
    ],
)
def test_an_answer_that_is_not_continued_is_complete_or_an_error(
    session: Recorded, examined: Callable[[], int], request_: tuple[str | int, ...]
) -> None:
    fill(session, "acme:a", MANY)
    examined()
    reply = session(*request_)
    assert isinstance(reply, Error)
    assert "too many entries of 'acme" in reply.text and "CURSOR" in reply.text
    assert examined() <= MOST_EXAMINED + 10


@pytest.mark.parametrize(
    "request_",
    [
        ("STORE.LIST", "acme:a", "COUNT", 100_000),
        ("STORE.SEARCH", "acme", "COUNT", 100_000),
        ("STORE.SEARCH", "acme", "FILTER", '{"n":1}', "CURSOR", 0),
        ("STORE.NAMESPACES", "acme", "COUNT", 100_000),
    ],
)
def test_a_page_examines_a_bounded_number(
    session: Recorded, examined: Callable[[], int], request_: tuple[str | int, ...]
) -> None:
    fill(session, "acme:a", MANY)
    examined()
    cursor, page = session(*request_)
    assert cursor != b"0" or request_[0] == "STORE.NAMESPACES"
    assert len(page) <= 1000
    assert examined() <= MOST_EXAMINED + 10


def test_long_values_that_are_compared_count_as_several(session: Recorded) -> None:
    for key in range(100):
        session("STORE.PUT", "acme:a", f"k{key:02}", json.dumps({"text": "x" * 100_000}))
    assert len(session("STORE.SEARCH", "acme")) == 100
    request = ("STORE.SEARCH", "acme", "FILTER", '{"text":{"$exists":true}}')
    assert isinstance(session(*request), Error)
    rows, number = all_pages(session, *request)
    assert len(rows) == 100
    assert number == 4


@pytest.mark.parametrize("made_by", ["wrong type", "expired and not removed"])
def test_namespaces_pass_many_keys_that_are_no_entries(
    session: Recorded, examined: Callable[[], int], made_by: str
) -> None:
    for number in range(MANY):
        key = f"entelix:store:acme:acme:a:k{number:05}"
        if made_by == "wrong type":
            session("RPUSH", key, "x")
        else:
            session("SET", key, "x", "PX", 5)
    session("STORE.PUT", "acme:b", "k", "v")
    session.instance.keyspace.expiry_paused = made_by != "wrong type"
    session.advance(6)
    reply = session("STORE.NAMESPACES", "acme")
    assert isinstance(reply, Error) and "too many" in reply.text
    examined()
    cursor, names = session("STORE.NAMESPACES", "acme", "CURSOR", 0)
    assert names == [] and cursor.startswith(b">acme:a:")
    assert examined() <= 2 * MOST_EXAMINED + 10
    assert all_pages(session, "STORE.NAMESPACES", "acme") == ([b"acme:b"], 2)
    assert session("STORE.NAMESPACES", "acme:b") == [b"acme:b"]


def test_many_namespaces_come_in_pages(session: Recorded) -> None:
    for number in range(1200):
        session("SET", f"entelix:store:acme:acme:{number:04}:k", "v")
    assert isinstance(session("STORE.NAMESPACES", "acme"), Error)
    assert len(session("STORE.NAMESPACES", "acme", "LIMIT", 100)) == 100
    names, number = all_pages(session, "STORE.NAMESPACES", "acme", "COUNT", 1000)
    assert names == [b"acme:%04d" % number for number in range(1200)]
    assert number > 1


# --- counting and clearing ---------------------------------------------------------------------


def test_count_and_clear_of_a_subtree(session: Recorded) -> None:
    for name in ("acme:a", "acme:a:b", "acme:a:b:c", "acme:ab", "acme"):
        session("STORE.MPUT", name, "x", "1", "y", "2")
    session("STORE.PUT", "acme:a:b", "brief", "v", "TTL", 5)
    assert session("STORE.COUNT", "acme:a") == 2
    assert session("STORE.COUNT", "acme:a", "SUBTREE") == 7
    session.advance(6)
    assert session("STORE.COUNT", "acme:a", "SUBTREE") == 6
    assert session("STORE.COUNT", "acme:a:b") == 2
    assert session("STORE.CLEAR", "acme:a", "LIMIT", 1) == 1
    assert session("STORE.CLEAR", "acme:a", "SUBTREE", "LIMIT", 2) == 2
    assert session("STORE.CLEAR", "acme:a", "SUBTREE") == 3
    assert session("STORE.CLEAR", "acme:a", "SUBTREE") == 0
    assert session("STORE.NAMESPACES", "acme") == [b"acme", b"acme:ab"]
    assert len(session("KEYS", "*")) == 8


@pytest.mark.parametrize("limit", [[], ["LIMIT", 5000]])
def test_clear_is_repeated_until_nothing_is_left(session: Recorded, limit: list[Any]) -> None:
    fill(session, "acme:a", 801)
    removed = [session("STORE.CLEAR", "acme:a", *limit) for _ in range(4)]
    assert removed == [400, 400, 1, 0]
    assert session("DBSIZE") == 0


def test_counting_and_clearing_do_not_read_entries(
    session: Recorded, examined: Callable[[], int]
) -> None:
    fill(session, "acme:a", MANY)
    examined()
    assert session("STORE.COUNT", "acme", "SUBTREE") == MANY
    assert examined() == 0
    session("STORE.CLEAR", "acme:a", "LIMIT", 10)
    assert examined() <= 10 * 4 + 10


def test_the_stream_of_events_goes_with_the_last_entry(session: Recorded) -> None:
    session("CONFIG", "SET", "domain-events", "yes")
    for name in ("acme:a", "acme:a:b", "acme:a:c"):
        session("STORE.MPUT", name, "x", "1", "y", "2")
    session("STORE.DEL", "acme:a", "x")
    assert session("EXISTS", "redkeep:events:store:{acme:a}") == 1
    session("STORE.DEL", "acme:a", "y", "none")
    assert session("EXISTS", "redkeep:events:store:{acme:a}") == 0
    session("STORE.CLEAR", "acme:a", "SUBTREE", "LIMIT", 3)
    assert session("KEYS", "redkeep:events:*") == [b"redkeep:events:store:{acme:a:c}"]
    session("STORE.CLEAR", "acme:a", "SUBTREE")
    assert session("DBSIZE") == 0
