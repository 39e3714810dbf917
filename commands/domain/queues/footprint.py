"""Which keys the commands on queues touch, for the rules of users."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain import OWN_PREFIX
from commands.domain.queues.layout import Queue
from commands.engine.footprints import Touched, declare_footprint
from commands.engine.registry import Command

_FAMILY = OWN_PREFIX + b"queue:"


def _footprint(command: Command, argv: Sequence[bytes], hash_tags: bool) -> list[Touched]:
    """The queue that a request names; without one, all queues.

    The keys of its chosen IDs, of its removal and of the agenda are derived from it.
    """
    if command.name.endswith("HELP"):
        return []
    if not command.keys or not command.key_indexes(argv):
        return [Touched(_FAMILY)]
    return [Touched(Queue(argv[1]).base)]


declare_footprint("QUEUE.", _footprint, _FAMILY)
