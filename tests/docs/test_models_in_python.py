"""The Python examples of the pages on models and raw rows run as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis

from tests.support.servers import RunningServer

PAGES = Path(__file__).resolve().parent.parent.parent / "docs/domain"


@pytest.mark.parametrize("page", ["models", "ml"])
def test_the_example_runs(server: RunningServer, page: str) -> None:
    text = (PAGES / f"{page}.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(block.replace("redis.Redis(", f"redis.Redis(port={server.port}, "), names)
    client = names["r"]
    assert isinstance(client, redis.Redis)
    client.close()
