"""HyperLogLogs: estimating the number of distinct elements without storing them."""

from __future__ import annotations

from commands.engine.errors import CommandError
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.values import hyperloglog as hll

_NOT_VALID = "WRONGTYPE Key is not a valid HyperLogLog string value."
_CORRUPT = "INVALIDOBJ Corrupted HLL object detected"


def _check_valid(value: bytes | bytearray) -> None:
    if not hll.is_valid(value):
        raise CommandError(_NOT_VALID)


def _registers(value: bytes | bytearray) -> bytes:
    try:
        return hll.registers_of(value)
    except hll.CorruptHyperLogLog:
        raise CommandError(_CORRUPT) from None


def _merged_registers(ctx: Context, keys: list[bytes]) -> tuple[bytes, bool]:
    """Return the merged registers of the keys that exist, and whether any is dense."""
    registers, dense = bytearray(hll.REGISTERS), False
    for key in keys:
        value = ctx.db.read_string(key)
        if value is not None:
            _check_valid(value)
            dense = dense or value[4] == hll.DENSE
            try:
                hll.merge_into(registers, value)
            except hll.CorruptHyperLogLog:
                raise CommandError(_CORRUPT) from None
    return bytes(registers), dense


def _fetch_buffer(ctx: Context, key: bytes) -> bytearray | None:
    """Return the HyperLogLog as a buffer; other strings are rejected before the conversion."""
    value = ctx.db.fetch_string(key)
    if value is None:
        return None
    _check_valid(value)
    return ctx.db.fetch_buffer(key)


@command(
    "PFADD",
    group="hyperloglog",
    since="2.8.9",
    flags="write denyoom fast",
    complexity="O(1) for each element.",
    summary="Adds elements to a HyperLogLog and returns whether its registers changed.",
    arguments=[Key("key", "RW insert"), String("element", optional=True, multiple=True)],
)
def pfadd(ctx: Context, argv: list[bytes]) -> Reply:
    key, db = argv[1], ctx.db
    value = _fetch_buffer(ctx, key)
    is_new = value is None
    if value is None:
        value = hll.new()
    limit = ctx.limits.hll_sparse_max_bytes
    changes = int(is_new)
    try:
        for element in argv[2:]:
            changes += hll.add(value, element, limit)
    except hll.CorruptHyperLogLog:
        raise CommandError(_CORRUPT) from None
    if not changes:
        return 0
    hll.forget_count(value)
    if is_new:
        db.store(key, value, "pfadd", count=changes)
    else:
        db.changed(key, "pfadd", changes)
    return 1


@command(
    "PFCOUNT",
    group="hyperloglog",
    since="2.8.9",
    flags="readonly",
    complexity="O(1) for one key, O(N) with a larger constant for N keys.",
    summary="Estimates how many distinct elements were added to one or several HyperLogLogs.",
    arguments=[Key("key", "RW access", multiple=True)],
)
def pfcount(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        registers, _ = _merged_registers(ctx, argv[1:])
        return hll.estimate(registers)
    key, db = argv[1], ctx.db
    value = db.read_string(key)
    if value is None:
        return 0
    _check_valid(value)
    count = hll.cached_count(value)
    if count is None:
        count = hll.estimate(_registers(value))
        buffer = db.fetch_buffer(key)
        assert buffer is not None
        hll.cache_count(buffer, count)
        # The cached count is part of the string, so copies and WATCH must see the change.
        db.changed(key, None)
    return count


@command(
    "PFMERGE",
    group="hyperloglog",
    since="2.8.9",
    flags="write denyoom",
    complexity="O(N) with a large constant for N keys.",
    summary="Merges HyperLogLogs into the first one.",
    arguments=[
        Key("destkey", "RW access insert"),
        Key("sourcekey", "RO access", optional=True, multiple=True),
    ],
)
def pfmerge(ctx: Context, argv: list[bytes]) -> Reply:
    key, db = argv[1], ctx.db
    registers, dense = _merged_registers(ctx, argv[1:])
    value = db.fetch_buffer(key)
    is_new = value is None
    if value is None:
        value = hll.new()
    if dense:
        hll.make_dense(value)
    hll.put_registers(value, registers, ctx.limits.hll_sparse_max_bytes)
    hll.forget_count(value)
    if is_new:
        db.store(key, value, "pfadd")
    else:
        db.changed(key, "pfadd")
    return OK


@command(
    "PFDEBUG",
    group="hyperloglog",
    since="2.8.9",
    flags="write denyoom admin",
    complexity="N/A",
    summary="Shows the internals of a HyperLogLog, for tests.",
    arguments=[String("subcommand"), Key("key", "RW access")],
)
def pfdebug(ctx: Context, argv: list[bytes]) -> Reply:
    subcommand, key, db = argv[1].upper(), argv[2], ctx.db
    value = _fetch_buffer(ctx, key)
    if value is None:
        raise CommandError("ERR The specified key does not exist")
    sparse = value[4] == hll.SPARSE
    if subcommand == b"ENCODING":
        return "sparse" if sparse else "dense"
    if subcommand == b"DECODE":
        if not sparse:
            raise CommandError("ERR HLL encoding is not sparse")
        return _describe(value)
    if subcommand not in (b"GETREG", b"TODENSE"):
        raise CommandError(b"ERR Unknown PFDEBUG subcommand '%b'" % argv[1])
    registers = _registers(value)
    if sparse:
        hll.make_dense(value)
        # As in Redis, a conversion to dense does not fail WATCH: the registers are the same.
        db.changed_quietly(key)
    return list(registers) if subcommand == b"GETREG" else int(sparse)


def _describe(value: bytearray) -> bytes:
    try:
        runs = hll.describe_runs(value)
    except hll.CorruptHyperLogLog:
        raise CommandError(_CORRUPT) from None
    words = []
    for length, rank in runs:
        if rank > 0:
            words.append(b"v:%d,%d" % (rank, length))
        else:
            words.append(b"%c:%d" % (b"Z" if rank else b"z", length))
    return b" ".join(words)


@command(
    "PFSELFTEST",
    group="hyperloglog",
    since="2.8.9",
    flags="admin",
    complexity="N/A",
    summary="Tests the HyperLogLog implementation.",
)
def pfselftest(ctx: Context, argv: list[bytes]) -> Reply:
    value, kept = hll.new(), bytearray(hll.REGISTERS)
    # The standard error is 1.04 / sqrt(registers); five times that never occurs by chance.
    tolerance = 5 * 1.04 / hll.REGISTERS**0.5
    total = 2000
    for number in range(total):
        element = b"%d" % number
        register, rank = hll.place_of(element)
        kept[register] = max(kept[register], rank)
        hll.add(value, element, ctx.limits.hll_sparse_max_bytes)
    if hll.registers_of(value) != kept:
        raise CommandError("ERR TESTFAILED registers differ from those that were set")
    if abs(hll.estimate(bytes(kept)) - total) > total * tolerance:
        raise CommandError("ERR TESTFAILED the estimate is too far off")
    return OK
