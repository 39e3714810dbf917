"""Which keys the commands on the memory store touch, for the rules of users."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.namespaces import split, tagged_tenant, unescape
from commands.domain.store.layout import STORE_PREFIX
from commands.engine.footprints import Touched, declare_footprint
from commands.engine.registry import Command


def _footprint(command: Command, argv: Sequence[bytes], hash_tags: bool) -> list[Touched]:
    """The namespace that a request names, with those within it; STORE.EVICT touches all.

    The keys `redkeep:store:*` that belong to an entry are derived from its key.
    """
    if command.name.endswith("HELP"):
        return []
    if len(argv) < 2 or command.name == "STORE.EVICT":
        return [Touched(STORE_PREFIX)]
    part = tagged_tenant(unescape(split(argv[1])[0]), tagged=hash_tags)
    return [Touched(b"%b%b:%b:" % (STORE_PREFIX, part, argv[1]))]


declare_footprint("STORE.", _footprint, STORE_PREFIX)
