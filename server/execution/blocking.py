"""Clients that wait, and whom a write wakes.

A handler that finds nothing returns `BlockOn`; the client is parked here under each key it
named. The keyspace tells (through `keyspace.ready`) which awaited keys were changed; after
every command, transaction or script, `serve` runs the parked commands of those keys again,
first come first served, until nothing that is ready serves anybody. To add a kind of
waiting, return `BlockOn` with the type of value it needs: nothing here changes.

Deadlines follow the instance's clock. `next_deadline` tells the server's timer when to
look; `time_out` answers those whose time has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sortedcontainers import SortedList

from commands.engine.effects import BlockOn, WaitUntil
from commands.engine.replies import ErrorReply, Reply
from commands.instance.client import Client
from commands.instance.instance import Instance
from storage.keyspace import Database

if TYPE_CHECKING:
    from server.execution.dispatch import Dispatcher

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

    def __init__(self, instance: Instance, dispatcher: Dispatcher) -> None:
        self._instance = instance
        self._dispatcher = dispatcher
        # By database and key.
        self._queues: dict[tuple[int, bytes], Queue] = {}
        self._deadlines = SortedList()
        # Clients that wait for the log to be on disk.
        self._disk_waiters: dict[Client, None] = {}
        # Clients held back by CLIENT PAUSE.
        self._paused: dict[Client, None] = {}
        # Unblocked clients whose later requests can be run now.
        self.resumed: list[Client] = []
        self._serving = False

    @property
    def count(self) -> int:
        """Clients blocked by a command."""
        return sum(1 for client in self._instance.clients.values() if client.waiting is not None)

    # --- parking ----------------------------------------------------------------------

    def park(self, client: Client) -> None:
        """Keep a client whose `waiting` was just set."""
        waiting = client.waiting
        assert waiting is not None
        effect = waiting.effect
        if isinstance(effect, BlockOn):
            for key in dict.fromkeys(effect.keys):
                queue = self._queues.setdefault((waiting.db.index, key), Queue())
                queue[client] = None
                queue.on_loss += effect.on_loss
                waiting.db.wait_for(key)
        elif effect.satisfied is not None:
            self._disk_waiters[client] = None
        if effect.deadline is not None:
            self._deadlines.add((effect.deadline, client.id))

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
                waiting.db.wait_over(key)
        else:
            self._disk_waiters.pop(client, None)
        if effect.deadline is not None:
            self._deadlines.discard((effect.deadline, client.id))
        client.waiting = None
        client.refresh_gate()

    def release(self, client: Client, reply: Reply) -> None:
        """End a client's wait with a reply."""
        self._unpark(client)
        self._dispatcher.finish_waiting(client, reply)
        self.resumed.append(client)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        if client.waiting is not None:
            self._unpark(client)
        self._paused.pop(client, None)

    def unblock(self, client: Client, with_error: bool) -> bool:
        """CLIENT UNBLOCK: end the wait as its timeout would, or with an error."""
        waiting = client.waiting
        if waiting is None:
            return False
        effect = waiting.effect
        if with_error:
            self.release(client, ErrorReply(_UNBLOCKED))
        else:
            self.release(
                client, effect.timed_out if isinstance(effect, BlockOn) else effect.reply()
            )
        return True

    # --- serving ------------------------------------------------------------------------

    def serve(self) -> None:
        """Run again what waited for keys that were changed, until nothing comes of it."""
        if self._serving:
            return
        self._serving = True
        try:
            ready = self._instance.keyspace.ready
            while ready:
                batch = dict.fromkeys(ready)
                ready.clear()
                for database, key in batch:
                    self._serve_key(database, key)
        finally:
            self._serving = False

    def _serve_key(self, database: Database, key: bytes) -> None:
        queue = self._queues.get((database.index, key))
        if queue is None:
            return
        for client in list(queue):
            value = database.peek(key)
            if value is None and not queue.on_loss:
                # Mostly one waiter in a thousand was served: the others need no look.
                return
            waiting = client.waiting
            if waiting is None or not isinstance(waiting.effect, BlockOn):
                continue
            if value.__class__ is waiting.effect.kind or waiting.effect.on_loss:
                self._retry(client)

    def _retry(self, client: Client) -> None:
        waiting = client.waiting
        assert waiting is not None
        instance = self._instance
        statistics = instance.find_command(waiting.argv)
        assert statistics is not None
        ctx = client.ctx
        ctx.retrying = True
        held: list[bytes] = []
        client.held = held
        try:
            reply = self._dispatcher.perform(client, statistics, waiting.argv)
        finally:
            client.held = None
            ctx.retrying = False
        if not isinstance(reply, BlockOn):
            self.release(client, reply)
        if held:
            client.outbox += held
            client.flush_soon(client)

    @property
    def waits_for_disk(self) -> bool:
        """Whether anybody waits for the log."""
        return bool(self._disk_waiters)

    def serve_disk(self) -> None:
        """Answer whose writes are on disk by now, or never will be: there is no log any more."""
        for client in list(self._disk_waiters):
            waiting = client.waiting
            assert waiting is not None
            effect = waiting.effect
            assert isinstance(effect, WaitUntil) and effect.satisfied is not None
            if effect.satisfied():
                self.release(client, effect.reply())

    # --- time -----------------------------------------------------------------------------

    def next_deadline(self) -> int | None:
        """When the next wait is over, in epoch ms."""
        soonest: int | None = self._deadlines[0][0] if self._deadlines else None
        paused_until = self._instance.paused_until_ms
        if paused_until and (soonest is None or paused_until < soonest):
            return paused_until
        return soonest

    def time_out(self) -> None:
        """Answer everybody whose deadline has passed."""
        now = self._instance.keyspace.now
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            client = self._instance.clients[deadlines[0][1]]
            self.unblock(client, with_error=False)
        if 0 < self._instance.paused_until_ms <= now:
            self.end_pause()

    # --- pausing --------------------------------------------------------------------------

    def pause(self, client: Client) -> None:
        """Hold a client's requests back until the pause is over."""
        self._paused[client] = None

    def end_pause(self) -> None:
        """Let everybody go on (the time is over, or CLIENT UNPAUSE)."""
        self._instance.end_pause()
        self.resumed.extend(self._paused)
        self._paused.clear()
