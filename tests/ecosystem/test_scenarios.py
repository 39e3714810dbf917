"""Real users of Redis, each doing its real work, with worker processes of their own.

Each file of `python/` and `node/` is a program that works through one scenario on the server at
`REDIS_URL` and fails where a reply is not what its library expects from Redis. scripts/ecosystem
installs the libraries and runs the scenarios; `--against redis` runs them on redis-server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.oracles import STARTERS
from tests.support.processes import ServeProcess

_HERE = Path(__file__).parent
_PROGRAMS = sorted(
    path
    for path in (*_HERE.glob("python/*.py"), *_HERE.glob("node/*.mjs"))
    if path.stem not in ("__init__", "support")
)
_INSTALLED = os.environ.get("REDKEEP_ECOSYSTEM")
# On a slow machine; most of them take a few.
_MOST_SECONDS = 240

pytestmark = pytest.mark.timeout(_MOST_SECONDS + 60)


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of the server, which has no data and writes no files."""
    against = request.config.getoption("--against")
    if against == "redkeep":
        with ServeProcess("--save", "", "--appendonly", "no") as server:
            yield server.port
    else:
        oracle = STARTERS[against]()
        yield oracle.port
        oracle.close()


def _command(program: Path, scratch: Path) -> list[str | Path]:
    """The command that runs the program with the installed packages, or skip the test."""
    if _INSTALLED is None:
        pytest.skip("scripts/ecosystem installs the packages and runs this test")
    kind = program.parent.name
    packages = Path(_INSTALLED) / kind
    if not (packages / ".made-from").exists():
        pytest.skip(f"the packages of {kind} could not be installed")
    if kind == "python":
        return [packages / "bin" / "python", program]
    # Node.js looks for packages beside the program only.
    for file in program.parent.glob("*.mjs"):
        shutil.copy(file, scratch)
    (scratch / "node_modules").symlink_to(packages / "node_modules")
    return ["node", scratch / program.name]


@pytest.mark.parametrize("program", _PROGRAMS, ids=lambda path: path.stem)
def test_a_library_written_for_redis_does_its_work(
    program: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    command = _command(program, tmp_path)
    port = request.getfixturevalue("port")
    environment = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
    # A session of its own, so that no worker can outlive the test.
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        shown, _ = process.communicate(timeout=_MOST_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        pytest.fail(shown, pytrace=False)
