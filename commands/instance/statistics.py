"""The counters of an instance."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from commands.engine.registry import Command, Handler

# Durations are counted in buckets of powers of two nanoseconds.
HISTOGRAM_BUCKETS = 64
# Scripts can invent error codes; further ones are not counted separately.
_MOST_ERROR_CODES = 128


class CallStatistics:
    """Calls, failures and time of one command in one instance."""

    __slots__ = ("calls", "failed", "histogram", "nanoseconds", "rejected")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.calls = 0
        self.histogram = [0] * HISTOGRAM_BUCKETS
        self.nanoseconds = 0
        self.rejected = 0
        self.failed = 0

    def count(self, calls: int, nanoseconds: int) -> None:
        """Add some calls that took so long together.

        Consecutive calls of one command are counted at once, each with their mean. Slow
        calls are counted alone, so the histogram's tail is exact.
        """
        self.calls += calls
        self.nanoseconds += nanoseconds
        self.histogram[(nanoseconds // calls).bit_length()] += calls


class BoundCommand:
    """A command bound to one instance: its declaration, its handler, and its statistics.

    The dispatcher looks commands up in a table of these: one lookup gives all it needs.
    """

    __slots__ = ("command", "handler", "is_tracked", "open_ended", "stats", "words", "writes")

    def __init__(self, command: Command) -> None:
        self.command = command
        self.handler = command.handler
        self.writes = command.writes
        # Whether its keys are tracked. A script's are those of the commands that it runs.
        self.is_tracked = "readonly" in command.flags and command.group != "scripting"
        # The arity, in the form the dispatcher compares: exactly or at least so many words.
        self.words = abs(command.arity)
        self.open_ended = command.arity < 0
        self.stats = CallStatistics()

    def with_handler(self, handler: Handler) -> BoundCommand:
        """The same command with the same statistics, run in another way."""
        twin = BoundCommand(self.command)
        twin.handler, twin.stats = handler, self.stats
        return twin


@dataclass(slots=True)
class Statistics:
    """The counters of INFO that belong to no key and no command."""

    commands: int = 0
    connections_received: int = 0
    connections_rejected: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    reads_processed: int = 0
    writes_processed: int = 0
    error_replies: int = 0
    client_query_limit_disconnects: int = 0
    client_output_limit_disconnects: int = 0
    evicted_clients: int = 0
    acl_denied_auth: int = 0
    acl_denied_command: int = 0
    acl_denied_key: int = 0
    acl_denied_channel: int = 0
    eval_calls: int = 0
    # Stored records of domain families that could not be parsed and were skipped.
    bad_records: int = 0
    peak_memory: int = 0
    # Error replies by their first word.
    errors: dict[bytes, int] = field(default_factory=dict)

    def count_error(self, text: bytes) -> None:
        self.error_replies += 1
        code = text.split(b" ", 1)[0]
        if code in self.errors or len(self.errors) < _MOST_ERROR_CODES:
            self.errors[code] = self.errors.get(code, 0) + 1


class Rate:
    """The growth of a counter per second: as in Redis, the mean of the last 16 samples."""

    __slots__ = ("_at_ms", "_samples", "_total")

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=16)
        self._at_ms = 0
        self._total = 0

    def sample(self, now_ms: int, total: int) -> None:
        """Record the counter; to be called several times a second."""
        elapsed = now_ms - self._at_ms
        if self._at_ms and elapsed > 0:
            # A counter that shrank was reset.
            grown = total - self._total if total >= self._total else total
            self._samples.append(grown * 1000 / elapsed)
        self._at_ms, self._total = now_ms, total

    @property
    def per_second(self) -> float:
        return sum(self._samples) / 16
