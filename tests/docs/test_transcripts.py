"""Transcripts in the documentation show the real replies of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.generate_docs import described, every_command
from tests.support.servers import RunningServer
from tests.support.transcripts import replay, show, steps_of

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGES = sorted((DOCS / "domain").glob("*.md"))
# The transcripts of these groups build on each other, in the order of declaration.
GROUPS = ("checkpoint", "job", "model", "store", "queue")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_transcripts_of_a_domain_page_are_right(page: Path, server: RunningServer) -> None:
    assert replay(page.read_text(), server) > 0, f"{page} has no transcript"


@pytest.mark.parametrize("group", GROUPS)
def test_transcripts_of_command_descriptions_are_right(group: str, server: RunningServer) -> None:
    text = [described(command) for command in every_command() if command.group == group]
    assert replay("\n".join(text), server) > 0


def test_replies_are_shown_as_by_redis_cli() -> None:
    assert show([b'a"\x00', [1, None], []]) == (
        '1) "a\\"\\x00"\n2) 1) (integer) 1\n   2) (nil)\n3) (empty array)'
    )
    assert show([[b"a"]] * 10).splitlines()[0] == ' 1) 1) "a"'


def test_a_wrong_reply_fails_with_its_line(server: RunningServer) -> None:
    page = '```\n> ECHO a\n"<word>"\n> ECHO <word>\n"a"\n> TTL x\n(integer) -1\n```\n'
    assert [step.line for step in steps_of(page)] == [2, 4, 6]
    with pytest.raises(AssertionError, match=r"line 6: TTL x"):
        replay(page, server)


def test_time_advances_where_a_transcript_says_so(server: RunningServer) -> None:
    page = "```\n> SET k v PX 1000\nOK\n# 1001 ms later\n> GET k\n(nil)\n```\n"
    assert replay(page, server) == 2
