"""Running scripts: what their commands may do, and what others get meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from commands.engine.effects import RunScript
from commands.engine.errors import OUT_OF_MEMORY, CommandError
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.instance.guards import Guard
from commands.instance.instance import Instance
from commands.instance.scripting import RunningScript
from commands.instance.statistics import BoundCommand
from server.execution.permissions import Permissions
from server.execution.slots import ScriptSlots
from storage.journal import Request

_UNKNOWN = "ERR Unknown Redis command called from script"
_WRONG_ARITY = "ERR Wrong number of args calling Redis command from script"
_NOT_ALLOWED = "ERR This Redis command is not allowed from script"
_READ_ONLY = "ERR Write commands are not allowed from read-only scripts."
_MAY_WRITE = "ERR Can not execute a script with write flag using *_ro command."
_NO_CLUSTER = "ERR Can not run script on cluster, 'no-cluster' flag is set."

# Runs a request inside of another one: its reply, and what to log of it.
RunWithin = Callable[[Context, BoundCommand, list[bytes]], tuple[Reply, list[Request]]]


class ScriptRunner:
    """Runs the scripts of one instance, one at a time."""

    def __init__(self, instance: Instance, run_within: RunWithin, permissions: Permissions) -> None:
        self._instance = instance
        self._permissions = permissions
        self._run_within = run_within
        # Serves other clients while a script runs for long; set by the server.
        self.serve_others: Callable[[], None] = lambda: None

    def run(self, ctx: Context, effect: RunScript) -> Reply:
        """Run a script to its end; time stands still for it, and nothing waits.

        What its commands have written is logged as one transaction.
        """
        instance = self._instance
        self._check_flags(effect)
        door = _Door(self, ctx, effect)
        if instance.cluster is not None:
            door.slots = ScriptSlots(instance, effect)
        database, atomic, outer = ctx.db, ctx.atomic, instance.running_script
        ctx.atomic = True
        instance.running_script = door.running
        try:
            return effect.run(door)
        finally:
            instance.running_script = outer
            if door.running.busy:
                instance.guards.lift(Guard.BUSY)
                # Serving others has sent all outboxes of this turn.
                ctx.client.wire.flush_soon()
            ctx.atomic = atomic
            if ctx.db is not database:
                ctx.select(database)
            ctx.log_as(*door.entries)

    def _check_flags(self, effect: RunScript) -> None:
        """Check once what a script declares, so that it is not refused halfway.

        A script that declares nothing is checked at each of its commands.
        """
        flags = effect.flags
        if flags is None:
            return
        if b"no-cluster" in flags and self._instance.settings.cluster_enabled:
            raise CommandError(_NO_CLUSTER)
        if b"no-writes" not in flags:
            if not effect.writes:
                raise CommandError(_MAY_WRITE)
            refusal = self._instance.persistence.write_refusal()
            if refusal is not None:
                raise CommandError(refusal)
            if self._instance.memory.exceeded and b"allow-oom" not in flags:
                raise CommandError(OUT_OF_MEMORY)

    def call(self, door: _Door, argv: list[bytes]) -> Reply:
        instance, ctx = self._instance, door.ctx
        bound = self._find(argv)
        command = bound.command
        if "noscript" in command.flags and not instance.scripts_may_call_all:
            raise CommandError(_NOT_ALLOWED)
        if ctx.client.restricted:
            denied = self._permissions.refusal_in_script(ctx.client, command, argv)
            if denied is not None:
                raise CommandError(denied)
        if command.writes:
            if not door.writes:
                raise CommandError(_READ_ONLY)
            refusal = instance.persistence.write_refusal()
            if refusal is not None:
                raise CommandError(refusal)
        if (
            instance.memory.exceeded
            and "denyoom" in command.flags
            # A script that has begun to write must be able to end.
            and not (door.allow_oom or door.running.wrote)
        ):
            raise CommandError(OUT_OF_MEMORY)
        if door.slots is not None:
            door.slots.check(command, argv)
        dirty = instance.keyspace.dirty
        reply, entries = self._run_within(ctx, bound, argv)
        if instance.keyspace.dirty != dirty:
            door.running.wrote = True
        door.entries += entries
        return reply

    def _find(self, argv: list[bytes]) -> BoundCommand:
        # What was called before is found at once.
        bound = self._instance.spellings.get(argv[0]) or self._instance.find_command(argv)
        if bound is None or (bound.command.subcommands and len(argv) > 1):
            raise CommandError(_UNKNOWN)
        if not bound.command.accepts(len(argv)):
            raise CommandError(_WRONG_ARITY)
        return bound

    def permits(self, ctx: Context, argv: list[bytes]) -> bool:
        bound = self._instance.find_command(argv)
        if bound is None or (bound.command.subcommands and len(argv) > 1):
            raise CommandError("ERR Invalid command passed to redis.acl_check_cmd()")
        return self._instance.users.denial(ctx.client.user, bound.command, argv) is None

    def interrupted(self, door: _Door) -> bytes | None:
        running = door.running
        threshold = self._instance.settings.busy_reply_threshold
        if threshold and running.elapsed_ns > threshold * 1_000_000:
            if not running.busy:
                running.busy = True
                self._instance.guards.hold(Guard.BUSY)
            self.serve_others()
        return running.stopped_by


class _Door:
    """How one script reaches the keyspace."""

    def __init__(self, runner: ScriptRunner, ctx: Context, effect: RunScript) -> None:
        self._runner = runner
        self.ctx = ctx
        flags = effect.flags or frozenset()
        self.writes = effect.writes and b"no-writes" not in flags
        self.allow_oom = b"allow-oom" in flags
        self.running = RunningScript(ctx.client, effect.argv, effect.function)
        self.entries: list[Request] = []
        # In a cluster only.
        self.slots: ScriptSlots | None = None

    def call(self, argv: list[bytes]) -> Reply:
        return self._runner.call(self, argv)

    def permits(self, argv: list[bytes]) -> bool:
        return self._runner.permits(self.ctx, argv)

    def interrupted(self) -> bytes | None:
        return self._runner.interrupted(self)
