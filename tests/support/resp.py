"""A client that returns replies as they were sent.

Client libraries hide differences that matter here: between a status and a bulk string, a null
and a null array, a double and its text. `Connection` sends words (or raw bytes) over a
blocking socket and returns each reply as one of these:

| on the wire | here |
|---|---|
| status `+` | `str` |
| bulk `$` | `bytes` |
| integer `:` | `int` |
| error `-`, `!` | `Error` (a value, never raised) |
| array `*` | `list` |
| null `$-1`, `_` | `None` |
| null array `*-1` | `NULL_ARRAY` |
| double `,` | `Double`, a float that keeps its text |
| boolean `#` | `bool` |
| big number `(` | `BigNumber`, an int |
| verbatim `=` | `Verbatim` |
| map `%` | `Map` |
| set `~` | `Set` |
| push `>` | `Push` |
| attribute, pipe | `Attributed`, around the reply that follows it |
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

Word = str | bytes | bytearray | int | float

# Far longer than any reply takes: a test that waits this long has failed.
TIMEOUT = 20.0

_SUBSCRIBING = frozenset(
    b"SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE".split()
)


class NeedData(Exception):
    """The bytes so far end inside a reply."""


class ConnectionClosed(Exception):
    """The server closed the connection."""


class ProtocolViolation(Exception):
    """The server sent something that is not a reply."""


@dataclass(frozen=True, slots=True)
class Error:
    """An error reply. `client(...) == Error("ERR no such key")` compares the whole text."""

    text: str

    @property
    def code(self) -> str:
        return self.text.split(" ", 1)[0]


class _NullArray:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"

    def __bool__(self) -> bool:
        return False


NULL_ARRAY = _NullArray()


class Double(float):
    """A RESP3 double; `text` is its original text."""

    text: str

    def __new__(cls, text: str) -> Double:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __repr__(self) -> str:
        return f"Double({self.text!r})"


class BigNumber(int):
    """A RESP3 big number."""

    def __repr__(self) -> str:
        return f"BigNumber({int(self)})"


@dataclass(frozen=True, slots=True)
class Verbatim:
    form: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Map:
    """A map in its original order."""

    items: list[tuple[Any, Any]]

    def __getitem__(self, key: Any) -> Any:
        return dict(self.items)[key]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Set:
    items: list[Any]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Push:
    items: list[Any]


@dataclass(frozen=True, slots=True)
class Attributed:
    attributes: Map
    reply: Any


# --- bytes to replies -------------------------------------------------------------------


def parse(data: bytes | bytearray, at: int = 0) -> tuple[Any, int]:
    """Return the reply at `at` and the position after it; raise NeedData if it is incomplete."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise NeedData
    mark = chr(data[at])
    line = bytes(data[at + 1 : end])
    reader = _READERS.get(mark)
    if reader is None:
        raise ProtocolViolation(f"a reply starts with {bytes(data[at : at + 40])!r}")
    return reader(line, data, end + 2)


def parse_all(data: bytes | bytearray) -> list[Any]:
    """Return all replies in `data`, which must end with the last one."""
    replies, at = [], 0
    while at < len(data):
        reply, at = parse(data, at)
        replies.append(reply)
    return replies


_Reader = Callable[[bytes, "bytes | bytearray", int], tuple[Any, int]]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _body(line: bytes, data: bytes | bytearray, at: int) -> tuple[bytes, int]:
    end = at + int(line)
    if len(data) < end + 2:
        raise NeedData
    if data[end : end + 2] != b"\r\n":
        raise ProtocolViolation("a bulk string does not have its announced length")
    return bytes(data[at:end]), end + 2


def _items(count: int, data: bytes | bytearray, at: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = parse(data, at)
        items.append(item)
    return items, at


def _bulk(line: bytes, data: bytes | bytearray, at: int) -> tuple[Any, int]:
    return (None, at) if line == b"-1" else _body(line, data, at)


def _array(line: bytes, data: bytes | bytearray, at: int) -> tuple[Any, int]:
    return (NULL_ARRAY, at) if line == b"-1" else _items(int(line), data, at)


def _pairs(line: bytes, data: bytes | bytearray, at: int) -> tuple[Map, int]:
    items, at = _items(2 * int(line), data, at)
    return Map(list(zip(items[::2], items[1::2], strict=True))), at


def _boolean(line: bytes, data: bytes | bytearray, at: int) -> tuple[bool, int]:
    if line not in (b"t", b"f"):
        raise ProtocolViolation(f"not a boolean: {line!r}")
    return line == b"t", at


def _null(line: bytes, data: bytes | bytearray, at: int) -> tuple[None, int]:
    if line:
        raise ProtocolViolation(f"a null with text {line!r}")
    return None, at


def _verbatim(line: bytes, data: bytes | bytearray, at: int) -> tuple[Verbatim, int]:
    body, at = _body(line, data, at)
    return Verbatim(body[:3].decode(), body[4:]), at


def _bulk_error(line: bytes, data: bytes | bytearray, at: int) -> tuple[Error, int]:
    body, at = _body(line, data, at)
    return Error(_text(body)), at


def _attributed(line: bytes, data: bytes | bytearray, at: int) -> tuple[Attributed, int]:
    attributes, at = _pairs(line, data, at)
    reply, at = parse(data, at)
    return Attributed(attributes, reply), at


def _wrapped(make: Callable[[list[Any]], Any]) -> _Reader:
    def read(line: bytes, data: bytes | bytearray, at: int) -> tuple[Any, int]:
        items, at = _items(int(line), data, at)
        return make(items), at

    return read


_READERS: dict[str, _Reader] = {
    "+": lambda line, data, at: (_text(line), at),
    "-": lambda line, data, at: (Error(_text(line)), at),
    ":": lambda line, data, at: (int(line), at),
    "$": _bulk,
    "*": _array,
    "_": _null,
    ",": lambda line, data, at: (Double(line.decode()), at),
    "#": _boolean,
    "(": lambda line, data, at: (BigNumber(line), at),
    "!": _bulk_error,
    "=": _verbatim,
    "%": _pairs,
    "~": _wrapped(Set),
    ">": _wrapped(Push),
    "|": _attributed,
}


# --- words to bytes ---------------------------------------------------------------------


def word(value: Word) -> bytes:
    """Return a word of a request as bytes."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return repr(value).encode()


def request(words: Iterable[Word]) -> bytes:
    """Encode a request as clients send it."""
    encoded = [word(value) for value in words]
    parts = [b"*%d\r\n" % len(encoded)]
    parts += [b"$%d\r\n%b\r\n" % (len(text), text) for text in encoded]
    return b"".join(parts)


# --- the connection ---------------------------------------------------------------------


class Connection:
    """A blocking connection to any Redis.

    `connection("GET", "key")` sends a request and returns its reply. Push messages that
    arrive in between are kept in `pushes`, except for the confirmations of subscriptions.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        path: str | None = None,
        resp: int = 2,
        timeout: float = TIMEOUT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.socket: socket.socket
        if path is None:
            self.socket = socket.create_connection((host, port), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(path)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.timeout = timeout
        self.resp = 2
        self.pushes: list[Push] = []
        self._buffer = bytearray()
        if resp != 2:
            self.hello(resp)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def hello(self, resp: int) -> Any:
        """Change the protocol."""
        reply = self("HELLO", resp)
        assert not isinstance(reply, Error), reply
        self.resp = resp
        return reply

    def __call__(self, *words: Word) -> Any:
        self.send(*words)
        return self._reply_to(word(words[0]))

    def pipeline(self, requests: Iterable[Sequence[Word]]) -> list[Any]:
        """Send all requests at once and return the reply to each."""
        listed = list(requests)
        self.send_raw(b"".join(request(words) for words in listed))
        return [self._reply_to(word(words[0])) for words in listed]

    def send(self, *words: Word) -> None:
        self.send_raw(request(words))

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, timeout: float | None = None) -> Any:
        """Return the next reply or push message; raise TimeoutError if none comes in time."""
        return self._read_before(monotonic() + (self.timeout if timeout is None else timeout))

    def read_push(self, timeout: float | None = None) -> Push:
        """Return the next unread push message."""
        if self.pushes:
            return self.pushes.pop(0)
        reply = self.read(timeout)
        assert isinstance(reply, Push), reply
        return reply

    def is_silent(self, for_seconds: float = 0.05) -> bool:
        """Return True if nothing arrives for a while. That takes the whole time; where the order
        of replies shows the same, send a request whose reply must come first instead."""
        try:
            reply = self.read(for_seconds)
        except TimeoutError:
            return True
        raise AssertionError(f"unexpected: {reply!r}")

    def read_until_closed(self) -> list[Any]:
        """Return the replies that arrive before the server closes the connection."""
        deadline = monotonic() + self.timeout
        replies = []
        while True:
            try:
                replies.append(self._read_before(deadline))
            except ConnectionClosed:
                return replies

    def _reply_to(self, name: bytes) -> Any:
        deadline = monotonic() + self.timeout
        while True:
            reply = self._read_before(deadline)
            if not isinstance(reply, Push) or name.upper() in _SUBSCRIBING:
                return reply
            self.pushes.append(reply)

    def _read_before(self, deadline: float) -> Any:
        while True:
            if self._buffer:
                try:
                    reply, end = parse(self._buffer)
                except NeedData:
                    pass
                else:
                    del self._buffer[:end]
                    return reply
            self._receive(deadline)

    def _receive(self, deadline: float) -> None:
        seconds = deadline - monotonic()
        if seconds <= 0:
            raise TimeoutError(f"unread: {bytes(self._buffer)!r}")
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise ConnectionClosed(f"unread: {bytes(self._buffer)!r}")
        self._buffer += data
