"""Publish/subscribe: channels, patterns and shard channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from commands.engine.containers import container
from commands.engine.errors import CommandError
from commands.engine.grammar import Pattern, String
from commands.engine.key_specs import KeySpec
from commands.engine.patterns import glob_matcher
from commands.engine.registry import command
from commands.engine.replies import Push, Replies, Reply
from commands.instance.client import Client
from commands.instance.context import Context

_SUBSCRIBING = "pubsub noscript loading stale"
_SHARD_CHANNELS = [KeySpec("not_key", index=1, last=-1)]


# --- subscribing -------------------------------------------------------------------------


@command(
    "SUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) for N channels.",
    summary="Subscribes to channels.",
    arguments=[String("channel", multiple=True)],
)
def subscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _each(ctx, b"subscribe", argv[1:], ctx.instance.pubsub.subscribe, _count_subscriptions)


@command(
    "PSUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) for N patterns.",
    summary="Subscribes to all channels whose names match patterns.",
    arguments=[Pattern("pattern", multiple=True)],
)
def psubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _each(
        ctx, b"psubscribe", argv[1:], ctx.instance.pubsub.subscribe_pattern, _count_subscriptions
    )


@command(
    "SSUBSCRIBE",
    group="pubsub",
    since="7.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) for N shard channels.",
    summary="Subscribes to shard channels.",
    arguments=[String("shardchannel", multiple=True)],
    keys=_SHARD_CHANNELS,
)
def ssubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    return _each(
        ctx,
        b"ssubscribe",
        argv[1:],
        ctx.instance.pubsub.subscribe_shard,
        _count_shard_subscriptions,
    )


@command(
    "UNSUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) for N channels.",
    summary="Unsubscribes from channels, by default from all.",
    arguments=[String("channel", optional=True, multiple=True)],
)
def unsubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    channels = argv[1:] or ctx.client.channels
    return _each(
        ctx, b"unsubscribe", channels, ctx.instance.pubsub.unsubscribe, _count_subscriptions
    )


@command(
    "PUNSUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) for N patterns.",
    summary="Unsubscribes from patterns, by default from all.",
    arguments=[Pattern("pattern", optional=True, multiple=True)],
)
def punsubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    patterns = argv[1:] or ctx.client.patterns
    leave = ctx.instance.pubsub.unsubscribe_pattern
    return _each(ctx, b"punsubscribe", patterns, leave, _count_subscriptions)


@command(
    "SUNSUBSCRIBE",
    group="pubsub",
    since="7.0.0",
    flags=_SUBSCRIBING,
    complexity="O(N) for N shard channels.",
    summary="Unsubscribes from shard channels, by default from all.",
    arguments=[String("shardchannel", optional=True, multiple=True)],
    keys=_SHARD_CHANNELS,
)
def sunsubscribe(ctx: Context, argv: list[bytes]) -> Reply:
    channels = argv[1:] or ctx.client.shard_channels
    return _each(
        ctx,
        b"sunsubscribe",
        channels,
        ctx.instance.pubsub.unsubscribe_shard,
        _count_shard_subscriptions,
    )


def _each(
    ctx: Context,
    kind: bytes,
    names: Iterable[bytes],
    change: Callable[[Client, bytes], None],
    count: Callable[[Client], int],
) -> Reply:
    """Change the subscription to each name, and return a confirmation for each."""
    client = ctx.client
    confirmations = []
    for name in list(names):
        change(client, name)
        confirmations.append(Push([kind, name, count(client)]))
    if not confirmations:
        # UNSUBSCRIBE from everything without any subscription still gets a confirmation.
        return Push([kind, None, count(client)])
    return confirmations[0] if len(confirmations) == 1 else Replies(confirmations)


def _count_subscriptions(client: Client) -> int:
    return len(client.channels) + len(client.patterns)


def _count_shard_subscriptions(client: Client) -> int:
    return len(client.shard_channels)


# --- publishing --------------------------------------------------------------------------


@command(
    "PUBLISH",
    group="pubsub",
    since="2.0.0",
    flags="pubsub loading stale fast",
    complexity="O(N+M) for N subscribers and M patterns.",
    summary="Delivers a message to the subscribers of a channel and of matching patterns.",
    arguments=[String("channel"), String("message")],
)
def publish(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.instance.pubsub.publish(argv[1], argv[2])


@command(
    "SPUBLISH",
    group="pubsub",
    since="7.0.0",
    flags="pubsub loading stale fast",
    complexity="O(N) for N subscribers.",
    summary="Delivers a message to the subscribers of a shard channel.",
    arguments=[String("shardchannel"), String("message")],
    keys=[KeySpec("not_key", index=1)],
)
def spublish(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.instance.pubsub.publish_shard(argv[1], argv[2])


# --- PUBSUB ------------------------------------------------------------------------------


container(
    "PUBSUB",
    group="pubsub",
    since="2.8.0",
    help_since="6.2.0",
    summary="Contains commands that list channels, patterns and subscribers.",
)


@command(
    "PUBSUB CHANNELS",
    group="pubsub",
    since="2.8.0",
    flags="pubsub loading stale",
    complexity="O(N) for N channels with subscribers.",
    summary="Returns channels with subscribers, optionally those matching a pattern.",
    arguments=[Pattern("pattern", optional=True)],
)
def pubsub_channels(ctx: Context, argv: list[bytes]) -> Reply:
    return _matching(ctx.instance.pubsub.channels, argv)


@command(
    "PUBSUB NUMSUB",
    group="pubsub",
    since="2.8.0",
    flags="pubsub loading stale",
    complexity="O(N) for N channels requested.",
    summary="Counts the subscribers of each channel given, without those of patterns.",
    arguments=[String("channel", optional=True, multiple=True)],
)
def pubsub_numsub(ctx: Context, argv: list[bytes]) -> Reply:
    channels = ctx.instance.pubsub.channels
    return [part for name in argv[2:] for part in (name, len(channels.get(name, ())))]


@command(
    "PUBSUB NUMPAT",
    group="pubsub",
    since="2.8.0",
    flags="pubsub loading stale",
    summary="Counts the patterns that have subscribers.",
)
def pubsub_numpat(ctx: Context, argv: list[bytes]) -> Reply:
    return len(ctx.instance.pubsub.patterns)


@command(
    "PUBSUB SHARDCHANNELS",
    group="pubsub",
    since="7.0.0",
    flags="pubsub loading stale",
    complexity="O(N) for N shard channels with subscribers.",
    summary="Returns shard channels with subscribers, optionally those matching a pattern.",
    arguments=[Pattern("pattern", optional=True)],
)
def pubsub_shardchannels(ctx: Context, argv: list[bytes]) -> Reply:
    return _matching(ctx.instance.pubsub.shard_channels, argv)


@command(
    "PUBSUB SHARDNUMSUB",
    group="pubsub",
    since="7.0.0",
    flags="pubsub loading stale",
    complexity="O(N) for N shard channels requested.",
    summary="Counts the subscribers of each shard channel given.",
    arguments=[String("shardchannel", optional=True, multiple=True)],
)
def pubsub_shardnumsub(ctx: Context, argv: list[bytes]) -> Reply:
    channels = ctx.instance.pubsub.shard_channels
    return [part for name in argv[2:] for part in (name, len(channels.get(name, ())))]


def _matching(names: Iterable[bytes], argv: list[bytes]) -> list[bytes]:
    if len(argv) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try PUBSUB HELP."
            % argv[1][:128]
        )
    if len(argv) == 2:
        return list(names)
    matches = glob_matcher(argv[2])
    return [name for name in names if matches(name)]
