"""Values of Lua as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from commands.scripting.libraries.json_settings import JsonSettings
from commands.scripting.libraries.services import STACK, LibraryError, LuaValue, Services
from commands.scripting.libraries.tables import array_items

_ESCAPES = {
    **{code: f"\\u{code:04x}" for code in (*range(32), 127)},
    8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 47: "\\/", 92: "\\\\",
}  # fmt: skip
_INT_MAX = 2**31 - 1
# Memory of a piece of text beside its bytes.
_PIECE = 40
# Memory of a table that is being written.
_TABLE = 500
_CHECK_EVERY = 1000
# Places on the stack, by the end of the text that takes them.
_STACKED = {b"]": 1, b"}": 2, b"": 1}


class JsonWriter:
    def __init__(self, services: Services, settings: JsonSettings) -> None:
        self._services = services
        self._settings = settings
        self._table_type = services.table_type

    def write(self, value: LuaValue) -> bytes:
        """The text. Without recursion, because a script decides how deep tables may be."""
        pieces: list[bytes] = []
        # The rest of each table that is being written, and what comes after it.
        outer: list[tuple[Iterator[tuple[bytes, LuaValue]], bytes]] = []
        rest, end = iter([(b"", value)]), b""
        held = unchecked = 0
        # The original keeps the tables on the stack, and the keys at which it is in objects.
        stacked = 1
        while True:
            for before, item in rest:
                if item.__class__ is self._table_type:
                    outer.append((rest, end))
                    rest, start, end = self._open(item, len(outer), stacked)
                    stacked += _STACKED[end]
                    held += _TABLE
                    piece = before + start
                else:
                    piece = before + self._scalar(item)
                pieces.append(piece)
                held += len(piece) + _PIECE
                unchecked += 1
                if unchecked == _CHECK_EVERY:
                    self._services.check(held)
                    unchecked = 0
                if item.__class__ is self._table_type:
                    break
            else:
                pieces.append(end)
                held += _PIECE
                stacked -= _STACKED[end]
                if not outer:
                    return b"".join(pieces)
                rest, end = outer.pop()

    def _open(
        self, table: LuaValue, depth: int, stacked: int
    ) -> tuple[Iterator[tuple[bytes, LuaValue]], bytes, bytes]:
        """The items of a table, each with what comes before its value, and the brackets."""
        if depth > self._settings.encode_max_depth or stacked + 3 > STACK:
            raise LibraryError(f"Cannot serialise, excessive nesting ({depth})")
        length = self._array_length(table)
        if length > 0:
            items = array_items(self._services, table, length)
            return zip(_commas(), items, strict=False), b"[", b"]"
        return self._members(table), b"{", b"}"

    def _array_length(self, table: LuaValue) -> int:
        """The length of a table that is an array; 0 if it is an object."""
        highest = count = 0
        for key in table.keys():  # noqa: SIM118  (not a dict)
            if key.__class__ is not int or key < 1:
                return 0
            # Beyond the integers of C, positions do not count.
            highest = max(highest, key if key <= _INT_MAX else 0)
            count += 1
        settings = self._settings
        ratio = settings.encode_sparse_ratio
        if ratio > 0 and highest > count * ratio and highest > settings.encode_sparse_safe:
            if not settings.encode_sparse_convert:
                raise LibraryError("Cannot serialise table: excessively sparse array")
            return 0
        return highest

    def _members(self, table: LuaValue) -> Iterator[tuple[bytes, LuaValue]]:
        comma = b""
        for key, value in table.items():
            if key.__class__ is bytes:
                name = _string(key)
            elif key.__class__ in (int, float):
                name = b'"%b"' % self._number(key)
            else:
                kind = self._services.type_name(key)
                raise LibraryError(f"Cannot serialise {kind}: table key must be a number or string")
            yield b"%b%b:" % (comma, name), value
            comma = b","

    def _scalar(self, value: LuaValue) -> bytes:
        kind = value.__class__
        if kind is bytes:
            return _string(value)
        if kind is bool:
            return b"true" if value else b"false"
        if kind is int or kind is float:
            return self._number(value)
        if value is None or kind is self._services.null_type:
            return b"null"
        name = self._services.type_name(value)
        raise LibraryError(f"Cannot serialise {name}: type not supported")

    def _number(self, number: float) -> bytes:
        if number != number or number in (float("inf"), float("-inf")):
            allowed = self._settings.encode_invalid_numbers
            if allowed == b"off":
                raise LibraryError("Cannot serialise number: must not be NaN or Inf")
            if allowed == b"null":
                return b"null"
        return number_text(number, self._settings.encode_number_precision)


def number_text(number: float, digits: int = 14) -> bytes:
    return b"%.*g" % (digits, number)


def _string(text: bytes) -> bytes:
    escaped = text.decode("latin-1").translate(_ESCAPES)
    return b'"%b"' % escaped.encode("latin-1")


def _commas() -> Iterator[bytes]:
    yield b""
    while True:
        yield b","
