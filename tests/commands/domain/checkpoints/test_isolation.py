"""CP.*: no argument reaches the checkpoints of another tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.checkpoints import (
    A,
)
from tests.support.resp import Connection, Error
from tests.support.servers import Loop

# Pieces of hostile names: separators, escapes, globs, words of the layout.
PIECES = [
    *(bytes([byte]) for byte in b':\\\x00*?[]{} \n"ab0>\xff'),
    *(b"\xc3\xa9", b"bystep", b"byid", b"writes", b"states", b"ns", b":ns:", b"entelix:cp:"),
    *(b"null", b"x" * 70_000),
    A.encode(),
]


LISTS = (b"CP.THREADS", b"CP.NAMESPACES", b"CP.SEARCH")
names = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join), st.binary(max_size=8)
)


def marked(state: bytes, reply: Any) -> bool:
    """Whether a secret state shows anywhere in a reply."""
    if isinstance(reply, list):
        return any(marked(state, item) for item in reply)
    return isinstance(reply, bytes) and state in reply


@pytest.fixture(scope="module")
def lasting(loop: Loop) -> Iterator[Connection]:
    server = loop.start_server()
    yield server.connect()
    server.close()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    victim=names,
    its_thread=names,
    its_path=names,
    attacker=names,
    thread=names,
    other=names,
    identifier=names,
)
@example(b"a", b"b:c", b"", b"a:b", b"c", b"d", b"")
@example(b"a\\", b"b", b"", b"a", b"\\:b", b"", b":")
@example(b"a", b"b", b"", b"a:b", b"writes", b"x", b"")
@example(b"a", b"b", b"n", b"a:b", b"ns", b"n", b"")
@example(b"a", b"b", b"n", b"a:b:ns", b"n", b"b:ns:n", b"")
def test_no_argument_reaches_another_tenant(
    lasting: Connection,
    victim: bytes,
    its_thread: bytes,
    its_path: bytes,
    attacker: bytes,
    thread: bytes,
    other: bytes,
    identifier: bytes,
) -> None:
    client = lasting
    client("FLUSHALL")
    secret = b'"the secret of the victim"'
    meta = (b"META", b'{"a":{"b":%b},"c":%b}' % (secret, secret))
    made = client(
        *(b"CP.PUT", victim, its_thread, b"STEP", 5, b"STATE", secret, b"BSTATE", secret),
        *(b"ID", A, b"NS", its_path, *meta),
    )
    if isinstance(made, Error):
        assert made.code == "NAMESPACE"
        assert client("DBSIZE") == 0
        return
    space = ("NS", its_path)
    client("CP.WRITES", "PUT", victim, its_thread, A, "task", *space, 0, "ch", secret)
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
                (b"CP.GET", attacker, reached, named, b"NS", its_path),
                (b"CP.LATEST", attacker, reached, b"NS", other),
                (b"CP.HISTORY", attacker, reached, b"CURSOR", b"0", b"NS", its_path),
                (b"CP.STATE", attacker, reached, named, b"NS", its_path),
                (b"CP.STATE", attacker, reached, b"NS", other),
                (b"CP.INFO", attacker, reached, b"NS", its_path),
                (b"CP.NAMESPACES", attacker, reached),
                (b"CP.NAMESPACES", attacker, reached, b"CURSOR", b">" + other),
                (b"CP.SEARCH", attacker, b"FILTER", b"{}"),
                (b"CP.SEARCH", attacker, b"FILTER", b'{"c":%b}' % secret),
                (b"CP.SEARCH", attacker, b"FILTER", b'{"c":%b}' % secret, b"CURSOR", b">" + other),
                (b"CP.SEARCH", attacker, b"FILTER", b"{}", b"CURSOR", b"@1:" + reached),
                (b"CP.FORK", attacker, reached, named, other, b"NS", its_path),
                (b"CP.COPY", attacker, reached, other, b"NS", its_path),
                (b"CP.DEL", attacker, reached, b"NS", its_path),
                (b"CP.PRUNE", attacker, reached, b"KEEP", b"0", b"NS", its_path),
                (b"CP.FORK", attacker, reached, named, other),
                (b"CP.COPY", attacker, reached, other),
                (b"CP.UPDATE", attacker, reached, named, b"STATE", b"1"),
                (b"CP.PRUNE", attacker, reached, b"KEEP", b"0"),
                (b"CP.DEL", attacker, reached, named),
                (b"CP.DEL", attacker, reached),
            ):
                reply = client(*request)
                assert not marked(secret, reply)
                if not isinstance(reply, Error) and request[0] in LISTS:
                    assert reply == [b"0", []]
    # The keys of the victim are unchanged, and there are no others.
    assert client("DEBUG", "DIGEST") == before
    own = (b"STEP", 9, b"STATE", b"1", b"ID", A, b"NS", its_path, *meta)
    wrote = client("CP.PUT", attacker, its_thread, *own)
    if not isinstance(wrote, Error):
        client("CP.WRITES", "PUT", attacker, its_thread, A, "task", *space, 0, "ch", "x")
        client("CP.DEL", attacker, its_thread)
    assert client("DEBUG", "DIGEST") == before
