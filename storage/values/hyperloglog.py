"""The HyperLogLog: an estimate of the number of distinct elements, in at most 12 KB.

Redis stores it in an ordinary string, which clients GET, SET and copy between servers. So
the functions here work on that string, in exactly Redis' layout:

- a header of 16 bytes: `HYLL`, the encoding (0 dense, 1 sparse), three zeros, and the
  last count as a little-endian number whose highest bit marks it as outdated;
- *dense*: 16384 registers of 6 bits, the low bits first;
- *sparse*: runs of equal registers. `00nnnnnn` is n+1 zeros, `01nnnnnn nnnnnnnn` the same
  for longer runs, and `1vvvvvnn` is n+1 registers of value v+1.

Operations on all registers use an array of one byte per register, with slices, `translate`
and big integers: a loop in Python would take a hundred times as long.
"""

from __future__ import annotations

import math
from struct import unpack_from

MAGIC = b"HYLL"
HEADER = 16
DENSE, SPARSE = 0, 1
INDEX_BITS = 14
REGISTERS = 1 << INDEX_BITS
# The other bits of the hash give the register's value: the position of the lowest set bit.
HASH_BITS = 64 - INDEX_BITS
DENSE_SIZE = HEADER + REGISTERS * 6 // 8

_SPARSE_MAX_VALUE = 32
_MAX_ZEROS = 64
_MAX_VALUES = 4
# After a new value, this many neighbouring runs are checked for runs to join.
_JOIN_REACH = 5
# Runs before the one to change are skipped in blocks of this many bytes.
_BLOCK = 64

_ALPHA = 0.721347520444481703680
_MASK64 = (1 << 64) - 1
_SEED = 0xADC83B19
_MULTIPLIER = 0xC6A4A7935BD1E995

# Tables that split the three bytes of four dense registers into their parts, and back.
_LOW6 = bytes(byte & 63 for byte in range(256))
_TOP2 = bytes(byte >> 6 for byte in range(256))
_LOW4_UP2 = bytes((byte & 15) << 2 for byte in range(256))
_TOP4 = bytes(byte >> 4 for byte in range(256))
_LOW2_UP4 = bytes((byte & 3) << 4 for byte in range(256))
_TOP6 = bytes(byte >> 2 for byte in range(256))
_LOW2_UP6 = bytes((byte & 3) << 6 for byte in range(256))
_UP2 = bytes((byte << 2) & 255 for byte in range(256))
_LOW4_UP4 = bytes((byte & 15) << 4 for byte in range(256))
_HIGH_BITS = int.from_bytes(b"\x80" * REGISTERS, "little")

# How many registers an opcode of one byte covers.
_SPAN = bytes((byte & 63) + 1 if byte < 0x80 else (byte & 3) + 1 for byte in range(256))
_LONG_OPCODES = bytes(range(0x40, 0x80))


class CorruptHyperLogLog(Exception):
    """The header is valid, but the runs do not add up to the number of registers."""


def new() -> bytearray:
    return bytearray(MAGIC + bytes([SPARSE]) + bytes(11) + _zeros(REGISTERS))


def is_valid(value: bytes | bytearray) -> bool:
    """Return whether a string has a valid header and, if dense, the right size."""
    return (
        len(value) >= HEADER
        and value[:4] == MAGIC
        and (value[4] == SPARSE or (value[4] == DENSE and len(value) == DENSE_SIZE))
    )


# --- the count ---------------------------------------------------------------------------


def cached_count(value: bytes | bytearray) -> int | None:
    """Return the last computed count; None if elements were added since."""
    if value[15] & 0x80:
        return None
    return int.from_bytes(value[8:16], "little")


def cache_count(value: bytearray, count: int) -> None:
    value[8:16] = count.to_bytes(8, "little")


def forget_count(value: bytearray) -> None:
    value[15] |= 0x80


def estimate(registers: bytes) -> int:
    """Estimate the number of distinct elements with Ertl's improved estimator."""
    size = float(REGISTERS)
    having = [0] * (HASH_BITS + 2)
    rank, left = 0, REGISTERS
    # Counting is most of the work, and high values are rare.
    while left and rank < len(having):
        having[rank] = count = registers.count(rank)
        left -= count
        rank += 1
    total = size * _tau((size - having[-1]) / size)
    for count in having[-2:0:-1]:
        total += count
        total *= 0.5
    total += size * _sigma(having[0] / size)
    # Rounds half up; the numbers are too small for the addition to lose precision.
    return math.floor(_ALPHA * size * size / total + 0.5)


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    weight, total = 1.0, x
    while True:
        x *= x
        before = total
        total += x * weight
        weight += weight
        if total == before:
            return total


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    weight, total = 1.0, 1 - x
    while True:
        x = math.sqrt(x)
        before = total
        weight *= 0.5
        total -= (1 - x) ** 2 * weight
        if total == before:
            return total / 3


# --- elements ----------------------------------------------------------------------------


def add(value: bytearray, element: bytes, sparse_limit: int) -> bool:
    """Add an element and return whether that changed a register."""
    register, rank = place_of(element)
    if value[4] == DENSE:
        return _set_dense(value, register, rank)
    return _set_sparse(value, register, rank, sparse_limit)[0]


def place_of(element: bytes) -> tuple[int, int]:
    """Return the register of an element, and the least value it requires there."""
    hashed = murmur64(element)
    # The bit above the hash bounds the result if all bits of the hash are zero.
    rest = hashed >> INDEX_BITS | 1 << HASH_BITS
    return hashed & (REGISTERS - 1), (rest & -rest).bit_length()


def murmur64(data: bytes) -> int:
    """Return MurmurHash64A with the seed that Redis uses for HyperLogLogs."""
    length = len(data)
    hashed = _SEED ^ (length * _MULTIPLIER & _MASK64)
    blocks = length >> 3
    for block in unpack_from(f"<{blocks}Q", data):
        block = block * _MULTIPLIER & _MASK64
        block = (block ^ block >> 47) * _MULTIPLIER & _MASK64
        hashed = (hashed ^ block) * _MULTIPLIER & _MASK64
    if length & 7:
        tail = int.from_bytes(data[blocks << 3 :], "little")
        hashed = (hashed ^ tail) * _MULTIPLIER & _MASK64
    hashed = (hashed ^ hashed >> 47) * _MULTIPLIER & _MASK64
    return hashed ^ hashed >> 47


# --- all registers at once ---------------------------------------------------------------


def registers_of(value: bytes | bytearray) -> bytes:
    """Return the registers, one byte each."""
    if value[4] == SPARSE:
        return _unpack_sparse(value)
    first, second, third = (bytes(value[HEADER + i :: 3]) for i in range(3))
    registers = bytearray(REGISTERS)
    registers[0::4] = first.translate(_LOW6)
    registers[1::4] = _either(first.translate(_TOP2), second.translate(_LOW4_UP2))
    registers[2::4] = _either(second.translate(_TOP4), third.translate(_LOW2_UP4))
    registers[3::4] = third.translate(_TOP6)
    return bytes(registers)


def merge_into(registers: bytearray, value: bytes | bytearray) -> None:
    """Raise registers to those of a HyperLogLog where these are higher."""
    if value[4] == DENSE:
        registers[:] = merged(registers, registers_of(value))
        return
    # Mostly there are far fewer runs than registers.
    runs = describe_runs(value)
    if sum([length for length, _ in runs]) != REGISTERS:
        raise CorruptHyperLogLog
    at = 0
    for length, rank in runs:
        if rank > 0:
            for register in range(at, at + length):
                if registers[register] < rank:
                    registers[register] = rank
        at += length


def merged(one: bytes | bytearray, other: bytes | bytearray) -> bytes:
    """Return the maximum of each pair of registers."""
    a, b = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    # Registers have 6 bits, so a top bit set in each byte of `a` survives the subtraction
    # exactly where a >= b. Extended over its byte it becomes a mask that selects `a`.
    keeps = ((a | _HIGH_BITS) - b) & _HIGH_BITS
    picks_a = keeps | (keeps - (keeps >> 7))
    return (b ^ ((a ^ b) & picks_a)).to_bytes(REGISTERS, "little")


def put_registers(value: bytearray, registers: bytes, sparse_limit: int) -> None:
    """Raise the registers of `value` to these, none of which is below its current value."""
    if value[4] == DENSE:
        value[HEADER:] = _pack_dense(registers)
        return
    hint = (HEADER, 0)
    for register, rank in enumerate(registers):
        if rank:
            _, hint = _set_sparse(value, register, rank, sparse_limit, hint)
            if value[4] == DENSE:
                value[HEADER:] = _pack_dense(registers)
                return


def make_dense(value: bytearray) -> None:
    if value[4] == SPARSE:
        value[HEADER:] = _pack_dense(_unpack_sparse(value))
        value[4] = DENSE


def describe_runs(value: bytes | bytearray) -> list[tuple[int, int]]:
    """The runs of a sparse one as (length, value), zeros of the long form as value -1."""
    runs: list[tuple[int, int]] = []
    at = HEADER
    while at < len(value):
        opcode = value[at]
        if opcode & 0x80:
            runs.append((_SPAN[opcode], (opcode >> 2 & 31) + 1))
        elif opcode & 0x40:
            at += 1
            runs.append((_long_span(value, at), -1))
        else:
            runs.append((_SPAN[opcode], 0))
        at += 1
    return runs


def _unpack_sparse(value: bytes | bytearray) -> bytes:
    registers = b"".join(
        [bytes(n) if rank <= 0 else bytes([rank]) * n for n, rank in describe_runs(value)]
    )
    if len(registers) != REGISTERS:
        raise CorruptHyperLogLog
    return registers


def _pack_dense(registers: bytes) -> bytes:
    a, b, c, d = (registers[i::4] for i in range(4))
    packed = bytearray(DENSE_SIZE - HEADER)
    packed[0::3] = _either(a, b.translate(_LOW2_UP6))
    packed[1::3] = _either(b.translate(_TOP6), c.translate(_LOW4_UP4))
    packed[2::3] = _either(c.translate(_TOP4), d.translate(_UP2))
    return bytes(packed)


def _either(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") | int.from_bytes(other, "little")).to_bytes(
        len(one), "little"
    )


# --- one register ------------------------------------------------------------------------


def _set_dense(value: bytearray, register: int, rank: int) -> bool:
    at, shift = HEADER + register * 6 // 8, register * 6 & 7
    pair = value[at : at + 2]
    bits = int.from_bytes(pair, "little")
    if (bits >> shift & 63) >= rank:
        return False
    bits = bits & ~(63 << shift) | rank << shift
    value[at : at + 2] = bits.to_bytes(len(pair), "little")
    return True


def _set_sparse(
    value: bytearray,
    register: int,
    rank: int,
    limit: int,
    hint: tuple[int, int] = (HEADER, 0),
) -> tuple[bool, tuple[int, int]]:
    """Raise a register; return whether it changed, and the hint for higher registers.

    `hint` is the place of a run at or before the register, and that run's first register.
    A value too large for a run, or growth beyond `limit`, makes the HyperLogLog dense.
    """
    if rank > _SPARSE_MAX_VALUE:
        return _promote(value, register, rank), hint
    at, first = hint
    before, before_first = -1, 0
    end = len(value)
    next_block = at
    while True:
        if at >= end:
            raise CorruptHyperLogLog
        if at >= next_block:
            next_block = at + _BLOCK
            block = value[at:next_block]
            if next_block < end and len(block.translate(None, _LONG_OPCODES)) == _BLOCK:
                spans = block.translate(_SPAN)
                beyond = first + sum(spans)
                if register >= beyond:
                    at, first = next_block, beyond
                    before, before_first = at - 1, first - spans[-1]
                    continue
        opcode = value[at]
        is_long = opcode & 0xC0 == 0x40
        if is_long:
            if at + 1 >= end:
                raise CorruptHyperLogLog
            span = _long_span(value, at + 1)
        else:
            span = _SPAN[opcode]
        if register < first + span:
            break
        before, before_first = at, first
        at += 2 if is_long else 1
        first += span
    old = (opcode >> 2 & 31) + 1 if opcode & 0x80 else 0
    if old >= rank:
        return False, hint
    left, right = register - first, first + span - 1 - register
    if old:
        runs = _values(old, left) + _values(rank, 1) + _values(old, right)
    else:
        runs = _zeros(left) + _values(rank, 1) + _zeros(right)
    width = 2 if is_long else 1
    growth = len(runs) - width
    if growth > 0 and end + growth > limit:
        return _promote(value, register, rank), hint
    value[at : at + width] = runs
    if before < 0:
        before, before_first = hint
    _join_values(value, before)
    forget_count(value)
    return True, (before, before_first)


def _promote(value: bytearray, register: int, rank: int) -> bool:
    make_dense(value)
    return _set_dense(value, register, rank)


def _join_values(value: bytearray, at: int) -> None:
    """Join neighbouring runs of the same value, among the first few from `at` on."""
    for _ in range(_JOIN_REACH):
        if at >= len(value):
            return
        opcode = value[at]
        if opcode & 0x80:
            after = value[at + 1] if at + 1 < len(value) else 0
            # Equal except for the length: both are runs of the same value.
            if opcode & 0xFC == after & 0xFC and _SPAN[opcode] + _SPAN[after] <= _MAX_VALUES:
                value[at : at + 2] = bytes([opcode + _SPAN[after]])
                continue
        elif opcode & 0x40:
            at += 1
        at += 1


def _long_span(value: bytes | bytearray, low: int) -> int:
    """Return the length of a long run of zeros whose second byte is at `low`."""
    if low >= len(value):
        raise CorruptHyperLogLog
    return ((value[low - 1] & 63) << 8 | value[low]) + 1


def _zeros(count: int) -> bytes:
    if count > _MAX_ZEROS:
        return bytes([0x40 | (count - 1) >> 8, count - 1 & 255])
    return bytes([count - 1]) if count else b""


def _values(rank: int, count: int) -> bytes:
    return bytes([0x80 | (rank - 1) << 2 | count - 1]) if count else b""
