"""The rules of users are about the keys that requests touch: no request touches any other."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.engine.key_uses import key_uses
from commands.instance.users.selectors import BOTH, READ, WRITE, KeyPattern, Selector
from storage.database import Database
from tests.support.resp import Connection, Error, word
from tests.support.servers import RunningServer

# The methods of a database that read or change the key given first.
READING = ("peek", "read", "inspect", "fetch", "deadline", "has_expired")
WRITING = ("store", "changed", "finish_change", "changed_quietly", "delete", "expire_at", "persist")
FAMILIES = (
    *("bitmaps", "geo", "hashes", "hyperloglogs", "keys", "lists", "sets", "sorted_sets"),
    *("streams", "strings"),
)
# They look at keys that no request names, or at all of them. PFDEBUG is declared as in Redis, and
# changes how a value is stored.
UNNAMED = frozenset(
    b"PFDEBUG KEYS SCAN RANDOMKEY FLUSHDB FLUSHALL SWAPDB DEBUG SELECT MULTI EXEC WATCH".split()
)


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, int]:
    """The keys that were read and written since it was cleared."""
    seen: dict[bytes, int] = {}

    def watch(name: str, access: int) -> None:
        original = getattr(Database, name)

        def called(self: Database, key: bytes, *args: Any, **named: Any) -> Any:
            seen[key] = seen.get(key, 0) | access
            return original(self, key, *args, **named)

        monkeypatch.setattr(Database, name, called)

    for name in READING:
        watch(name, READ)
    for name in WRITING:
        watch(name, WRITE)
    return seen


def commands_of(family: str) -> Any:
    try:
        return import_module(f"tests.differential.machines.{family}").COMMANDS
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize("family", [name for name in FAMILIES if commands_of(name) is not None])
def test_requests_touch_only_keys_that_they_name(
    family: str, server: RunningServer, client: Connection, touched: dict[bytes, int]
) -> None:
    @settings(
        max_examples=200, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(commands_of(family))
    def play(words: tuple[Any, ...]) -> None:
        argv = [word(each) for each in words]
        bound = server.instance.find_command(argv)
        if bound is None or "blocking" in bound.command.flags or argv[0].upper() in UNNAMED:
            return
        if bound.command.name.startswith("SORT") and {b"BY", b"GET"} & {*argv}:
            return
        touched.clear()
        client(*words)
        uses = key_uses(bound.command, argv)
        named = {argv[place] for place in uses}
        assert touched.keys() <= named, (argv, touched, named)
        written = {key for key, access in touched.items() if access & WRITE}
        declared = {
            argv[place]
            for place, use in uses.items()
            if {"insert", "update", "delete"} & set(use.split())
        }
        assert written <= declared or not bound.command.writes, (argv, written, declared)

    server.freeze()
    play()


def test_an_option_that_is_given_twice_hides_no_key(server: RunningServer) -> None:
    admin, client = server.connect(), server.connect()
    admin("GEOADD", "places", 1, 1, "m")
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~places", "~mine")
    client("AUTH", "u", "x")
    search = ("GEORADIUS", "places", 1, 1, 1, "km")
    assert client(*search, "STORE", "mine") == 1
    denied = Error("NOPERM No permissions to access a key")
    assert client(*search, "STORE", "mine", "STORE", "theirs") == denied
    assert client(*search, "STORE", "theirs", "STORE", "mine") == denied
    assert client(*search, "storedist", "mine", "STOREDIST", "theirs") == denied
    assert client("SORT", "mine", "STORE", "mine", "STORE", "theirs") == denied
    assert admin("EXISTS", "theirs") == 0


# --- patterns ------------------------------------------------------------------------------------

LETTERS = st.sampled_from([b"a", b"b", b":", b"*", b"?", b"[", b"]", b"\\", b"^", b"-"])
TEXTS = st.lists(LETTERS, max_size=6).map(b"".join)


@settings(max_examples=3000, derandomize=True, database=None)
@given(TEXTS, TEXTS, TEXTS)
def test_a_pattern_that_covers_a_beginning_matches_all_that_begin_so(
    pattern: bytes, start: bytes, rest: bytes
) -> None:
    rule = KeyPattern(pattern, BOTH)
    if rule.covers(start):
        assert rule.matches(start + rest)


@pytest.mark.parametrize(
    ("pattern", "covers"),
    [
        (b"*", True),
        (b"a:*", True),
        (b"a:b:*", True),
        (b"a:b:c*", False),
        (b"a:b:?*", False),
        (b"*b:*", True),
        (b"a:b:", False),
        (b"a:b:\\*", False),
        (b"a:b:[*", False),
        (b"a:b:[x]*", False),
        (b"a:[b]:*", True),
    ],
)
def test_which_patterns_cover_a_beginning(pattern: bytes, covers: bool) -> None:
    selector = Selector()
    selector.add_keys(pattern, READ)
    assert selector.grants_keys_from(b"a:b:", READ) is covers
    assert not selector.grants_keys_from(b"a:b:", WRITE)
