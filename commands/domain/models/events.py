"""The events of models: every change is published for the model that it belongs to."""

from __future__ import annotations

from commands.domain.events import publish
from commands.domain.models.rows import Model
from commands.instance.context import Context


def announce(ctx: Context, model: Model, event: str, **details: object) -> None:
    """Publish a change of a model."""
    publish(ctx, "model", model.name, event, model=model.name.decode(), **details)
