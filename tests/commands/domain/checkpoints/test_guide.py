"""The Python example of the page about checkpoints runs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.servers import RunningServer

PAGE = Path(__file__).resolve().parents[4] / "docs/domain/checkpoints.md"


def test_the_python_example_runs(server: RunningServer) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "port=6379" in example
    exec(compile(example.replace("6379", str(server.port)), str(PAGE), "exec"), {})
