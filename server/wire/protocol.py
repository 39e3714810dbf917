"""Bytes to requests, without I/O.

`RequestParser.feed` takes the bytes received and returns the complete requests; an
incomplete one is kept until more arrives. A protocol violation sets `error` to the line
that Redis would send before it closes the connection; requests before it are still
returned.

hiredis parses replies, not requests: it accepts `:1` as an argument, believes an array
length of two billion and allocates for it, and has no inline commands. So it is used only
for ordinary traffic (complete multibulk requests of bulk strings), after a few searches
have shown that a chunk is nothing else. Everything unusual, incomplete, large or wrong
goes to a strict parser in Python, which follows Redis byte for byte.
"""

from __future__ import annotations

import re
from itertools import chain

from hiredis import Reader

from commands.engine.words import split_words

# An array length that is zero or has six digits. Shorter ones cannot make hiredis allocate
# much. The second pattern is for the other types that it allocates for in advance.
_ODD_COUNT = re.compile(rb"\*(?:0|[0-9]{6})").search
_ODD_FOREIGN_COUNT = re.compile(rb"[~>|][0-9]{6}").search

_INLINE_MAX = 64 * 1024
_MULTIBULK_MAX = 2**31 - 1
# For clients that are not authenticated.
_MULTIBULK_MAX_UNTRUSTED = 10
_BULK_MAX_UNTRUSTED = 16384

# What a word takes besides its bytes: an object and its place in a list.
_WORD_COST = 41

# The headers of words that are as short as they can be.
_SHORT_HEADERS = {b"$%d\r\n" % length: length for length in range(100)}

_LENGTH = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
_STAR, _DOLLAR = 0x2A, 0x24
_MINUS, _EQUALS, _MORE, _TILDE, _BAR = b"-=>~|"

Request = list[bytes]


class RequestParser:
    """One connection's input."""

    __slots__ = (
        "_argv",
        "_at",
        "_buffer",
        "_bulk_length",
        "_collected",
        "_missing",
        "_reader",
        "error",
        "max_bulk",
        "partial",
        "trusted",
    )

    def __init__(self, max_bulk: int = 512 << 20) -> None:
        self.max_bulk = max_bulk
        # False until the client is authenticated: smaller limits apply.
        self.trusted = True
        self.error: bytes | None = None
        # A request is incomplete, so `pending` is not zero.
        self.partial = False
        self._reader = Reader()
        self._buffer = bytearray()
        self._at = 0
        self._argv: Request = []
        self._missing = 0
        self._bulk_length = -1
        # Bytes of the words in `_argv`.
        self._collected = 0

    @property
    def pending(self) -> int:
        """Bytes kept of a request that is incomplete."""
        return len(self._buffer) - self._at + self._collected

    @property
    def cost(self) -> int:
        """About how much memory an incomplete request takes: each of its words has a price."""
        return self.pending + _WORD_COST * len(self._argv)

    def take_partial(self) -> bytes:
        """Return the incomplete request as it was received, and forget it."""
        buffer = self._buffer
        raw = bytearray()
        if self._missing:
            raw += b"*%d\r\n" % (len(self._argv) + self._missing)
            for word in self._argv:
                raw += b"$%d\r\n%b\r\n" % (len(word), word)
            if self._bulk_length >= 0:
                raw += b"$%d\r\n" % self._bulk_length
        raw += memoryview(buffer)[self._at :]
        self._buffer = bytearray()
        self._argv = []
        self._at = self._missing = self._collected = 0
        self._bulk_length = -1
        self.partial = False
        return bytes(raw)

    @property
    def wanted(self) -> int:
        """Bytes still missing of the bulk string that is being received; 0 if unknown."""
        if self._bulk_length < 0:
            return 0
        return max(0, self._bulk_length + 2 - (len(self._buffer) - self._at))

    def feed(self, data: bytes) -> list[Request]:
        requests: list[Request] = []
        if self.partial:
            self._buffer += data
            if not self._next(requests):
                self.partial = self.error is None
                return requests
            data = bytes(memoryview(self._buffer)[self._at :])
            self._buffer.clear()
            self._at = 0
            self.partial = False
            if not data:
                return requests
        if not self._whole(data, requests):
            self._buffer += data
            while self._next(requests):
                pass
            if self._at == len(self._buffer):
                self._buffer.clear()
                self._at = 0
            self.partial = bool(self._buffer) or self._missing > 0
        return requests

    # --- ordinary chunks --------------------------------------------------------------

    def _whole(self, data: bytes, requests: list[Request]) -> bool:
        """Parse a chunk of ordinary requests; return False and do nothing if it is not one.

        An incomplete request at the end is left to the strict parser.
        """
        if data[0] != _STAR or not self.trusted or _ODD_COUNT(data) or len(data) > self.max_bulk:
            return False
        # `in` with an integer searches many times faster than with a bytes object.
        if (
            _MINUS in data or _EQUALS in data or _MORE in data or _TILDE in data or _BAR in data
        ) and _may_mislead(data):
            return False
        reader = self._reader
        gets = reader.gets
        parsed: list[Request] = []
        take = parsed.append
        try:
            reader.feed(data)
            while (request := gets()) is not False:
                take(request)
        except Exception:
            # hiredis rejects it, or cannot build it in Python: a list as a key of a map.
            self._reader = Reader()
            return False
        if not reader.has_data() and _consist_of(data, parsed):
            requests += parsed
            return True
        # The reader may have begun a request even if it says that it holds no data.
        self._reader = Reader()
        if data.count(b"\r\n*") != len(parsed):
            return False
        # Every line that begins with a star is accounted for: the last one begins the
        # incomplete request.
        start = data.rfind(b"\r\n*") + 2 if parsed else 0
        if not _consist_of(data[:start], parsed):
            return False
        requests += parsed
        self._buffer += memoryview(data)[start:]
        self._next(requests)
        self.partial = bool(self._buffer) or self._missing > 0
        return True

    # --- the strict parser ---------------------------------------------------------------

    def _next(self, requests: list[Request]) -> bool:
        """Parse one request from the buffer; return False if it is incomplete or wrong."""
        if self.error is not None:
            return False
        buffer = self._buffer
        if not self._missing:
            if self._at >= len(buffer):
                return False
            if buffer[self._at] != _STAR:
                return self._inline(requests)
            count = self._length(_INLINE_MAX, b"too big mbulk count string")
            if count is None:
                return False
            if count is _INVALID or count > _MULTIBULK_MAX:
                return self._fail(b"invalid multibulk length")
            if count > _MULTIBULK_MAX_UNTRUSTED and not self.trusted:
                return self._fail(b"unauthenticated multibulk length")
            if count <= 0:
                return True
            self._missing = count
        may_be_short = True
        while self._missing:
            if may_be_short and self._bulk_length < 0:
                may_be_short = False
                self._short_words()
                continue
            if self._bulk_length < 0 and not self._bulk_header():
                return False
            start, length = self._at, self._bulk_length
            if len(buffer) - start < length + 2:
                self._compact()
                return False
            with memoryview(buffer) as view:
                self._argv.append(bytes(view[start : start + length]))
            self._at = start + length + 2
            self._collected += length
            self._bulk_length = -1
            self._missing -= 1
        requests.append(self._argv)
        self._argv = []
        self._collected = 0
        return True

    def _short_words(self) -> None:
        """Take the words of fewer than a hundred bytes that are next; `_next` takes any other.

        A request may have a million of them, and the checks for everything else take three
        times as long as taking them.
        """
        buffer, at, missing = self._buffer, self._at, self._missing
        take, received = self._argv.append, len(buffer)
        begun, collected = missing, 0
        with memoryview(buffer) as view:
            while missing:
                header = bytes(view[at : at + 5])
                length = _SHORT_HEADERS.get(header[:4])
                if length is not None:
                    start = at + 4
                else:
                    length = _SHORT_HEADERS.get(header)
                    start = at + 5
                if length is None or received - start < length + 2:
                    break
                take(bytes(view[start : start + length]))
                collected += length
                at = start + length + 2
                missing -= 1
        if missing != begun:
            self._at, self._missing = at, missing
            self._collected += collected

    def _bulk_header(self) -> bool:
        if self._at >= len(self._buffer):
            self._compact()
            return False
        mark = self._buffer[self._at]
        # Redis looks for the end of the line before it checks the first byte.
        length = self._length(_INLINE_MAX, b"too big bulk count string")
        if length is None:
            return False
        if mark != _DOLLAR:
            shown = bytes([mark]) if mark not in b"\r\n" else b" "
            return self._fail(b"expected '$', got '" + shown + b"'")
        if length is _INVALID or not 0 <= length <= self.max_bulk:
            return self._fail(b"invalid bulk length")
        if length > _BULK_MAX_UNTRUSTED and not self.trusted:
            return self._fail(b"unauthenticated bulk length")
        self._bulk_length = length
        return True

    def _length(self, limit: int, too_long: bytes) -> int | None:
        """Parse the number after the first byte of a line; None while the line is incomplete."""
        buffer = self._buffer
        end = buffer.find(b"\r", self._at)
        if end < 0 or buffer.find(b"\0", self._at, end) >= 0:
            # A NUL hides the end of its line, as it does in Redis.
            if len(buffer) - self._at > limit:
                self._fail(too_long)
            return None
        if end + 1 >= len(buffer):
            return None
        text = bytes(buffer[self._at + 1 : min(end, self._at + 32)])
        self._at = end + 2
        if not _LENGTH(text):
            return _INVALID
        length = int(text)
        return length if -(2**63) <= length < 2**63 else _INVALID

    def _inline(self, requests: list[Request]) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\n", self._at)
        if end < 0 or buffer.find(b"\0", self._at, end) >= 0:
            if len(buffer) - self._at > _INLINE_MAX:
                self._fail(b"too big inline request")
            return False
        line = bytes(buffer[self._at : end])
        if line.endswith(b"\r"):
            line = line[:-1]
        words = split_words(line)
        if words is None:
            return self._fail(b"unbalanced quotes in request")
        self._at = end + 1
        if words:
            requests.append(words)
        return True

    def _fail(self, reason: bytes) -> bool:
        self.error = b"ERR Protocol error: " + reason
        self._buffer.clear()
        self._at = self._missing = 0
        return False

    def _compact(self) -> None:
        """Free the parsed part of the buffer, so that a long request does not keep it."""
        if self._at > 4096:
            del self._buffer[: self._at]
            self._at = 0


# Outside the range of lengths that a client can send; compared by identity.
_INVALID = -(2**70)


def _may_mislead(data: bytes) -> bool:
    """Whether hiredis may allocate too much for the chunk, or misread part of it as a string."""
    return (
        _ODD_FOREIGN_COUNT(data) is not None
        or b"$-" in data
        or b"*-" in data
        # hiredis drops the format of a verbatim string, so its words could not be counted.
        or b"\r\n=" in data
    )


def _consist_of(data: bytes, parsed: list[Request]) -> bool:
    """Whether `data`, which hiredis parsed, is nothing but arrays of bulk strings.

    Not counting those inside the words, such data has one "*" per array and one "$" per
    bulk string. Every other type either is not parsed to bytes, so that joining fails, or
    begins with another byte.
    """
    try:
        words = b"".join(parsed[0] if len(parsed) == 1 else chain.from_iterable(parsed))
    except TypeError:
        return False
    arrays = data.count(_STAR)
    if _STAR in words:
        arrays -= words.count(_STAR)
    strings = data.count(_DOLLAR)
    if _DOLLAR in words:
        strings -= words.count(_DOLLAR)
    return arrays == len(parsed) and strings == sum(map(len, parsed))
