"""Each operation on files and processes fails once, whichever it is: nothing acknowledged is lost.

Under `appendfsync always` what was acknowledged must be in the files at once, so a server
started on a copy of them, as if the first had been killed, has it.
"""

from __future__ import annotations

import errno
import logging
import shutil
from functools import partial
from pathlib import Path

import pytest

from server.persistence import keeper, log
from server.system.processes import Processes
from server.system.system import System
from tests.support.disks import NoFork
from tests.support.faults import Faults, FaultyFiles, FaultyProcesses
from tests.support.persistence import LOG, digest, rewritten, saved
from tests.support.servers import Loop
from tests.support.waiting import wait_until

# Far more operations than any scenario has.
MOST_OPERATIONS = 1000
LASTING = [pytest.param(1, id="once"), pytest.param(3, id="three-times")]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Retry at once what failed."""
    caplog.set_level(logging.CRITICAL, "redkeep")
    monkeypatch.setattr(log, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_REWRITE_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_REWRITE_FAILURES", MOST_OPERATIONS)


class Scenario:
    """Everything that writes files, with a look at what a killed server would leave."""

    def __init__(self, loop: Loop, directory: Path, system: System) -> None:
        self._loop = loop
        self._data, self._copy = directory / "data", directory / "copy"
        self._data.mkdir()
        self.server = loop.start_server(system, dir=str(self._data), **LOG, hz="500")
        self._client = self.server.connect()
        self._acknowledged: dict[str, bytes] = {}

    def run(self) -> None:
        client = self._client
        self.write("first")
        client("BGREWRITEAOF")
        self.write("during the rewrite")
        rewritten(client)
        self.write("after the rewrite")
        client("BGSAVE")
        self.write("during the snapshot")
        saved(client)
        client("SAVE")
        wait_until(lambda: client("CONFIG", "SET", "appendonly", "no") == "OK", "no log")
        wait_until(lambda: client("CONFIG", "SET", "appendonly", "yes") == "OK", "a log")
        self.wait_for_complete_log()
        self.write("after turning on")

    def wait_for_complete_log(self) -> None:
        log_status = self.server.instance.persistence.log
        wait_until(lambda: log_status.enabled and log_status.complete, "a complete log")
        rewritten(self._client)

    def write(self, key: str) -> None:
        """Write until that is acknowledged; then it must be in the files."""
        wait_until(lambda: self._client("SET", key, "value") == "OK", f"a reply to SET {key}")
        self._acknowledged[key] = b"value"
        assert self._client("GET", key) == b"value"
        self.check_copy()

    def check_copy(self) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)
        # Between two turns, so that the files belong together.
        temporary = shutil.ignore_patterns("temp-*")
        self.server.call(partial(shutil.copytree, self._data, self._copy, ignore=temporary))
        again = self._loop.start_server(dir=str(self._copy), **LOG)
        found = again.connect()("MGET", *self._acknowledged)
        again.close()
        assert found == list(self._acknowledged.values())

    def finish(self) -> None:
        self.write("at the end")
        self.wait_for_complete_log()
        expected = digest(self._client)
        self.server.close()
        again = self._loop.start_server(dir=str(self._data), **LOG)
        assert digest(again.connect()) == expected
        again.close()
        assert not list(self._data.rglob("temp-*"))


@pytest.mark.parametrize("lasting", LASTING)
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("forks", [True, False], ids=["fork", "no-fork"])
def test_no_fault_while_serving_loses_what_was_acknowledged(
    loop: Loop, tmp_path: Path, forks: bool, number: int, lasting: int
) -> None:
    for first in range(1, MOST_OPERATIONS):
        faults = Faults(number, lasting)
        processes: Processes = FaultyProcesses(faults) if forks else NoFork()
        directory = tmp_path / str(first)
        directory.mkdir()
        scenario = Scenario(loop, directory, System(FaultyFiles(faults), processes))
        try:
            faults.arm(first)
            scenario.run()
            all_failed = faults.disarm()
            scenario.finish()
        except BaseException as error:
            error.add_note(f"operation {first} failed: {faults.failed}")
            raise
        shutil.rmtree(directory)
        if not all_failed:
            assert first > 20, "the scenario has few operations"
            return
    raise AssertionError("the scenario has no end")
