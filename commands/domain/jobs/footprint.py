"""Which keys the commands on jobs touch, for the rules of users."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.jobs.layout import Keys
from commands.engine.footprints import Touched, declare_footprint
from commands.engine.registry import Command

FAMILY = (b"redkeep:job:", b"redkeep:jobs:", b"redkeep:jobs-due:")


def pool_footprint(pool: bytes) -> list[Touched]:
    """The keys of a pool. Its entry in the agenda of all pools is derived from them."""
    keys = Keys(pool)
    return [Touched(keys.job), Touched(keys.index), Touched(keys.due, exact=True)]


def _footprint(command: Command, argv: Sequence[bytes], hash_tags: bool) -> list[Touched]:
    """The pool that a request names; JOB.POOLS reads those of all."""
    if command.name.endswith("HELP"):
        return []
    if not command.keys:
        return [Touched(start) for start in FAMILY]
    return pool_footprint(argv[1])


declare_footprint("JOB.", _footprint, *FAMILY)
