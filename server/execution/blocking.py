"""Clients that wait, and what wakes them.

A handler that finds nothing returns `BlockOn`; the client is parked here under each key it
named. The keyspace lists (in `keyspace.ready`) which awaited keys changed; after every
command, transaction or script, `serve` runs the parked commands of those keys again, first
come first served, until no ready key serves a client. To add a kind of waiting,
return `BlockOn` with the type of value it needs: nothing here changes.

Deadlines follow the instance's monotonic clock. `next_deadline` tells the server's timer when to
look; `time_out` answers the clients whose deadline has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import merge
from operator import itemgetter
from time import perf_counter_ns

from sortedcontainers import SortedList

from commands.engine.effects import BlockOn, Effect, WaitUntil
from commands.engine.replies import ErrorReply, Reply
from commands.instance.client import Client, Waiting
from commands.instance.context import Context
from commands.instance.instance import Instance
from server.execution.answering import answer
from server.execution.observation import Observation
from storage.database import Database

# Runs the command of a blocked client again.
Retry = Callable[[Context, list[bytes]], Reply | Effect]

_UNBLOCKED = b"UNBLOCKED client unblocked via CLIENT UNBLOCK"


class Queue(dict[Client, None]):
    """The waiters for one key, in order of arrival."""

    __slots__ = ("on_loss",)

    def __init__(self) -> None:
        super().__init__()
        # How many of them also want to hear that the key is gone.
        self.on_loss = 0


class Blocking:
    """The waiting clients of one instance."""

    def __init__(self, instance: Instance, observation: Observation) -> None:
        self._instance = instance
        self._observation = observation
        # By database and key.
        self._queues: dict[tuple[int, bytes], Queue] = {}
        # The contexts in which the commands of parked clients run again.
        self._contexts: dict[Client, Context] = {}
        self._deadlines = SortedList()
        # When commands run again though no key changed (`BlockOn.every`).
        self._repeats = SortedList()
        # Clients that wait for the log to be on disk.
        self._disk_waiters: dict[Client, None] = {}
        # Clients whose requests are held back by CLIENT PAUSE.
        self._paused: dict[Client, None] = {}
        # Unblocked clients whose later requests can be run now.
        self.resumed: list[Client] = []
        self._serving = False
        # How many clients have begun to wait so far.
        self._arrivals = 0

    def parked(self) -> int:
        """How many entries are kept for waiting clients: zero when nobody waits."""
        kept = (
            self._queues,
            self._contexts,
            self._deadlines,
            self._repeats,
            self._disk_waiters,
            self._paused,
        )
        return sum(map(len, kept)) + len(self.resumed)

    # --- parking ----------------------------------------------------------------------

    def park(self, ctx: Context, effect: BlockOn | WaitUntil, argv: list[bytes]) -> None:
        """Block the client of a context until the effect's condition holds."""
        client, database = ctx.client, ctx.db
        again = argv
        if isinstance(effect, BlockOn):
            again = effect.argv or argv
            for key in dict.fromkeys(effect.keys):
                queue = self._queues.setdefault((database.index, key), Queue())
                queue[client] = None
                queue.on_loss += effect.on_loss
                database.wait_for(key)
        elif effect.satisfied is not None:
            self._disk_waiters[client] = None
        deadline: int | None = None
        if effect.deadline is not None:
            # From here on it is a duration: setting the machine's clock must not change it.
            in_ms = effect.deadline - self._instance.keyspace.now
            deadline = self._instance.clock.monotonic_ms() + in_ms
            self._deadlines.add((deadline, client.id))
        self._contexts[client] = ctx
        self._arrivals += 1
        waiting = Waiting(effect, argv, again, database, deadline, self._arrivals)
        client.block(waiting)
        self._plan_repeat(client, waiting)

    def _unpark(self, client: Client) -> None:
        waiting = client.waiting
        assert waiting is not None
        effect = waiting.effect
        if isinstance(effect, BlockOn):
            for key in dict.fromkeys(effect.keys):
                place = (waiting.db.index, key)
                queue = self._queues[place]
                del queue[client]
                queue.on_loss -= effect.on_loss
                if not queue:
                    del self._queues[place]
                waiting.db.stop_waiting(key)
        else:
            self._disk_waiters.pop(client, None)
        if waiting.deadline is not None:
            self._deadlines.discard((waiting.deadline, client.id))
        if waiting.repeat_at is not None:
            self._repeats.discard((waiting.repeat_at, client.id))
        del self._contexts[client]
        client.unblock()

    def release(self, client: Client, reply: Reply) -> None:
        """End a client's wait with a reply."""
        waiting = client.waiting
        assert waiting is not None
        self._unpark(client)
        self._observation.waited(client, waiting)
        answer(client, reply)
        client.wire.flush_soon()
        self.resumed.append(client)

    def forget(self, client: Client) -> None:
        """The client has disconnected."""
        if client.waiting is not None:
            self._unpark(client)
        self._paused.pop(client, None)

    def unblock(self, client_id: int, with_error: bool) -> bool:
        """End a client's wait as its timeout would, or with an error; False if it did not wait."""
        client = self._instance.clients.get(client_id)
        if client is None or client.waiting is None:
            return False
        effect = client.waiting.effect
        if with_error:
            self.release(client, ErrorReply(_UNBLOCKED))
        elif isinstance(effect, BlockOn):
            self.release(client, effect.timed_out)
        else:
            self.release(client, effect.reply())
        return True

    # --- serving ------------------------------------------------------------------------

    def serve(self, retry: Retry) -> None:
        """Run the commands again that wait for changed keys, until nothing comes of it."""
        if self._serving:
            return
        self._serving = True
        try:
            ready = self._instance.keyspace.ready
            while ready:
                batch = dict.fromkeys(ready)
                ready.clear()
                together = []
                for database, key in batch:
                    queue = self._queues.get((database.index, key))
                    if queue is None:
                        continue
                    if self._is_by_arrival(queue):
                        together.append((database, key))
                    else:
                        self._serve_key(database, key, retry)
                if len(together) == 1:
                    self._serve_key(*together[0], retry)
                elif together:
                    self._serve_by_arrival(together, retry)
        finally:
            self._serving = False

    def _serve_key(self, database: Database, key: bytes, retry: Retry) -> None:
        queue = self._queues.get((database.index, key))
        if queue is None:
            return
        for client in list(queue):
            value = database.peek(key)
            if value is None and not queue.on_loss:
                # Mostly one waiter in a thousand was served: skip the others.
                return
            waiting = client.waiting
            if waiting is None or not isinstance(waiting.effect, BlockOn):
                continue
            if value.__class__ is waiting.effect.kind or waiting.effect.on_loss:
                self._retry(client, waiting, retry)

    @staticmethod
    def _is_by_arrival(queue: Queue) -> bool:
        waiting = next(iter(queue)).waiting
        return (
            waiting is not None
            and isinstance(waiting.effect, BlockOn)
            and waiting.effect.by_arrival
        )

    def _serve_by_arrival(self, keys: list[tuple[Database, bytes]], retry: Retry) -> None:
        """Serve the clients of all these keys as if they had waited for one."""
        lines = [
            [
                (waiting.arrival, database, key, client)
                for client in self._queues.get((database.index, key), ())
                if (waiting := client.waiting) is not None
            ]
            for database, key in keys
        ]
        for arrival, database, key, client in merge(*lines, key=itemgetter(0)):
            waiting = client.waiting
            # It was served through another of its keys, and may even wait for something else.
            if waiting is None or waiting.arrival != arrival:
                continue
            effect = waiting.effect
            if isinstance(effect, BlockOn) and database.peek(key).__class__ is effect.kind:
                self._retry(client, waiting, retry)

    def _retry(self, client: Client, waiting: Waiting, retry: Retry) -> None:
        deferred: list[bytes] = []
        client.deferred = deferred
        started = perf_counter_ns()
        try:
            reply = retry(self._contexts[client], waiting.argv)
        finally:
            client.deferred = None
            waiting.elapsed_ns += perf_counter_ns() - started
        if not isinstance(reply, Effect):
            self.release(client, reply)
        if deferred:
            client.outbox += deferred
            client.wire.flush_soon()

    def serve_disk(self) -> None:
        """Answer clients whose writes are on disk, or never will be because the log is off."""
        for client in list(self._disk_waiters):
            waiting = client.waiting
            assert waiting is not None
            effect = waiting.effect
            assert isinstance(effect, WaitUntil) and effect.satisfied is not None
            if effect.satisfied():
                self.release(client, effect.reply())

    # --- time -----------------------------------------------------------------------------

    def next_deadline(self) -> int | None:
        """When the next wait ends or command runs again, by the monotonic clock in ms."""
        moments = [moments[0][0] for moments in (self._deadlines, self._repeats) if moments]
        paused_until = self._instance.paused_until_ms
        if paused_until:
            moments.append(paused_until)
        return min(moments, default=None)

    def repeat(self, retry: Retry) -> None:
        """Run the commands again whose time for it has come."""
        repeats, now = self._repeats, self._instance.clock.monotonic_ms()
        while repeats and repeats[0][0] <= now:
            _, client_id = repeats.pop(0)
            client = self._instance.clients[client_id]
            waiting = client.waiting
            assert waiting is not None
            self._plan_repeat(client, waiting)
            # It may write, which a pause forbids.
            if not self._instance.paused_until_ms:
                self._retry(client, waiting, retry)

    def _plan_repeat(self, client: Client, waiting: Waiting) -> None:
        effect = waiting.effect
        if isinstance(effect, BlockOn) and effect.every is not None:
            waiting.repeat_at = self._instance.clock.monotonic_ms() + effect.every
            self._repeats.add((waiting.repeat_at, client.id))

    def time_out(self) -> None:
        """Answer every client whose deadline has passed."""
        deadlines = self._deadlines
        if deadlines:
            now = self._instance.clock.monotonic_ms()
            while deadlines and deadlines[0][0] <= now:
                self.unblock(deadlines[0][1], with_error=False)
        self.end_pause_if_due()

    # --- pausing --------------------------------------------------------------------------

    def pause(self, client: Client) -> None:
        """Hold a client's requests back until the pause ends."""
        self._paused[client] = None

    def end_pause_if_due(self) -> None:
        """End a pause that has timed out: a command that runs now must not see it."""
        paused_until = self._instance.paused_until_ms
        if paused_until and paused_until <= self._instance.clock.monotonic_ms():
            self.end_pause()

    def end_pause(self) -> None:
        """Resume all clients: the pause has timed out, or CLIENT UNPAUSE ended it."""
        self._instance.end_pause()
        self.resumed.extend(self._paused)
        self._paused.clear()
