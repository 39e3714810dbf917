"""Commands as text for redis-cli, and replies as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.resp import Error, Word, word

_ESCAPES = {0x5C: "\\\\", 0x22: '\\"', 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
_PLAIN = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+*()[]/,=~$<>@!?^%&|{}"
)


def quoted(value: Word) -> str:
    """Quote a word for redis-cli."""
    data = word(value)
    if data and all(byte in _PLAIN for byte in data):
        return data.decode()
    if len(data) > 200 and len(set(data)) == 1:
        return f'"{chr(data[0])}"*{len(data)}'
    return (
        '"'
        + "".join(
            _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
            for byte in data
        )
        + '"'
    )


def cli_line(words: Sequence[Word]) -> str:
    """Return a command as a line for redis-cli."""
    return " ".join(quoted(value) for value in words)


def cli_script(commands: Iterable[Sequence[Word]]) -> str:
    return "\n".join(cli_line(words) for words in commands)


def shown(reply: Any) -> str:
    """Return a reply as one printable line."""
    text = f"(error) {reply.text}" if isinstance(reply, Error) else repr(reply)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 600 else text[:600] + "..."
