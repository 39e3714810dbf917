"""Replies to bytes: the only place that knows RESP2 from RESP3.

`encode2` and `encode3` take any reply (`commands/engine/replies.py`) and return its bytes.
Both append chunks to a list, recursively; they differ in a table with one function per
type of reply.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from commands.engine.numbers import format_float
from commands.engine.replies import (
    Attributed,
    BigNumber,
    Couples,
    DoubleText,
    Encoded,
    ErrorReply,
    MapReply,
    NoReply,
    NullArray,
    Pairs,
    Push,
    RandomPicks,
    Replies,
    Reply,
    SetReply,
    Verbatim,
)

Append = Callable[[bytes], None]
Writer = Callable[[Any, Append], None]

CRLF = b"\r\n"
# How many random picks are made and joined at once.
_PICKS_AT_ONCE = 1 << 16
# Headers of common lengths, and common integers, encoded in advance.
BULK_HEADERS = [b"$%d\r\n" % length for length in range(4096)]
INTEGERS = [b":%d\r\n" % number for number in range(4096)]
OK_LINE = b"+OK\r\n"
STATUSES = {"OK": OK_LINE, "QUEUED": b"+QUEUED\r\n", "PONG": b"+PONG\r\n"}
NULL2 = b"$-1\r\n"
NULL3 = b"_\r\n"


def error_line(text: bytes) -> bytes:
    """An error reply. Line ends inside the text are replaced: they would end the reply."""
    return b"-" + text.replace(b"\r", b" ").replace(b"\n", b" ") + CRLF


def _bulk(reply: bytes | bytearray, append: Append) -> None:
    # Three chunks, so that a large reply is copied once, when all chunks are joined.
    length = len(reply)
    append(BULK_HEADERS[length] if length < 4096 else b"$%d\r\n" % length)
    append(bytes(reply))
    append(CRLF)


def _status(reply: str, append: Append) -> None:
    append(STATUSES.get(reply) or b"+%b\r\n" % reply.encode("utf-8", "surrogateescape"))


def _integer(reply: int, append: Append) -> None:
    append(INTEGERS[reply] if 0 <= reply < 4096 else b":%d\r\n" % reply)


def _error(reply: ErrorReply, append: Append) -> None:
    append(error_line(reply.text))


def _encoded(reply: Encoded, append: Append) -> None:
    append(reply.data)


def _nothing(reply: NoReply, append: Append) -> None:
    pass


def _pick(reply: RandomPicks, encoded: list[bytes], append: Append) -> None:
    for start in range(0, reply.count, _PICKS_AT_ONCE):
        count = min(_PICKS_AT_ONCE, reply.count - start)
        append(b"".join(reply.rng.choices(encoded, k=count)))


def _encode_one(writers: dict[type, Writer], reply: Reply) -> bytes:
    chunks: list[bytes] = []
    writers[type(reply)](reply, chunks.append)
    return b"".join(chunks)


def _make_encoder(
    tables: Callable[[dict[type, Writer]], dict[type, Writer]],
) -> Callable[[Reply], bytes]:
    writers: dict[type, Writer] = {}

    def sequence(items: Any, append: Append) -> None:
        append(b"*%d\r\n" % len(items))
        for item in items:
            writers[type(item)](item, append)

    def several(reply: Replies, append: Append) -> None:
        for item in reply.items:
            writers[type(item)](item, append)

    writers.update(
        {
            bytes: _bulk,
            bytearray: _bulk,
            str: _status,
            int: _integer,
            list: sequence,
            tuple: sequence,
            ErrorReply: _error,
            Encoded: _encoded,
            NoReply: _nothing,
            Replies: several,
        }
    )
    writers.update(tables(writers))

    return partial(_encode_one, writers)


def _resp2(writers: dict[type, Writer]) -> dict[type, Writer]:
    sequence = writers[list]
    one = partial(_encode_one, writers)

    def flat(pairs: Any, append: Append) -> None:
        append(b"*%d\r\n" % (2 * len(pairs)))
        for first, second in pairs:
            writers[type(first)](first, append)
            writers[type(second)](second, append)

    def picks(reply: RandomPicks, append: Append) -> None:
        items, count = reply.items, reply.count
        if isinstance(items, Pairs):
            encoded = [one(first) + one(second) for first, second in items.items]
            count *= 2
        else:
            encoded = [one(item) for item in items]
        append(b"*%d\r\n" % count)
        _pick(reply, encoded, append)

    def push(reply: Push, append: Append) -> None:
        encoded = reply.encoded.get(2)
        if encoded is None:
            chunks: list[bytes] = []
            sequence(reply.items, chunks.append)
            encoded = reply.encoded[2] = b"".join(chunks)
        append(encoded)

    return {
        type(None): lambda reply, append: append(NULL2),
        NullArray: lambda reply, append: append(b"*-1\r\n"),
        bool: lambda reply, append: append(b":1\r\n" if reply else b":0\r\n"),
        float: lambda reply, append: _bulk(format_float(reply), append),
        dict: lambda reply, append: flat(reply.items(), append),
        MapReply: lambda reply, append: flat(reply.items, append),
        Pairs: lambda reply, append: flat(reply.items, append),
        Couples: lambda reply, append: sequence(reply.items, append),
        SetReply: lambda reply, append: sequence(reply.items, append),
        RandomPicks: picks,
        Verbatim: lambda reply, append: _bulk(reply.text, append),
        DoubleText: lambda reply, append: _bulk(reply.text, append),
        BigNumber: lambda reply, append: _bulk(reply.digits, append),
        Push: push,
        Attributed: lambda reply, append: writers[type(reply.reply)](reply.reply, append),
    }


def _resp3(writers: dict[type, Writer]) -> dict[type, Writer]:
    sequence = writers[list]
    one = partial(_encode_one, writers)

    def counted(mark: bytes) -> Writer:
        def write(items: Any, append: Append) -> None:
            append(mark + b"%d\r\n" % len(items))
            for item in items:
                writers[type(item)](item, append)

        return write

    members, pushed = counted(b"~"), counted(b">")

    def mapping(mark: bytes) -> Writer:
        def write(pairs: Any, append: Append) -> None:
            append(mark + b"%d\r\n" % len(pairs))
            for key, value in pairs:
                writers[type(key)](key, append)
                writers[type(value)](value, append)

        return write

    entries, attributes = mapping(b"%"), mapping(b"|")

    def double(number: float, append: Append) -> None:
        if math.isnan(number):
            append(b",nan\r\n")
        else:
            append(b",%b\r\n" % format_float(number))

    def verbatim(reply: Verbatim, append: Append) -> None:
        append(b"=%d\r\n%b:%b\r\n" % (len(reply.text) + 4, reply.form, reply.text))

    def picks(reply: RandomPicks, append: Append) -> None:
        items = reply.items.items if isinstance(reply.items, Pairs) else reply.items
        append(b"*%d\r\n" % reply.count)
        _pick(reply, [one(item) for item in items], append)

    def push(reply: Push, append: Append) -> None:
        encoded = reply.encoded.get(3)
        if encoded is None:
            chunks: list[bytes] = []
            pushed(reply.items, chunks.append)
            encoded = reply.encoded[3] = b"".join(chunks)
        append(encoded)

    def attributed(reply: Attributed, append: Append) -> None:
        attributes(reply.attributes, append)
        writers[type(reply.reply)](reply.reply, append)

    return {
        type(None): lambda reply, append: append(NULL3),
        NullArray: lambda reply, append: append(NULL3),
        bool: lambda reply, append: append(b"#t\r\n" if reply else b"#f\r\n"),
        float: double,
        dict: lambda reply, append: entries(reply.items(), append),
        MapReply: lambda reply, append: entries(reply.items, append),
        Pairs: lambda reply, append: sequence(reply.items, append),
        Couples: lambda reply, append: entries(reply.items, append),
        SetReply: lambda reply, append: members(reply.items, append),
        RandomPicks: picks,
        Verbatim: verbatim,
        DoubleText: lambda reply, append: append(b",%b\r\n" % reply.text),
        BigNumber: lambda reply, append: append(b"(%b\r\n" % reply.digits),
        Push: push,
        Attributed: attributed,
    }


encode2 = _make_encoder(_resp2)
encode3 = _make_encoder(_resp3)
ENCODERS = {2: encode2, 3: encode3}
