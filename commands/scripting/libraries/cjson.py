"""`cjson`: JSON, with the limits and error messages that scripts know."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from commands.scripting.libraries.services import (
    LibraryError,
    LuaValue,
    Namespace,
    Services,
    expected,
)

_DEEPEST = 1000
# An array may have this many positions for each one that is filled, unless it is short.
_SPARSE_RATIO, _SHORT = 2, 10
_DIGITS = 14

_ESCAPES = {
    **{code: "\\u%04x" % code for code in (*range(32), 127)},
    8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 47: "\\/", 92: "\\\\",
}  # fmt: skip


def functions(services: Services) -> Namespace:
    encoder, decoder = _Encoder(services), _Decoder(services)

    def encode(*values: LuaValue) -> bytes:
        _check_one("encode", values)
        return encoder.encode(values[0])

    def decode(*values: LuaValue) -> LuaValue:
        _check_one("decode", values)
        return decoder.decode(values[0])

    return {"encode": encode, "decode": decode, "_NAME": b"cjson", "_VERSION": b"2.1.0"}


def _check_one(name: str, values: tuple[LuaValue, ...]) -> None:
    if len(values) != 1:
        raise LibraryError(f"bad argument #1 to '{name}' (expected 1 argument)")


class _Encoder:
    def __init__(self, services: Services) -> None:
        self._services = services

    def encode(self, value: LuaValue) -> bytes:
        pieces: list[bytes] = []
        self._append(value, pieces.append, 0)
        return b"".join(pieces)

    def _append(self, value: LuaValue, append: Callable[[bytes], None], depth: int) -> None:
        kind = value.__class__
        if kind is bytes:
            append(_string(value))
        elif kind is bool:
            append(b"true" if value else b"false")
        elif kind is int or kind is float:
            append(_number(value))
        elif value is None or value is self._services.null:
            append(b"null")
        elif kind is self._services.table_type:
            self._append_table(value, append, depth + 1)
        else:
            name = self._services.type_name(value)
            raise LibraryError(f"Cannot serialise {name}: type not supported")

    def _append_table(self, table: LuaValue, append: Callable[[bytes], None], depth: int) -> None:
        if depth > _DEEPEST:
            raise LibraryError(f"Cannot serialise, excessive nesting ({depth})")
        items = dict(table.items())
        length = _array_length(items)
        if length:
            append(b"[")
            for at in range(1, length + 1):
                if at > 1:
                    append(b",")
                self._append(items.get(at), append, depth)
            append(b"]")
            return
        append(b"{")
        for at, (key, value) in enumerate(items.items()):
            if at:
                append(b",")
            if key.__class__ is bytes:
                append(_string(key))
            elif key.__class__ in (int, float):
                append(b'"%b"' % _number(key))
            else:
                name = self._services.type_name(key)
                raise LibraryError(f"Cannot serialise {name}: table key must be a number or string")
            append(b":")
            self._append(value, append, depth)
        append(b"}")


def _array_length(items: dict[Any, Any]) -> int:
    """The length of a table that is an array; 0 if it is an object."""
    highest = 0
    for key in items:
        if key.__class__ is not int or key < 1:
            return 0
        highest = max(highest, key)
    if highest > _SHORT and highest > len(items) * _SPARSE_RATIO:
        raise LibraryError("Cannot serialise table: excessively sparse array")
    return highest


def _string(text: bytes) -> bytes:
    escaped = text.decode("latin-1").translate(_ESCAPES)
    return b'"%b"' % escaped.encode("latin-1")


def _number(number: float) -> bytes:
    if number != number or number in (float("inf"), float("-inf")):
        raise LibraryError("Cannot serialise number: must not be NaN or Inf")
    return b"%.*g" % (_DIGITS, number)


_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\]*')
_NUMBER = re.compile(
    rb"[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)
_NAMED = re.compile(rb"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_TOKENS = {
    b"{": "T_OBJ_BEGIN", b"}": "T_OBJ_END", b"[": "T_ARR_BEGIN", b"]": "T_ARR_END",
    b",": "T_COMMA", b":": "T_COLON", b'"': "T_STRING",
}  # fmt: skip
_SHORT_ESCAPES = {
    b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r",
    b"t": b"\t",
}  # fmt: skip


class _Decoder:
    def __init__(self, services: Services) -> None:
        self._services = services

    def decode(self, text: LuaValue) -> LuaValue:
        if text.__class__ in (int, float):
            text = _number(text)
        if text.__class__ is not bytes:
            raise expected("decode", 1, "string", self._services.type_name(text))
        try:
            value = orjson.loads(text)
        except ValueError:
            # Not JSON, or JSON that only this library accepts.
            return _Parser(text, self._services).parse()
        try:
            return self._to_lua(value, 0)
        except _TooDeep:
            # For the place in the message.
            return _Parser(text, self._services).parse()

    def _to_lua(self, value: Any, depth: int) -> LuaValue:
        kind = value.__class__
        if kind is str:
            return value.encode()
        if value is None:
            return self._services.null
        if kind is list:
            if depth == _DEEPEST:
                raise _TooDeep
            return self._services.table([self._to_lua(item, depth + 1) for item in value])
        if kind is dict:
            if depth == _DEEPEST:
                raise _TooDeep
            return self._services.table(
                {name.encode(): self._to_lua(item, depth + 1) for name, item in value.items()}
            )
        if kind is int and not -(2**53) <= value <= 2**53:
            return float(value)
        return value


class _TooDeep(Exception):
    pass


class _Parser:
    """A strict reading of JSON as this library understands it, with its errors."""

    def __init__(self, text: bytes, services: Services) -> None:
        self._text = text
        self._services = services
        self._at = 0
        self._start = 0

    def parse(self) -> LuaValue:
        value = self._value(self._token(), 0)
        token = self._token()
        if token != "T_END":
            raise self._wrong("the end", token)
        return value

    # --- values -----------------------------------------------------------------------------

    def _value(self, token: Any, depth: int) -> LuaValue:
        if isinstance(token, _Scalar):
            return token.value
        if token == "T_ARR_BEGIN":
            return self._array(depth + 1)
        if token == "T_OBJ_BEGIN":
            return self._object(depth + 1)
        raise self._wrong("value", token)

    def _array(self, depth: int) -> LuaValue:
        self._check_depth(depth)
        items: list[LuaValue] = []
        token = self._token()
        if token == "T_ARR_END":
            return self._services.table(items)
        while True:
            items.append(self._value(token, depth))
            token = self._token()
            if token == "T_ARR_END":
                return self._services.table(items)
            if token != "T_COMMA":
                raise self._wrong("comma or array end", token)
            token = self._token()

    def _object(self, depth: int) -> LuaValue:
        self._check_depth(depth)
        members: dict[bytes, LuaValue] = {}
        token = self._token()
        if token == "T_OBJ_END":
            return self._services.table(members)
        while True:
            if not isinstance(token, _Scalar) or token.name != "T_STRING":
                raise self._wrong("object key string", token)
            name = token.value
            token = self._token()
            if token != "T_COLON":
                raise self._wrong("colon", token)
            members[name] = self._value(self._token(), depth)
            token = self._token()
            if token == "T_OBJ_END":
                return self._services.table(members)
            if token != "T_COMMA":
                raise self._wrong("comma or object end", token)
            token = self._token()

    def _check_depth(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise LibraryError(
                f"Found too many nested data structures ({depth}) at character {self._at}"
            )

    def _wrong(self, wanted: str, token: Any) -> LibraryError:
        found = token.name if isinstance(token, (_Scalar, _Invalid)) else token
        at = token.at if isinstance(token, _Invalid) else self._start
        return LibraryError(f"Expected {wanted} but found {found} at character {at + 1}")

    # --- tokens -----------------------------------------------------------------------------

    def _token(self) -> Any:
        text = self._text
        space = _SPACE.match(text, self._at)
        assert space is not None
        self._start = self._at = at = space.end()
        if at == len(text):
            return "T_END"
        character = text[at : at + 1]
        if character == b'"':
            return self._string_token()
        if character in _TOKENS:
            self._at += 1
            return _TOKENS[character]
        if character in b"+-0123456789":
            return self._number_token()
        for word, name, value in _CONSTANTS:
            if text.startswith(word, at):
                self._at += len(word)
                return _Scalar(name, self._services.null if value is None else value)
        named = _NAMED.match(text, at)
        if named is not None:
            self._at = named.end()
            return _Scalar("T_NUMBER", float(named[0]))
        return _Invalid("invalid token", at)

    def _number_token(self) -> Any:
        found = _NUMBER.match(self._text, self._at) or _NAMED.match(self._text, self._at)
        if found is None:
            return _Invalid("invalid number", self._at)
        self._at = found.end()
        digits = found[0]
        if b"x" in digits.lower():
            return _Scalar("T_NUMBER", float(int(digits, 16)))
        return _Scalar("T_NUMBER", float(digits))

    def _string_token(self) -> Any:
        text, at = self._text, self._at + 1
        pieces: list[bytes] = []
        while True:
            plain = _PLAIN.match(text, at)
            assert plain is not None
            pieces.append(plain[0])
            at = plain.end()
            if at == len(text):
                return _Invalid("unexpected end of string", at)
            if text[at : at + 1] == b'"':
                self._at = at + 1
                return _Scalar("T_STRING", b"".join(pieces))
            escape = text[at + 1 : at + 2]
            if escape == b"u":
                decoded, length = _unicode_escape(text, at)
                if not length:
                    return _Invalid("invalid unicode escape code", at)
                pieces.append(decoded)
                at += length
            elif escape in _SHORT_ESCAPES:
                pieces.append(_SHORT_ESCAPES[escape])
                at += 2
            else:
                return _Invalid("invalid escape code", at)


@dataclass(frozen=True, slots=True)
class _Scalar:
    name: str
    value: LuaValue


@dataclass(frozen=True, slots=True)
class _Invalid:
    name: str
    at: int


_CONSTANTS = (
    (b"true", "T_BOOLEAN", True),
    (b"false", "T_BOOLEAN", False),
    (b"null", "T_NULL", None),
)
_HEX = re.compile(rb"\\u([0-9a-fA-F]{4})")


def _unicode_escape(text: bytes, at: int) -> tuple[bytes, int]:
    """The character that an escape, or a pair of them, stands for, and its length; or 0."""
    found = _HEX.match(text, at)
    if found is None:
        return b"", 0
    code = int(found[1], 16)
    if 0xDC00 <= code < 0xE000:
        return b"", 0
    if not 0xD800 <= code < 0xDC00:
        return chr(code).encode(), 6
    second = _HEX.match(text, at + 6)
    low = int(second[1], 16) if second is not None else 0
    if not 0xDC00 <= low < 0xE000:
        return b"", 0
    return chr(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00).encode(), 12
