"""What operators see of commands: slow log, latency events, large requests, MONITOR."""

from __future__ import annotations

from commands.instance.client import Client, Waiting
from commands.instance.instance import Instance
from commands.instance.redaction import redacted
from commands.instance.statistics import BoundCommand
from commands.settings.settings import Settings
from server.wire.wording import monitor_line

# After this long the cached time is stale, and a command that took longer is worth a
# look at the slow log.
_TICK_NS = 1_000_000
_NEVER = 1 << 62
# Their flags keep them from being shown after they have run.
_RUN_SCRIPTS = frozenset("EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO".split())


class Observation:
    """Records commands that are slow or large, and shows commands to monitors."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        # A command that took longer is handed to `slow_step`.
        self.tick_ns = _TICK_NS
        self._slow_ns = 0
        # A reply of so many bytes is handed to `large_reply`.
        self.large_reply_bytes = 0
        instance.settings.on_change(Settings.slowlog_log_slower_than, self._follow_slowlog)
        instance.settings.on_change(Settings.commandlog_reply_larger_than, self._follow_large_reply)

    def _follow_slowlog(self, microseconds: int) -> None:
        self._slow_ns = microseconds * 1000 if microseconds >= 0 else _NEVER
        self.tick_ns = min(_TICK_NS, self._slow_ns)

    def _follow_large_reply(self, size: int) -> None:
        self.large_reply_bytes = size if size >= 0 else _NEVER

    def slow_step(self, client: Client, argv: list[bytes], elapsed: int) -> None:
        """Time went by: renew the cached clock, and log the command if it was slow."""
        self.slow(client, argv, elapsed, self._instance.keyspace.refresh_now())

    def waited(self, client: Client, waiting: Waiting) -> None:
        """Log a command that has ended its wait, if its runs were slow."""
        if waiting.elapsed_ns >= self.tick_ns:
            self.slow(client, waiting.request, waiting.elapsed_ns, self._instance.keyspace.now)

    def slow(self, client: Client, argv: list[bytes], elapsed: int, now: int) -> None:
        instance = self._instance
        latency = instance.latency
        if latency.threshold_ms and elapsed >= latency.threshold_ms * 1_000_000:
            found = instance.find_command(argv)
            fast = found is not None and "fast" in found.command.flags
            latency.record("fast-command" if fast else "command", elapsed // 1_000_000, now // 1000)
        if elapsed >= self._slow_ns:
            found = instance.find_command(argv)
            if found is not None and "skip_slowlog" in found.command.flags:
                return
            instance.slowlog.add(
                redacted(argv),
                elapsed // 1000,
                now // 1000,
                client.address,
                client.name,
                instance.settings.slowlog_max_len,
            )

    def large_requests(self, client: Client, requests: list[list[bytes]], least: int) -> None:
        """Log the requests that have `least` bytes or more.

        Not those of unknown commands: a mistyped AUTH has a password, too.
        """
        instance = self._instance
        longest = instance.settings.commandlog_large_request_max_len
        for argv in requests:
            size = sum(map(len, argv))
            if size >= least and instance.find_command(argv) is not None:
                now = instance.keyspace.now // 1000
                instance.large_requests.add(
                    redacted(argv), size, now, client.address, client.name, longest
                )

    def large_reply(self, client: Client, argv: list[bytes], size: int) -> None:
        instance = self._instance
        longest = instance.settings.commandlog_large_reply_max_len
        now = instance.keyspace.now // 1000
        instance.large_replies.add(redacted(argv), size, now, client.address, client.name, longest)

    def show_monitors(self, client: Client, bound: BoundCommand, argv: list[bytes]) -> None:
        if not {"admin", "skip_monitor"} & bound.command.flags:
            self._show(client, argv)

    def show_script(self, client: Client, bound: BoundCommand, argv: list[bytes]) -> None:
        """Show a command that runs a script to monitors before those that the script calls."""
        if bound.command.name in _RUN_SCRIPTS:
            self._show(client, argv)

    def _show(self, client: Client, argv: list[bytes]) -> None:
        running = self._instance.running_script
        in_script = running is not None and running.client is client
        now = self._instance.clock.now_ns()
        line = monitor_line(now, client, redacted(argv), in_script=in_script)
        for monitor in self._instance.monitors:
            monitor.deliver(line)
