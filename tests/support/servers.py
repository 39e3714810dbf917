"""Redkeep servers for tests: all in one background thread, each with its own instance.

    server = loop.start_server()
    client = server.connect(resp=3)
    server.freeze()
    server.advance(1000)                            # TTLs and timeouts follow
    server.call(lambda: server.instance.keyspace.dirty)

The instance belongs to the thread of the loop: read and change it through `call`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, TypeVar

import trio

from commands.families import open_instance
from commands.instance.instance import Instance
from commands.settings.settings import BY_NAME, Settings
from server.server import Server, StartObserver
from server.system.system import SYSTEM, System
from storage.clock import Clock
from storage.journal import Journal
from tests.support.resp import TIMEOUT, Connection, Word
from tests.support.waiting import wait_until

T = TypeVar("T")

# What every test server is set to, unless a test says otherwise.
SETTINGS = {"port": "0", "bind": "127.0.0.1", "save": "", "enable-debug-command": "yes"}


class Loop:
    """A thread that runs Trio and any number of servers; it takes a few ms to start."""

    _token: trio.lowlevel.TrioToken
    _nursery: trio.Nursery

    def __init__(self) -> None:
        self._running = threading.Event()
        # Each server gets its own directory in this one, unless the test sets `dir`.
        self._directory = TemporaryDirectory(prefix="redkeep-tests-")
        self._thread = threading.Thread(target=trio.run, args=(self._main,), daemon=True)
        self._thread.start()
        self._running.wait()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self._nursery:
            self._running.set()
            await trio.sleep_forever()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function inside the thread and return what it returns."""
        return trio.from_thread.run_sync(function, *args, trio_token=self._token)

    def start_server(
        self, system: System = SYSTEM, clock: Clock | None = None, /, **settings: str
    ) -> RunningServer:
        """Start a server with its own instance and wait until its data is loaded.

        Names of settings are written with underscores. `system` replaces parts of the operating
        system. An error that keeps the server from starting is raised.
        """
        running = self.start_loading(system, clock, **settings)
        running.wait_until_loaded()
        if running.ended.is_set():
            running.close()
        return running

    def start_loading(
        self, system: System = SYSTEM, clock: Clock | None = None, /, **settings: str
    ) -> RunningServer:
        """Start a server as `start_server` does, but return while it still loads its data."""
        named = {name.replace("_", "-"): text for name, text in settings.items()}
        return self.call(self._start_server, SETTINGS | named, system, clock)

    def _start_server(
        self, settings: dict[str, str], system: System, clock: Clock | None
    ) -> RunningServer:
        table = Settings()
        if "dir" not in settings:
            settings["dir"] = mkdtemp(dir=self._directory.name)
        for name, text in settings.items():
            table.set_text(BY_NAME[name], text)
        running = RunningServer(self, open_instance(table, clock), system)
        self._nursery.start_soon(running.run)
        return running

    def close(self) -> None:
        self.call(self._nursery.cancel_scope.cancel)
        self._thread.join()
        self._directory.cleanup()


class _LoadObserver(StartObserver):
    """Sets an event when the server has loaded its data."""

    def __init__(self, loaded: threading.Event) -> None:
        self._loaded = loaded

    def ready(self, addresses: list[str]) -> None:
        self._loaded.set()


class RunningServer:
    """One Redkeep that accepts connections, and what a test can observe and control in it."""

    def __init__(self, loop: Loop, instance: Instance, system: System) -> None:
        self._loop = loop
        self._ended = threading.Event()
        self._loaded = threading.Event()
        self._server = server = Server(instance, _LoadObserver(self._loaded), system)
        self._failure: BaseException | None = None
        self._connections: list[Connection] = []
        server.listen()
        self.port = server.port

    async def run(self) -> None:
        try:
            await self._server.run()
        except Exception as failure:  # handed to the test by `close`
            self._failure = failure
        finally:
            self._ended.set()
            self._loaded.set()

    @property
    def instance(self) -> Instance:
        return self._server.instance

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function in the server's thread, between two of its turns."""
        return self._loop.call(function, *args)

    def wait_until_loaded(self) -> None:
        """Return when the data is loaded, or when the server has ended before that."""
        assert self._loaded.wait(TIMEOUT), "the server does not finish loading"

    # --- clients -------------------------------------------------------------------------

    def connect(self, resp: int = 2, **options: Any) -> Connection:
        """A connection that is closed with the server."""
        connection = Connection(self.port, resp=resp, **options)
        self._connections.append(connection)
        return connection

    def clients(self) -> int:
        """Return how many clients are connected."""
        return self.call(lambda: len(self.instance.clients))

    def wait_for_clients(self, number: int) -> None:
        """Return once exactly so many clients are connected."""
        wait_until(lambda: self.clients() == number, f"{number} connected clients")

    # --- blocked clients -------------------------------------------------------------------

    def blocked_clients(self) -> int:
        """Return how many clients are blocked by a command."""
        return self.call(lambda: len(self.instance.blocked_clients))

    def wait_for_blocked(self, number: int = 1) -> None:
        """Return once exactly so many clients are blocked."""
        wait_until(lambda: self.blocked_clients() == number, f"{number} blocked clients")

    def block(self, client: Connection, *words: Word) -> None:
        """Send a request and return once it blocks its client."""
        expected = self.blocked_clients() + 1
        client.send(*words)
        self.wait_for_blocked(expected)

    def entries_for_blocked(self) -> int:
        """Return how many entries are stored for blocked and paused clients: 0 without any."""

        def count() -> int:
            awaited = [database.awaited for database in self.instance.keyspace.databases]
            return self._server.blocking.parked() + sum(map(len, awaited))

        return self.call(count)

    # --- the log ---------------------------------------------------------------------------

    def record(self) -> Journal:
        """Record every write from now on, as the log would; read the journal through `call`."""

        def start() -> Journal:
            self.instance.keyspace.journal = journal = Journal()
            return journal

        return self.call(start)

    # --- time ------------------------------------------------------------------------------

    def freeze(self, at_ms: int | None = None) -> None:
        """Stop the server's clock, at the current time or at a given one."""
        self.call(self.instance.clock.freeze, at_ms)

    def unfreeze(self) -> None:
        self.call(self.instance.clock.unfreeze)

    def advance(self, ms: int) -> None:
        """Move the server's clock forward. What becomes due is done shortly afterwards: test
        it by a reply or message that is sent when it is done."""
        self.call(self.instance.clock.advance, ms)

    def now_ms(self) -> int:
        return self.call(self.instance.clock.now_ms)

    # --- the end ---------------------------------------------------------------------------

    @property
    def ended(self) -> threading.Event:
        """Set when the server has stopped, for any reason."""
        return self._ended

    def close(self) -> None:
        """Stop the server; raise the error that it failed with, if it did."""
        for connection in self._connections:
            connection.close()
        if not self._ended.is_set():
            self.call(self._server.stop)
            assert self._ended.wait(TIMEOUT), "the server does not stop"
        if self._failure is not None:
            raise self._failure
