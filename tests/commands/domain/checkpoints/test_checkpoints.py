"""CP.*: writing and reading, threads, errors, interchange, and the separation of tenants."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commands.domain.checkpoints.envelopes import members
from commands.engine.numbers import INT64_MAX
from commands.families import load
from commands.instance.context import Context
from tests.support.resp import Connection, Error, Word
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000
A = "01890a5d-ac96-774b-bcce-00000000000a"
B = "01890a5d-ac96-774b-bcce-00000000000b"
C = "01890a5d-ac96-774b-bcce-00000000000c"
UUID7 = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
BY_STEP, BY_ID = "entelix:cp:acme:t:bystep", "entelix:cp:acme:t:byid"


def body(envelope: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(envelope)["body"]
    return value


def ids(history: list[bytes]) -> list[str]:
    return [body(envelope)["id"] for envelope in history]


def put(client: Connection, checkpoint: str, step: int, *options: Word) -> None:
    reply = client("CP.PUT", "acme", "t", "STEP", step, "STATE", "{}", "ID", checkpoint, *options)
    assert reply == checkpoint.encode()


def envelope(checkpoint: str = A, **changes: Any) -> str:
    """An envelope as another client may have written it."""
    inside = {
        "id": checkpoint,
        "tenant_id": "acme",
        "thread_id": "t",
        "parent_id": None,
        "step": 0,
        "state": 42,
        "next_node": None,
        "timestamp": "2026-01-01T00:00:00.123456789+00:00",
    }
    changed = {name: value for name, value in (inside | changes).items() if value is not ...}
    return json.dumps({"schema_version": 1, "body": changed})


def store(client: Connection, checkpoint: str, text: str | bytes, step: int = 0) -> None:
    client("ZADD", BY_STEP, step, checkpoint)
    client("HSET", BY_ID, checkpoint, text)


# --- writing and reading -------------------------------------------------------------------


def test_the_keys_and_the_envelope(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 3, "NEXT", "plan", "PARENT", B)
    assert sorted(client("KEYS", "*")) == [BY_ID.encode(), BY_STEP.encode()]
    assert client("ZRANGE", BY_STEP, 0, -1, "WITHSCORES") == [A.encode(), b"3"]
    expected = (
        '{"schema_version":1,"body":{"id":"%s","tenant_id":"acme","thread_id":"t",'
        '"parent_id":"%s","step":3,"state":{},"next_node":"plan",'
        '"timestamp":"2023-11-14T22:13:20.000Z"}}'
    )
    assert client("HGETALL", BY_ID) == [A.encode(), (expected % (A, B)).encode()]


def test_an_id_is_generated_if_none_is_given(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    made = client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1")
    assert UUID7.fullmatch(made)
    assert int(made.replace(b"-", b"")[:12], 16) == NOW
    assert client("CP.GET", "acme", "t", made) == client("CP.LATEST", "acme", "t")


@pytest.mark.parametrize(
    "state", [" [1,  2] ", "12345678901234567890123", "0.10", '"\\u00e9"', "null"]
)
def test_the_state_is_kept_as_it_was_given(client: Connection, state: str) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", state, "ID", A)
    assert b'"state":%b,"next_node"' % state.encode() in client("CP.GET", "acme", "t", A)


def test_deeply_nested_states(client: Connection) -> None:
    for levels in (1000, 1021, 1022, 1023, 1024, 1025, 5000):
        state = "[" * levels + "]" * levels
        reply = client("CP.PUT", "acme", "t", "STEP", levels, "STATE", state)
        assert isinstance(reply, Error) == (levels > 1022)
        assert b'"step":%d,' % min(levels, 1022) in client("CP.LATEST", "acme", "t")
    assert client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1],[2").code == "BADRECORD"


def test_latest_is_the_highest_step_and_then_the_greater_id(client: Connection) -> None:
    assert client("CP.LATEST", "acme", "t") is None
    put(client, C, 1)
    put(client, A, 2)
    put(client, B, 2)
    assert body(client("CP.LATEST", "acme", "t"))["id"] == B
    assert ids(client("CP.HISTORY", "acme", "t")) == [B, A, C]


def test_a_put_with_the_same_id_replaces(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 1)
    put(client, A, 5, "NEXT", "x")
    assert client("ZRANGE", BY_STEP, 0, -1, "WITHSCORES") == [A.encode(), b"5"]
    assert body(client("CP.GET", "acme", "t", A))["next_node"] == "x"


def test_a_repeated_put_leaves_the_same_state(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 1, "META", '{"timestamp":"2023-11-14T22:13:20.000Z"}')
    before = client("DEBUG", "DIGEST")
    server.advance(10)
    put(client, A, 1, "META", '{"timestamp":"2023-11-14T22:13:20.000Z"}')
    assert client("DEBUG", "DIGEST") == before
    put(client, A, 1, "META", '{"timestamp":"2023-11-14T22:13:20.010Z"}')
    assert b"20.010Z" in client("CP.GET", "acme", "t", A)
    client("HSET", BY_ID, A, "broken")
    put(client, A, 1)
    assert body(client("CP.GET", "acme", "t", A))["step"] == 1


def test_ids_are_read_in_any_case(client: Connection) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1", "ID", A.upper())
    assert ids([client("CP.GET", "acme", "t", A.upper())]) == [A]
    store(client, B, envelope(B.upper()))
    assert client("CP.GET", "acme", "t", B) is not None


def test_names_with_special_characters(client: Connection) -> None:
    for tenant, thread in [("a:b", "c"), ("a", "b:c"), ("a\\", ":c"), ("ä\n", '"\x00')]:
        made = client("CP.PUT", tenant, thread, "STEP", 0, "STATE", "1")
        found = body(client("CP.LATEST", tenant, thread))
        assert (found["tenant_id"], found["thread_id"]) == (tenant, thread)
        assert ids(client("CP.HISTORY", tenant, thread)) == [made.decode()]
    assert client("EXISTS", "entelix:cp:a\\:b:c:byid", "entelix:cp:a:b\\:c:byid") == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [C, B, A]),
        (("LIMIT", 0), [C, B, A]),
        (("LIMIT", 2), [C, B]),
        (("LIMIT", 9223372036854775807), [C, B, A]),
        (("BEFORE", B), [A]),
        (("limit", 1, "before", C), [B]),
        (("FILTER", '{"source":"loop"}'), [C, A]),
        (("FILTER", '{"score":{"$gt":1}}', "LIMIT", 1), [C]),
        (("FILTER", "{}"), [C, B, A]),
        (("FILTER", '{"source":"loop"}', "BEFORE", C), [A]),
    ],
)
def test_history(client: Connection, options: tuple[Word, ...], expected: list[str]) -> None:
    put(client, A, 0, "META", '{"source":"loop","score":2}')
    put(client, B, 1)
    put(client, C, 2, "META", '{"source":"loop","score":3}')
    assert ids(client("CP.HISTORY", "acme", "t", *options)) == expected


def test_limit_counts_the_checkpoints_returned(client: Connection) -> None:
    for number in range(30):
        checkpoint = f"01890a5d-ac96-774b-bcce-0000000000{number:02d}"
        put(client, checkpoint, number, "META", json.dumps({"even": number % 2 == 0}))
    found = client("CP.HISTORY", "acme", "t", "LIMIT", 10, "FILTER", '{"even":true}')
    assert [body(one)["step"] for one in found] == list(range(28, 8, -2))
    client("HSET", BY_ID, "01890a5d-ac96-774b-bcce-000000000029", "{")
    assert len(client("CP.HISTORY", "acme", "t", "LIMIT", 29)) == 29


def test_update(server: RunningServer, client: Connection) -> None:
    put(client, A, 7, "NEXT", "plan", "META", '{"a":1}')
    made = client("CP.UPDATE", "acme", "t", A, "STATE", "[7]")
    found = body(client("CP.LATEST", "acme", "t"))
    assert found["id"] == made.decode()
    assert (found["step"], found["next_node"], found["parent_id"]) == (8, "plan", A)
    assert found["state"] == [7]
    assert "meta" not in found
    assert client("CP.UPDATE", "acme", "t", B, "STATE", "1") == Error(
        f"NOTFOUND no parent {B} of thread 't' of tenant 'acme'"
    )


# --- threads as a whole ----------------------------------------------------------------------


def test_fork(client: Connection) -> None:
    put(client, A, 7, "NEXT", "plan", "META", '{"a": 1}')
    made = client("CP.FORK", "acme", "t", A, "u")
    found = body(client("CP.LATEST", "acme", "u"))
    assert made.decode() == found["id"] != A
    assert found["thread_id"] == "u"
    assert (found["step"], found["next_node"], found["parent_id"]) == (7, "plan", A)
    assert found["meta"] == {"a": 1}
    assert client("ZCARD", BY_STEP) == 1


def test_copy(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0, "TTL", 5000)
    store(client, B, envelope(B, step=1, state={"n": [1, {"thread_id": "t"}], "thread_id": "t"}), 1)
    store(client, C, "{", 2)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
    assert client("CP.COPY", "acme", "t", "u") == 2
    digest = client("DEBUG", "DIGEST")
    assert client("CP.COPY", "acme", "t", "u") == 2
    assert client("DEBUG", "DIGEST") == digest
    first, second = client("CP.HISTORY", "acme", "u")
    assert (ids([first, second]), body(first)["thread_id"]) == ([B, A], "u")
    assert body(first)["state"] == {"n": [1, {"thread_id": "t"}], "thread_id": "t"}
    assert client("CP.WRITES", "GET", "acme", "u", A) == [[b"task", 0, b"ch", b"v"]]
    server.advance(5001)
    assert client("KEYS", "*") == []


def test_a_copy_expires_with_its_thread(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0, "TTL", 5000)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
    client("CP.PUT", "acme", "u", "STEP", 0, "STATE", "1", "ID", B)
    client("CP.PUT", "acme", "v", "STEP", 0, "STATE", "1", "ID", B, "TTL", 1000)
    for thread, left in (("u", -1), ("v", 1000), ("new", 5000)):
        assert client("CP.COPY", "acme", "t", thread) == 1
        for key in ("bystep", "byid", f"writes:{A}"):
            assert client("PTTL", f"entelix:cp:acme:{thread}:{key}") == left


def test_prune(client: Connection) -> None:
    for step, checkpoint in enumerate((A, B, C)):
        put(client, checkpoint, step)
        client("CP.WRITES", "PUT", "acme", "t", checkpoint, "task", 0, "ch", "v")
    assert client("CP.PRUNE", "acme", "t", "KEEP", 3) == 0
    assert client("CP.PRUNE", "acme", "t", "KEEP", 1) == 2
    assert ids(client("CP.HISTORY", "acme", "t")) == [C]
    assert client("DBSIZE") == 3
    assert client("CP.PRUNE", "acme", "t", "KEEP", 0) == 1
    assert client("DBSIZE") == 0


def test_del(client: Connection) -> None:
    for step, checkpoint in enumerate((A, B, C)):
        put(client, checkpoint, step)
        client("CP.WRITES", "PUT", "acme", "t", checkpoint, "task", 0, "ch", "v")
    assert client("CP.DEL", "acme", "t", B) == 1
    assert client("CP.DEL", "acme", "t", B) == 0
    assert client("CP.WRITES", "GET", "acme", "t", B) == []
    assert client("CP.DEL", "acme", "t") == 2
    assert client("CP.DEL", "acme", "t") == 0
    assert client("DBSIZE") == 0


def test_threads(client: Connection) -> None:
    names = ["a", "a-b", "a:b", "b\\", "ä", "z"]
    for name in names:
        client("CP.PUT", "acme", name, "STEP", 0, "STATE", "1")
    client("CP.PUT", "acmes", "other", "STEP", 0, "STATE", "1")
    client("MSET", "entelix:cp:acme:no\\key:x", 1, "entelix:cp:acme:a", 1, "entelix:cp:acme:b:y", 1)
    cursor, listed = client("CP.THREADS", "acme")
    assert cursor == b"0"
    assert sorted(name.decode() for name in listed) == sorted(names)
    assert client("CP.THREADS", "acme", "PREFIX", "a:")[1] == [b"a:b"]
    assert sorted(client("CP.THREADS", "acme", "PREFIX", "a")[1]) == [b"a", b"a-b", b"a:b"]
    assert client("CP.THREADS", "nobody") == [b"0", []]
    paged, cursor = [], b"0"
    while True:
        cursor, page = client("CP.THREADS", "acme", "CURSOR", cursor, "COUNT", 1)
        paged += page
        if cursor == b"0":
            break
    assert paged == listed


# --- pending writes --------------------------------------------------------------------------


def test_writes(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0, "TTL", 1000)
    reply = client(
        *("CP.WRITES", "PUT", "acme", "t", A, "b:task"),
        *(10, "ch:1", b"\x00\xff:", -1, "__error__", "", 2, "ch", "v"),
    )
    assert reply == 3
    assert client("CP.WRITES", "PUT", "acme", "t", A, "a", 0, "ch", "x") == 1
    assert client("CP.WRITES", "PUT", "acme", "t", A, "a", 0, "ch", "y") == 1
    assert client("CP.WRITES", "GET", "acme", "t", A) == [
        [b"a", 0, b"ch", b"y"],
        [b"b:task", -1, b"__error__", b""],
        [b"b:task", 2, b"ch", b"v"],
        [b"b:task", 10, b"ch:1", b"\x00\xff:"],
    ]
    client("HSET", f"entelix:cp:acme:t:writes:{A}", "poison", "x")
    assert len(client("CP.WRITES", "GET", "acme", "t", A)) == 4
    assert client("PTTL", f"entelix:cp:acme:t:writes:{A}") == 1000
    assert client("CP.WRITES", "GET", "acme", "t", B) == []


def test_a_ttl_is_that_of_the_thread(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
    put(client, B, 1, "TTL", 1000)
    put(client, C, 2)
    server.advance(1000)
    assert len(client("CP.HISTORY", "acme", "t")) == 3
    server.advance(1)
    assert client("CP.LATEST", "acme", "t") is None
    assert client("CP.THREADS", "acme") == [b"0", []]
    assert client("KEYS", "*") == []


# --- errors ----------------------------------------------------------------------------------


NO_C = f"NOTFOUND no checkpoint {C} of thread 't' of tenant 'acme'"
WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
MILLISECONDS = "an integer from 1 to 4503599627370496 (milliseconds)"
KEPT = "an integer from 0 to 9223372036854775806"
TRIPLES = "idx channel value [idx channel value ...]"
ERRORS = f"""
CP.PUT '' t STEP 0 STATE 1 => NAMESPACE the tenant is empty
CP.PUT acme '' STEP 0 STATE 1 => NAMESPACE the thread of tenant 'acme' is empty
CP.PUT \udcff t STEP 0 STATE 1 => NAMESPACE tenant '\udcff' is not UTF-8
CP.PUT acme \udcff STEP 0 STATE 1 => NAMESPACE thread '\udcff' of tenant 'acme' is not UTF-8
CP.PUT acme t STEP 0 STATE [ => BADRECORD STATE is not valid JSON
CP.PUT acme t STEP 0 STATE NaN => BADRECORD STATE is not valid JSON
CP.PUT acme t STEP 0 STATE '"\udcff"' => BADRECORD STATE is not valid JSON
CP.PUT acme t STEP -1 STATE 1 => ERR STEP must be an integer of at least 0, not '-1'
CP.PUT acme t STEP 1.5 STATE 1 => ERR STEP must be an integer of at least 0, not '1.5'
CP.PUT acme t STEP 0 STATE 1 ID x => ERR ID 'x' is not a UUID with hyphens
CP.PUT acme t STEP 0 STATE 1 PARENT x => ERR PARENT 'x' is not a UUID with hyphens
CP.PUT acme t STEP 0 STATE 1 META [] => BADRECORD META is not a JSON object
CP.PUT acme t STEP 0 STATE 1 META [ => BADRECORD META is not valid JSON
CP.PUT acme t STEP 0 STATE 1 NEXT \udcff => BADRECORD NEXT is not UTF-8
CP.PUT acme t STEP 0 STATE 1 TTL 0 => ERR TTL must be {MILLISECONDS}, not '0'
CP.PUT acme t STEP 0 STATE 1 TTL {INT64_MAX} => ERR TTL must be {MILLISECONDS}, not '{INT64_MAX}'
CP.PUT acme t STEP 0 STATE 1 ID => ERR ID is incomplete, expected: ID id
CP.PUT acme t STEP 0 STATE 1 STEP 1 => ERR STEP is given twice
CP.PUT acme t STEP 0 STATE 1 SET 1 => ERR unknown option 'SET'
CP.PUT acme t STEP 0 ID {A} => ERR STATE is missing
CP.PUT acme t STEP 0 => ERR wrong number of arguments for 'cp.put' command
CP.UPDATE acme t {A} STATE [ => BADRECORD STATE is not valid JSON
CP.UPDATE acme t {A} STEP 1 => ERR unknown option 'STEP'
CP.UPDATE acme t {C} STATE 1 => NOTFOUND no parent {C} of thread 't' of tenant 'acme'
CP.HISTORY acme t LIMIT -1 => ERR LIMIT must be an integer of at least 0, not '-1'
CP.HISTORY acme t BEFORE {C} => {NO_C}
CP.HISTORY acme t FILTER [] => ERR FILTER is not a JSON object
CP.HISTORY acme t FILTER '{{"a":{{"$no":1}}}}' => ERR FILTER: unknown operator '$no' for 'a'
CP.HISTORY acme t FILTER => ERR FILTER is incomplete, expected: FILTER filter
CP.FORK acme t {C} u => {NO_C}
CP.FORK acme t {A} '' => NAMESPACE the thread of tenant 'acme' is empty
CP.COPY acme t t => ERR source and destination objects are the same
CP.PRUNE acme t KEEP -1 => ERR KEEP must be {KEPT}, not '-1'
CP.PRUNE acme t LEAVE 1 => ERR unknown option 'LEAVE'
CP.DEL acme t {A} x => ERR unknown option 'x'
CP.THREADS '' => NAMESPACE the tenant is empty
CP.THREADS \udcff => NAMESPACE tenant '\udcff' is not UTF-8
CP.THREADS acme CURSOR x => ERR invalid cursor
CP.THREADS acme COUNT 0 => ERR COUNT must be an integer of at least 1, not '0'
CP.THREADS acme COUNT => ERR COUNT is incomplete, expected: COUNT count
CP.WRITES PUT acme t {C} x 0 c v => {NO_C}
CP.WRITES PUT acme t {A} x y c v => ERR idx must be an integer, not 'y'
CP.WRITES PUT acme t {A} x 0 c v 1 => ERR write is incomplete, expected: {TRIPLES}
CP.GET acme w {A} => {WRONGTYPE}
CP.PUT acme w STEP 0 STATE 1 => {WRONGTYPE}
CP.PUT acme v STEP 0 STATE 1 => {WRONGTYPE}
CP.FORK acme t {A} w => {WRONGTYPE}
CP.COPY acme t w => {WRONGTYPE}
CP.COPY acme t v => {WRONGTYPE}
CP.PRUNE acme w KEEP 0 => {WRONGTYPE}
CP.DEL acme w => {WRONGTYPE}
CP.WRITES PUT acme t {B} x 0 c v => {WRONGTYPE}
"""


@pytest.mark.parametrize("line", ERRORS.strip().splitlines(), ids=ascii)
def test_errors_change_nothing(client: Connection, line: str) -> None:
    request, text = line.split(" => ")
    put(client, A, 0)
    put(client, B, 1)
    client("ZADD", "entelix:cp:acme:w:bystep", 0, A)
    client("SET", "entelix:cp:acme:w:byid", "no hash")
    client("SET", "entelix:cp:acme:v:bystep", "no sorted set")
    client("SET", f"entelix:cp:acme:t:writes:{B}", "no hash")
    before = client("DEBUG", "DIGEST")
    assert client(*shlex.split(request)) == Error(text)
    assert client("DEBUG", "DIGEST") == before


INVALID: list[tuple[str | bytes, str]] = [
    ("{", f"BADRECORD no valid JSON in checkpoint {A}"),
    (b"\xff", f"BADRECORD no valid JSON in checkpoint {A}"),
    ("[]", f"BADRECORD no JSON object in checkpoint {A}"),
    ("{}", f"SCHEMA no schema_version in checkpoint {A}"),
    ('{"body":{}}', f"SCHEMA no schema_version in checkpoint {A}"),
    ('{"schema_version":true,"body":{}}', f"SCHEMA no schema_version in checkpoint {A}"),
    (envelope().replace(": 1,", ": 1.0,", 1), f"SCHEMA no schema_version in checkpoint {A}"),
    (
        envelope().replace(": 1,", ": 0,", 1),
        f"SCHEMA invalid schema_version 0 in checkpoint {A}",
    ),
    (
        envelope().replace(": 1,", ": 2,", 1),
        f"SCHEMA schema_version 2, newer than supported, in checkpoint {A}",
    ),
    ('{"schema_version":1}', f"BADRECORD no body in checkpoint {A}"),
    (envelope(tenant_id=""), f"BADRECORD an empty tenant_id in checkpoint {A}"),
    (envelope(tenant_id=...), f"BADRECORD no tenant_id in checkpoint {A}"),
    (envelope(tenant_id="other"), f"BADRECORD a wrong tenant_id in checkpoint {A}"),
    (envelope(thread_id="other"), f"BADRECORD a wrong thread_id in checkpoint {A}"),
    (envelope(B), f"BADRECORD a wrong id in checkpoint {A}"),
    (envelope(id=1), f"BADRECORD no id in checkpoint {A}"),
    (envelope(step=-1), f"BADRECORD no step in checkpoint {A}"),
    (envelope(step=True), f"BADRECORD no step in checkpoint {A}"),
    (envelope(step="1"), f"BADRECORD no step in checkpoint {A}"),
    (envelope(parent_id="x"), f"BADRECORD a wrong parent_id in checkpoint {A}"),
    (envelope(state=...), f"BADRECORD no state in checkpoint {A}"),
    (envelope(timestamp="today"), f"BADRECORD a wrong timestamp in checkpoint {A}"),
    (envelope(timestamp=...), f"BADRECORD no timestamp in checkpoint {A}"),
]


@pytest.mark.parametrize(("text", "error"), INVALID, ids=range(len(INVALID)))
def test_invalid_envelopes(
    server: RunningServer, client: Connection, text: str | bytes, error: str
) -> None:
    put(client, B, 0)
    store(client, A, text, 5)
    expected = Error(f"{error} of thread 't' of tenant 'acme'")
    before = client("DEBUG", "DIGEST")
    assert client("CP.GET", "acme", "t", A) == expected
    assert client("CP.LATEST", "acme", "t") == expected
    assert client("CP.UPDATE", "acme", "t", A, "STATE", "1") == expected
    assert client("CP.FORK", "acme", "t", A, "u") == expected
    assert client("DEBUG", "DIGEST") == before
    assert ids(client("CP.HISTORY", "acme", "t")) == [B]
    assert server.call(lambda: server.instance.statistics.bad_records) == 1
    assert client("CP.COPY", "acme", "t", "u") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"parent_id": ...},
        {"next_node": ...},
        {"parent_id": B},
        {"next_node": 5},
        {"extra": [1]},
        {"timestamp": "2026-01-01T00:00:00Z"},
    ],
)
def test_envelopes_of_other_clients(client: Connection, changes: dict[str, Any]) -> None:
    store(client, A, envelope(**changes))
    assert client("CP.LATEST", "acme", "t") == envelope(**changes).encode()
    assert UUID7.fullmatch(client("CP.UPDATE", "acme", "t", A, "STATE", "1"))
    assert UUID7.fullmatch(client("CP.FORK", "acme", "t", A, "u"))
    assert body(client("CP.LATEST", "acme", "u"))["state"] == 42
    assert client("CP.COPY", "acme", "t", "v") == 2


def test_a_truncated_envelope_is_invalid(client: Connection) -> None:
    put(client, A, 0, "NEXT", "n", "META", '{"a":{"b":1}}')
    whole = client("CP.GET", "acme", "t", A)
    requests: list[tuple[Word, ...]] = []
    for end in range(len(whole)):
        requests.append(("HSET", BY_ID, A, whole[:end]))
        requests.append(("CP.HISTORY", "acme", "t"))
        requests.append(("CP.HISTORY", "acme", "t", "FILTER", "{}"))
    replies = client.pipeline(requests)
    assert replies[1::3] == replies[2::3] == [[]] * len(whole)


def test_history_does_not_parse_the_state_of_our_own_envelopes(
    client: Connection,
) -> None:
    put(client, A, 0)
    broken = client("CP.GET", "acme", "t", A).replace(b'"state":{}', b'"state":{"a":}')
    client("HSET", BY_ID, A, broken)
    assert client("CP.GET", "acme", "t", A).code == "BADRECORD"
    assert client("CP.HISTORY", "acme", "t") == [broken]


TRICKY = [
    '{"state":1,"next_node":null,"timestamp":"2026-01-01T00:00:00Z"}}',
    '","next_node":"',
    "\\",
    '"',
    "}}",
    "\n\x00é",
]


@pytest.mark.parametrize("text", TRICKY)
def test_texts_that_look_like_parts_of_an_envelope(client: Connection, text: str) -> None:
    state, meta = json.dumps([text, {text: text}]), json.dumps({text: [text]})
    for thread in ("t", text):
        client("CP.PUT", "acme", thread, "STEP", 1, "STATE", state, "NEXT", text, "META", meta)
        found = client("CP.LATEST", "acme", thread)
        assert client("CP.HISTORY", "acme", thread) == [found]
        assert client("CP.HISTORY", "acme", thread, "FILTER", "{}") == [found]
        said = body(found)
        assert (said["next_node"], said["meta"], said["thread_id"]) == (
            text,
            {text: [text]},
            thread,
        )
        assert b'"state":%b,"next_node":' % state.encode() in found


def test_an_id_without_an_envelope_is_skipped(client: Connection) -> None:
    client("ZADD", BY_STEP, 1, A)
    assert client("CP.LATEST", "acme", "t") is None
    assert client("CP.HISTORY", "acme", "t") == []


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    ),
    st.booleans(),
)
def test_members_are_cut_out_unchanged(value: dict[str, Any], spaced: bool) -> None:
    separators = (" , ", " : ") if spaced else (",", ":")
    text = json.dumps({"x": [1, {"body": 2}], "body": value}, separators=separators).encode()
    found = members(text)
    assert {name: json.loads(part) for name, part in found.items()} == value
    assert all(part in text for part in found.values())


# --- transactions, protocols, interchange ------------------------------------------------------


def test_in_a_transaction(client: Connection, client3: Connection) -> None:
    for connection in (client, client3):
        connection("MULTI")
        for request in (
            ("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1", "ID", A),
            ("CP.LATEST", "acme", "t"),
            ("CP.GET", "acme", "t", B),
            ("CP.THREADS", "acme"),
        ):
            assert connection(*request) == "QUEUED"
        made, latest, absent, threads = connection("EXEC")
        assert (made, body(latest)["id"], absent) == (A.encode(), A, None)
        assert threads == [b"0", [b"t"]]


def test_interchange_with_the_plain_commands(server: RunningServer, client: Connection) -> None:
    plain = redis.Redis(port=server.port)
    with plain.pipeline(transaction=True) as pipe:
        for step, checkpoint in enumerate((A, B)):
            pipe.zadd(BY_STEP, {checkpoint: step})
            pipe.hset(BY_ID, checkpoint, envelope(checkpoint, step=step))
        pipe.execute()
    assert client("CP.LATEST", "acme", "t") == envelope(B, step=1).encode()
    assert ids(client("CP.HISTORY", "acme", "t")) == [B, A]
    put(client, C, 2)
    by_step: Any = plain.zrevrange(BY_STEP, 0, -1)
    found: Any = [plain.hget(BY_ID, checkpoint) for checkpoint in by_step]
    assert found == client("CP.HISTORY", "acme", "t")
    assert found[0] == client("CP.LATEST", "acme", "t")
    plain.close()


def test_a_copy_of_the_keys_is_a_copy_of_the_checkpoints(
    loop: Any, server: RunningServer, client: Connection
) -> None:
    put(client, A, 0, "TTL", 1_000_000, "META", "{}")
    put(client, B, 1, "PARENT", A)
    client("CP.WRITES", "PUT", "acme", "t", B, "task", 0, "ch", b"\x00")
    client("CP.FORK", "acme", "t", A, "u:v")
    second = loop.start_server()
    try:
        other = second.connect()
        for key in client("KEYS", "*"):
            assert other("RESTORE", key, 0, client("DUMP", key)) == "OK"
        for request in (
            ("CP.LATEST", "acme", "t"),
            ("CP.HISTORY", "acme", "u:v"),
            ("CP.HISTORY", "acme", "t"),
            ("CP.WRITES", "GET", "acme", "t", B),
            ("CP.THREADS", "acme"),
        ):
            assert other(*request) == client(*request)
    finally:
        second.close()


def test_commands_are_logged_as_plain_commands(server: RunningServer) -> None:
    server.freeze(NOW)
    server.connect()("PING")  # so that the time of the turn has been read

    def run(*words: bytes) -> list[list[bytes]]:
        ctx = Context(server.instance, server.instance.internal_client())
        load()[words[0].decode()].handler(ctx, list(words))
        return ctx.log_entries or []

    logged = server.call(
        run,
        b"CP.PUT",
        b"acme",
        b"t",
        b"STEP",
        b"1",
        b"STATE",
        b"1",
        b"ID",
        A.encode(),
        b"TTL",
        b"5",
    )
    assert [b" ".join(request[:3]).decode() for request in logged] == [
        f"ZADD {BY_STEP} 1",
        f"HSET {BY_ID} {A}",
        f"PEXPIREAT {BY_STEP} {NOW + 5}",
        f"PEXPIREAT {BY_ID} {NOW + 5}",
    ]
    assert server.call(run, b"CP.DEL", b"acme", b"t") == [
        [b"DEL", BY_STEP.encode(), BY_ID.encode()]
    ]


def test_the_declarations(client: Connection) -> None:
    assert client("COMMAND", "GETKEYS", "CP.LATEST", "acme", "t") == [b"acme"]
    assert client("COMMAND", "GETKEYS", "CP.WRITES", "GET", "acme", "t", A) == [b"acme"]
    put_, history = client("COMMAND", "INFO", "CP.PUT", "CP.HISTORY")
    assert put_[1:6] == [-7, ["write", "denyoom"], 1, 1, 1]
    assert {"@checkpoint", "@write"} <= set(put_[6])
    assert {"@checkpoint", "@read"} <= set(history[6])
    assert (
        dict(zip(*[iter(client("COMMAND", "DOCS", "CP.PUT")[1])] * 2, strict=True))[b"group"]
        == b"checkpoint"
    )


def test_changes_are_published(
    server: RunningServer, client: Connection, client3: Connection
) -> None:
    client3("PSUBSCRIBE", "__redkeep__:checkpoint:*")
    client("CONFIG", "SET", "domain-events", "yes")
    put(client, A, 0)
    assert client3.read_push().items == [
        b"pmessage",
        b"__redkeep__:checkpoint:*",
        b"__redkeep__:checkpoint:acme:t",
        b'{"event":"put","id":"%b"}' % A.encode(),
    ]
    assert client("XLEN", "redkeep:events:{acme:t}") == 1


def test_hash_tags(loop: Any) -> None:
    server = loop.start_server(hash_tags="yes")
    try:
        client = server.connect()
        put(client, A, 0)
        client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
        client("CP.FORK", "acme", "t", A, "u")
        slots = {client("CLUSTER", "KEYSLOT", key) for key in client("KEYS", "*")}
        assert slots == {client("CLUSTER", "KEYSLOT", "acme")}
        assert client("CP.THREADS", "acme") == [b"0", [b"t", b"u"]]
        assert client("CP.LATEST", "}", "t").code == "NAMESPACE"
    finally:
        server.close()


def test_help(client: Connection) -> None:
    lines = client("CP.HELP")
    assert "CP.WRITES GET tenant thread id" in lines
    assert client("CP.WRITES", "HELP")[0].startswith("CP.WRITES <subcommand>")


# --- isolation -------------------------------------------------------------------------------

# Pieces of hostile names: separators, escapes, globs, words of the layout.
PIECES = [
    *(bytes([byte]) for byte in b':\\\x00*?[]{} \n"ab0>\xff'),
    *(b"\xc3\xa9", b"bystep", b"byid", b"writes", b"entelix:cp:", b"null", b"x" * 70_000),
    A.encode(),
]
names = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join), st.binary(max_size=8)
)


def marked(state: bytes, reply: Any) -> bool:
    """Whether a secret state shows anywhere in a reply."""
    if isinstance(reply, list):
        return any(marked(state, item) for item in reply)
    return isinstance(reply, bytes) and state in reply


@pytest.fixture(scope="module")
def lasting(loop: Any) -> Any:
    server = loop.start_server()
    yield server.connect()
    server.close()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(victim=names, its_thread=names, attacker=names, thread=names, other=names, identifier=names)
@example(victim=b"a", its_thread=b"b:c", attacker=b"a:b", thread=b"c", other=b"d", identifier=b"")
@example(victim=b"a\\", its_thread=b"b", attacker=b"a", thread=b"\\:b", other=b"", identifier=b":")
@example(
    victim=b"a", its_thread=b"b", attacker=b"a:b", thread=b"writes", other=b"x", identifier=b""
)
def test_no_argument_reaches_another_tenant(
    lasting: Connection,
    victim: bytes,
    its_thread: bytes,
    attacker: bytes,
    thread: bytes,
    other: bytes,
    identifier: bytes,
) -> None:
    client = lasting
    client("FLUSHALL")
    secret = b'"the secret of the victim"'
    made = client("CP.PUT", victim, its_thread, "STEP", 5, "STATE", secret, "ID", A)
    if isinstance(made, Error):
        assert made.code == "NAMESPACE"
        assert client("DBSIZE") == 0
        return
    client("CP.WRITES", "PUT", victim, its_thread, A, "task", 0, "ch", secret)
    before = client("DEBUG", "DIGEST")
    if attacker == victim:
        return
    for named in (identifier, A.encode(), A.encode() + b":" + identifier):
        for reached in (thread, its_thread, other, its_thread + b":" + thread):
            for request in (
                (b"CP.GET", attacker, reached, named),
                (b"CP.LATEST", attacker, reached),
                (b"CP.HISTORY", attacker, reached),
                (b"CP.HISTORY", attacker, reached, b"BEFORE", named),
                (b"CP.THREADS", attacker, b"PREFIX", reached),
                (b"CP.THREADS", attacker, b"CURSOR", b">" + reached),
                (b"CP.WRITES", b"GET", attacker, reached, named),
                (b"CP.FORK", attacker, reached, named, other),
                (b"CP.COPY", attacker, reached, other),
                (b"CP.UPDATE", attacker, reached, named, b"STATE", b"1"),
                (b"CP.PRUNE", attacker, reached, b"KEEP", b"0"),
                (b"CP.DEL", attacker, reached, named),
                (b"CP.DEL", attacker, reached),
            ):
                reply = client(*request)
                assert not marked(secret, reply)
                if request[0] == b"CP.THREADS" and not isinstance(reply, Error):
                    assert reply == [b"0", []]
    # The keys of the victim are unchanged, and there are no others.
    assert client("DEBUG", "DIGEST") == before
    wrote = client("CP.PUT", attacker, its_thread, "STEP", 9, "STATE", "1", "ID", A)
    if not isinstance(wrote, Error):
        client("CP.WRITES", "PUT", attacker, its_thread, A, "task", 0, "ch", "x")
        client("CP.DEL", attacker, its_thread)
    assert client("DEBUG", "DIGEST") == before
