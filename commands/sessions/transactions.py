"""Transactions: MULTI, EXEC and DISCARD, and watching keys.

The dispatcher queues the requests, and `server/execution/calls.py` runs them for EXEC. No
other request runs in between, no request blocks, and the time does not change.
"""

from __future__ import annotations

from commands.engine.effects import Outcome, RunTransaction
from commands.engine.errors import CommandError
from commands.engine.grammar import Key
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context

EXEC_ABORTED = "EXECABORT Transaction discarded because of previous errors."


@command(
    "MULTI",
    group="transactions",
    since="1.2.0",
    flags="noscript loading stale fast allow_busy",
    summary="Starts a transaction: the requests that follow are queued.",
)
def multi(ctx: Context, argv: list[bytes]) -> Reply:
    client = ctx.client
    if client.transaction is not None:
        raise CommandError("ERR MULTI calls can not be nested")
    client.begin_transaction()
    return OK


@command(
    "EXEC",
    group="transactions",
    since="1.2.0",
    flags="noscript loading stale skip_slowlog",
    complexity="Depends on the queued requests.",
    summary="Runs the queued requests, unless a watched key has changed.",
)
def exec_(ctx: Context, argv: list[bytes]) -> Outcome:
    client = ctx.client
    transaction = client.transaction
    if transaction is None:
        raise CommandError("ERR EXEC without MULTI")
    watch_failed = client.watch_failed or any(
        database.has_expired(key) for database, key in client.watching
    )
    client.end_transaction()
    if transaction.broken:
        raise CommandError(EXEC_ABORTED)
    if watch_failed:
        return NULL_ARRAY
    return RunTransaction(transaction.queue)


@command(
    "DISCARD",
    group="transactions",
    since="2.0.0",
    flags="noscript loading stale fast allow_busy",
    complexity="O(N) for N queued requests.",
    summary="Discards a transaction and its queued requests.",
)
def discard(ctx: Context, argv: list[bytes]) -> Reply:
    if ctx.client.transaction is None:
        raise CommandError("ERR DISCARD without MULTI")
    ctx.client.end_transaction()
    return OK


@command(
    "WATCH",
    group="transactions",
    since="2.2.0",
    flags="noscript loading stale fast allow_busy",
    complexity="O(N) for N keys.",
    summary="Makes the next transaction fail if one of these keys changes before it.",
    arguments=[Key("key", "RO", multiple=True)],
)
def watch(ctx: Context, argv: list[bytes]) -> Reply:
    client, db = ctx.client, ctx.db
    if client.transaction is not None:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    for key in argv[1:]:
        client.watch(db, key)
    return OK


@command(
    "UNWATCH",
    group="transactions",
    since="2.2.0",
    flags="noscript loading stale fast allow_busy",
    summary="Stops watching all keys.",
)
def unwatch(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.client.unwatch()
    return OK
