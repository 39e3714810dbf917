"""Which keys the commands on raw rows touch, for the rules of users."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.raw_rows import find_namespace
from commands.engine.footprints import Touched, declare_footprint
from commands.engine.registry import Command

# Rows of any family.
_EVERYTHING = b""


def _footprint(command: Command, argv: Sequence[bytes], hash_tags: bool) -> list[Touched]:
    """The collection of a row; ML.LIST reads those of all collections, if a pool has none."""
    if command.name.endswith("HELP"):
        return []
    namespace = find_namespace(argv[2])
    if namespace.collection is None:
        return namespace.footprint(argv[1])
    if command.name == "ML.LIST":
        return [Touched(start) for start in namespace.family]
    return namespace.footprint(namespace.collection(argv[3]))


declare_footprint("ML.", _footprint, _EVERYTHING)
