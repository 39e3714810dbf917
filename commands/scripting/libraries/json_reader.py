"""JSON as values of Lua."""

# ruff: noqa: S105  (the tokens here are words of JSON)

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from commands.scripting.libraries.arguments import read_number_prefix
from commands.scripting.libraries.json_settings import JsonSettings
from commands.scripting.libraries.services import STACK, LibraryError, LuaValue, Services

# Deeper JSON is read without recursion.
_RECURSIVE = 100
# The memory that the fast parser needs at most for a container, and for an item of one.
_CONTAINER, _ITEM = 72, 40
# The fast parser reads it as 0.
_NEGATIVE_ZERO = re.compile(rb"-0(?![0-9.eE])")

_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\0]*')
# What is a number of C, but not of JSON.
_INVALID_NUMBER = re.compile(rb"\+|-?(?:0[xX0-9]|inf|nan)", re.IGNORECASE)
_TOKENS = {
    b"{": "T_OBJ_BEGIN", b"}": "T_OBJ_END", b"[": "T_ARR_BEGIN", b"]": "T_ARR_END",
    b",": "T_COMMA", b":": "T_COLON",
}  # fmt: skip
_SHORT_ESCAPES = {
    b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r",
    b"t": b"\t",
}  # fmt: skip


class JsonReader:
    def __init__(self, services: Services, settings: JsonSettings) -> None:
        self._services = services
        self._settings = settings

    def read(self, text: bytes) -> LuaValue:
        if b"\0" in text[:2] and len(text) > 1:
            raise LibraryError("JSON parser does not support UTF-16 or UTF-32")
        if not self._is_small(text) or _NEGATIVE_ZERO.search(text):
            return self._read_slowly(text)
        try:
            return self._to_lua(orjson.loads(text), 0)
        except (ValueError, _TooDeep):
            # Not JSON, or JSON that only this library accepts, or an error with a place.
            return self._read_slowly(text)

    def _read_slowly(self, text: bytes) -> LuaValue:
        return _Parser(text, self._services, self._settings).parse()

    def _is_small(self, text: bytes) -> bool:
        """Whether there is memory for all values at once."""
        containers = text.count(b"[") + text.count(b"{")
        needed = _CONTAINER * containers + _ITEM * (containers + text.count(b","))
        return self._services.fits(needed + len(text))

    def _to_lua(self, value: Any, depth: int) -> LuaValue:
        kind = value.__class__
        if kind is str:
            return value.encode()
        if value is None:
            return self._services.null
        if kind is list or kind is dict:
            depth += 1
            if depth > min(_RECURSIVE, self._settings.decode_max_depth):
                raise _TooDeep
            self._services.check(0)
            if kind is list:
                return self._services.table([self._to_lua(item, depth) for item in value])
            return self._services.table(
                {name.encode(): self._to_lua(item, depth) for name, item in value.items()}
            )
        if kind is int and not -(2**53) <= value <= 2**53:
            return float(value)
        return value


class _TooDeep(Exception):
    pass


class _Open:
    """A container that is being read."""

    __slots__ = ("items", "name", "names")

    def __init__(self, is_object: bool) -> None:
        self.items: list[LuaValue] = []
        self.names: list[bytes] | None = [] if is_object else None

    @property
    def kind(self) -> str:
        return "array" if self.names is None else "object"

    @property
    def stacked(self) -> int:
        return 1 if self.names is None else 2

    @property
    def end(self) -> str:
        return "T_ARR_END" if self.names is None else "T_OBJ_END"


class _Parser:
    """A strict reading of JSON as this library understands it, with its errors."""

    def __init__(self, text: bytes, services: Services, settings: JsonSettings) -> None:
        self._text = text
        self._services = services
        self._settings = settings
        self._at = 0
        self._start = 0

    def parse(self) -> LuaValue:
        value = self._value()
        token = self._token()
        if token != "T_END":
            raise self._wrong("the end", token)
        return value

    # --- values -----------------------------------------------------------------------------

    def _value(self) -> LuaValue:
        """The next value. Without recursion, because JSON may be nested deeply."""
        outer: list[_Open] = []
        # The original keeps tables on the stack, and the names of their members.
        stacked = 0
        token = self._token()
        while True:
            if token == "T_ARR_BEGIN" or token == "T_OBJ_BEGIN":
                opened = _Open(token == "T_OBJ_BEGIN")
                outer.append(opened)
                self._check_depth(len(outer), stacked)
                stacked += opened.stacked
                token = self._token()
                if token != opened.end:
                    token = self._begin_item(opened, token)
                    continue
            elif isinstance(token, _Scalar):
                if not outer:
                    return token.value
                outer[-1].items.append(token.value)
                token = self._token()
            else:
                raise self._wrong("value", token)
            # After a value, and at the end of an empty container.
            while token == outer[-1].end:
                value = self._table(outer[-1])
                stacked -= outer.pop().stacked
                if not outer:
                    return value
                outer[-1].items.append(value)
                token = self._token()
            if token != "T_COMMA":
                raise self._wrong(f"comma or {outer[-1].kind} end", token)
            token = self._begin_item(outer[-1], self._token())

    def _begin_item(self, within: _Open, token: Any) -> Any:
        """The token at which the value of an item begins."""
        if within.names is None:
            return token
        if not isinstance(token, _Scalar) or token.name != "T_STRING":
            raise self._wrong("object key string", token)
        within.names.append(token.value)
        token = self._token()
        if token != "T_COLON":
            raise self._wrong("colon", token)
        return self._token()

    def _table(self, read: _Open) -> LuaValue:
        self._services.check(_ITEM * len(read.items))
        if read.names is None:
            return self._services.table(read.items)
        return self._services.table(dict(zip(read.names, read.items, strict=True)))

    def _check_depth(self, depth: int, stacked: int) -> None:
        if depth > self._settings.decode_max_depth or stacked + 3 > STACK:
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
        character = text[at : at + 1]
        # A text of C ends with the first zero byte.
        if not character or character == b"\0":
            return "T_END"
        if character == b'"':
            return self._string_token()
        if character in _TOKENS:
            self._at += 1
            return _TOKENS[character]
        lenient = self._settings.decode_invalid_numbers != b"off"
        if character in b"-0123456789":
            if not lenient and _INVALID_NUMBER.match(text, at):
                return _Invalid("invalid number", at)
            return self._number_token()
        for word, name, value in _CONSTANTS:
            if text.startswith(word, at):
                self._at += len(word)
                return _Scalar(name, self._services.null if value is None else value)
        if lenient and _INVALID_NUMBER.match(text, at):
            return self._number_token()
        return _Invalid("invalid token", at)

    def _number_token(self) -> Any:
        number, end = read_number_prefix(self._text, self._at)
        if number is None:
            return _Invalid("invalid number", self._at)
        self._at = end
        return _Scalar("T_NUMBER", number)

    def _string_token(self) -> Any:
        text, at = self._text, self._at + 1
        pieces: list[bytes] = []
        while True:
            plain = _PLAIN.match(text, at)
            assert plain is not None
            pieces.append(plain[0])
            at = plain.end()
            if text[at : at + 1] in (b"", b"\0"):
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
