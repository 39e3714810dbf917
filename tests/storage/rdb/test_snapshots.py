"""Whole snapshots: headers, metadata, keys, and reading and writing in steps."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.clock import Clock
from storage.keyspace import Keyspace
from storage.rdb import (
    Facts,
    RdbError,
    SnapshotReader,
    SnapshotWriter,
    dump_value,
    load,
    needed_version,
    save,
)
from storage.values.consumer_groups import Group
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.sets import Set
from storage.values.streams import Stream
from storage.values.types import Value
from tests.storage.rdb.forms import length, snapshot, text
from tests.storage.rdb.test_old_forms import REJSON

NOW = 1_800_000_000_000


@pytest.fixture
def keyspace() -> Keyspace:
    return new_keyspace()


def new_keyspace(databases: int = 16) -> Keyspace:
    clock = Clock()
    clock.freeze(NOW)
    return Keyspace(clock, databases)


def written(
    keyspace: Keyspace, *, compress: bool = True, checksum: bool = True, idle_times: bool = False
) -> bytes:
    chunks = save(keyspace, {}, compress=compress, checksum=checksum, idle_times=idle_times)
    return b"".join(chunks)


def key(name: bytes, value: bytes = b"v") -> bytes:
    return b"\x00" + text(name) + text(value)


class Drip:
    """A file that returns a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file = io.BytesIO(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._size))


# --- reading ----------------------------------------------------------------------------------


def test_metadata_and_keys_are_loaded(keyspace: Keyspace) -> None:
    body = (
        b"\xfa\x09redis-ver\x057.2.4"
        b"\xfa\x05ctime\xc2\x00\xf1\x53\x65"
        b"\xfa\x04mine\x03any"
        b"\xf5\x04code\xf5\x05other"
        b"\xfe\x00\xfb\x02\x00" + key(b"a") + b"\xfe\x03\xfb\x01\x01" + key(b"b")
    )
    data = snapshot(body)
    loaded = load(io.BytesIO(data + b"*1\r\n"), keyspace)
    assert loaded.version == 10
    assert loaded.facts == {b"redis-ver": b"7.2.4", b"ctime": b"1700000000", b"mine": b"any"}
    assert loaded.libraries == [b"code", b"other"]
    assert (loaded.keys, loaded.expired, loaded.empty) == (2, 0, 0)
    assert loaded.end == len(data)
    assert keyspace.databases[0].data == {b"a": b"v"}
    assert keyspace.databases[3].data == {b"b": b"v"}
    assert keyspace.dirty == 0


def test_unused_items_of_other_servers_are_skipped(keyspace: Keyspace) -> None:
    module = b"\xf7" + REJSON + b"\x02\x01\x01\x05\x02\x06\x03abcd\x04abcdefgh\x05\x03abc\x00"
    slots = b"\xf4\x05\x01\x00"
    moving = b"\xf3\x03job\x02\x00\x05\x07\x09"
    load(io.BytesIO(snapshot(module + slots + moving + key(b"a"), 80)), keyspace)
    assert keyspace.databases[0].data == {b"a": b"v"}


def test_deadlines_and_idle_times_are_loaded(keyspace: Keyspace) -> None:
    body = (
        b"\xfc" + struct.pack("<q", NOW + 5) + key(b"ms")
        + b"\xfd" + struct.pack("<i", NOW // 1000 + 5) + key(b"s")
        + b"\xf8\x0a" + key(b"idle")
        + b"\xf9\xff" + key(b"often")
        + key(b"plain")
    )  # fmt: skip
    load(io.BytesIO(snapshot(body)), keyspace)
    database = keyspace.databases[0]
    assert dict(database.expires) == {b"ms": NOW + 5, b"s": NOW + 5000}
    assert database.accessed[b"idle"] == NOW - 10_000
    assert database.accessed[b"often"] == database.accessed[b"plain"] == NOW
    keyspace.clock.advance(6)
    keyspace.refresh_now()
    assert database.read(b"ms") is None
    assert database.read(b"s") == b"v"


@pytest.mark.parametrize(("keep", "there"), [(False, set()), (True, {b"gone"})])
def test_expired_keys_are_left_out_unless_requested(
    keyspace: Keyspace, keep: bool, there: set[bytes]
) -> None:
    body = b"\xfc" + struct.pack("<q", NOW - 1) + key(b"gone")
    body += b"\xfc" + struct.pack("<q", NOW) + key(b"due")
    loaded = load(io.BytesIO(snapshot(body)), keyspace, keep_expired=keep)
    assert set(keyspace.databases[0].data) == {b"due"} | there
    assert loaded.expired == (not keep)


def test_empty_collections_are_left_out(keyspace: Keyspace) -> None:
    bodies = [
        b"\x01\x01k\x00",
        b"\x02\x01k\x00",
        b"\x05\x01k\x00",
        b"\x04\x01k\x00",
        b"\x12\x01k\x00",
    ]
    for body in bodies:
        assert load(io.BytesIO(snapshot(body)), keyspace).empty == 1
    assert not keyspace.databases[0].data


def test_a_duplicate_key_is_refused_unless_replacing(keyspace: Keyspace) -> None:
    data = snapshot(b"\xfc" + struct.pack("<q", NOW + 9) + key(b"a") + key(b"a", b"w"))
    with pytest.raises(RdbError, match="duplicate key") as refused:
        load(io.BytesIO(data), keyspace)
    assert refused.value.offset == data.index(key(b"a", b"w"))
    keyspace = new_keyspace()
    load(io.BytesIO(data), keyspace, replace=True)
    assert keyspace.databases[0].data == {b"a": b"w"}
    assert not keyspace.databases[0].expires


def test_keys_of_a_missing_database_are_refused() -> None:
    data = snapshot(b"\xfe\x01" + key(b"a"))
    with pytest.raises(RdbError, match="database 1, but the setting 'databases' is 1"):
        load(io.BytesIO(data), new_keyspace(databases=1))


@pytest.mark.parametrize(
    "head",
    [b"", b"REDI", b"REDIS", b"REDIS0000", b"REDIS0013", b"REDIS0080", b"VALKEY079", b"VALKEY081",
     b"VALKEY012", b"REDIS 010", b"REDIS-001", b"*3\r\n$3\r\nSET\r\n"],
)  # fmt: skip
def test_other_files_and_unsupported_versions_are_refused(keyspace: Keyspace, head: bytes) -> None:
    with pytest.raises(RdbError):
        load(io.BytesIO(head + b"\xff" + bytes(8)), keyspace)


@pytest.mark.parametrize("version", [*range(1, 13), 80])
def test_all_supported_versions_are_read(keyspace: Keyspace, version: int) -> None:
    data = snapshot(key(b"a"), version)
    assert load(io.BytesIO(data), keyspace).end == len(data)
    assert keyspace.databases[0].data == {b"a": b"v"}


def test_functions_of_a_pre_release_are_refused(keyspace: Keyspace) -> None:
    with pytest.raises(RdbError, match="functions"):
        load(io.BytesIO(snapshot(b"\xf6\x01a")), keyspace)


def test_the_checksum_is_verified_unless_it_is_zero(keyspace: Keyspace) -> None:
    data = snapshot(key(b"a"))
    load(io.BytesIO(data[:-8] + bytes(8)), keyspace)
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(RdbError, match="checksum") as refused:
        load(io.BytesIO(damaged), new_keyspace())
    assert refused.value.offset == len(data) - 8
    load(io.BytesIO(damaged), new_keyspace(), checksum=False)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_a_file_may_be_read_in_pieces_of_any_size(size: int) -> None:
    keyspace = new_keyspace()
    limits = Limits()
    hash_ = Hash.of({b"%d" % number: b"x" * number for number in range(100)}, limits)
    keyspace.databases[2].load(b"hash", hash_, NOW + 1)
    keyspace.databases[2].load(b"number", b"1000", None)
    stream = Stream()
    for number in range(1, 250):
        stream.append(number << 64, [b"f", b"%d" % number], limits)
    keyspace.databases[0].load(b"stream", stream, None)
    data = written(keyspace)
    again = new_keyspace()
    loaded = load(Drip(data, size), again)
    assert loaded.end == len(data)
    assert written(again) == data


def test_loading_in_steps() -> None:
    keyspace = new_keyspace()
    for number in range(40):
        keyspace.databases[0].load(b"%d" % number, bytes([number]) * 100_000, None)
    data = written(keyspace, compress=False)
    again = new_keyspace()
    reader = SnapshotReader(io.BytesIO(data), again)
    steps = []
    for done in reader.steps():
        steps.append((done, len(again.databases[0])))
    assert len(steps) >= 4
    assert steps == sorted(steps)
    assert steps[-1] == (len(data), 40)
    progress: list[int] = []
    load(io.BytesIO(data), new_keyspace(), progress.append)
    assert progress == [done for done, _ in steps]


def test_ordered_keys_are_indexed_after_loading() -> None:
    source = new_keyspace()
    source.databases[0].load(b"store:a", b"1", None)
    keyspace = Keyspace(Clock(), ordered_prefixes=(b"store:",))
    load(io.BytesIO(written(source)), keyspace)
    assert list(keyspace.databases[0].ordered.range(b"store:")) == [b"store:a"]


# --- writing ------------------------------------------------------------------------------------


def test_the_oldest_sufficient_version_is_written(keyspace: Keyspace) -> None:
    database = keyspace.databases[5]
    hash_ = Hash.of({b"f": b"v"}, Limits())
    stream = Stream()
    database.load(b"hash", hash_, None)
    database.load(b"stream", stream, None)
    assert needed_version(keyspace) == 10
    assert written(keyspace).startswith(b"REDIS0010")
    hash_.set_deadline(b"f", NOW + 1)
    hash_.clear_deadline(b"f")
    stream.groups[b"g"] = Group(0)
    consumer = stream.groups[b"g"].add_consumer(b"c", NOW)
    consumer.active_time = NOW
    assert needed_version(keyspace) == 10
    consumer.active_time = -1
    assert needed_version(keyspace) == 11
    data = written(keyspace)
    assert data.startswith(b"REDIS0011")
    again = new_keyspace()
    load(io.BytesIO(data), again)
    loaded_stream = again.databases[5].read_as(b"stream", Stream)
    assert loaded_stream is not None
    loaded = loaded_stream.groups[b"g"].consumers[b"c"]
    assert (loaded.seen_time, loaded.active_time) == (NOW, -1)
    hash_.set_deadline(b"f", NOW + 1)
    assert needed_version(keyspace) == 80
    assert written(keyspace).startswith(b"VALKEY080")


def test_payloads_have_the_oldest_sufficient_version() -> None:
    def version(value: Value) -> int:
        return int.from_bytes(dump_value(value)[-10:-8], "little")

    hash_ = Hash.of({b"f": b"v"}, Limits())
    assert version(b"text") == version(bytearray(b"text")) == version(hash_) == 10
    hash_.set_deadline(b"f", NOW)
    assert version(hash_) == 80


def test_idle_times_are_written_on_request(keyspace: Keyspace) -> None:
    keyspace.databases[0].load(b"old", b"v", None, NOW - 5999)
    keyspace.databases[0].load(b"new", b"v", NOW + 1, NOW + 1)
    for wanted, old in ((True, NOW - 5000), (False, NOW)):
        again = new_keyspace()
        load(io.BytesIO(written(keyspace, idle_times=wanted)), again)
        assert again.databases[0].accessed == {b"old": old, b"new": NOW}
        assert dict(again.databases[0].expires) == {b"new": NOW + 1}


def test_a_disabled_checksum_is_written_as_zero(keyspace: Keyspace) -> None:
    keyspace.databases[0].load(b"a", b"v", None)
    data = written(keyspace, checksum=False)
    assert data.endswith(b"\xff" + bytes(8))
    load(io.BytesIO(data), new_keyspace())


def test_a_snapshot_is_written_in_chunks(keyspace: Keyspace) -> None:
    for number in range(20_000):
        keyspace.databases[0].load(b"key:%d" % number, b"some value %d" % number, None)
    chunks = list(save(keyspace, {"redis-ver": "7.2.4"}))
    assert len(chunks) > 5
    assert max(map(len, chunks)) < 100_000
    again = new_keyspace()
    load(io.BytesIO(b"".join(chunks)), again)
    assert again.databases[0].data == keyspace.databases[0].data


def test_a_writer_writes_the_same_as_save(keyspace: Keyspace) -> None:
    facts: Facts = {"redis-ver": "7.2.4", "ctime": 5}
    database = keyspace.databases[9]
    database.load(b"text", b"v" * 100, NOW + 5)
    database.load(b"set", Set.of([b"1", b"2"], Limits()), None)
    writer = SnapshotWriter(needed_version(keyspace))
    writer.begin(facts)
    out = writer.take()
    writer.add_library(b"code")
    writer.select(9, 2, 1)
    for name, value in database.data.items():
        writer.add(name, value, database.deadline(name))
        out += writer.take()
    writer.finish()
    out += writer.take()
    assert out == b"".join(save(keyspace, facts, libraries=[b"code"]))
    assert writer.take() == b""


texts = st.one_of(st.binary(max_size=70), st.integers().map(lambda number: b"%d" % number))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(texts, st.tuples(texts, st.none() | st.integers(NOW, 2**63 - 1))))
def test_strings_and_deadlines_are_the_same_after_loading(
    data: dict[bytes, tuple[bytes, int | None]],
) -> None:
    keyspace = new_keyspace()
    for name, (value, deadline) in data.items():
        keyspace.databases[0].load(name, value, deadline)
    again = new_keyspace()
    load(io.BytesIO(written(keyspace)), again)
    assert again.databases[0].data == keyspace.databases[0].data
    assert dict(again.databases[0].expires) == dict(keyspace.databases[0].expires)


# --- false lengths -----------------------------------------------------------------------------

TERABYTE = 1 << 40


@pytest.mark.parametrize(
    "body",
    [
        b"\x00" + length(TERABYTE),
        b"\x00\x01k" + length(TERABYTE) + b"abc",
        b"\x00\x01k\xc3\x05" + length(TERABYTE) + b"abcde",
        b"\x00\x01k\xc3" + length(TERABYTE) + b"\x05abcde",
        *(bytes([code]) + b"\x01k" + length(TERABYTE) for code in range(1, 26)),
        b"\x15\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00" + length(TERABYTE),
        b"\x15\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01g\x00\x00\x00" + length(TERABYTE),
        b"\xfb" + length(TERABYTE) + length(TERABYTE),
        b"\xfe" + length(TERABYTE),
        b"\xf3\x01a" + length(TERABYTE),
        b"\xf5" + length(TERABYTE),
    ],
)
def test_false_lengths_cost_no_memory(body: bytes) -> None:
    data = b"REDIS0012" + body
    tracemalloc.start()
    try:
        with pytest.raises(RdbError):
            load(io.BytesIO(data), new_keyspace())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
