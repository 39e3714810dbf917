"""Putting a reply into a client's outbox."""

from __future__ import annotations

from commands.engine.replies import Push, Replies, Reply
from commands.instance.client import LONG_REPLY, Client

_MESSAGES = (Push, Replies)


def answer(client: Client, reply: Reply) -> int:
    """Put a reply into the outbox, unless CLIENT REPLY says otherwise; return its size."""
    mode = client.reply_mode
    if mode != "on":
        if mode == "skip-next":
            client.set_reply_mode("skip")
        elif mode == "skip":
            client.set_reply_mode("on")
        # Messages are not replies, and confirmations of subscriptions are messages.
        if reply.__class__ not in _MESSAGES:
            return 0
    encoded = client.encode(reply)
    client.outbox.append(encoded)
    if len(encoded) >= LONG_REPLY:
        client.has_long_reply = True
    return len(encoded)
