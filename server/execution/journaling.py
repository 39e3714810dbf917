"""What is logged of a command that wrote.

A command is logged as itself, unless it said otherwise with `Context.log_as`. Each place
that runs handlers notes `keyspace.dirty` before, and calls one of these functions after.
"""

from __future__ import annotations

from commands.instance.context import Context
from storage.journal import Request


def log_entries_of(ctx: Context, argv: list[bytes]) -> list[Request]:
    """The requests that reproduce the write which `argv` has just made."""
    entries = ctx.log_entries
    return [argv] if entries is None else entries


def journal_write(ctx: Context, database: int, argv: list[bytes]) -> None:
    """Note in the journal, if there is one, what `argv` wrote to a database."""
    journal = ctx.keyspace.journal
    if journal is None:
        return
    client = ctx.client
    if client.unlogged_from < 0:
        client.unlogged_from = len(client.outbox)
        ctx.instance.unlogged_clients.append(client)
    if ctx.log_entries is None:
        journal.add(database, argv)
    else:
        journal.record(database, ctx.log_entries)
