"""The transcripts in the documentation, replayed: they show what the server answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.engine.registry import own_groups
from scripts.generate_docs import described, every_command
from tests.support.servers import RunningServer
from tests.support.transcripts import replay, show, steps_of

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGES = sorted((DOCS / "domain").glob("*.md"))
# Groups whose docstrings tell one story, in the order in which the commands are declared.
GROUPS = sorted({command.group for command in every_command()} & own_groups().keys())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, server: RunningServer) -> None:
    assert replay(page.read_text(), server) > 0, f"{page} has no transcript"


@pytest.mark.parametrize("group", GROUPS)
def test_reference(group: str, server: RunningServer) -> None:
    story = [described(command) for command in every_command() if command.group == group]
    assert replay("\n".join(story), server) > 0


def test_replies_are_shown_as_redis_cli_does() -> None:
    assert show([b'a"\x00', [1, None], []]) == (
        '1) "a\\"\\x00"\n2) 1) (integer) 1\n   2) (nil)\n3) (empty array)'
    )
    assert show([[b"a"]] * 10).splitlines()[0] == ' 1) 1) "a"'


def test_a_wrong_reply_is_noticed(server: RunningServer) -> None:
    page = '```\n> ECHO a\n"<word>"\n> ECHO <word>\n"a"\n> TTL x\n(integer) -1\n```\n'
    assert [step.line for step in steps_of(page)] == [2, 4, 6]
    with pytest.raises(AssertionError, match=r"line 6: TTL x"):
        replay(page, server)


def test_time_goes_by_where_it_says_so(server: RunningServer) -> None:
    page = "```\n> SET k v PX 1000\nOK\n# 1001 ms later\n> GET k\n(nil)\n```\n"
    assert replay(page, server) == 2
