"""The log of a server process: one line per message, whatever the message contains."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.settings.settings import Settings
from server.process import start_logging

logger = logging.getLogger("redkeep")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    before, propagates, level = logger.handlers[:], logger.propagate, logger.level
    path = tmp_path / "log"
    start_logging(Settings({"logfile": str(path)}))
    yield path
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:], logger.propagate = before, propagates
    logger.setLevel(level)


def test_a_message_cannot_add_a_line_or_control_a_terminal(log: Path) -> None:
    key = "k\n2026-01-01 INFO Ready\r\x1b[2J\x00"
    logger.warning("Bad record under %s", key)
    assert log.read_bytes().count(b"\n") == 1
    text = log.read_text()
    assert text.endswith(r"WARNING Bad record under k\n2026-01-01 INFO Ready\r\x1b[2J\x00" + "\n")


def test_a_traceback_keeps_its_lines_without_control_characters(log: Path) -> None:
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logger.exception("A command failed")
    text = log.read_text()
    assert "Traceback" in text.splitlines()[1]
    assert "\x1b" not in text
    assert r"ValueError: \x1b[2J" in text
