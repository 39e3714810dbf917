"""The Python example on the page of jobs runs as it is."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import redis

from tests.support.servers import RunningServer

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "domain" / "jobs.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_python_example_of_jobs_runs(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = _BLOCK.findall(PAGE.read_text())
    monkeypatch.setattr(redis, "Redis", functools.partial(redis.Redis, port=server.port))
    exec(compile(block, str(PAGE), "exec"), {"__name__": "example"})
