"""Damaged files and payloads are refused with an offset, or give a valid value.

With a corrected checksum, a damaged file may be undetectable. The value read from it must
still be valid: it can be written, and reading it again gives the same value.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.clock import Clock
from storage.keyspace import Keyspace
from storage.rdb import RdbError, dump_value, load, load_value, save
from storage.rdb.checksum import crc64
from storage.values.consumer_groups import Group
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream
from tests.storage.rdb.forms import sealed
from tests.storage.rdb.test_old_forms import HASH_FORMS, OLD_FORMS

ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits()
NOW = 1_800_000_000_000


def small_keyspace() -> Keyspace:
    """A key of every type and encoding, each as small as possible."""
    clock = Clock()
    clock.freeze(NOW)
    keyspace = Keyspace(clock)
    put = keyspace.databases[0].load
    put(b"string", b"value", NOW + 5)
    put(b"number", b"70000", None)
    put(b"long", b"ab" * 40, None)
    put(b"raw", bytearray(b"raw"), None, NOW - 9000)
    put(b"list", List.of([b"a", b"300", b"-1", b"c" * 70], LIMITS), None)
    put(b"quicklist", List.of([b"a", b"yy", b"b"], Limits(list_max_listpack_size=2)), None)
    put(b"intset", Set.of([b"1", b"2", b"-70000"], LIMITS), None)
    put(b"packed set", Set.of([b"1", b"b"], LIMITS), None)
    put(b"set", Set.of([b"s" * 65, b"5"], LIMITS), NOW + 70)
    put(b"zset", SortedSet.build([(b"a", 1.5), (b"b", 7.0), (b"c", float("inf"))], LIMITS), None)
    put(b"skiplist", SortedSet.build([(b"m" * 65, -2.25), (b"b", 1.0)], LIMITS), None)
    put(b"hash", Hash.of({b"f": b"v", b"g": b"12"}, LIMITS), None)
    put(b"hashtable", Hash.of({b"f": b"v" * 65}, LIMITS), None)
    dated = Hash.of({b"f": b"v", b"g": b"w"}, LIMITS)
    dated.set_deadline(b"f", NOW + 1000)
    keyspace.databases[3].load(b"dated", dated, None)
    stream = Stream()
    for number in range(3):
        stream.append(7 + number << 64 | 1, [b"f", b"%d" % number], LIMITS)
    stream.append(20 << 64, [b"g", b"x", b"h", b"y"], LIMITS)
    stream.remove(8 << 64 | 1)
    group = stream.groups[b"g"] = Group(9 << 64, 2)
    ann, _ = group.add_consumer(b"ann", NOW), group.add_consumer(b"bob", NOW)
    ann.active_time = NOW - 5
    group.deliver(7 << 64 | 1, ann, NOW)
    keyspace.databases[3].load(b"stream", stream, None)
    return keyspace


def written(keyspace: Keyspace, **options: bool) -> bytes:
    return b"".join(save(keyspace, {"redis-ver": "7.2.4"}, libraries=[b"code"], **options))


def read(data: bytes) -> Keyspace:
    clock = Clock()
    clock.freeze(NOW)
    keyspace = Keyspace(clock)
    load(io.BytesIO(data), keyspace)
    return keyspace


FILES = {
    "compressed": written(small_keyspace()),
    "plain": written(small_keyspace(), compress=False),
}
PAYLOADS = {
    f"{index}.{key.decode()}": dump_value(value, compress=False)
    for index, database in enumerate(small_keyspace().databases)
    for key, value in database.data.items()
} | {
    name: sealed(body)
    for name, (body, _) in OLD_FORMS.items()
    if len(body) < 400
} | {name: sealed(body, version) for name, (body, version) in HASH_FORMS.items()}  # fmt: skip


def changes(byte: int) -> Iterator[int]:
    """Some other bytes: each bit flipped, and the extremes."""
    yield from {byte ^ 1 << bit for bit in range(8)} | {0, 0xFF, 0x7F} - {byte}


def test_the_undamaged_files_are_valid() -> None:
    for data in FILES.values():
        assert written(read(data)) == FILES["compressed"]


@pytest.mark.parametrize("name", FILES)
def test_files_cut_anywhere_are_refused(name: str) -> None:
    data = FILES[name]
    for size in range(len(data)):
        with pytest.raises(RdbError) as refused:
            read(data[:size])
        assert 0 <= refused.value.offset <= size


@pytest.mark.parametrize("name", FILES)
def test_files_with_any_byte_changed_are_refused(name: str) -> None:
    data = FILES[name]
    for at, byte in enumerate(data):
        for other in (byte ^ 1, byte ^ 0x80, 0xFF ^ byte):
            with pytest.raises(RdbError):
                read(data[:at] + bytes([other]) + data[at + 1 :])


def test_changed_files_with_a_correct_checksum_are_valid_or_refused() -> None:
    data = FILES["plain"]
    for at, byte in enumerate(data[:-8]):
        other = bytes([byte ^ 1 << at % 8])
        body = data[:at] + other + data[at + 1 : -8]
        try:
            keyspace = read(body + crc64(body).to_bytes(8, "little"))
        except RdbError:
            continue
        again = written(keyspace)
        assert written(read(again)) == again


@pytest.mark.parametrize("name", PAYLOADS)
def test_payloads_damaged_anywhere_are_refused(name: str) -> None:
    payload = PAYLOADS[name]
    for size in range(len(payload)):
        with pytest.raises(RdbError):
            load_value(payload[:size], LIMITS)
    for at, byte in enumerate(payload):
        with pytest.raises(RdbError):
            load_value(payload[:at] + bytes([byte ^ 1 << at % 8]) + payload[at + 1 :], LIMITS)


@pytest.mark.parametrize("name", PAYLOADS)
def test_changed_payloads_with_a_correct_checksum_are_valid_or_refused(name: str) -> None:
    payload = PAYLOADS[name]
    body, version = payload[:-10], int.from_bytes(payload[-10:-8], "little")
    for at, byte in enumerate(body):
        for other in changes(byte):
            valid_or_refused(sealed(body[:at] + bytes([other]) + body[at + 1 :], version))
    for size in range(len(body)):
        valid_or_refused(sealed(body[:size], version))


def valid_or_refused(payload: bytes) -> None:
    try:
        value = load_value(payload, LIMITS)
    except RdbError as refused:
        assert 0 <= refused.offset <= len(payload)
    else:
        # Loading may change an encoding once, as that of a set, but not twice.
        settled = dump_value(load_value(dump_value(value), LIMITS))
        assert dump_value(load_value(settled, LIMITS)) == settled


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 26), st.binary(max_size=80), st.sampled_from([10, 11, 12, 80]))
def test_garbage_is_valid_or_refused(code: int, garbage: bytes, version: int) -> None:
    valid_or_refused(sealed(bytes([code]) + garbage, version))


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([9, 10, 11, 12, 13, 16, 17, 20, 23]), st.binary(max_size=60), st.booleans())
def test_garbage_in_flat_blocks_is_valid_or_refused(
    code: int, garbage: bytes, counted: bool
) -> None:
    """The same with a valid header and end, which random garbage hardly ever has."""
    size = len(garbage)
    count = 4 if counted else 0xFFFF
    block = (
        (size + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + garbage + b"\xff"
        if code >= 16
        else (size + 11).to_bytes(4, "little") + bytes(4) + count.to_bytes(2, "little")
        + garbage + b"\xff"
    )  # fmt: skip
    valid_or_refused(sealed(bytes([code, len(block)]) + block, 12))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"REDIS0003", b"REDIS0012", b"VALKEY080"]))
def test_garbage_as_a_file_is_valid_or_refused(garbage: bytes, head: bytes) -> None:
    try:
        keyspace = read(head + garbage)
    except RdbError:
        return
    again = written(keyspace)
    assert written(read(again)) == again


def test_false_lengths_are_refused_within_limited_memory() -> None:
    """Run in a process with a memory limit: no length is trusted before the data is read."""
    program = """
import io, resource, sys
from storage.clock import Clock
from storage.keyspace import Keyspace
from storage.rdb import RdbError, load
free = 200 << 20
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + free, used + free))
false_lengths = (
    b"\\x80\\xff\\xff\\xff\\xff", b"\\x81" + b"\\x7f" * 8, b"\\xc3\\x09\\x80\\x7f\\xff\\xff\\xff"
)
for length in false_lengths:
    for code in (0, 1, 2, 3, 4, 5, 10, 14, 16, 18, 21, 22, 24, 25):
        for body in (length, length + bytes(1 << 20), b"\\x01" + length):
            try:
                load(io.BytesIO(b"REDIS0012" + bytes([code]) + b"\\x01k" + body), Keyspace(Clock()))
            except RdbError:
                continue
            sys.exit(f"{code} {length} was accepted")
"""
    if not hasattr(resource, "RLIMIT_AS") or not Path("/proc/self/statm").exists():
        pytest.skip("memory cannot be limited here")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
