"""The log on a failing disk, in any order of events: what it promises is in its files."""

from __future__ import annotations

import re
from pathlib import Path

import hiredis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from commands.settings.settings import Settings
from server.persistence import log_file
from server.persistence.log import BackgroundSync, Log
from server.persistence.log_file import TRANSITIONS, FileEvent, FileState, LogFile
from tests.server.persistence.fake_disk import FakeDisk
from tests.support.offline import frozen_instance

POLICIES = ("always", "everysec", "no")
# Far more retries than any failure needs.
MOST_ROUNDS = 20


def test_the_docstring_shows_the_transitions() -> None:
    rows = re.findall(r"^  ([A-Z]+ .*)$", log_file.__doc__ or "", re.MULTILINE)
    shown = {
        FileState[row.split()[0]]: tuple(
            None if name == "-" else FileState[name] for name in row.split()[1:]
        )
        for row in rows
    }
    assert shown == TRANSITIONS
    assert all(len(row) == len(FileEvent) for row in TRANSITIONS.values())


def numbers_in(content: bytes) -> tuple[list[int], bool]:
    """Return the numbers that the requests of a file write, and whether its end is whole."""
    reader = hiredis.Reader()
    reader.feed(content)
    found = []
    for request in iter(reader.gets, False):
        if request[0] == b"SET":
            found.append(int(request[2]))
        else:
            assert request[0] == b"SELECT"
    return found, not reader.has_data()


class LogMachine(RuleBasedStateMachine):
    """Each write sets a key to a number that counts up; turns end with `append`."""

    def __init__(self) -> None:
        super().__init__()
        self.instance = frozen_instance(0)
        self.status = self.instance.persistence.log
        self.disk = FakeDisk()
        self.time = 0.0
        self.synced_calls = 0
        self.log = Log(self.instance, self.disk, self.count_synced, lambda: self.time)
        # The paths of the log's files, oldest first; the last is the current one.
        self.paths: list[Path] = []
        self.opened = 0
        self.written = 0
        # Numbers up to here are in the base.
        self.in_base = 0
        # Numbers up to here are in the base that is being written, and in how many files.
        self.at_switch = self.files_at_switch = 0
        # The position of each number that the log has taken.
        self.position_of: dict[int, int] = {}
        # Numbers whose replies are not sent: of this turn, and held back.
        self.turn: list[int] = []
        self.held: list[int] = []
        # Numbers whose replies promise that they are synced, or at least in a file.
        self.promised_synced: set[int] = set()
        self.promised_written: set[int] = set()
        self.sync: BackgroundSync | None = None
        self.sync_began_at = 0
        self.has_run = False
        self.may_be_cut = False

    def count_synced(self) -> None:
        self.synced_calls += 1

    # --- settings and files ----------------------------------------------------------------

    @initialize(policy=st.sampled_from(POLICIES), loses_pages=st.booleans())
    def start(self, policy: str, loses_pages: bool) -> None:
        self.disk.loses_pages = loses_pages
        self.set_policy(policy)
        self.open_next()

    def set_policy(self, policy: str) -> None:
        self.instance.settings.set_text(Settings.appendfsync, policy)

    def next_path(self) -> Path:
        self.opened += 1
        return Path(f"{self.opened}.incr")

    def open_next(self) -> None:
        path = self.next_path()
        self.log.open(path)
        self.paths.append(path)

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: str) -> None:
        self.set_policy(policy)

    @rule(skip=st.booleans())
    def snapshot_begins(self, skip: bool) -> None:
        self.instance.settings.set(Settings.no_appendfsync_on_rewrite, skip)
        self.instance.persistence.snapshot.begin(0.0)

    @rule()
    def snapshot_ends(self) -> None:
        self.instance.persistence.snapshot.cancel()

    # --- turns -----------------------------------------------------------------------------

    @rule(count=st.integers(1, 3))
    def write(self, count: int) -> None:
        journal = self.instance.keyspace.journal
        assert journal is not None
        for _ in range(count):
            self.written += 1
            self.turn.append(self.written)
            journal.add(0, [b"SET", b"key", b"%d" % self.written])

    def note_taken(self) -> None:
        for number in self.turn:
            self.position_of.setdefault(number, self.status.position)

    def acknowledge(self, numbers: list[int]) -> None:
        self.promised_written.update(numbers)
        always = self.instance.settings.appendfsync == "always"
        if always and self.instance.persistence.fsync_allowed:
            self.promised_synced.update(numbers)

    def release(self) -> None:
        self.acknowledge(self.held)
        self.held = []

    @rule()
    def end_turn(self) -> None:
        safe = self.log.append()
        self.note_taken()
        turn, self.turn = self.turn, []
        if safe:
            self.acknowledge(turn)
        else:
            self.held += turn

    @rule()
    def whole_turn(self) -> None:
        self.write(1)
        self.end_turn()

    @precondition(lambda self: not self.turn)
    @rule()
    def tick(self) -> None:
        if self.log.tick():
            self.release()

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5]))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds

    @rule()
    def refused_shutdown(self) -> None:
        try:
            self.log.finish()
        except OSError:
            pass
        else:
            self.note_taken()
            self.release()
        self.note_taken()

    # --- rewrites --------------------------------------------------------------------------

    @rule()
    def switch(self) -> None:
        flushed = self.log.flush()
        self.note_taken()
        if flushed:
            self.at_switch = self.written
            self.files_at_switch = len(self.paths)
            self.open_next()

    @precondition(lambda self: self.at_switch)
    @rule()
    def install_base(self) -> None:
        self.in_base = self.at_switch
        del self.paths[: self.files_at_switch]
        self.at_switch = self.files_at_switch = 0
        self.log.drop_retired()

    @rule()
    def restart(self) -> None:
        path = self.next_path()
        self.log.restart(path)
        self.note_taken()
        self.begin_with_base(path)

    def begin_with_base(self, path: Path) -> None:
        self.in_base = self.written
        self.at_switch = self.files_at_switch = 0
        self.paths = [path]

    @rule()
    def turn_off_and_on(self) -> None:
        self.log.close()
        self.note_taken()
        assert not self.status.enabled and not self.status.error
        self.release()
        path = self.next_path()
        self.log.open(path)
        self.begin_with_base(path)

    # --- the background sync ---------------------------------------------------------------

    @precondition(lambda self: self.sync is None)
    @rule()
    def sync_begins(self) -> None:
        self.sync = self.log.begin_sync()
        self.disk.now += 1
        self.sync_began_at = self.disk.now
        self.has_run = False

    @precondition(lambda self: self.sync is not None and not self.has_run)
    @rule()
    def sync_runs(self) -> None:
        assert self.sync is not None
        self.disk.sync_began_at = self.sync_began_at
        self.sync.run()
        self.disk.sync_began_at = None
        self.has_run = True

    @precondition(lambda self: self.has_run)
    @rule()
    def sync_ends(self) -> None:
        assert self.sync is not None
        self.log.end_sync(self.sync)
        self.sync, self.has_run = None, False

    # --- faults ----------------------------------------------------------------------------

    @rule(room=st.integers(0, 200), part=st.sampled_from([1, 7, 1 << 20]))
    def disk_fills_up(self, room: int, part: int) -> None:
        self.disk.room, self.disk.most_bytes_per_write = room, part

    @rule()
    def sync_fails(self) -> None:
        self.disk.sync_fails = True

    @rule()
    def truncate_fails(self) -> None:
        self.disk.truncate_fails = self.may_be_cut = True

    @rule()
    def repair(self) -> None:
        self.disk.room = None
        self.disk.sync_fails = self.disk.truncate_fails = False

    # --- what must hold --------------------------------------------------------------------

    def readable(self, *, after_power_failure: bool) -> list[int]:
        """Return what a reader finds in all files of the log, in order."""
        found: list[int] = []
        for path in self.paths:
            file = self.disk.files[path]
            content = file.durable_content if after_power_failure else bytes(file.content)
            numbers, is_whole = numbers_in(content)
            may_end_early = after_power_failure or (self.may_be_cut and path == self.paths[-1])
            assert is_whole or may_end_early, f"{path} ends inside a request"
            found += numbers
        return found

    @invariant()
    def nothing_is_missing_or_written_twice(self) -> None:
        if self.paths:
            found = self.readable(after_power_failure=False)
            assert found == list(range(self.in_base + 1, self.in_base + 1 + len(found)))

    @invariant()
    def promises_are_kept(self) -> None:
        found = set(self.readable(after_power_failure=False))
        missing = {number for number in self.promised_written - found if number > self.in_base}
        assert not missing, f"acknowledged, but in no file: {missing}"
        durable = set(self.readable(after_power_failure=True))
        missing = {number for number in self.promised_synced - durable if number > self.in_base}
        assert not missing, f"acknowledged, but not synced: {missing}"

    @invariant()
    def positions_do_not_claim_too_much(self) -> None:
        assert self.status.synced_position <= self.status.position
        durable = set(self.readable(after_power_failure=True))
        claimed = {
            number
            for number, position in self.position_of.items()
            if position <= self.status.synced_position and number > self.in_base
        }
        assert claimed <= durable, f"WAITAOF would count {claimed - durable} as synced"

    def teardown(self) -> None:
        """A repaired disk gets everything, and all replies are sent."""
        if not self.paths:
            return
        self.repair()
        self.snapshot_ends()
        self.end_turn()
        for _ in range(MOST_ROUNDS):
            self.time_passes(2.5)
            self.tick()
            if self.sync is None:
                self.sync_begins()
            if self.sync is not None:
                if not self.has_run:
                    self.sync_runs()
                self.sync_ends()
            if self.log.needs_base:
                self.switch()
                self.install_base()
        assert not self.held and not self.status.error and not self.status.buffered_bytes
        assert self.readable(after_power_failure=False)[-1:] in ([], [self.written])
        if self.instance.settings.appendfsync != "no":
            assert self.status.synced_position == self.status.position
        self.promises_are_kept()
        self.positions_do_not_claim_too_much()
        self.log.close()
        assert not self.disk.open_files, "a file was not closed"


LogMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=60, deadline=None)
TestLogMachine = LogMachine.TestCase


# --- one rule each ------------------------------------------------------------------------------


@pytest.fixture
def machine() -> LogMachine:
    return LogMachine()


def test_replies_are_held_after_a_shutdown_that_could_not_sync(machine: LogMachine) -> None:
    machine.start("always", loses_pages=True)
    machine.write(1)
    machine.sync_fails()
    machine.refused_shutdown()
    machine.end_turn()
    assert machine.held == [1]
    machine.repair()
    machine.tick()
    assert not machine.held
    machine.promises_are_kept()


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_what_a_failed_sync_may_have_lost_is_safe_only_in_a_new_base(
    machine: LogMachine, policy: str
) -> None:
    machine.start("everysec", loses_pages=True)
    machine.whole_turn()
    machine.sync_begins()
    machine.sync_fails()
    machine.sync_runs(), machine.sync_ends()
    assert not machine.log.needs_base, "a rewrite would fail on this disk"
    machine.set_policy(policy)
    machine.repair()
    machine.time_passes(2.5)
    machine.tick()
    for _ in range(2):
        machine.sync_begins()
        if machine.sync is not None:
            # It succeeds without the lost pages.
            machine.sync_runs(), machine.sync_ends()
        machine.whole_turn()
    machine.time_passes(2.5)
    machine.tick()
    assert machine.status.synced_position == 0
    assert machine.held == ([2, 3] if policy == "always" else [])
    assert machine.log.needs_base
    machine.switch()
    machine.install_base()
    machine.tick()
    assert not machine.log.needs_base and not machine.held and not machine.status.error
    machine.sync_begins()
    if machine.sync is not None:
        machine.sync_runs(), machine.sync_ends()
    assert machine.status.synced_position == machine.status.position


def test_replies_are_held_under_every_policy_while_the_log_cannot_be_written(
    machine: LogMachine,
) -> None:
    machine.start("everysec", loses_pages=False)
    machine.disk_fills_up(0, 1)
    machine.whole_turn()
    assert machine.held == [1]
    machine.repair()
    machine.time_passes(2.5)
    machine.tick()
    assert not machine.held
    machine.promises_are_kept()


def test_a_file_that_cannot_be_installed_leaves_the_current_one(machine: LogMachine) -> None:
    def fail() -> None:
        raise OSError

    machine.start("always", loses_pages=False)
    machine.whole_turn()
    with pytest.raises(OSError):
        machine.log.open(machine.next_path(), fail)
    machine.whole_turn()
    assert machine.readable(after_power_failure=True) == [1, 2]
    machine.log.close()
    assert not machine.disk.open_files


def test_a_retired_file_whose_sync_failed_is_synced_again(machine: LogMachine) -> None:
    machine.start("everysec", loses_pages=False)
    machine.write(1)
    machine.end_turn()
    machine.switch()
    machine.sync_fails()
    machine.sync_begins(), machine.sync_runs(), machine.sync_ends()
    machine.repair()
    assert machine.status.error and machine.status.synced_position == 0
    machine.sync_begins(), machine.sync_runs(), machine.sync_ends()
    assert not machine.status.error
    machine.positions_do_not_claim_too_much()


def test_a_sync_covers_only_what_was_written_before_it_began(machine: LogMachine) -> None:
    machine.start("everysec", loses_pages=False)
    machine.whole_turn()
    machine.sync_begins()
    machine.whole_turn(), machine.whole_turn()
    assert len(machine.readable(after_power_failure=False)) == 3
    machine.sync_runs(), machine.sync_ends()
    assert machine.status.synced_position == 1
    machine.switch()
    machine.sync_begins(), machine.sync_runs(), machine.sync_ends()
    assert machine.status.synced_position == 3
    machine.positions_do_not_claim_too_much()


def test_a_file_retired_during_its_sync_still_counts(machine: LogMachine) -> None:
    machine.start("everysec", loses_pages=False)
    machine.whole_turn()
    machine.sync_begins()
    machine.whole_turn(), machine.whole_turn()
    machine.switch()
    machine.sync_runs(), machine.sync_ends()
    assert machine.status.synced_position == 0
    machine.sync_begins(), machine.sync_runs(), machine.sync_ends()
    assert machine.status.synced_position == 3
    machine.positions_do_not_claim_too_much()


def test_a_sync_that_fails_after_the_log_is_turned_off_refuses_no_writes(
    machine: LogMachine,
) -> None:
    machine.start("everysec", loses_pages=False)
    machine.write(1)
    machine.end_turn()
    machine.sync_begins()
    machine.log.close()
    machine.sync_fails()
    machine.sync_runs(), machine.sync_ends()
    assert not machine.status.error
    assert not machine.disk.open_files


def test_a_retry_of_the_first_rewrite_does_not_log_what_the_base_holds(
    machine: LogMachine,
) -> None:
    machine.start("everysec", loses_pages=False)
    machine.disk_fills_up(10, 10)
    machine.write(2)
    machine.end_turn()
    machine.restart()
    machine.repair()
    machine.time_passes(2.5)
    machine.tick()
    assert machine.readable(after_power_failure=False) == []


def test_a_file_reports_its_state(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "1.incr", FakeDisk())
    file.write(b"data")
    assert repr(file) == "<LogFile 1.incr WRITTEN 4 bytes>"
