"""Words in quotes, as in inline commands and configuration files, and text for a terminal."""

from __future__ import annotations

import re

_ESCAPES = {0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09, 0x62: 0x08, 0x61: 0x07}
# Vertical tabs and form feeds are skipped before a word, yet do not end one.
_SPACES = frozenset(b" \n\r\t\v\f")
_WORD_ENDS = frozenset(b" \n\r\t")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_BACKSLASH, _QUOTE, _APOSTROPHE = 0x5C, 0x22, 0x27


def split_words(line: bytes) -> list[bytes] | None:
    """Return the words of a line, unquoted and unescaped; None if quotes do not match.

    `"..."` supports \\n \\r \\t \\b \\a \\xHH and `\\` before any other byte; `'...'` only \\'.
    A closing quote must be followed by a space or the end.
    """
    words: list[bytes] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in _SPACES:
            at += 1
        if at >= end:
            return words
        word = bytearray()
        while at < end and line[at] not in _WORD_ENDS:
            byte = line[at]
            if byte in (_QUOTE, _APOSTROPHE):
                closed = _quoted(line, at, word)
                if closed is None or (closed < end and line[closed] not in _SPACES):
                    return None
                at = closed
                break
            word.append(byte)
            at += 1
        words.append(bytes(word))


def _quoted(line: bytes, at: int, word: bytearray) -> int | None:
    """Append the quoted text that begins at `at` to `word`; return where it ends, or None."""
    quote, end = line[at], len(line)
    at += 1
    while at < end:
        byte = line[at]
        if byte == quote:
            return at + 1
        if byte == _BACKSLASH and at + 1 < end:
            escaped = line[at + 1]
            if quote == _APOSTROPHE:
                if escaped == _APOSTROPHE:
                    byte, at = escaped, at + 1
            elif escaped == 0x78 and at + 3 < end and line[at + 2] in _HEX and line[at + 3] in _HEX:
                byte, at = int(line[at + 2 : at + 4], 16), at + 3
            else:
                byte, at = _ESCAPES.get(escaped, escaped), at + 1
        word.append(byte)
        at += 1
    return None


# A word that reads back as itself and does not begin a comment.
_PLAIN = re.compile(rb"[!$-&(-\[\]-~][!#-&(-\[\]-~]*").fullmatch
_NAMES = {0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t", 0x08: b"\\b", 0x07: b"\\a"}
_NAMES |= {_QUOTE: b'\\"', _BACKSLASH: b"\\\\"}


def quoted(word: bytes) -> bytes:
    """Return a word as `split_words` reads it back: in quotes and escaped if it needs that.

    The result is one line of printable ASCII, whatever the word contains.
    """
    if _PLAIN(word):
        return word
    escaped = (
        _NAMES.get(byte) or (b"%c" % byte if 0x20 <= byte < 0x7F else b"\\x%02x" % byte)
        for byte in word
    )
    return b'"%b"' % b"".join(escaped)


def printable(text: str) -> str:
    """Return a text for a line of a log or a terminal: on one line, without control characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    try:
        raw = character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half of a pair, which stands for no byte.
        return f"\\u{ord(character):04x}"
    return "".join((_NAMES.get(byte) or b"\\x%02x" % byte).decode() for byte in raw)
