"""CP.*: every error, none of which changes anything, and envelopes that cannot be read."""

from __future__ import annotations

import shlex

import pytest

from commands.engine.numbers import INT64_MAX
from tests.support.checkpoints import (
    BY_ID,
    WRONGTYPE,
    A,
    B,
    C,
    envelope,
    ids,
    put,
    store,
)
from tests.support.resp import Connection, Error, Word
from tests.support.servers import RunningServer

NO_C = f"NOTFOUND no checkpoint {C} of thread 't' of tenant 'acme'"


NO_C_IN_N = f"NOTFOUND no parent {C} of namespace 'n' of thread 't' of tenant 'acme'"


MILLISECONDS = "an integer from 1 to 4503599627370496 (milliseconds)"


UNSIGNED = "an integer from 0 to 18446744073709551615"


TRIPLES = "idx channel value [idx channel value ...]"


ERRORS = f"""
CP.PUT '' t STEP 0 STATE 1 => NAMESPACE the tenant is empty
CP.PUT acme '' STEP 0 STATE 1 => NAMESPACE the thread of tenant 'acme' is empty
CP.PUT \udcff t STEP 0 STATE 1 => NAMESPACE tenant '\udcff' is not UTF-8
CP.PUT acme \udcff STEP 0 STATE 1 => NAMESPACE thread '\udcff' of tenant 'acme' is not UTF-8
CP.PUT acme t STEP 0 STATE [ => BADRECORD STATE is not valid JSON
CP.PUT acme t STEP 0 STATE NaN => BADRECORD STATE is not valid JSON
CP.PUT acme t STEP 0 STATE '"\udcff"' => BADRECORD STATE is not valid JSON
CP.PUT acme t STEP -1 STATE 1 => ERR STEP must be {UNSIGNED}, not '-1'
CP.PUT acme t STEP 1.5 STATE 1 => ERR STEP must be {UNSIGNED}, not '1.5'
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
CP.PUT acme t STEP 0 ID {A} => ERR STATE or BSTATE is missing
CP.PUT acme t STEP 0 => ERR STATE or BSTATE is missing
CP.PUT acme t STATE 1 => ERR STEP is missing
CP.PUT acme t STEP => ERR wrong number of arguments for 'cp.put' command
CP.PUT acme t STEP {2**64} STATE 1 => ERR STEP must be {UNSIGNED}, not '{2**64}'
CP.PUT acme t STEP 0 STATE 1 IFLATEST x => ERR IFLATEST 'x' is not a UUID with hyphens
CP.PUT acme t STEP 0 STATE 1 NS \udcff => NAMESPACE NS '\udcff' is not UTF-8
CP.UPDATE acme t {A} => ERR STATE or BSTATE is missing
CP.UPDATE acme t {A} STATE 1 ID x => ERR ID 'x' is not a UUID with hyphens
CP.UPDATE acme t {C} STATE 1 NS n => {NO_C_IN_N}
CP.FORK acme t {A} u ID x => ERR ID 'x' is not a UUID with hyphens
CP.HISTORY acme t CURSOR x => ERR invalid cursor 'x'
CP.HISTORY acme t CURSOR 0 LIMIT 1 => ERR CURSOR and COUNT exclude LIMIT and BEFORE
CP.SEARCH acme => ERR wrong number of arguments for 'cp.search' command
CP.SEARCH acme FILTER [] => ERR FILTER is not a JSON object
CP.SEARCH acme FILTER {{}} CURSOR x => ERR invalid cursor 'x'
CP.SEARCH acme FILTER '{{"a":1}}' CURSOR x => ERR invalid cursor 'x'
CP.SEARCH '' FILTER {{}} => NAMESPACE the tenant is empty
CP.NAMESPACES acme t CURSOR x => ERR invalid cursor 'x'
CP.UPDATE acme t {A} STATE [ => BADRECORD STATE is not valid JSON
CP.UPDATE acme t {A} STEP 1 => ERR unknown option 'STEP'
CP.UPDATE acme t {C} STATE 1 => NOTFOUND no parent {C} of thread 't' of tenant 'acme'
CP.HISTORY acme t LIMIT -1 => ERR LIMIT must be {UNSIGNED}, not '-1'
CP.HISTORY acme t BEFORE {C} => {NO_C}
CP.HISTORY acme t FILTER [] => ERR FILTER is not a JSON object
CP.HISTORY acme t FILTER '{{"a":{{"$no":1}}}}' => ERR FILTER: unknown operator '$no' for 'a'
CP.HISTORY acme t FILTER => ERR FILTER is incomplete, expected: FILTER filter
CP.FORK acme t {C} u => {NO_C}
CP.FORK acme t {A} '' => NAMESPACE the thread of tenant 'acme' is empty
CP.COPY acme t t => ERR source and destination objects are the same
CP.PRUNE acme t KEEP -1 => ERR KEEP must be {UNSIGNED}, not '-1'
CP.PRUNE acme t LEAVE 1 => ERR unknown option 'LEAVE'
CP.DEL acme t {A} x => ERR unknown option 'x'
CP.THREADS '' => NAMESPACE the tenant is empty
CP.THREADS \udcff => NAMESPACE tenant '\udcff' is not UTF-8
CP.THREADS acme CURSOR x => ERR invalid cursor 'x'
CP.THREADS acme COUNT 0 => ERR COUNT must be an integer of at least 1, not '0'
CP.THREADS acme COUNT => ERR COUNT is incomplete, expected: COUNT count
CP.WRITES PUT acme t {C} x 0 c v => {NO_C}
CP.WRITES PUT acme t {A} x y c v => ERR idx must be an integer, not 'y'
CP.WRITES PUT acme t {A} x 0 c v 1 => ERR write is incomplete, expected: {TRIPLES}
CP.WRITES PUT acme t {A} x NS n 0 c => ERR write is incomplete, expected: {TRIPLES}
CP.WRITES PUT acme t {A} x NS n ns m 0 c v => ERR NS is given twice
CP.GET acme w {A} => {WRONGTYPE}
CP.PUT acme w STEP 0 STATE 1 => {WRONGTYPE}
CP.PUT acme v STEP 0 STATE 1 => {WRONGTYPE}
CP.FORK acme t {A} w => {WRONGTYPE}
CP.COPY acme t w => {WRONGTYPE}
CP.COPY acme t v => {WRONGTYPE}
CP.PRUNE acme w KEEP 0 => {WRONGTYPE}
CP.DEL acme w => {WRONGTYPE}
CP.WRITES PUT acme x {B} x 0 c v => {WRONGTYPE}
CP.PUT acme x STEP 0 STATE 1 BSTATE b => {WRONGTYPE}
CP.DEL acme x {B} => {WRONGTYPE}
CP.PRUNE acme x KEEP 0 => {WRONGTYPE}
CP.COPY acme t x => {WRONGTYPE}
"""


@pytest.mark.parametrize("line", ERRORS.strip().splitlines(), ids=ascii)
def test_errors_change_nothing(client: Connection, line: str) -> None:
    request, text = line.split(" => ")
    put(client, A, 0)
    put(client, B, 1)
    client("ZADD", "entelix:cp:acme:w:bystep", 0, A)
    client("SET", "entelix:cp:acme:w:byid", "no hash")
    client("SET", "entelix:cp:acme:v:bystep", "no sorted set")
    client("CP.PUT", "acme", "x", "STEP", 0, "STATE", 1, "ID", B)
    client("MSET", "entelix:cp:acme:x:writes", "no hash", "entelix:cp:acme:x:states", "no hash")
    before = client("DEBUG", "DIGEST")
    assert client(*shlex.split(request)) == Error(text)
    assert client("DEBUG", "DIGEST") == before


# --- invalid envelopes -------------------------------------------------------------------


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
    *(
        (envelope(timestamp=f"2026-{day}"), f"BADRECORD a wrong timestamp in checkpoint {A}")
        for day in (
            *("13-01T00:00:00Z", "02-29T00:00:00Z", "04-31T00:00:00Z", "01-00T00:00:00Z"),
            *("01-01T24:00:00Z", "01-01T00:60:00Z", "01-01T00:00:61Z", "01-01T00:00:00+24:00"),
        )
    ),
    (envelope(step=2**64), f"BADRECORD no step in checkpoint {A}"),
    (envelope(ns="n"), f"BADRECORD a wrong ns in checkpoint {A}"),
    (envelope(ns=1), f"BADRECORD a wrong ns in checkpoint {A}"),
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


def test_a_damaged_state_is_an_error_wherever_its_checkpoint_is_named(
    client: Connection,
) -> None:
    put(client, B, 0)
    put(client, A, 1)
    broken = client("CP.GET", "acme", "t", A).replace(b'"state":{}', b'"state":{"a":}')
    client("HSET", BY_ID, A, broken)
    for request in (("GET", A), ("LATEST",), ("STATE", A), ("STATE",), ("FORK", A, "u")):
        assert client(f"CP.{request[0]}", "acme", "t", *request[1:]) == Error(
            f"BADRECORD no valid JSON in checkpoint {A} of thread 't' of tenant 'acme'"
        )
    assert ids(client("CP.HISTORY", "acme", "t")) == [B]
    assert ids(client("CP.HISTORY", "acme", "t", "COUNT", 5)[1]) == [B]
    assert ids(client("CP.SEARCH", "acme", "FILTER", "{}")[1]) == [B]
    assert client("CP.COPY", "acme", "t", "u") == 1
