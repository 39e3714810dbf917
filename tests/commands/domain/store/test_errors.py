"""STORE.*: every error, none of which changes anything, and foreign keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer


@pytest.fixture(scope="module")
def shared(loop: Loop) -> Iterator[RunningServer]:
    """One server for all examples of a property."""
    running = loop.start_server()
    yield running
    running.close()


@pytest.mark.parametrize("name", ["", ":", ":a", "\\", "acme:\\", "acme:\\x", "a\\", "a:b\\:c\\"])
@pytest.mark.parametrize(
    "request_",
    [
        "PUT {} k v", "MPUT {} k v", "GET {} k", "MGET {} k", "DEL {} k", "LIST {}",
        "NAMESPACES {}", "SEARCH {}", "COUNT {}", "CLEAR {}",
    ],
)  # fmt: skip
def test_bad_namespaces(shared: RunningServer, name: str, request_: str) -> None:
    client = shared.connect()
    client("STORE.PUT", "acme", "k", "v")
    before = client("DEBUG", "DIGEST")
    words = [name if word == "{}" else word for word in ("STORE." + request_).split()]
    reply = client(*words)
    assert isinstance(reply, Error) and reply.text.startswith("NAMESPACE "), reply
    assert client("DEBUG", "DIGEST") == before
    client.close()


_FLOATS = "1 to 4096 32-bit floats of 4 bytes each"
_FIELDS = "ERR FIELDS is incomplete, expected: FIELDS numfields path [path ...]"
_METRIC = "METRIC <COSINE | DOT | L2>"
_EXCLUDES = "ERR CURSOR and COUNT exclude LIMIT and OFFSET"
_A_DURATION = "an integer from 1 to 4503599627370496 (milliseconds)"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("PUT acme k v TTL 0", f"ERR TTL must be {_A_DURATION}, not '0'"),
        ("PUT acme k v TTL -1", f"ERR TTL must be {_A_DURATION}, not '-1'"),
        ("PUT acme k v TTL 5s", f"ERR TTL must be {_A_DURATION}, not '5s'"),
        ("PUT acme k v TTL 4503599627370497", f"ERR TTL must be {_A_DURATION}, not '{2**52 + 1}'"),
        ("PUT acme k v TTL", "ERR TTL is incomplete, expected: TTL milliseconds"),
        ("PUT acme k v TTL 5 KEEPTTL", "ERR TTL and KEEPTTL exclude each other"),
        ("PUT acme k v NX XX", "ERR NX and XX exclude each other"),
        ("PUT acme k v MORE", "ERR unknown option 'MORE'"),
        (
            "MPUT acme k v l",
            "ERR data is incomplete, expected: [TTL milliseconds ENTRIES] key value "
            "[key value ...]",
        ),
        ("MPUT acme TTL 5s ENTRIES k v", f"ERR TTL must be {_A_DURATION}, not '5s'"),
        ("MPUT acme TTL 0 ENTRIES k v", f"ERR TTL must be {_A_DURATION}, not '0'"),
        (
            "EXPIRE acme k 0",
            "ERR milliseconds must be an integer from 1 to 4503599627370496 or PERSIST, not '0'",
        ),
        ("PUT acme k v VECTOR abc", f"ERR VECTOR must be {_FLOATS}, not 3 bytes"),
        ("NEAR acme VECTOR abc", f"ERR VECTOR must be {_FLOATS}, not 3 bytes"),
        ("NEAR acme", "ERR wrong number of arguments for 'store.near' command"),
        ("NEAR acme VECTOR abcd K 0", "ERR K must be an integer from 1 to 1000, not '0'"),
        ("NEAR acme VECTOR abcd METRIC east", f"ERR METRIC is incomplete, expected: {_METRIC}"),
        ("NEAR acme VECTOR abcd CURSOR x", "ERR invalid cursor 'x'"),
        ("NEAR acme VECTOR abcd CURSOR >globex:k", "ERR invalid cursor '>globex:k'"),
        ("SEARCH acme CURSOR 1", "ERR invalid cursor '1'"),
        ("SEARCH acme CURSOR >acm:k", "ERR invalid cursor '>acm:k'"),
        ("SEARCH acme CURSOR 0 LIMIT 5", _EXCLUDES),
        ("SEARCH acme COUNT 5 OFFSET 5", _EXCLUDES),
        ("LIST acme COUNT 5 LIMIT 5", _EXCLUDES),
        ("LIST acme COUNT 0", "ERR COUNT must be an integer of at least 1, not '0'"),
        ("NAMESPACES acme CURSOR 0 LIMIT 5", _EXCLUDES),
        ("NAMESPACES acme CURSOR =globex", "ERR invalid cursor '=globex'"),
        ("CLEAR acme LIMIT 0", "ERR LIMIT must be an integer of at least 1, not '0'"),
        ("CLEAR acme TREE", "ERR unknown option 'TREE'"),
        (
            "INDEX acme FIELDS role a",
            "ERR FIELDS needs the number of fields first, from 1 to 16, not 'role'",
        ),
        ("INDEX acme FIELDS 2 role", _FIELDS),
        (
            "INDEX acme FIELDS 0 a",
            "ERR FIELDS needs the number of fields first, from 1 to 16, not '0'",
        ),
        ("GET acme k REFRESH", "ERR REFRESH is incomplete, expected: REFRESH milliseconds"),
        ("GET acme k REFRESH 0", f"ERR REFRESH must be {_A_DURATION}, not '0'"),
        ("LIST acme LIMIT -1", "ERR LIMIT must be an integer of at least 0, not '-1'"),
        ("LIST acme WITHVALUE", "ERR unknown option 'WITHVALUE'"),
        ("LIST acme PREFIX a PREFIX b", "ERR PREFIX is given twice"),
        ("NAMESPACES acme DEPTH -1", "ERR DEPTH must be an integer of at least 0, not '-1'"),
        ("SEARCH acme FILTER {", "BADRECORD FILTER is not valid JSON"),
        ("SEARCH acme FILTER []", "ERR FILTER is not a JSON object"),
        ("SEARCH acme OFFSET -1", "ERR OFFSET must be an integer of at least 0, not '-1'"),
        ("GET acme hash", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (
            "GET acme hash REFRESH 5",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
)
def test_errors_change_nothing(client: Connection, request_: str, text: str) -> None:
    client("STORE.PUT", "acme", "k", "old", "TTL", 100_000)
    client("HSET", "entelix:store:acme:acme:hash", "f", "v")
    before = client("DEBUG", "DIGEST")
    assert client(*("STORE." + request_).split()) == Error(text)
    assert client("DEBUG", "DIGEST") == before


def test_bad_records_are_skipped_and_counted(client: Connection) -> None:
    client("STORE.MPUT", "acme:a", "k", "1", "z", "2")
    client("HSET", "entelix:store:acme:acme:a:hash", "f", "v")
    client("HSET", "entelix:store:acme:acme:only-hash:hash", "f", "v")
    # Keys that do not have the form of an entry: wrong tenant, wrong escapes, no key.
    client("SET", "entelix:store:evil:acme:a:foreign", "x")
    client("SET", "entelix:store:acme:acme:a:k\\x", "x")
    client("SET", "entelix:store:acme:acme", "x")
    client("SET", "entelix:store:acme", "x")
    client("SET", "entelix:store::", "x")
    assert client("STORE.LIST", "acme:a") == [b"k", b"z"]
    assert client("STORE.LIST", "acme:a", "WITHVALUES") == [b"k", b"1", b"z", b"2"]
    assert client("STORE.NAMESPACES", "acme") == [b"acme:a"]
    assert len(client("STORE.SEARCH", "acme")) == 2
    assert client("STORE.MGET", "acme:a", "hash", "k") == [None, b"1"]
    poisoned = [line for line in client("INFO", "redkeep").splitlines() if b"bad_records" in line]
    assert poisoned and not poisoned[0].endswith(b":0")
