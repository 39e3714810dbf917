"""What RESTORE accepts is a sound value: it can be read, written, dumped, logged and emptied."""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.rdb import RdbError, load_value
from storage.rdb.listpacks import pack
from storage.values.limits import Limits
from tests.storage.rdb.forms import sealed, text
from tests.support.damage import Damage
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error
from tests.support.restored import BODIES, Examiner, damaged_payload
from tests.support.servers import RunningServer

BAD = Error("ERR Bad data format")
ENTRY = text(bytes(7) + b"\x05" + bytes(8))


def stream(*, fields: int = 1, deleted_id: bytes = b"\0\0", rest: bytes = b"\x01\0") -> bytes:
    """A stream with the single entry 5-0; `rest` is how many were added, and the groups."""
    names, values = [b"f"] * fields, [b"v"] * fields
    node = pack([1, 0, fields, *names, 0, 2, 0, 0, *values, 3 + fields])
    return b"\x15\x01" + ENTRY + text(node) + b"\x01\x05\0\x05\0" + deleted_id + rest


UNSOUND = {
    "an empty plain list node": (b"\x12\x01\x01\x00", 10),
    "an empty plain list node among others": (b"\x12\x02\x01\x00\x01\x01a", 10),
    "a hash without fields, in the draft form with deadlines": (b"\x16\x00", 12),
    "a stream entry without fields": (stream(fields=0), 11),
    "a deleted stream entry after the last ID": (stream(deleted_id=b"\x06\x00"), 11),
    "a score in a listpack with spaces": (b"\x11" + text(pack([b"a", b" 1.5"])), 10),
    "a score in a listpack with an underscore": (b"\x11" + text(pack([b"a", b"1_0"])), 10),
    "a score in a listpack that is not a number": (b"\x11" + text(pack([b"a", b"nan"])), 10),
    "a score that is not a number": (b"\x05\x01\x01a" + struct.pack("<d", float("nan")), 10),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_values_are_refused(name: str, client: Connection) -> None:
    assert client("RESTORE", "k", 0, sealed(*UNSOUND[name])) == BAD
    assert client("EXISTS", "k") == 0


def test_an_empty_plain_list_node_is_refused_as_by_servers(valkey: Oracle, redis7: Oracle) -> None:
    for name in ("an empty plain list node", "an empty plain list node among others"):
        for oracle in (valkey, redis7):
            assert oracle("RESTORE", "k", 0, sealed(*UNSOUND[name])) == BAD


@pytest.mark.parametrize("size", [1, 100, 4096, 5000])
def test_plain_list_nodes_below_the_own_limit_lose_nothing(size: int, client: Connection) -> None:
    """A server with a smaller list-max-listpack-size writes small items as plain nodes."""
    item = b"x" * size
    payload = sealed(b"\x12\x02\x01" + text(item) + b"\x01" + text(item))
    assert client("RESTORE", "k", 0, payload) == "OK"
    client("LPUSH", "k", "first")
    client("RPUSH", "k", "last")
    assert client("RESTORE", "copy", 0, client("DUMP", "k")) == "OK"
    assert client("LRANGE", "copy", 0, -1) == [b"first", item, item, b"last"]
    assert client("LSET", "k", 1, "new") == "OK"
    assert [client("LPOP", "k") for _ in range(5)] == [b"first", b"new", item, b"last", None]


def test_deadlines_of_fields_beyond_the_latest_are_the_latest(client: Connection) -> None:
    """Valkey accepts deadlines that HPEXPIREAT refuses here, as in Redis."""
    far = struct.pack("<q", (1 << 62) + 5)
    body = b"\x16\x01\x01f\x01v" + far
    assert client("RESTORE", "k", 0, sealed(body, 80)) == "OK"
    (latest,) = client("HPEXPIRETIME", "k", "FIELDS", 1, "f")
    assert latest == (1 << 46) - 1
    assert client("HPEXPIREAT", "k", latest, "FIELDS", 1, "f") == [1]


def test_payloads_are_examined_completely() -> None:
    """The undamaged payloads of all types and forms pass the examination."""
    examiner = Examiner(random.Random(1))
    for body, version in BODIES:
        assert examiner.examine(sealed(body, version))


def examine_damaged(count: int, seed: int) -> None:
    rng = random.Random(seed)
    damage = Damage(rng, [body for body, _ in BODIES])
    examiner = Examiner(rng)
    accepted = 0
    for number in range(count):
        if number % 100 == 0:
            examiner.change_settings()
        accepted += examiner.examine(damaged_payload(rng, damage))
    assert count // 20 < accepted < count // 2


def test_accepted_payloads_are_sound() -> None:
    examine_damaged(4000, 1)


@given(
    st.one_of(
        st.builds(
            lambda form, seed: sealed(Damage(random.Random(seed), [form[0]]).of(form[0]), form[1]),
            st.sampled_from(BODIES),
            st.integers(0),
        ),
        st.builds(
            lambda code, body, version: sealed(bytes([code]) + body, version),
            st.integers(0, 26),
            st.binary(max_size=80),
            st.sampled_from([5, 9, 10, 11, 12, 80]),
        ),
    )
)
def test_any_accepted_payload_is_sound(payload: bytes) -> None:
    Examiner(random.Random(0)).examine(payload)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_million_accepted_payloads_are_sound(seed: int) -> None:
    examine_damaged(100_000, seed)


def measure_damaged(count: int, seed: int) -> None:
    """Restore damaged payloads, and compare the memory that each takes with its size."""
    rng = random.Random(seed)
    damage = Damage(rng, [body for body, _ in BODIES])
    limits = Limits()
    tracemalloc.start()
    try:
        for _ in range(count):
            payload = damaged_payload(rng, damage)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with suppress(RdbError):
                load_value(payload, limits)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 20_000 + 100 * len(payload), payload.hex()
    finally:
        tracemalloc.stop()


def test_damaged_payloads_take_memory_in_proportion_to_their_size() -> None:
    measure_damaged(1000, 1)


@pytest.mark.deep
def test_a_hundred_thousand_damaged_payloads_take_little_memory() -> None:
    measure_damaged(100_000, 2)


def send_damaged(server: RunningServer, count: int, seed: int) -> None:
    rng = random.Random(seed)
    damage = Damage(rng, [body for body, _ in BODIES])
    client = server.connect()
    for _ in range(count):
        reply = client("RESTORE", "k", 0, damaged_payload(rng, damage), "REPLACE")
        assert reply in ("OK", BAD) or reply.text.startswith("ERR DUMP payload version"), reply
        assert not isinstance(client("OBJECT", "HELP"), Error)


def test_damaged_payloads_do_not_close_connections(server: RunningServer) -> None:
    send_damaged(server, 500, 1)


@pytest.mark.deep
def test_ten_thousand_damaged_payloads_do_not_close_connections(server: RunningServer) -> None:
    send_damaged(server, 10_000, 2)


def test_counts_of_streams_stop_at_the_largest_integer(client: Connection) -> None:
    """They fit into replies, and a dump of them can be restored."""
    most = (1 << 63) - 1
    client("XADD", "s", "1-1", "f", "v")
    assert client("XSETID", "s", "1-1", "ENTRIESADDED", most, "MAXDELETEDID", "0-0") == "OK"
    client("XADD", "s", "2-1", "f", "v")
    client("XGROUP", "CREATE", "s", "g", 0, "ENTRIESREAD", most)
    client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    client("XCLAIM", "s", "g", "c", 0, "1-1", "RETRYCOUNT", most)
    client("XCLAIM", "s", "g", "c", 0, "1-1")
    client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 0)
    assert client("RESTORE", "copy", 0, client("DUMP", "s")) == "OK"
    for key in ("s", "copy"):
        assert most in client("XINFO", "STREAM", key)
        assert most in client("XINFO", "GROUPS", key)[0]
        assert client("XPENDING", key, "g", "-", "+", 1)[0][3] == most


def test_counts_and_times_beyond_all_bounds_are_bounded(client: Connection) -> None:
    """Other servers let counts overflow; the time since the year -292 million is no integer."""
    huge = b"\x81" + b"\xff" * 7 + b"\xfe"
    entry_id, past = (5 << 64).to_bytes(16, "big"), struct.pack("<q", -(1 << 63))
    body = stream(
        rest=huge
        + b"\x01\x01g\x05\0" + huge + b"\x01" + entry_id + past + huge
        + b"\x01\x03ann" + past + past + b"\x01" + entry_id
    )  # fmt: skip
    assert client("RESTORE", "s", 0, sealed(body, 11)) == "OK"
    replies = [
        client("XINFO", "STREAM", "s", "FULL"),
        client("XINFO", "GROUPS", "s"),
        client("XINFO", "CONSUMERS", "s", "g"),
        client("XPENDING", "s", "g", "-", "+", 1),
    ]
    numbers = [int(number) for number in re.findall(r"\d{12,}", repr(replies))]
    assert numbers and max(numbers) == (1 << 63) - 1
