"""scripts/soak runs, and finds nothing wrong, for some seconds."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import ROOT


def test_a_short_soak_finds_no_fault() -> None:
    words = ("--minutes", "0.05", "--interval", "1", "--setting", "appendfsync=always")
    finished = subprocess.run(
        [sys.executable, "-m", "scripts.soaking", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "afterwards: 1 client, 0 blocked, 0 keys" in finished.stdout
