"""LZF, the compression of strings.

The package `python-lzf` implements it in C. It has no wheels and must be compiled on
installation, so it is optional. Without it strings are decompressed in Python, more slowly,
and not compressed at all: that would take half a millisecond per kilobyte, far more than
writing the string uncompressed.
"""

from __future__ import annotations

from collections.abc import Callable

# Three compressed bytes yield at most 264: a larger claimed length is false.
_MOST_PER_STEP, _STEP = 264, 3
_MOST_LITERALS = 32


def decompress(packed: bytes, length: int) -> bytes | None:
    """Return the original string; None if the data is damaged or of another length."""
    if not 0 < length <= (len(packed) // _STEP + 1) * _MOST_PER_STEP:
        return None
    return _decompress(packed, length)


def compress(text: bytes | bytearray) -> bytes | None:
    """Compress the string; None if that does not save at least four bytes."""
    packed = _compress(text)
    # The library may exceed the size limit that it was given.
    return packed if packed is not None and len(packed) <= len(text) - 4 else None


def decompress_here(packed: bytes, length: int) -> bytes | None:
    """`decompress` without the C library."""
    out = bytearray()
    at, end = 0, len(packed)
    while at < end:
        control = packed[at]
        at += 1
        if control < _MOST_LITERALS:
            out += packed[at : at + control + 1]
            at += control + 1
            continue
        if at + (control >= 0xE0) >= end:
            return None
        size = control >> 5
        if size == 7:
            size += packed[at]
            at += 1
        size += 2
        distance = ((control & 0x1F) << 8 | packed[at]) + 1
        at += 1
        start = len(out) - distance
        if start < 0 or len(out) + size > length:
            return None
        match = out[start : start + size]
        if distance < size:
            # The match overlaps its own output, so its beginning repeats.
            match = (match * (size // distance + 1))[:size]
        out += match
    return bytes(out) if at == end and len(out) == length else None


def _leave(text: bytes | bytearray) -> None:
    return None


def _compress_in_c(text: bytes | bytearray) -> bytes | None:
    packed: bytes | None = lzf.compress(bytes(text), len(text) - 4)
    return packed


def _decompress_in_c(packed: bytes, length: int) -> bytes | None:
    try:
        text: bytes | None = lzf.decompress(packed, length)
    except (ValueError, MemoryError):
        return None
    return text if text is not None and len(text) == length else None


_compress: Callable[[bytes | bytearray], bytes | None] = _leave
_decompress: Callable[[bytes, int], bytes | None] = decompress_here
try:
    import lzf
except ImportError:
    pass
else:
    _compress, _decompress = _compress_in_c, _decompress_in_c
