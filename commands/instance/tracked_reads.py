"""The commands that a tracking client runs on the straight path of the dispatcher.

A client that tracks keys needs two things that the straight path does not do: the keys that it
reads are noted, and messages that its own request causes follow the reply. So it has a table of
commands of its own there, with reads only: its other requests take the guarded path, which does
both. In the default mode each read in that table is wrapped in what is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
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

    @property
    def table(self) -> Mapping[bytes, AbstractSet[int]]:
        """The IDs of clients by the keys that they read; always the same object."""

    def remember(self, client: Client, command: Command, argv: list[bytes]) -> None: ...


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
    readers_of, remember = memory.table.get, memory.remember
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
            readers = readers_of(argv[1]) if takes_one_key else None
            if readers is None or client.id not in readers:
                remember(client, command, argv)
        finally:
            client.deferred = None
        if deferred:
            return Replies([reply, *map(Encoded, deferred)])
        return reply

    return read
