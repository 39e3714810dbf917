"""CP.PUT and CP.UPDATE: options, repetition, IFLATEST, binary states, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from commands.families import load
from tests.support.checkpoints import NOW, A, B, C, body, ids
from tests.support.offline import Recorded
from tests.support.resp import Error, Word

BLOB = b"\x00\xff pickled"


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def put(client: Recorded, checkpoint: str, step: int, *options: Word) -> Any:
    return client("CP.PUT", "acme", "t", "STEP", step, "STATE", "{}", "ID", checkpoint, *options)


# --- CP.UPDATE -----------------------------------------------------------------------------


def test_an_update_takes_id_meta_next_and_ttl(client: Recorded) -> None:
    put(client, A, 7, "NEXT", "plan")
    options = ("ID", B.upper(), "META", '{"a": 1}', "NEXT", "act", "TTL", 5000)
    assert client("CP.UPDATE", "acme", "t", A, "STATE", "[1]", *options) == B.encode()
    found = body(client("CP.GET", "acme", "t", B))
    assert (found["step"], found["parent_id"], found["next_node"]) == (8, A, "act")
    assert found["meta"] == {"a": 1}
    assert client("PTTL", "entelix:cp:acme:t:byid") == 5000
    assert len(client("CP.SEARCH", "acme", "FILTER", '{"a":1}')[1]) == 1


def test_an_update_with_an_id_that_exists_changes_nothing(client: Recorded) -> None:
    put(client, A, 0)
    client("CP.UPDATE", "acme", "t", A, "STATE", "[1]", "ID", B)
    client.advance(1000)
    client("CP.DEL", "acme", "t", A)
    before = client("DEBUG", "DIGEST")
    for state in ("[1]", "[2]"):
        reply = client("CP.UPDATE", "acme", "t", A, "STATE", state, "ID", B, "TTL", 5, "NEXT", "x")
        assert reply == B.encode()
    assert client("DEBUG", "DIGEST") == before


def test_the_step_after_the_highest_is_the_highest(client: Recorded) -> None:
    put(client, A, 2**64 - 1)
    made = client("CP.UPDATE", "acme", "t", A, "STATE", "1")
    assert body(client("CP.GET", "acme", "t", made))["step"] == 2**64 - 1


def test_a_next_node_that_is_no_string_is_none(client: Recorded) -> None:
    put(client, A, 0)
    foreign = client("CP.GET", "acme", "t", A).replace(b'"next_node":null', b'"next_node":5')
    client("HSET", "entelix:cp:acme:t:byid", A, foreign)
    assert client("CP.GET", "acme", "t", A) == foreign
    for made in (
        client("CP.UPDATE", "acme", "t", A, "STATE", "1"),
        client("CP.FORK", "acme", "t", A, "t"),
    ):
        assert body(client("CP.GET", "acme", "t", made))["next_node"] is None


def test_a_fork_with_an_id_that_exists_changes_nothing(client: Recorded) -> None:
    put(client, A, 0)
    for _ in range(2):
        assert client("CP.FORK", "acme", "t", A, "u", "ID", B) == B.encode()
    client("CP.DEL", "acme", "t")
    assert client("CP.FORK", "acme", "t", A, "u", "ID", B) == B.encode()
    assert ids(client("CP.HISTORY", "acme", "u")) == [B]


# --- IFLATEST ------------------------------------------------------------------------------


def test_a_put_if_the_latest_is_the_given_one(client: Recorded) -> None:
    assert put(client, A, 0, "IFLATEST", B) is None
    assert client("KEYS", "*") == []
    assert put(client, A, 0, "IFLATEST", "-") == A.encode()
    before = client("DEBUG", "DIGEST")
    assert put(client, B, 1, "IFLATEST", "-") is None
    assert put(client, B, 1, "IFLATEST", C, "TTL", 5) is None
    assert client("DEBUG", "DIGEST") == before
    assert put(client, B, 1, "IFLATEST", A.upper()) == B.encode()


def test_a_repeated_put_returns_its_id_whatever_is_the_latest(client: Recorded) -> None:
    put(client, A, 0)
    put(client, B, 1, "IFLATEST", A)
    put(client, C, 2)
    before = client("DEBUG", "DIGEST")
    client.advance(1000)
    assert put(client, B, 1, "IFLATEST", A) == B.encode()
    assert put(client, B, 1, "IFLATEST", A, "NEXT", "another") is None
    assert client("DEBUG", "DIGEST") == before


# --- binary states -------------------------------------------------------------------------


def test_a_binary_state_is_kept_beside_the_envelope(client: Recorded) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "BSTATE", BLOB, "ID", A, "META", '{"a":1}')
    found = body(client("CP.LATEST", "acme", "t"))
    assert (found["state"], found["bstate"], found["meta"]) == (None, len(BLOB), {"a": 1})
    assert client("CP.STATE", "acme", "t") == client("CP.STATE", "acme", "t", A) == BLOB
    assert client("HGET", "entelix:cp:acme:t:states", A) == BLOB
    client("CP.UPDATE", "acme", "t", A, "STATE", " [1] ", "ID", B)
    assert client("CP.STATE", "acme", "t") == b"[1]"
    client("CP.UPDATE", "acme", "t", A, "STATE", "[2]", "BSTATE", "", "ID", C)
    assert client("CP.STATE", "acme", "t", C) == b""
    assert body(client("CP.GET", "acme", "t", C))["state"] == [2]
    assert client("CP.STATE", "acme", "none") is None
    assert client("CP.STATE", "acme", "t", "none") is None


def test_a_binary_state_goes_where_its_checkpoint_goes(client: Recorded) -> None:
    states = "entelix:cp:acme:{}:states"
    client("CP.PUT", "acme", "t", "STEP", 0, "BSTATE", BLOB, "ID", A)
    client("CP.PUT", "acme", "t", "STEP", 1, "BSTATE", "b", "ID", B)
    assert client("CP.COPY", "acme", "t", "copy") == 2
    client("CP.FORK", "acme", "t", A, "fork", "ID", C)
    assert client("HMGET", states.format("copy"), A, B) == [BLOB, b"b"]
    assert client("CP.STATE", "acme", "fork") == BLOB
    client("CP.PRUNE", "acme", "t", "KEEP", 1)
    assert client("HKEYS", states.format("t")) == [B.encode()]
    put(client, B, 1)
    assert client("EXISTS", states.format("t")) == 0
    client("CP.DEL", "acme", "copy", A)
    assert client("HKEYS", states.format("copy")) == [B.encode()]
    client("CP.DEL", "acme", "copy")
    client("CP.DEL", "acme", "fork")
    assert client("KEYS", "*states") == []


def test_a_binary_state_expires_with_its_thread(client: Recorded) -> None:
    put(client, A, 0, "TTL", 5000)
    client("CP.PUT", "acme", "t", "STEP", 1, "BSTATE", BLOB, "ID", B)
    assert client("PTTL", "entelix:cp:acme:t:states") == 5000
    client.advance(5001)
    assert client("KEYS", "entelix*") == []


def test_a_repeated_put_of_a_binary_state_changes_nothing(client: Recorded) -> None:
    words = ("CP.PUT", "acme", "t", "STEP", 0, "ID", A, "BSTATE")
    client(*words, BLOB)
    before = client("DEBUG", "DIGEST")
    client.advance(10)
    client(*words, BLOB)
    assert client("DEBUG", "DIGEST") == before
    other = BLOB[:-1] + b"!"
    client(*words, other)
    assert client("CP.STATE", "acme", "t") == other
    assert body(client("CP.LATEST", "acme", "t"))["timestamp"].endswith("20.010Z")


def test_a_binary_state_that_was_removed_is_an_error(client: Recorded) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "BSTATE", BLOB, "ID", A)
    client("DEL", "entelix:cp:acme:t:states")
    assert client("CP.STATE", "acme", "t") == Error(
        f"BADRECORD no binary state of checkpoint {A} of thread 't' of tenant 'acme'"
    )


# --- namespaces ----------------------------------------------------------------------------


def test_a_namespace_has_checkpoints_of_its_own(client: Recorded) -> None:
    put(client, A, 0)
    client("CP.PUT", "acme", "t", "STEP", 5, "STATE", "[1]", "ID", B, "NS", "sub:1|\\")
    assert ids([client("CP.LATEST", "acme", "t")]) == [A]
    found = body(client("CP.LATEST", "acme", "t", "NS", "sub:1|\\"))
    assert (found["id"], found["thread_id"], found["ns"]) == (B, "t", "sub:1|\\")
    assert client("EXISTS", "entelix:cp:acme:t:ns:sub\\:1|\\\\:byid") == 1
    assert client("CP.GET", "acme", "t", B) is None
    assert client("CP.GET", "acme", "t", A, "NS", "") == client("CP.GET", "acme", "t", A)
    assert client("CP.NAMESPACES", "acme", "t") == [b"0", [b"sub:1|\\"]]


def test_every_command_on_a_thread_takes_a_namespace(client: Recorded) -> None:
    space = ("NS", "n")
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "[0]", "ID", A, *space)
    client("CP.UPDATE", "acme", "t", A, "STATE", "[1]", "ID", B, *space)
    assert client("CP.STATE", "acme", "t", *space) == b"[1]"
    assert client("CP.STATE", "acme", "t", A, *space) == b"[0]"
    assert ids(client("CP.HISTORY", "acme", "t", *space)) == [B, A]
    writes = (A, "task", *space, 0, "channel", "value")
    assert client("CP.WRITES", "PUT", "acme", "t", *writes) == 1
    assert client("CP.WRITES", "GET", "acme", "t", A, *space) == [
        [b"task", 0, b"channel", b"value"]
    ]
    assert client("CP.WRITES", "GET", "acme", "t", A) == []
    info = client("CP.INFO", "acme", "t", *space)
    assert info[:4] == [b"count", 2, b"first", A.encode()]
    client("CP.FORK", "acme", "t", A, "u", "ID", C, *space)
    assert client("CP.LATEST", "acme", "u") is None
    assert ids([client("CP.LATEST", "acme", "u", *space)]) == [C]
    assert client("CP.COPY", "acme", "t", "v", *space) == 2
    assert ids(client("CP.HISTORY", "acme", "v", *space)) == [B, A]
    assert client("CP.PRUNE", "acme", "t", "KEEP", 1, *space) == 1
    assert client("CP.DEL", "acme", "t", B, *space) == 1
    assert client("KEYS", "entelix:cp:acme:t:*") == []
    assert client("CP.THREADS", "acme") == [b"0", [b"u", b"v"]]


def test_a_thread_is_copied_and_removed_with_its_namespaces(client: Recorded) -> None:
    put(client, A, 0)
    for path in ("a", "b:c", "ns"):
        client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1", "ID", B, "NS", path)
    assert client("CP.COPY", "acme", "t", "u") == 4
    assert client("CP.NAMESPACES", "acme", "u") == [b"0", [b"a", b"b:c", b"ns"]]
    assert client("CP.NAMESPACES", "acme", "u", "COUNT", 2) == [b">b:c", [b"a", b"b:c"]]
    assert client("CP.NAMESPACES", "acme", "u", "CURSOR", ">b:c") == [b"0", [b"ns"]]
    found = body(client("CP.LATEST", "acme", "u", "NS", "b:c"))
    assert (found["thread_id"], found["ns"]) == ("u", "b:c")
    assert client("CP.DEL", "acme", "u", "NS", "a") == 1
    assert client("CP.DEL", "acme", "u") == 3
    assert client("CP.DEL", "acme", "t") == 4
    assert client("KEYS", "*") == []


def test_an_envelope_of_another_namespace_is_never_returned(client: Recorded) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1", "ID", A, "NS", "n")
    client("COPY", "entelix:cp:acme:t:ns:n:byid", "entelix:cp:acme:t:byid")
    client("COPY", "entelix:cp:acme:t:ns:n:bystep", "entelix:cp:acme:t:bystep")
    assert client("CP.LATEST", "acme", "t").code == "BADRECORD"
    assert client("CP.HISTORY", "acme", "t") == []


# --- events --------------------------------------------------------------------------------


@pytest.mark.parametrize("removal", [("CP.DEL",), ("CP.DEL", A), ("CP.PRUNE", "KEEP", 0)])
def test_the_events_of_a_thread_go_with_the_thread(
    client: Recorded, removal: tuple[Word, ...]
) -> None:
    stream = "redkeep:events:checkpoint:{acme:t}"
    client("CONFIG", "SET", "domain-events", "yes")
    put(client, A, 0)
    put(client, B, 1, "NS", "n")
    assert client("XLEN", stream) == 2
    client("CP.DEL", "acme", "t", "NS", "n")
    assert client("EXISTS", stream) == 1
    client(removal[0], "acme", "t", *removal[1:])
    assert client("KEYS", "*") == []


def test_events_name_the_namespace(client: Recorded) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    put(client, A, 0, "NS", "n")
    ((_, (_, event)),) = client("XRANGE", "redkeep:events:checkpoint:{acme:t}", "-", "+")
    assert event.endswith(b'"id":"%b","ns":"n"}' % A.encode())
