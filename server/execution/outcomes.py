"""Carrying out the effects that handlers return: waiting, closing, files, shutdown."""

from __future__ import annotations

from typing import Protocol, assert_never, get_args

from commands.engine.effects import (
    BlockOn,
    CancelSave,
    Close,
    Effect,
    EndPause,
    FileEffect,
    Reload,
    ReloadLog,
    RewriteLog,
    RunScript,
    RunTransaction,
    Save,
    Shutdown,
    Unblock,
    WaitUntil,
)
from commands.engine.replies import NO_REPLY, OK, Reply
from commands.instance.context import Context
from server.execution.answering import answer
from server.execution.blocking import Blocking

# For the straight path, which looks only at the class of what a handler returned.
EFFECTS = frozenset(get_args(Effect))


class FileWork(Protocol):
    """Carries out effects on files."""

    def perform(self, effect: FileEffect, *, atomic: bool) -> Reply:
        """Return the reply; CommandError if it fails. `atomic` is inside a transaction."""


class ShutDown(Protocol):
    """Stops the server: NO_REPLY if it will stop, else the reply that says why not."""

    def __call__(self, effect: Shutdown) -> Reply: ...


class Outcomes:
    """Carries out effects for the clients of one instance."""

    def __init__(self, blocking: Blocking, files: FileWork, shut_down: ShutDown) -> None:
        self._blocking = blocking
        self._files = files
        self._shut_down = shut_down

    def carry_out(self, ctx: Context, effect: Effect, argv: list[bytes]) -> bool:
        """Do what a handler asked for. Return False if the client must wait or is leaving.

        CommandError if it fails.
        """
        client = ctx.client
        if isinstance(effect, (BlockOn, WaitUntil)):
            self._blocking.park(ctx, effect, argv)
            return False
        if isinstance(effect, Close):
            answer(client, effect.reply)
            client.close("QUIT")
            return False
        if isinstance(effect, Shutdown):
            reply = self._shut_down(effect)
            answer(client, reply)
            return reply is not NO_REPLY
        answer(client, self._do_at_once(effect, atomic=False))
        return True

    def conclude(self, effect: Effect) -> Reply:
        """The reply in place of an effect inside a transaction, where nothing may wait."""
        if isinstance(effect, BlockOn):
            return effect.otherwise
        if isinstance(effect, WaitUntil):
            return effect.reply()
        if isinstance(effect, Close):
            return effect.reply
        if isinstance(effect, Shutdown):
            return self._shut_down(effect)
        return self._do_at_once(effect, atomic=True)

    def _do_at_once(
        self, effect: Unblock | EndPause | FileEffect | RunTransaction | RunScript, *, atomic: bool
    ) -> Reply:
        match effect:
            case Unblock():
                return int(self._blocking.unblock(effect.client_id, effect.with_error))
            case EndPause():
                self._blocking.end_pause()
                return OK
            case Save() | CancelSave() | RewriteLog() | Reload() | ReloadLog():
                return self._files.perform(effect, atomic=atomic)
            case RunTransaction() | RunScript():
                raise AssertionError("`Calls` runs transactions and scripts")
            case _:
                assert_never(effect)
