"""STORE.* on random names: everything stored is found, and tenants stay apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.resp import Error
from tests.support.servers import Loop, RunningServer
from tests.support.store import render


@pytest.fixture(scope="module")
def shared(loop: Loop) -> Iterator[RunningServer]:
    """One server for all examples of a property."""
    running = loop.start_server()
    yield running
    running.close()


ODD = [b":", b"\\", b"\\:", b"\0", b"\0\0", b"\0\1", b"\xff", b"*", b"?", b"[", b"a", b"", b"{a}"]


texts = st.one_of(
    st.lists(st.sampled_from(ODD), max_size=4).map(b"".join),
    st.binary(max_size=6),
    st.text(max_size=4).map(str.encode),
    st.binary(min_size=1, max_size=1).map(lambda byte: byte * 300),
)


tenants = texts.filter(bool)


spaces = st.tuples(tenants, st.lists(texts, max_size=3)).map(lambda pair: (pair[0], *pair[1]))


entries = st.tuples(spaces, texts)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(entries, st.binary(max_size=3), min_size=1, max_size=12))
def test_listings_return_exactly_what_was_stored(
    shared: RunningServer, stored: dict[tuple[tuple[bytes, ...], bytes], bytes]
) -> None:
    with shared.connect() as client:
        client("FLUSHALL")
        for (space, key), value in stored.items():
            assert client("STORE.PUT", render(*space), key, value) == "OK"
        assert len(client("KEYS", "entelix:*")) == len(stored)
        by_space: dict[tuple[bytes, ...], dict[bytes, bytes]] = {}
        for (space, key), value in stored.items():
            by_space.setdefault(space, {})[key] = value
        for space, held in by_space.items():
            name = render(*space)
            flat = [word for key in sorted(held) for word in (key, held[key])]
            assert client("STORE.LIST", name, "WITHVALUES") == flat
            assert client("STORE.COUNT", name) == len(held)
            for key, value in held.items():
                assert client("STORE.GET", name, key) == value
            for depth in range(1, len(space) + 1):
                below = [one for one in by_space if one[:depth] == space[:depth]]
                found = client("STORE.NAMESPACES", render(*space[:depth]))
                assert sorted(found) == sorted(render(*one) for one in below)
                rows = client("STORE.SEARCH", render(*space[:depth]))
                assert len(rows) == sum(len(by_space[one]) for one in below)
                cut = client("STORE.NAMESPACES", render(*space[:depth]), "DEPTH", 1)
                assert sorted(cut) == sorted({render(*one[: depth + 1]) for one in below})


@settings(max_examples=200, deadline=None)
@given(tenants, st.data())
def test_no_argument_reaches_another_tenant(
    shared: RunningServer, tenant: bytes, data: st.DataObject
) -> None:
    """The name of the other tenant is known, and used in hostile arguments."""
    victim = b"victim"
    if tenant == victim:
        return
    hostile = st.one_of(
        texts,
        st.sampled_from(
            [victim, b":victim", b"x:victim:v", b"\\:victim", b"..", b"*", b"victim:v:secret"]
        ),
    )
    with shared.connect() as client:
        client("FLUSHALL")
        client("STORE.PUT", b"victim:v", "secret", b"SECRET")
        client("STORE.PUT", b"victim", "secret", b"SECRET")
        space = render(tenant, *data.draw(st.lists(hostile, max_size=3)))
        word, other = data.draw(hostile), data.draw(hostile)
        for request in (
            ("STORE.GET", space, word),
            ("STORE.GET", space, word, "REFRESH", 5),
            ("STORE.MGET", space, word, other),
            ("STORE.LIST", space, "PREFIX", word, "AFTER", other, "WITHVALUES"),
            ("STORE.NAMESPACES", space),
            ("STORE.SEARCH", space),
            ("STORE.PUT", space, word, b"mine"),
            ("STORE.MPUT", space, word, b"mine", other, b"mine"),
            ("STORE.DEL", space, word, other),
            ("STORE.PUT", space, word, b"mine"),
            ("STORE.CLEAR", space),
        ):
            reply = client(*request)
            assert not isinstance(reply, Error), reply
            assert b"SECRET" not in repr(reply).encode()
            if request[0] == "STORE.NAMESPACES":
                assert reply == []
        assert len(client("KEYS", "entelix:*")) == 2
        assert client("STORE.GET", b"victim:v", "secret") == b"SECRET"
        assert client("PTTL", b"entelix:store:victim:victim:v:secret") == -1
        assert client("STORE.NAMESPACES", "victim") == [b"victim", b"victim:v"]
