"""What is logged of a command that failed in the middle, because of an error of ours.

Nobody knows how far it came, and its request, run again from the log, may come further or
fail. So its keys are logged as they are now: after a restart they have the same values.
"""

from __future__ import annotations

from commands.engine.registry import Command
from storage.aof.rebuild import rebuild_key
from storage.database import Database
from storage.journal import Request


def keys_as_they_are(database: Database, command: Command, argv: list[bytes]) -> list[Request]:
    """Return the requests that recreate the keys of a request, and count them as changed."""
    entries: list[Request] = []
    for key in dict.fromkeys(argv[place] for place in command.key_indexes(argv)):
        value = database.peek(key)
        if value is not None and not value and not isinstance(value, (bytes, bytearray)):
            # A collection from which the last element was taken.
            database.discard(key)
            value = None
        entries.append([b"DEL", key])
        if value is not None:
            entries += rebuild_key(key, value, database.expires.get(key))
        database.changed(key, "restore")
    return entries
