"""The type of scripts, and scripts of stream commands."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.resp import Word

# A command is a sequence of words: a tuple, or a `Call` with its own tolerance.
Script = list[Sequence[Word]]


def script(text: str) -> Script:
    """Read a command from each line, its words separated by spaces."""
    return [tuple(line.split()) for line in text.strip().splitlines()]


def entries(key: str, *ids: str) -> Script:
    """Add entries with these ids to a stream."""
    return [("XADD", key, entry_id, "field", entry_id) for entry_id in ids]


FIVE = entries("s", "1-1", "1-2", "2-0", "3-0", "3-5")
STATE: Script = [("XINFO", "STREAM", "s")]
