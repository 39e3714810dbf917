"""Running requests on an instance without sockets and files: for tools, benchmarks, tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from commands.engine.effects import FileEffect, Shutdown
from commands.engine.errors import CommandError
from commands.engine.replies import NO_REPLY, Reply
from commands.instance.client import Encoder, NoWire
from commands.instance.context import Context
from commands.instance.instance import Instance
from server.execution.blocking import Blocking
from server.execution.dispatch import Dispatcher
from server.execution.eviction import Eviction
from server.execution.observation import Observation
from server.wire.encoder import ENCODERS
from storage.database import Database


class _Memory(NoWire):
    """Encodes replies, and leaves them in the outbox."""

    encoders: Mapping[int, Encoder] = ENCODERS


class _NoFiles:
    def perform(self, effect: FileEffect, *, atomic: bool) -> Reply:
        raise CommandError("ERR no data files are kept here")


def _stay(effect: Shutdown) -> Reply:
    return NO_REPLY


class OfflineSession:
    """One client of an instance that nothing else serves."""

    def __init__(self, instance: Instance, resp: int = 2) -> None:
        self.instance = instance
        self.client = instance.new_client(_Memory())
        self.client.speak(resp)
        self.context = Context(instance, self.client)
        observation = Observation(instance)
        self._dispatcher = Dispatcher(
            instance, Blocking(instance, observation), observation, _NoFiles(), _stay,
            Eviction(instance),
        )  # fmt: skip

    def run(self, *requests: list[bytes]) -> bytes:
        """Run requests at the instance's time; return their replies as they would be sent."""
        self.instance.keyspace.refresh_now()
        self._dispatcher.run(self.context, iter(requests))
        replies = b"".join(self.client.outbox)
        self.client.outbox.clear()
        return replies

    def run_sweep(self, database: Database, run: Callable[[Context], bool]) -> bool:
        return self._dispatcher.run_sweep(database, run)
