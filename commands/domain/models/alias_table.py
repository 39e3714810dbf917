"""Reading the aliases of a model."""

from __future__ import annotations

from collections import defaultdict
from typing import cast

from commands.domain.models.rows import Model
from commands.engine.replies import Reply
from commands.instance.context import Context


def read_aliases(ctx: Context, model: Model) -> dict[bytes, bytes]:
    """Return the aliases of a model with their versions."""
    return cast(dict[bytes, bytes], ctx.call(b"HGETALL", model.aliases))


def aliases_of(ctx: Context, model: Model, word: bytes) -> list[bytes]:
    """Return the aliases of one version."""
    return [alias for alias, version in read_aliases(ctx, model).items() if version == word]


def by_version(aliases: dict[bytes, bytes]) -> dict[bytes, list[Reply]]:
    """Return the aliases of each version that has any, sorted."""
    found: defaultdict[bytes, list[Reply]] = defaultdict(list)
    for alias in sorted(aliases):
        found[aliases[alias]].append(alias)
    return found
