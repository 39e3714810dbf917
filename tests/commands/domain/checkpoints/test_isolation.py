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
def lasting(loop: Loop) -> Iterator[Connection]:
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
