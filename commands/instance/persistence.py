"""The state of saving and loading: `server` keeps it true, INFO and admission read it."""

from __future__ import annotations

from dataclasses import dataclass

from commands.instance.guards import CommonGuards, Guard
from commands.settings.settings import Settings

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
    """A load that is going on."""

    started_ms: int
    total_bytes: int
    loaded_bytes: int = 0

    @property
    def percent(self) -> float:
        return 100 * self.loaded_bytes / max(1, self.total_bytes)

    def seconds_left(self, now_ms: int) -> int:
        """An estimate from the pace so far; 1 while there is none, as Redis says."""
        elapsed = (now_ms - self.started_ms) / 1000
        if elapsed <= 0 or not self.loaded_bytes:
            return 1
        return int(elapsed * (self.total_bytes - self.loaded_bytes) / self.loaded_bytes)


@dataclass(slots=True)
class Job:
    """Snapshots, or rewrites of the log: the one that runs, and what became of the last.

    Moments are of the machine's monotonic clock, in seconds.
    """

    started: float | None = None
    scheduled: bool = False
    succeeded: bool = True
    seconds: int = -1
    done: int = 0
    failures_in_a_row: int = 0
    tried_at: float = float("-inf")
    copied_bytes: int = 0

    def begin(self, now: float) -> None:
        self.started = self.tried_at = now
        self.scheduled = False

    def end(self, now: float, *, succeeded: bool) -> None:
        if self.started is not None:
            self.seconds = int(now - self.started)
        self.started = None
        self.succeeded = succeeded
        self.failures_in_a_row = 0 if succeeded else self.failures_in_a_row + 1

    def running_seconds(self, now: float) -> int:
        return -1 if self.started is None else int(now - self.started)


class Persistence:
    """An instance's files as its commands see them."""

    def __init__(self, settings: Settings, guards: CommonGuards, now_ms: int) -> None:
        self._settings = settings
        self._guards = guards
        self.load: Load | None = None
        self.loaded_keys = 0
        self.expired_at_load = 0
        # When the data was last known to be on disk, and how dirty the keyspace was then.
        self.saved_ms = now_ms
        self.saved_dirty = 0
        self.snapshot = Job()
        # Keys that the running snapshot or rewrite has to write.
        self.keys_to_save = 0
        self.rewrite = Job()
        self.forks = 0
        self.fork_microseconds = 0
        # The log: whether there is one, whether it holds all data yet, and how much of what
        # was ever gathered for it, counted in turns, is on disk.
        self.logging = False
        self.log_whole = False
        self.log_gathered = 0
        self.log_synced = 0
        self.log_error = b""
        self.log_size = 0
        self.log_base_size = 0
        self.log_buffered = 0
        self.syncs_running = 0
        self.delayed_syncs = 0

    # --- changes of state that decide which requests are refused -------------------------

    def begin_load(self, load: Load) -> None:
        self.load = load
        self.loaded_keys = self.expired_at_load = 0
        self._guards.hold(Guard.LOADING)

    def end_load(self) -> None:
        self.load = None
        self._guards.lift(Guard.LOADING)

    def snapshot_ended(self) -> None:
        """`snapshot.succeeded` was set."""
        self._guards.follow(Guard.SNAPSHOTS_FAIL, not self.snapshot.succeeded)

    def log_failed(self, reason: bytes) -> None:
        self.log_error = reason
        self._guards.hold(Guard.LOG_FAILS)

    def log_recovered(self) -> None:
        self.log_error = b""
        self._guards.lift(Guard.LOG_FAILS)

    def write_refusal(self) -> bytes | None:
        """Why writes are refused: what is not safe must not be acknowledged."""
        settings = self._settings
        if not self.snapshot.succeeded and settings.stop_writes_on_bgsave_error and settings.save:
            return _SNAPSHOTS_FAIL
        return _LOG_FAILS % self.log_error if self.log_error else None
