"""The example in Python on the page about queues runs as it is printed."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.support.servers import RunningServer

PAGE = Path(__file__).resolve().parents[4] / "docs/domain/queues.md"


def test_the_python_example_runs(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    server.unfreeze()
    monkeypatch.setattr(redis, "Redis", partial(redis.Redis, port=server.port))
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})
