"""A server: one instance with everything that serves it, put together."""

from __future__ import annotations

import trio

from commands.engine.effects import Shutdown
from commands.engine.errors import CommandError
from commands.engine.replies import NO_REPLY, ErrorReply, Reply
from commands.instance.instance import Instance
from server.alarm import Alarm
from server.client_limit import ClientLimit
from server.execution.blocking import Blocking
from server.execution.dispatch import Dispatcher
from server.execution.eviction import Eviction
from server.execution.observation import Observation
from server.listeners import Listeners
from server.net.connection import Connection
from server.net.connections import Connections
from server.net.outboxes import Outboxes
from server.net.reactor import make_reactor
from server.net.turns import Turns
from server.persistence.keeper import Keeper
from server.persistence.loading import LoadError
from server.system.system import SYSTEM, System
from server.timers import Timers
from server.tls import Tls


class StartObserver:
    """Told how the start of a server goes; does nothing by itself."""

    def loading(self, done: int, total: int) -> None:
        """So many bytes of the data files are loaded."""

    def ready(self, addresses: list[str]) -> None:
        """The data is loaded, and clients are served at these addresses."""


class Server:
    """Serves one instance on its addresses until it is told to stop.

    server = Server(instance)
    server.listen()                      # addresses are bound from here on
    await server.run()                   # until `stop`, or SHUTDOWN by a client
    """

    def __init__(
        self,
        instance: Instance,
        observer: StartObserver | None = None,
        system: System = SYSTEM,
    ) -> None:
        self.instance = instance
        self._observer = observer or StartObserver()
        alarm, outboxes = Alarm(), Outboxes()
        self._keeper = Keeper(
            instance,
            outboxes,
            on_synced=alarm.ring,
            on_progress=self._observer.loading,
            system=system,
        )
        observation, eviction = Observation(instance), Eviction(instance)
        self.blocking = Blocking(instance, observation)
        dispatcher = Dispatcher(
            instance, self.blocking, observation, self._keeper, self._shut_down, eviction
        )
        turns = Turns(
            instance, dispatcher, self.blocking, observation, outboxes, self._keeper.log, alarm
        )
        self._reactor = make_reactor(turns.begin, turns.end)
        tls = Tls(instance.settings)
        self._connections = Connections(
            instance, turns, outboxes, self._reactor, lambda: tls.context
        )
        self._listeners = Listeners(instance.settings, self._connections, tls, system)
        self._client_limit = ClientLimit(instance.settings, system.descriptors)
        dispatcher.serve_others_with(self._serve_others)
        self._turns = turns
        self._timers = Timers(
            instance, alarm, turns, dispatcher, self.blocking, self._connections, self._keeper,
            eviction,
        )  # fmt: skip
        self._scope = trio.CancelScope()
        self._failure: LoadError | None = None

    def listen(self) -> None:
        """Bind all addresses that the settings name, or none; ListenError says why.

        TooFewDescriptors if the limit of open files is too low for a single client.
        """
        self._client_limit.start()
        self._listeners.listen()

    @property
    def port(self) -> int:
        """The TCP port in use; 0 if there is none."""
        return self._listeners.port

    async def run(self) -> None:
        """Load the data and serve until stopped; all sockets are closed afterwards.

        LoadError if the data cannot be loaded.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._reactor.run)
                    nursery.start_soon(self._timers.run)
                    nursery.start_soon(self._listeners.run)
                    await self._load()
                    nursery.start_soon(self._keeper.run)
        finally:
            self._listeners.close()
            self._keeper.close()
            self._connections.close()
            self._reactor.close()
        if self._failure is not None:
            raise self._failure

    async def _load(self) -> None:
        try:
            await self._keeper.start()
        except LoadError as failure:
            self._failure = failure
            self.stop()
        else:
            self._observer.ready(self._listeners.addresses)

    def _serve_others(self) -> None:
        """Accept and answer clients while a script runs for long."""
        running = self.instance.running_script
        assert running is not None
        occupied = running.client
        self._listeners.accept_waiting()
        self._reactor.serve_others(
            lambda each: isinstance(each, Connection) and each.client is occupied
        )
        self._turns.flush()

    # --- stopping -------------------------------------------------------------------------

    def stop(self) -> None:
        """End `run` soon. Replies that are already written are still sent."""
        self._scope.cancel()

    def stop_on_signal(self, options: str) -> bool:
        """Stop as SHUTDOWN with these options (a setting's text) would; whether it will."""
        words = options.split()
        save = True if "save" in words else False if "nosave" in words else None
        reply = self._shut_down(Shutdown(save=save, now="now" in words, force="force" in words))
        return reply is NO_REPLY

    def _shut_down(self, effect: Shutdown) -> Reply:
        try:
            self._keeper.before_shutdown(effect)
        except CommandError as refusal:
            return ErrorReply(refusal.text)
        self.stop()
        running = self.instance.running_script
        if running is not None:
            running.stopped_by = b"ERR the server is shutting down"
        return NO_REPLY
