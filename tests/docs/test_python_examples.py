"""The Python examples on the pages of the domain families run as they are."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import redis

from tests.support.servers import RunningServer

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(page, block, id=f"{page.stem}-{number}")
    for page in sorted((DOCS / "domain").glob("*.md"))
    for number, block in enumerate(_BLOCK.findall(page.read_text()))
]


@pytest.mark.parametrize(("page", "block"), EXAMPLES)
def test_a_python_example_runs(
    page: Path, block: str, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = functools.partial(redis.Redis, port=server.port)
    monkeypatch.setattr(redis, "Redis", connected)
    exec(compile(block, str(page), "exec"), {"__name__": "example"})
