"""Telling systemd that the server is ready, and that it stops."""

from __future__ import annotations

import logging
import os
import socket

from commands.settings.settings import Settings

logger = logging.getLogger("redkeep")

READY = b"STATUS=Ready to accept connections\nREADY=1\n"
STOPPING = b"STOPPING=1\n"


def tell_supervisor(settings: Settings, state: bytes) -> None:
    """Send the state to systemd, if the setting `supervised` says so and systemd listens."""
    kind, path = settings.supervised, os.environ.get("NOTIFY_SOCKET")
    if kind == "no" or (kind == "auto" and not path):
        return
    if kind == "upstart":
        logger.warning("'supervised upstart' has no effect: only systemd is supported")
        return
    if not path:
        logger.warning("'supervised systemd' has no effect: there is no NOTIFY_SOCKET")
        return
    # An @ stands for the NUL byte of an abstract address.
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(address)
            sock.send(state)
    except OSError as error:
        logger.warning("Cannot tell systemd at %s: %s", path, error.strerror or error)
