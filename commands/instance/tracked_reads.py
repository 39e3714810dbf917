"""The commands that a tracking client runs on the straight path of the dispatcher.

A client that tracks keys needs two things that the straight path does not do: the keys that it
reads are noted, and messages that its own request causes follow the reply. So it has a table of
commands of its own there, with reads only: its other requests take the guarded path, which does
both. In the default mode each read in that table is wrapped in what is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from commands.engine.registry import Command, Handler, commands
from commands.engine.replies import Encoded, Replies
from commands.instance.client import Client
from commands.instance.statistics import BoundCommand

Bind = Callable[[Command], BoundCommand]
Spellings = dict[bytes, BoundCommand]


class Running(Protocol):
    """The context of a request."""

    client: Client


class Memory(Protocol):
    """Notes who reads what."""

    def remember(self, client: Client, command: Command, argv: list[bytes]) -> None: ...

    def has_just(self, key: bytes, client: Client) -> bool:
        """Whether the client, and no other one, is noted as a reader of the key."""


def plain_reads(bind: Bind) -> Spellings:
    """The reads as they are: broadcasting needs no notes, and reads cause no messages."""
    return dict(_spelled(bind))


def tracked_reads(bind: Bind, memory: Memory) -> Spellings:
    """The reads, which note their keys."""
    return {name: bound.with_handler(_tracked(bound, memory)) for name, bound in _spelled(bind)}


def _spelled(bind: Bind) -> Iterator[tuple[bytes, BoundCommand]]:
    for command in commands().values():
        bound = bind(command)
        # A container's subcommands are not found by one word, and nothing may wait here.
        if bound.is_tracked and not command.subcommands and "blocking" not in command.flags:
            yield command.name.encode(), bound
            yield command.name.lower().encode(), bound


def _tracked(bound: BoundCommand, memory: Memory) -> Handler:
    handler, command = bound.handler, bound.command
    has_just, remember = memory.has_just, memory.remember
    takes_one_key = (
        command.key_finder is None
        and command.key_name is None
        and [(spec.index, spec.keyword, spec.last) for spec in command.keys] == [(1, None, 0)]
    )

    # What handlers return is known to the dispatcher only.
    def read(ctx: Running, argv: list[bytes]) -> Any:
        client = ctx.client
        if client.deferred is not None:
            # The guarded path does the rest by itself.
            return handler(ctx, argv)
        deferred: list[bytes] = []
        client.deferred = deferred
        try:
            reply = handler(ctx, argv)
        except Exception:
            remember(client, command, argv)
            client.outbox += deferred
            raise
        else:
            if not takes_one_key or not has_just(argv[1], client):
                remember(client, command, argv)
        finally:
            client.deferred = None
        if deferred:
            return Replies([reply, *map(Encoded, deferred)])
        return reply

    return read
