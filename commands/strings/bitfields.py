"""BITFIELD: strings as integers of any width at any bit offset."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Integer, Key, OneOf, String, Token
from commands.engine.numbers import parse_integer, read_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.strings.bit_offsets import parse_bit_offset
from commands.strings.editing import lengthen

_BAD_TYPE = (
    "ERR Invalid bitfield type. Use something like i16 u8. "
    "Note that u64 is not supported but i64 is."
)
_OVERFLOWS = frozenset([b"WRAP", b"SAT", b"FAIL"])
_OPERANDS = {b"GET": 2, b"SET": 3, b"INCRBY": 3}


@dataclass(slots=True)
class _Operation:
    """One GET, SET or INCRBY: the integer it applies to and what to do on overflow."""

    name: bytes
    signed: bool
    width: int
    offset: int
    operand: int
    overflow: bytes

    def load(self, value: bytes | bytearray) -> int:
        """Read the integer from the string; bits beyond the end are zero."""
        end = self.offset + self.width
        first, beyond = self.offset >> 3, end + 7 >> 3
        part = value[first:beyond]
        missing = beyond - first - len(part)
        bits = int.from_bytes(part, "big") << 8 * missing
        number = bits >> (-end & 7) & (1 << self.width) - 1
        if self.signed and number >> self.width - 1:
            number -= 1 << self.width
        return number

    def save(self, value: bytearray, number: int) -> None:
        end = self.offset + self.width
        first, beyond = self.offset >> 3, end + 7 >> 3
        shift = -end & 7
        mask = (1 << self.width) - 1
        bits = int.from_bytes(value[first:beyond], "big") & ~(mask << shift)
        bits |= (number & mask) << shift
        value[first:beyond] = bits.to_bytes(beyond - first, "big")

    def fit(self, number: int) -> int | None:
        """Return the number to store; None if OVERFLOW FAIL rejects it."""
        width = self.width
        if self.signed:
            least, most = -1 << width - 1, (1 << width - 1) - 1
        else:
            least, most = 0, (1 << width) - 1
        if least <= number <= most:
            return number
        if self.overflow == b"SAT":
            return most if number > most else least
        if self.overflow == b"FAIL":
            return None
        number &= (1 << width) - 1
        return number - (1 << width) if self.signed and number > most else number


@command(
    "BITFIELD",
    group="bitmap",
    since="3.2.0",
    flags="write denyoom",
    complexity="O(1) for each operation.",
    summary="Reads, sets and increments integers of any width inside a string.",
    arguments=[
        Key("key", "RW access update variable_flags"),
        OneOf(
            "operation",
            ArgumentGroup("get-block", String("encoding"), Integer("offset"), token="GET"),
            ArgumentGroup(
                "write",
                OneOf(
                    "overflow-block",
                    Token("WRAP"),
                    Token("SAT"),
                    Token("FAIL"),
                    token="OVERFLOW",
                    optional=True,
                ),
                OneOf(
                    "write-operation",
                    ArgumentGroup(
                        "set-block",
                        String("encoding"),
                        Integer("offset"),
                        Integer("value"),
                        token="SET",
                    ),
                    ArgumentGroup(
                        "incrby-block",
                        String("encoding"),
                        Integer("offset"),
                        Integer("increment"),
                        token="INCRBY",
                    ),
                ),
            ),
            optional=True,
            multiple=True,
        ),
    ],
)
def bitfield(ctx: Context, argv: list[bytes]) -> Reply:
    operations = _parse(ctx, argv)
    if all(operation.name == b"GET" for operation in operations):
        return _read_all(ctx, argv[1], operations)
    key, db = argv[1], ctx.db
    value = db.fetch_buffer(key)
    is_new = value is None
    if value is None:
        value = bytearray()
    end = max(o.offset + o.width for o in operations if o.name != b"GET")
    missing = (end + 7 >> 3) - len(value)
    lengthen(value, end + 7 >> 3)
    replies: list[Reply] = []
    changes = 0
    for operation in operations:
        before = operation.load(value)
        if operation.name == b"GET":
            replies.append(before)
            continue
        wanted = operation.operand + (before if operation.name == b"INCRBY" else 0)
        after = operation.fit(wanted)
        if after is None:
            replies.append(None)
            continue
        operation.save(value, after)
        if missing > 0 or after != before:
            changes += 1
        replies.append(after if operation.name == b"INCRBY" else before)
    # Redis counts only fields that changed. But creating or growing the string is a change
    # too, even if every operation failed on overflow.
    if is_new:
        db.store(key, value, "setbit", count=changes or 1)
    elif changes or missing > 0:
        db.changed(key, "setbit", changes or 1)
    return replies


@command(
    "BITFIELD_RO",
    group="bitmap",
    since="6.0.0",
    flags="readonly fast",
    complexity="O(1) for each operation.",
    summary="Reads integers of any width inside a string.",
    arguments=[
        Key("key", "RO access"),
        ArgumentGroup(
            "get-block",
            String("encoding"),
            Integer("offset"),
            token="GET",
            optional=True,
            multiple=True,
            multiple_token=True,
        ),
    ],
)
def bitfield_ro(ctx: Context, argv: list[bytes]) -> Reply:
    operations = _parse(ctx, argv)
    if any(operation.name != b"GET" for operation in operations):
        raise CommandError("ERR BITFIELD_RO only supports the GET subcommand")
    return _read_all(ctx, argv[1], operations)


def _read_all(ctx: Context, key: bytes, operations: list[_Operation]) -> Reply:
    value = ctx.db.read_string(key) or b""
    return [operation.load(value) for operation in operations]


def _parse(ctx: Context, argv: list[bytes]) -> list[_Operation]:
    operations: list[_Operation] = []
    overflow = b"WRAP"
    at, end = 2, len(argv)
    while at < end:
        name = argv[at].upper()
        left = end - at - 1
        if name == b"OVERFLOW" and left:
            overflow = argv[at + 1].upper()
            if overflow not in _OVERFLOWS:
                raise CommandError("ERR Invalid OVERFLOW type specified")
            at += 2
            continue
        if name not in _OPERANDS or left < _OPERANDS[name]:
            raise CommandError(SYNTAX)
        signed, width = _parse_type(argv[at + 1])
        offset = parse_bit_offset(ctx, argv[at + 2], width)
        operand = 0 if name == b"GET" else parse_integer(argv[at + 3])
        if name == b"SET" and not signed:
            # As unsigned, a negative number is too large rather than too small.
            operand &= (1 << 64) - 1
        operations.append(_Operation(name, signed, width, offset, operand, overflow))
        at += 1 + _OPERANDS[name]
    return operations


def _parse_type(text: bytes) -> tuple[bool, int]:
    width = read_integer(text[1:])
    signed = text[:1] == b"i"
    if (
        (not signed and text[:1] != b"u")
        or width is None
        or not 1 <= width <= (64 if signed else 63)
    ):
        raise CommandError(_BAD_TYPE)
    return signed, width
