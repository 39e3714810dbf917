"""LZF, the compression of strings.

The package `python-lzf` does this in C. It has to be compiled where it is installed, so it
is not required: without it the same is done here, slower, and strings that are too short
to be worth that time are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable

# A step of three bytes yields at most 264: what claims to become more than that is lying.
_MOST_PER_STEP, _STEP = 264, 3
_MOST_LITERALS = 32
_FARTHEST = 1 << 13
_LONGEST_MATCH = 264
# Below this many bytes, compressing in Python costs more than it saves.
_WORTH_IT = 256


def decompress(packed: bytes, length: int) -> bytes | None:
    """What was compressed; None unless that is sound and of just this length."""
    if not 0 < length <= (len(packed) // _STEP + 1) * _MOST_PER_STEP:
        return None
    return _decompress(packed, length)


def compress(text: bytes | bytearray) -> bytes | None:
    """The text in fewer bytes, by more than the four that saying so takes; else None."""
    return _compress(text)


def decompress_here(packed: bytes, length: int) -> bytes | None:
    """`decompress` in Python."""
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
            # The match reaches into what it produces: its beginning repeats.
            match = (match * (size // distance + 1))[:size]
        out += match
    return bytes(out) if at == end and len(out) == length else None


def compress_here(text: bytes | bytearray) -> bytes | None:
    """`compress` in Python."""
    most = len(text) - 4
    if len(text) < _WORTH_IT:
        return None
    text = bytes(text)
    last = len(text) - 2
    out = bytearray()
    seen: dict[bytes, int] = {}
    at = literals_from = 0
    while at < last:
        key = text[at : at + 3]
        match = seen.get(key)
        seen[key] = at
        if match is None or at - match > _FARTHEST:
            at += 1
            continue
        size = _match_length(text, match, at)
        _put_literals(out, text, literals_from, at)
        distance = at - match - 1
        if size < 9:
            out.append((size - 2) << 5 | distance >> 8)
        else:
            out += bytes((0xE0 | distance >> 8, size - 9))
        out.append(distance & 0xFF)
        at += size
        literals_from = at
        if len(out) > most:
            return None
    _put_literals(out, text, literals_from, len(text))
    return bytes(out) if len(out) <= most else None


def _match_length(text: bytes, match: int, at: int) -> int:
    """How many bytes, of which three are known, are the same at both places."""
    most = min(_LONGEST_MATCH, len(text) - at)
    low, high = 3, most
    while low < high:
        middle = (low + high + 1) // 2
        if text[match + low : match + middle] == text[at + low : at + middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _put_literals(out: bytearray, text: bytes, start: int, stop: int) -> None:
    for at in range(start, stop, _MOST_LITERALS):
        run = text[at : min(at + _MOST_LITERALS, stop)]
        out.append(len(run) - 1)
        out += run


def _compress_in_c(text: bytes | bytearray) -> bytes | None:
    packed: bytes | None = lzf.compress(bytes(text), len(text) - 4)
    return packed


def _decompress_in_c(packed: bytes, length: int) -> bytes | None:
    try:
        text: bytes | None = lzf.decompress(packed, length)
    except (ValueError, MemoryError):
        return None
    return text if text is not None and len(text) == length else None


_compress: Callable[[bytes | bytearray], bytes | None] = compress_here
_decompress: Callable[[bytes, int], bytes | None] = decompress_here
try:
    import lzf
except ImportError:
    pass
else:
    _compress, _decompress = _compress_in_c, _decompress_in_c
