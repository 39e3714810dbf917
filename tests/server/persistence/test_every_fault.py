"""Each operation on files and processes fails once, whichever it is: nothing acknowledged is lost.

Under `appendfsync always` what was acknowledged must be in the files at once, so a server
started on a copy of them, as if the first had been killed, has it.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from server.persistence import keeper, log
from server.persistence.loading import LoadError
from server.system.processes import Processes
from server.system.system import System
from tests.support.disks import NoFork
from tests.support.faults import Faults, FaultyFiles, FaultyProcesses
from tests.support.persistence import LOG, digest, rewritten, saved
from tests.support.servers import Loop
from tests.support.waiting import wait_until

# Far more operations than any scenario has.
MOST_OPERATIONS = 1000
# The operations are divided among so many tests: one makes every fourth fail.
PARTS = 4
each_part = pytest.mark.parametrize("part", range(PARTS))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Retry at once what failed."""
    caplog.set_level(logging.CRITICAL, "redkeep")
    monkeypatch.setattr(log, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_REWRITE_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_REWRITE_FAILURES", MOST_OPERATIONS)


class Scenario:
    """Everything that writes files, with a look at what a killed server would leave."""

    def __init__(self, loop: Loop, directory: Path, faults: Faults, processes: Processes) -> None:
        self._loop = loop
        self._data, self._copy = directory / "data", directory / "copy"
        self._data.mkdir()
        self._faults = faults
        system = System(FaultyFiles(faults), processes)
        self.server = loop.start_server(system, dir=str(self._data), **LOG, hz="500")
        self._client = self.server.connect()
        self._acknowledged: dict[str, bytes] = {}
        # Whether what the present fault left was looked at.
        self._checked = False

    def run(self, name: str) -> None:
        client = self._client
        self._checked = False
        self.write(f"{name}: first")
        client("BGREWRITEAOF")
        self.write(f"{name}: during the rewrite")
        rewritten(client)
        client("BGSAVE")
        self.write(f"{name}: during the snapshot")
        saved(client)
        client("SAVE")
        wait_until(lambda: client("CONFIG", "SET", "appendonly", "no") == "OK", "no log")
        wait_until(lambda: client("CONFIG", "SET", "appendonly", "yes") == "OK", "a log")
        self.wait_for_complete_log()
        self._checked = False
        self.write(f"{name}: with a new log")

    def wait_for_complete_log(self) -> None:
        status = self.server.instance.persistence.log
        wait_until(lambda: status.enabled and status.complete, "a complete log")
        rewritten(self._client)

    def write(self, key: str) -> None:
        """Write until that is acknowledged; then it must be in the files."""
        client = self._client
        wait_until(lambda: client("SET", key, "value") == "OK", f"a reply to SET {key}")
        self._acknowledged[key] = b"value"
        # A rewrite may begin after the write.
        wait_until(
            lambda: self._last_file_has(key) or not client("SET", key, "value"),
            "a write to the last file of the manifest",
        )
        assert client("GET", key) == b"value"
        if self._faults.has_begun and not self._checked:
            self._check_copy()
            self._checked = True

    def _last_file_has(self, key: str) -> bool:
        """Whether a key is in the only file of the log that may end inside a request."""
        directory = self._data / "appendonlydir"
        last = (directory / "appendonly.aof.manifest").read_text().splitlines()[-1]
        return key.encode() in (directory / last.split()[1]).read_bytes()

    def _check_copy(self) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)
        # Between two turns, so that the files belong together.
        temporary = shutil.ignore_patterns("temp-*")
        self.server.call(partial(shutil.copytree, self._data, self._copy, ignore=temporary))
        again = self._loop.start_server(dir=str(self._copy), **LOG)
        found = again.connect()("MGET", *self._acknowledged)
        again.close()
        assert found == list(self._acknowledged.values())

    def finish(self) -> None:
        expected = digest(self._client)
        self.server.close()
        again = self._loop.start_server(dir=str(self._data), **LOG)
        assert digest(again.connect()) == expected
        again.close()
        assert not list(self._data.rglob("temp-*"))


def fail_each(scenario: Scenario, faults: Faults, part: int) -> None:
    for first in range(1 + part, MOST_OPERATIONS, PARTS):
        try:
            faults.arm(first)
            scenario.run(str(first))
            ends = not faults.has_begun
            faults.disarm()
            scenario.wait_for_complete_log()
        except BaseException as error:
            error.add_note(f"what failed from operation {first} on: {faults.failed[-3:]}")
            raise
        if ends:
            scenario.finish()
            assert len(faults.failed) > 50 // PARTS, "few operations were made to fail"
            return
    raise AssertionError("the scenario has no end")


@each_part
def test_no_fault_loses_what_was_acknowledged(loop: Loop, tmp_path: Path, part: int) -> None:
    faults = Faults(errno.EIO)
    fail_each(Scenario(loop, tmp_path, faults, FaultyProcesses(faults)), faults, part)


@each_part
def test_no_three_faults_lose_what_was_acknowledged_without_fork(
    loop: Loop, tmp_path: Path, part: int
) -> None:
    faults = Faults(errno.ENOSPC, lasting=3)
    fail_each(Scenario(loop, tmp_path, faults, NoFork()), faults, part)


@pytest.mark.deep
@each_part
@pytest.mark.parametrize("lasting", range(1, 11))
@pytest.mark.parametrize("forks", [True, False], ids=["fork", "no-fork"])
def test_no_number_of_faults_loses_what_was_acknowledged(
    loop: Loop, tmp_path: Path, forks: bool, lasting: int, part: int
) -> None:
    faults = Faults(errno.EIO, lasting)
    processes: Processes = FaultyProcesses(faults) if forks else NoFork()
    fail_each(Scenario(loop, tmp_path, faults, processes), faults, part)


# --- faults at the start ----------------------------------------------------------------------


def fail_each_at_start(loop: Loop, directory: Path, prepare: Callable[[Path], None]) -> None:
    """Start with one failing operation after another, then without; the data is always there."""
    for first in range(1, MOST_OPERATIONS):
        data = directory / str(first)
        data.mkdir()
        prepare(data)
        faults = Faults(errno.EIO)
        faults.arm(first)
        try:
            server = loop.start_server(faults.system(), dir=str(data), **LOG, hz="500")
        except LoadError:
            pass
        else:
            assert server.connect()("GET", "kept") == b"value"
            server.close()
        ends = not faults.has_begun
        faults.disarm()
        again = loop.start_server(dir=str(data), **LOG)
        assert again.connect()("GET", "kept") == b"value", faults.failed
        again.close()
        assert not list(data.rglob("temp-*"))
        shutil.rmtree(data)
        if ends:
            assert first > 5, "the start has few operations"
            return
    raise AssertionError("the start has no end")


REQUEST = b"*3\r\n$3\r\nSET\r\n$4\r\nkept\r\n$5\r\nvalue\r\n"


def a_single_file(data: Path) -> None:
    (data / "appendonly.aof").write_bytes(REQUEST)


def a_log_with_leftovers(data: Path) -> None:
    directory = data / "appendonlydir"
    directory.mkdir()
    (data / "temp-1.rdb").write_bytes(b"half")
    (directory / "temp-appendonly.aof.manifest").write_bytes(b"half")
    (directory / "appendonly.aof.1.incr.aof").write_bytes(b"replaced")
    (directory / "appendonly.aof.2.base.aof").write_bytes(REQUEST)
    (directory / "appendonly.aof.3.incr.aof").write_bytes(REQUEST + REQUEST[:20])
    (directory / "appendonly.aof.manifest").write_bytes(
        b"file appendonly.aof.2.base.aof seq 2 type b\n"
        b"file appendonly.aof.1.incr.aof seq 1 type h\n"
        b"file appendonly.aof.3.incr.aof seq 3 type i\n"
    )


@pytest.mark.parametrize("prepare", [a_single_file, a_log_with_leftovers])
def test_no_fault_at_the_start_loses_data(
    loop: Loop, tmp_path: Path, prepare: Callable[[Path], None]
) -> None:
    fail_each_at_start(loop, tmp_path, prepare)
