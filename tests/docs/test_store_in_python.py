"""The Python examples of docs/domain/store.md run as they are, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import redis

from tests.support.servers import RunningServer

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/domain/store.md"


def test_the_examples_run(server: RunningServer) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(block.replace("redis.Redis(", f"redis.Redis(port={server.port}, "), names)
    client = names["r"]
    assert isinstance(client, redis.Redis)
    client.close()
