"""A server process in the foreground: log, signals, start-up line, exit."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import trio

from commands.engine.words import printable
from commands.families import open_instance
from commands.instance.users.user_files import UserFileError
from commands.settings.settings import Settings
from server.client_limit import TooFewDescriptors
from server.collector import schedule_collections
from server.listeners import ListenError
from server.persistence.files import make_directory
from server.persistence.loading import LoadError
from server.progress import LoadProgress
from server.server import Server, StartObserver
from server.supervision import READY, STOPPING, tell_supervisor
from server.system.system import SYSTEM

logger = logging.getLogger("redkeep")

_LEVELS = {
    "debug": logging.DEBUG,
    "verbose": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "nothing": logging.CRITICAL + 1,
}


_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

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
    settings.warn_of_those_without_effect()
    created = _enter_data_directory(settings)
    observer = _Start(settings, announce)
    try:
        server = Server(open_instance(settings), observer)
        server.listen()
    except (ListenError, TooFewDescriptors, UserFileError) as error:
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
            _remove_pidfile(pidfile)


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
        parts = [f"listening on {', '.join(addresses)}", _where_data_is(self._settings)]
        inert = [setting.name for setting in self._settings.without_effect()]
        if inert:
            parts.append(f"without effect here, see the log: {', '.join(inert)}")
        self._announce("; ".join(parts))
        tell_supervisor(self._settings, READY)

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
                tell_supervisor(server.instance.settings, STOPPING)
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
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    settings.on_change(Settings.loglevel, lambda level: logger.setLevel(_LEVELS[level]))


class _OneLine(logging.Formatter):
    """Writes each message as one line: data of clients cannot add lines or control a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - a name of logging
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


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
        # A symbolic link could lead to any file that this user may write.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(path, "w", opener=lambda name, _: os.open(name, flags, 0o644)) as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        raise StartError(f"cannot write the pid file {path}: {error.strerror}") from None


def _remove_pidfile(path: str) -> None:
    """Remove the pid file unless another process has written it since."""
    with suppress(OSError, ValueError):
        if int(Path(path).read_text()) == os.getpid():
            os.unlink(path)
