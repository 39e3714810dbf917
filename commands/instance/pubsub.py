"""The subscriptions of all clients, and the delivery of messages."""

from __future__ import annotations

from collections.abc import Callable

from commands.engine.patterns import glob_matcher
from commands.engine.replies import Push
from commands.instance.client import Client


class PubSub:
    """Channels, patterns and shard channels with their subscribers."""

    def __init__(self) -> None:
        # Dicts serve as ordered sets: messages are delivered in the order of subscription.
        self.channels: dict[bytes, dict[Client, None]] = {}
        self.patterns: dict[bytes, dict[Client, None]] = {}
        self.shard_channels: dict[bytes, dict[Client, None]] = {}
        self._matchers: dict[bytes, Callable[[bytes], bool]] = {}

    def subscribe(self, client: Client, channel: bytes) -> None:
        client.channels[channel] = None
        self.channels.setdefault(channel, {})[client] = None
        client.subscriptions_changed()

    def unsubscribe(self, client: Client, channel: bytes) -> None:
        client.channels.pop(channel, None)
        _remove(self.channels, channel, client)
        client.subscriptions_changed()

    def subscribe_pattern(self, client: Client, pattern: bytes) -> None:
        client.patterns[pattern] = None
        self.patterns.setdefault(pattern, {})[client] = None
        self._matchers[pattern] = glob_matcher(pattern)
        client.subscriptions_changed()

    def unsubscribe_pattern(self, client: Client, pattern: bytes) -> None:
        client.patterns.pop(pattern, None)
        _remove(self.patterns, pattern, client)
        if pattern not in self.patterns:
            self._matchers.pop(pattern, None)
        client.subscriptions_changed()

    def subscribe_shard(self, client: Client, channel: bytes) -> None:
        client.shard_channels[channel] = None
        self.shard_channels.setdefault(channel, {})[client] = None
        client.subscriptions_changed()

    def unsubscribe_shard(self, client: Client, channel: bytes) -> None:
        client.shard_channels.pop(channel, None)
        _remove(self.shard_channels, channel, client)
        client.subscriptions_changed()

    def leave(self, client: Client) -> None:
        """Remove all subscriptions of a client that disconnects or sends RESET."""
        for channel in list(client.channels):
            self.unsubscribe(client, channel)
        for pattern in list(client.patterns):
            self.unsubscribe_pattern(client, pattern)
        for channel in list(client.shard_channels):
            self.unsubscribe_shard(client, channel)

    def publish(self, channel: bytes, message: bytes) -> int:
        """Deliver a message, and return the number of deliveries."""
        receivers = 0
        subscribers = self.channels.get(channel)
        if subscribers:
            push = Push([b"message", channel, message])
            for client in subscribers:
                client.deliver(push)
            receivers += len(subscribers)
        for pattern, matches in self._matchers.items():
            if matches(channel):
                push = Push([b"pmessage", pattern, channel, message])
                for client in self.patterns[pattern]:
                    client.deliver(push)
                receivers += len(self.patterns[pattern])
        return receivers

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        subscribers = self.shard_channels.get(channel)
        if not subscribers:
            return 0
        push = Push([b"smessage", channel, message])
        for client in subscribers:
            client.deliver(push)
        return len(subscribers)


def _remove(table: dict[bytes, dict[Client, None]], name: bytes, client: Client) -> None:
    subscribers = table.get(name)
    if subscribers is not None:
        subscribers.pop(client, None)
        if not subscribers:
            del table[name]
