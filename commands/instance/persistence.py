"""The state of loading, saving and logging: the server updates it, commands read it."""

from __future__ import annotations

from dataclasses import dataclass

from commands.instance.guards import CommonGuards, Guard
from commands.settings.settings import Settings
from storage.clock import Clock

LOADING = b"LOADING Redis is loading the dataset in memory"
_SNAPSHOTS_FAIL = (
    b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    b"disk. Commands that may modify the data set are disabled, because this instance is "
    b"configured to report errors during writes if RDB snapshotting fails "
    b"(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the "
    b"RDB error."
)
_LOG_FAILS = b"MISCONF Errors writing to the AOF file: %b"


@dataclass(slots=True)
class Load:
    """A load in progress."""

    started_ms: int
    total_bytes: int
    loaded_bytes: int = 0

    @property
    def percent(self) -> float:
        return 100 * self.loaded_bytes / max(1, self.total_bytes)

    def seconds_left(self, now_ms: int) -> int:
        """Estimate the time left from the speed so far; 1 if unknown, as in Redis."""
        elapsed = (now_ms - self.started_ms) / 1000
        if elapsed <= 0 or not self.loaded_bytes:
            return 1
        return int(elapsed * (self.total_bytes - self.loaded_bytes) / self.loaded_bytes)


@dataclass(slots=True)
class TaskStatus:
    """Snapshots or rewrites of the log: the one in progress and the result of the last one.

    Times are seconds of the machine's monotonic clock.
    """

    started_at: float | None = None
    scheduled: bool = False
    succeeded: bool = True
    last_seconds: int = -1
    completed: int = 0
    failures_in_a_row: int = 0
    last_attempt_at: float = float("-inf")
    copied_bytes: int = 0

    @property
    def is_running(self) -> bool:
        return self.started_at is not None

    def running_seconds(self, now: float) -> int:
        return -1 if self.started_at is None else int(now - self.started_at)

    def schedule(self) -> None:
        """Start the task as soon as possible."""
        self.scheduled = True

    def unschedule(self) -> None:
        self.scheduled = False

    def forget_failures(self) -> None:
        """Start the next attempt without the pause that follows repeated failures."""
        self.failures_in_a_row = 0

    def count_completed(self) -> None:
        self.completed += 1

    def begin(self, now: float) -> None:
        self.started_at = self.last_attempt_at = now
        self.scheduled = False

    def count_copied(self, copied_bytes: int) -> None:
        """Note how much memory the process that wrote the data did not share with this one."""
        self.copied_bytes = copied_bytes

    def end(self, now: float, *, succeeded: bool) -> None:
        if self.started_at is None:
            self.last_attempt_at = now
        else:
            self.last_seconds = int(now - self.started_at)
        self.started_at = None
        self.succeeded = succeeded
        self.failures_in_a_row = 0 if succeeded else self.failures_in_a_row + 1

    def cancel(self) -> None:
        """End the task in progress; the result of the one before stays the last result."""
        self.started_at = None


class LogStatus:
    """The append-only log as commands see it.

    A position in the log counts the batches that were ever taken for it: all writes of a
    turn are one batch, or two if the log is flushed within the turn.
    """

    def __init__(self, guards: CommonGuards) -> None:
        self._guards = guards
        self.enabled = False
        # Whether the log on disk contains all data. It does not while the first base of a
        # log that was just turned on is being written.
        self.complete = False
        # The last batch that was taken, and the last one known to survive a power failure.
        self.position = 0
        self.synced_position = 0
        # Why writes are refused: the text of the last failed write or fsync.
        self.error = b""
        # Bytes of all files of the log, now and just after the last rewrite.
        self.size = 0
        self.base_size = 0
        # Bytes that are encoded but not written.
        self.buffered_bytes = 0
        self.syncs_running = 0
        # How many times a write did not wait any longer for a slow fsync.
        self.delayed_syncs = 0

    def turn_on(self) -> None:
        self.enabled = True

    def turn_off(self) -> None:
        """The log is closed; every batch counts as synced because none is left to sync."""
        self.enabled = self.complete = False
        self.buffered_bytes = 0
        self.synced_position = self.position

    def completed(self, size: int) -> None:
        """The log on disk contains all data, in files of `size` bytes."""
        self.size = self.base_size = size
        self.complete = self.enabled

    def batch_taken(self, buffered_bytes: int) -> None:
        self.position += 1
        self.buffered_bytes = buffered_bytes

    def written(self, grown_by: int, buffered_bytes: int) -> None:
        """The files have grown, or shrunk if a write was undone."""
        self.size += grown_by
        self.buffered_bytes = buffered_bytes

    def sync_began(self) -> None:
        self.syncs_running += 1

    def sync_ended(self) -> None:
        self.syncs_running -= 1

    def sync_delayed(self) -> None:
        self.delayed_syncs += 1

    def synced(self, position: int) -> None:
        """Every batch up to this position survives a power failure."""
        # The log may have been turned off meanwhile, which counts as further.
        if position > self.synced_position:
            self.synced_position = position

    def failed(self, reason: bytes) -> None:
        """Refuse writes from now on."""
        self.error = reason
        self._guards.hold(Guard.LOG_FAILS)

    def recovered(self) -> None:
        self.error = b""
        self._guards.lift(Guard.LOG_FAILS)


class Persistence:
    """An instance's files as its commands see them."""

    def __init__(self, settings: Settings, guards: CommonGuards, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._guards = guards
        self.load: Load | None = None
        self.loaded_keys = 0
        self.keys_expired_at_load = 0
        # When the data was last known to be on disk, and how dirty the keyspace was then.
        self._note_save()
        self.dirty_at_last_save = 0
        self.snapshot = TaskStatus()
        self.rewrite = TaskStatus()
        # Keys that the running snapshot or rewrite has to write.
        self.keys_to_save = 0
        self.forks = 0
        self.last_fork_microseconds = 0
        self.log = LogStatus(guards)

    @property
    def fsync_allowed(self) -> bool:
        """Whether the log may be synced: not during a snapshot or rewrite if the setting
        no-appendfsync-on-rewrite says so."""
        return not self._settings.no_appendfsync_on_rewrite or not (
            self.snapshot.is_running or self.rewrite.is_running
        )

    # --- loading -------------------------------------------------------------------------

    def begin_load(self, load: Load) -> None:
        self.load = load
        self.loaded_keys = self.keys_expired_at_load = 0
        self._guards.hold(Guard.LOADING)

    def count_loaded(self, keys: int, expired: int) -> None:
        self.loaded_keys += keys
        self.keys_expired_at_load += expired

    def end_load(self) -> None:
        self.load = None
        self._guards.lift(Guard.LOADING)

    # --- saving --------------------------------------------------------------------------

    def _note_save(self) -> None:
        self.last_save_ms = self._clock.now_ms()
        self._last_save_monotonic_ms = self._clock.monotonic_ms()

    @property
    def ms_since_save(self) -> int:
        return self._clock.monotonic_ms() - self._last_save_monotonic_ms

    def loaded(self) -> None:
        """The data is on disk, because it was just loaded from there."""
        self._note_save()

    def matches_files(self, dirty: int) -> None:
        """The data is what the files hold; the keyspace is this dirty."""
        self.dirty_at_last_save = dirty

    def saved(self, dirty: int) -> None:
        """A snapshot is on disk, of the data as it was when the keyspace was this dirty."""
        self._note_save()
        self.dirty_at_last_save = dirty
        self.snapshot.count_completed()
        self.snapshot.succeeded = True
        self._guards.lift(Guard.SNAPSHOTS_FAIL)

    def end_snapshot(self, now: float, *, succeeded: bool) -> None:
        """A background snapshot has ended, or could not be started."""
        self.snapshot.end(now, succeeded=succeeded)
        self._guards.follow(Guard.SNAPSHOTS_FAIL, not succeeded)

    def begin_copy(self, keys: int) -> None:
        """A snapshot or rewrite of so many keys has started."""
        self.keys_to_save = keys

    def end_copy(self) -> None:
        self.keys_to_save = 0

    def forked(self, microseconds: int) -> None:
        self.forks += 1
        self.last_fork_microseconds = microseconds

    # --- admission -----------------------------------------------------------------------

    def write_refusal(self) -> bytes | None:
        """Return why writes are refused: what cannot be made safe must not be acknowledged."""
        settings = self._settings
        if not self.snapshot.succeeded and settings.stop_writes_on_bgsave_error and settings.save:
            return _SNAPSHOTS_FAIL
        return _LOG_FAILS % self.log.error if self.log.error else None
