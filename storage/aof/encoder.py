"""Requests to bytes.

This runs for every write, so headers are precomputed, and the most common shape, a name and
two arguments, is encoded without a loop.
"""

from __future__ import annotations

from collections.abc import Iterable

_LENGTHS = tuple(b"$%d\r\n" % length for length in range(1024))
_COUNTS = tuple(b"*%d\r\n" % count for count in range(64))
_KNOWN_LENGTHS, _KNOWN_COUNTS = len(_LENGTHS), len(_COUNTS)
_CRLF = b"\r\n"


def encode(requests: Iterable[list[bytes]]) -> bytes:
    """Encode requests one after the other, as a client would send them."""
    chunks: list[bytes] = []
    for request in requests:
        count = len(request)
        if count == 3:
            name, first, second = request
            lengths, a, b, c = _LENGTHS, len(name), len(first), len(second)
            if a < _KNOWN_LENGTHS and b < _KNOWN_LENGTHS and c < _KNOWN_LENGTHS:
                chunks += (
                    b"*3\r\n", lengths[a], name, _CRLF,
                    lengths[b], first, _CRLF, lengths[c], second, _CRLF,
                )  # fmt: skip
                continue
        chunks.append(_COUNTS[count] if count < _KNOWN_COUNTS else b"*%d\r\n" % count)
        for word in request:
            length = len(word)
            header = _LENGTHS[length] if length < _KNOWN_LENGTHS else b"$%d\r\n" % length
            chunks += (header, word, _CRLF)
    return b"".join(chunks)


def timestamp(seconds: int) -> bytes:
    """Return the annotation with the time at which the following requests were written."""
    return b"#TS:%d\r\n" % seconds
