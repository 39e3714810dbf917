"""`maxclients` and the limit of open files: each client needs a file descriptor."""

from __future__ import annotations

import logging

from commands.settings.kinds import SettingError
from commands.settings.settings import Settings
from server.system.descriptors import Descriptors

logger = logging.getLogger("redkeep")

# Descriptors for files, listening sockets and child processes, as many as Redis keeps.
RESERVED = 32


class TooFewDescriptors(Exception):
    """The limit of open files leaves none for clients; the message says what to do."""


class ClientLimit:
    """Keeps `maxclients` within what the limit of open files allows."""

    def __init__(self, settings: Settings, descriptors: Descriptors) -> None:
        self._settings = settings
        self._descriptors = descriptors
        self._started = False
        settings.on_change(Settings.maxclients, self._follow)

    def start(self) -> None:
        """Raise the limit of open files; where that fails, lower `maxclients` and say so."""
        wanted = self._settings.maxclients
        limit = self._descriptors.raise_limit(wanted + RESERVED)
        if limit <= RESERVED:
            raise TooFewDescriptors(
                f"the limit of open files is {limit}, which is too low to serve clients; "
                f"raise it to {wanted + RESERVED} with 'ulimit -n'"
            )
        if limit < wanted + RESERVED:
            logger.warning(
                "maxclients was reduced from %d to %d because the limit of open files is %d; "
                "raise it with 'ulimit -n'",
                wanted,
                limit - RESERVED,
                limit,
            )
            self._settings.set(Settings.maxclients, limit - RESERVED)
        self._started = True

    def _follow(self, wanted: int) -> None:
        """CONFIG SET maxclients."""
        if not self._started:
            return
        possible = self._descriptors.raise_limit(wanted + RESERVED) - RESERVED
        if possible < wanted:
            raise SettingError(
                "The operating system is not able to handle the specified number of clients, "
                f"try with {possible}"
            )
