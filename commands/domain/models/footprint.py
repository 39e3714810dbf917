"""Which keys the commands on models touch, for the rules of users."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.models.rows import checked_model
from commands.engine.footprints import Touched, declare_footprint
from commands.engine.registry import Command

FAMILY = (b"redkeep:models:", b"redkeep:model_")


def model_footprint(name: bytes) -> list[Touched]:
    """The keys of a model. Those that hold it while it is removed are derived from them."""
    model = checked_model(name)
    named = ("row", "versions", "order", "archive", "notes", "aliases", "open", "latest")
    keys = [Touched(getattr(model, each), exact=True) for each in named]
    return [*keys, Touched(model.weights(b""))]


def _footprint(command: Command, argv: Sequence[bytes], hash_tags: bool) -> list[Touched]:
    """The model that a request names; MODEL.LIST reads those of all."""
    if command.name.endswith("HELP"):
        return []
    if not command.keys:
        return [Touched(start) for start in FAMILY]
    return model_footprint(argv[1])


declare_footprint("MODEL.", _footprint, *FAMILY)
