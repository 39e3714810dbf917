"""A server process in the foreground: log, signals, start-up line, exit."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import trio

from commands.families import open_instance
from commands.settings.settings import Settings
from server.collector import schedule_collections
from server.listeners import ListenError
from server.persistence.files import make_directory
from server.persistence.loading import LoadError
from server.progress import LoadProgress
from server.server import Server, StartObserver
from server.system.system import SYSTEM

logger = logging.getLogger("redkeep")

_LEVELS = {
    "debug": logging.DEBUG,
    "verbose": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "nothing": logging.CRITICAL + 1,
}


# Where `redkeep serve` keeps its data by default. Created if missing, unlike a directory
# that was named.
DEFAULT_DIRECTORY = "./redkeep-data"


class StartError(Exception):
    """The reason why the server cannot start, for a person to read."""


def serve_forever(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve one instance until a signal or SHUTDOWN; StartError if it cannot start.

    Once clients are served, `announce` is called with a line that says where they can
    connect and where the data is kept.
    """
    start_logging(settings)
    created = _enter_data_directory(settings)
    observer = _Start(settings, announce)
    server = Server(open_instance(settings), observer)
    try:
        server.listen()
    except ListenError as error:
        if created:
            os.rmdir(settings.dir)
        raise StartError(str(error)) from None
    pidfile = settings.pidfile
    if pidfile:
        _write_pidfile(pidfile)
    try:
        trio.run(_run, server, observer)
    except* LoadError as group:
        raise StartError(str(group.exceptions[0])) from None
    finally:
        if pidfile:
            Path(pidfile).unlink(missing_ok=True)


class _Start(StartObserver):
    """Shows the progress of the start on the terminal."""

    def __init__(self, settings: Settings, announce: Callable[[str], None]) -> None:
        self._settings = settings
        self._announce = announce
        self._progress = LoadProgress()

    def loading(self, done: int, total: int) -> None:
        self._progress.show(done, total)

    def ready(self, addresses: list[str]) -> None:
        self.close()
        where = _where_data_is(self._settings)
        self._announce(f"listening on {', '.join(addresses)}; {where}")

    def close(self) -> None:
        self._progress.close()


async def _run(server: Server, start: _Start) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            nursery.start_soon(_stop_on_signal, server, signals)
            nursery.start_soon(schedule_collections)
            try:
                await server.run()
            finally:
                start.close()
            nursery.cancel_scope.cancel()


def _where_data_is(settings: Settings) -> str:
    """The part of the start-up line that says how the data is kept, and where."""
    if settings.appendonly:
        return f"data is kept in {settings.dir}, logged ({settings.appendfsync})"
    if settings.save:
        return f"data is kept in {settings.dir}, in snapshots"
    return "data is kept in memory only"


async def _stop_on_signal(server: Server, signals: AsyncIterator[int]) -> None:
    async for number in signals:
        name = signal.Signals(number).name
        logger.info("Received %s, stopping", name)
        settings = server.instance.settings
        interrupted = number == signal.SIGINT
        options = settings.shutdown_on_sigint if interrupted else settings.shutdown_on_sigterm
        if not server.stop_on_signal(options):
            logger.error("Received %s, but the data cannot be saved: still running", name)


def start_logging(settings: Settings) -> None:
    """Log to the file that the settings name, or to standard error."""
    target = settings.logfile
    try:
        handler: logging.Handler = (
            logging.FileHandler(target, encoding="utf-8")
            if target
            else logging.StreamHandler(sys.stderr)
        )
    except OSError as error:
        raise StartError(f"cannot write the log file {target}: {error.strerror}") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    settings.on_change(Settings.loglevel, lambda level: logger.setLevel(_LEVELS[level]))


def _enter_data_directory(settings: Settings) -> bool:
    """Change to the data directory; return whether it was created."""
    path = settings.dir
    creates = path == DEFAULT_DIRECTORY and not os.path.exists(path)
    try:
        if creates:
            if not settings.appendonly and not settings.save:
                # Nothing is saved, so no directory is left behind.
                settings.set(Settings.dir, os.path.abspath(path))
                return False
            make_directory(SYSTEM.files, Path(path))
        os.chdir(path)
    except OSError as error:
        raise StartError(f"cannot use the data directory {path}: {error.strerror}") from None
    # An absolute path, independent of the directory the server was started in.
    settings.set(Settings.dir, os.getcwd())
    return creates


def _write_pidfile(path: str) -> None:
    try:
        Path(path).write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise StartError(f"cannot write the pid file {path}: {error.strerror}") from None
