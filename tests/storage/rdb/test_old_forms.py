"""Every form that values ever had is read as by the servers that still support it."""

from __future__ import annotations

import io
import math
import struct

import pytest

from storage.clock import Clock
from storage.keyspace import Keyspace
from storage.rdb import RdbError, load, load_value
from storage.rdb.listpacks import pack
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.sets import Set
from storage.values.streams import Stream
from storage.values.types import Value, encoding_of
from tests.storage.rdb.forms import (
    intset,
    length,
    sealed,
    snapshot,
    string,
    text,
    ziplist,
    zipmap,
)
from tests.support.oracles import Oracle
from tests.support.servers import RunningServer

LONG, HUGE = b"x" * 300, b"y" * 20000
NUMBERS = [0, 12, 13, -1, 127, -128, 32767, -32768, 2**23 - 1, -(2**23), 2**31 - 1, 2**63 - 1]
WORDS = [b"", b"a", b"b" * 63, b"c" * 64, LONG, HUGE, b"007"]
ITEMS = [b"%d" % number for number in NUMBERS] + WORDS
SMALL = {b"field": b"value", b"number": b"12", b"": b"e"}
SCORES = {b"a": 1.0, b"b": -2.5, b"c": math.inf, b"d": -math.inf, b"e": 1e300}


def flat(pairs: dict[bytes, bytes]) -> list[bytes]:
    return [word for pair in pairs.items() for word in pair]


def spelled(score: float) -> bytes:
    return b"%.17g" % score


OLD_FORMS: dict[str, tuple[bytes, object]] = {
    "list of strings": (
        b"\x01" + length(len(ITEMS)) + b"".join(string(item, True) for item in ITEMS),
        ITEMS,
    ),
    "list as a ziplist": (b"\x0a" + text(ziplist([*NUMBERS, *WORDS])), ITEMS),
    "list of ziplists": (
        b"\x0e" + length(2) + text(ziplist(NUMBERS)) + text(ziplist(WORDS)),
        ITEMS,
    ),
    "list of listpacks with a plain node": (
        b"\x12\x03\x02" + text(pack(NUMBERS)) + b"\x01" + text(HUGE) + b"\x02" + text(pack(WORDS)),
        [*ITEMS[: len(NUMBERS)], HUGE, *WORDS],
    ),
    "set of strings": (b"\x02\x03\x01a\xc0\x07" + text(LONG), {b"a", b"7", LONG}),
    "set of numbers as strings": (b"\x02\x02\xc0\x07\xc0\x09", {b"7", b"9"}),
    "narrow intset": (b"\x0b" + text(intset(2, [-5, 1, 300])), {b"-5", b"1", b"300"}),
    "middle intset": (b"\x0b" + text(intset(4, [-(2**31), 70000])), {b"-2147483648", b"70000"}),
    "wide intset": (b"\x0b" + text(intset(8, [1, 2**40])), {b"1", b"%d" % 2**40}),
    "sorted set with scores as text": (
        b"\x03\x05\x01a\x011\x01b\x04-2.5\x01c\xfe\x01d\xff\x01e\x051e300",
        SCORES,
    ),
    "sorted set with scores as doubles": (
        b"\x05\x05"
        + b"".join(text(member) + struct.pack("<d", score) for member, score in SCORES.items()),
        SCORES,
    ),
    "sorted set as a ziplist": (
        b"\x0c"
        + text(
            ziplist(
                flat({member: spelled(SCORES[member]) for member in (b"d", b"b", b"a", b"e", b"c")})
            )
        ),
        SCORES,
    ),
    "hash of strings": (b"\x04\x02\x01f\x01v\x01g\xc1\x00\x10", {b"f": b"v", b"g": b"4096"}),
    "hash as a zipmap": (b"\x09" + text(zipmap(SMALL)), SMALL),
    "hash as a zipmap with unused bytes": (b"\x09" + text(zipmap(SMALL, 3)), SMALL),
    "hash as a zipmap with a long value": (
        b"\x09" + text(zipmap({b"f": LONG, b"g": b"v"})),
        {b"f": LONG, b"g": b"v"},
    ),
    "hash as a ziplist": (b"\x0d" + text(ziplist(flat(SMALL))), SMALL),
    "stream of the first form": (
        b"\x0f\x01"
        + text(bytes(7) + b"\x05" + bytes(8))
        + text(pack([1, 1, 1, b"f", 0, 2, 0, 1, b"v", 4, 3, 0, 2, b"w", 4]))
        + b"\x01\x05\x09\x01\x01g\x05\x01\x01"
        + bytes(7) + b"\x05" + bytes(7) + b"\x01"
        + struct.pack("<q", 1000) + b"\x03\x01\x03ann" + struct.pack("<q", 2000)
        + b"\x01" + bytes(7) + b"\x05" + bytes(7) + b"\x01",
        [(5 << 64 | 1, (b"f", b"v"))],
    ),
}  # fmt: skip


def plain(value: Value) -> object:
    """The value as Python's built-in types."""
    if isinstance(value, Stream):
        return value.range(0, (1 << 128) - 1)
    if isinstance(value, dict):
        return dict(value)
    return set(value) if isinstance(value, Set) else list(value)


@pytest.mark.parametrize("form", OLD_FORMS)
def test_old_forms_are_read(form: str) -> None:
    body, expected = OLD_FORMS[form]
    assert plain(load_value(sealed(body, 9), Limits())) == expected


@pytest.mark.parametrize("form", OLD_FORMS)
def test_old_forms_are_read_as_servers_read_them(
    form: str, valkey: Oracle, redis7: Oracle, server: RunningServer
) -> None:
    payload = sealed(OLD_FORMS[form][0])
    client = server.connect()
    assert client("RESTORE", "k", 0, payload) == "OK"
    for oracle in (valkey, redis7):
        assert oracle("RESTORE", "k", 0, payload) == "OK"
        # 7.0 has no packed sets, and Valkey formats the scores in a digest differently.
        if oracle is valkey or "set of strings" not in form:
            assert client("OBJECT", "ENCODING", "k") == oracle("OBJECT", "ENCODING", "k")
        if oracle is redis7 or "sorted" not in form:
            digest = oracle("DEBUG", "DIGEST-VALUE", "k")
            assert client("DEBUG", "DIGEST-VALUE", "k") == digest


def test_missing_facts_of_the_first_form_of_streams_are_derived() -> None:
    stream = load_value(sealed(OLD_FORMS["stream of the first form"][0]), Limits())
    assert isinstance(stream, Stream)
    assert (stream.entries_added, stream.max_deleted_id) == (1, 0)
    assert stream.last_id == 5 << 64 | 9
    group = stream.groups[b"g"]
    assert group.last_id == 5 << 64 | 1
    consumer = group.consumers[b"ann"]
    assert (consumer.seen_time, consumer.active_time) == (2000, 2000)
    (pending,) = consumer.pending.values()
    assert (pending.consumer, pending.delivery_time, pending.deliveries) == (consumer, 1000, 3)
    assert group.pending[5 << 64 | 1] is pending


# --- hashes with deadlines -----------------------------------------------------------------------

AT = 1_900_000_000_000
DEADLINES = {b"f": AT + 5, b"g": None, b"h": AT}


def listpack_with_deadlines() -> bytes:
    return text(pack([b"h", 3, AT, b"f", b"1", AT + 5, b"g", b"2", 0]))


HASH_FORMS = {
    "valkey": (
        b"\x16\x03"
        + b"".join(
            text(field) + text(value) + struct.pack("<q", -1 if at is None else at)
            for (field, at), value in zip(DEADLINES.items(), (b"1", b"2", b"3"), strict=True)
        ),
        80,
    ),
    "redis": (
        b"\x18" + struct.pack("<q", AT) + b"\x03\x06\x01f\x011\x00\x01g\x012\x01\x01h\x013",
        12,
    ),
    "redis, packed": (b"\x19" + struct.pack("<q", AT) + listpack_with_deadlines(), 12),
    "redis, draft": (
        b"\x16\x03" + length(AT + 5) + b"\x01f\x011\x00\x01g\x012" + length(AT) + b"\x01h\x013",
        12,
    ),
    "redis, packed draft": (b"\x17" + listpack_with_deadlines(), 12),
}


@pytest.mark.parametrize("form", HASH_FORMS)
def test_deadlines_of_fields_are_read_in_every_form(form: str) -> None:
    body, version = HASH_FORMS[form]
    value = load_value(sealed(body, version), Limits())
    assert isinstance(value, Hash)
    assert dict(value) == {b"f": b"1", b"g": b"2", b"h": b"3"}
    assert {field: value.deadline(field) for field in value} == DEADLINES
    assert encoding_of(value) == b"listpackex"


@pytest.mark.parametrize("form", HASH_FORMS)
def test_fields_loaded_from_a_file_expire(form: str) -> None:
    body, version = HASH_FORMS[form]
    clock = Clock()
    clock.freeze(AT)
    keyspace = Keyspace(clock)
    load(io.BytesIO(snapshot(body[:1] + b"\x01k" + body[1:], version)), keyspace)
    database = keyspace.databases[0]
    assert set(database.read_as(b"k", Hash) or ()) == {b"f", b"g", b"h"}
    clock.advance(1)
    keyspace.refresh_now()
    assert set(database.read_as(b"k", Hash) or ()) == {b"f", b"g"}


# --- thresholds ----------------------------------------------------------------------------------


TWO = pack([b"a", 1, b"b", 2])


@pytest.mark.parametrize(
    ("body", "limits", "encoding"),
    [
        (b"\x10" + text(TWO), Limits(hash_max_listpack_entries=1), b"hashtable"),
        (b"\x10" + text(pack([b"f", b"v" * 9])), Limits(hash_max_listpack_value=8), b"hashtable"),
        (b"\x04\x01\x01f\x01v", Limits(), b"listpack"),
        (b"\x14" + text(pack([b"a", 5])), Limits(), b"listpack"),
        (b"\x14" + text(pack([4, 5])), Limits(), b"listpack"),
        (b"\x14" + text(pack([b"a", 5])), Limits(set_max_listpack_entries=1), b"hashtable"),
        (b"\x0b" + text(intset(2, [1, 2])), Limits(set_max_intset_entries=1), b"hashtable"),
        (b"\x02\x02\xc0\x01\xc0\x02", Limits(), b"intset"),
        (b"\x02\x02\xc0\x01\x01a", Limits(), b"listpack"),
        (b"\x11" + text(TWO), Limits(), b"listpack"),
        (b"\x11" + text(TWO), Limits(zset_max_listpack_entries=1), b"skiplist"),
        (b"\x12\x01\x02" + text(pack([b"a"] * 9)), Limits(), b"listpack"),
        (b"\x12\x01\x02" + text(pack([b"a"] * 9)), Limits(list_max_listpack_size=8), b"quicklist"),
        (b"\x12\x01\x01" + text(HUGE), Limits(), b"quicklist"),
    ],
)  # fmt: skip
def test_the_settings_of_the_reader_decide_the_encoding(
    body: bytes, limits: Limits, encoding: bytes
) -> None:
    assert encoding_of(load_value(sealed(body, 11), limits)) == encoding


# --- unsupported values --------------------------------------------------------------------------


def module_number(name: str, version: int) -> int:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = 0
    for letter in name:
        number = number << 6 | letters.index(letter)
    return number << 10 | version


REJSON = length(module_number("ReJSON-RL", 3))


def test_values_of_modules_are_refused_by_name() -> None:
    with pytest.raises(RdbError, match="ReJSON-RL"):
        load_value(sealed(b"\x07" + REJSON + b"\x05\x02{}\x00"), Limits())


@pytest.mark.parametrize("code", [8, 23 + 3, 100, 242])
def test_unknown_types_are_refused(code: int) -> None:
    with pytest.raises(RdbError, match=f"type {code}"):
        load_value(sealed(bytes([code]) + b"\x01a"), Limits())
