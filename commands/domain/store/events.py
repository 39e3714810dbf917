"""Events of namespaces, as they are published and kept (see `commands.domain.events`)."""

from __future__ import annotations

from commands.domain.events import forget_events, has_readers, publish
from commands.domain.store.layout import Namespace
from commands.instance.context import Context


def tell(ctx: Context, space: Namespace, event: str, **details: object) -> None:
    publish(ctx, "store", space.name, event, **details)


def tell_of_key(ctx: Context, space: Namespace, event: str, key: bytes) -> None:
    if has_readers(ctx):
        tell(ctx, space, event, key=text_of(key))


def tell_of_keys(
    ctx: Context, space: Namespace, event: str, keys: list[bytes], **details: object
) -> None:
    if has_readers(ctx):
        tell(ctx, space, event, keys=list(map(text_of, keys)), **details)


def text_of(key: bytes) -> str:
    """A key as text for JSON."""
    return key.decode("utf-8", "backslashreplace")


def stored_in(ctx: Context, space: Namespace) -> int:
    """How many entries a namespace has, with those that have expired but were not removed."""
    return ctx.db.ordered.count(space.own)


def forget(ctx: Context, space: Namespace) -> None:
    """Remove the events of a namespace that has no entries any more."""
    forget_events(ctx, "store", space.name)
