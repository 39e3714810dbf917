"""A server process in the foreground: log, signals, start-up line, exit."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import trio

from commands.state.instance import Instance
from commands.state.settings import Settings
from server.collector import schedule_collections
from server.server import ListenError, Server

logger = logging.getLogger("redkeep")

_LEVELS = {
    "debug": logging.DEBUG,
    "verbose": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "nothing": logging.CRITICAL + 1,
}


class StartError(Exception):
    """Why the server cannot start, for a person to read."""


def serve_forever(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve one instance until a signal or SHUTDOWN; StartError if it cannot begin.

    `announce` gets the line that says where clients can connect, once they can.
    """
    start_logging(settings)
    _enter_data_directory(settings["dir"])
    server = Server(Instance(settings))
    try:
        server.listen()
    except ListenError as error:
        raise StartError(str(error)) from None
    pidfile = settings["pidfile"]
    if pidfile:
        _write_pidfile(pidfile)
    try:
        trio.run(_run, server, announce)
    finally:
        if pidfile:
            Path(pidfile).unlink(missing_ok=True)


async def _run(server: Server, announce: Callable[[str], None]) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            nursery.start_soon(_stop_on_signal, server, signals)
            nursery.start_soon(schedule_collections)
            announce(f"listening on {', '.join(server.addresses)}; data is kept in memory only")
            await server.run()
            nursery.cancel_scope.cancel()


async def _stop_on_signal(server: Server, signals: AsyncIterator[int]) -> None:
    async for number in signals:
        logger.info("Received %s, stopping", signal.Signals(number).name)
        server.stop()


def start_logging(settings: Settings) -> None:
    """Send the log to the file the settings name, or to standard error."""
    target = settings["logfile"]
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
    settings.on_change("loglevel", lambda level: logger.setLevel(_LEVELS[level]))


def _enter_data_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise StartError(f"cannot use the data directory {path}: {error.strerror}") from None


def _write_pidfile(path: str) -> None:
    try:
        Path(path).write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise StartError(f"cannot write the pid file {path}: {error.strerror}") from None
