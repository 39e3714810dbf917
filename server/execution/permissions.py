"""Requests that the user of a client may not run: counted, written to ACL LOG, and refused."""

from __future__ import annotations

from commands.engine.registry import Command
from commands.instance.client import Client
from commands.instance.instance import Instance
from commands.instance.users.checks import Denial
from commands.sessions.client_filters import note_denial

_CHANGED = (
    b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
    b"call. This command is no longer allowed for the following reason: "
)
_CHANGED_REASONS = {
    "command": b"no permission to execute the command or subcommand",
    "key": b"no permission to touch the specified keys",
    "channel": b"no permission to access one of the channels used as arguments",
}


class Permissions:
    """Asked only about clients that hold `Guard.RESTRICTED`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def refusal(self, client: Client, command: Command, argv: list[bytes]) -> bytes | None:
        """The error that refuses a request; None if the user may run it."""
        context = "toplevel" if client.transaction is None else "multi"
        denial = self._denial(client, command, argv, context)
        return None if denial is None else b"NOPERM " + wording(client, denial)

    def refusal_at_exec(self, client: Client, command: Command, argv: list[bytes]) -> bytes | None:
        """The error in place of a queued request that the user may not run any more."""
        denial = self._denial(client, command, argv, "multi")
        return None if denial is None else _CHANGED + _CHANGED_REASONS[denial.reason]

    def refusal_in_script(
        self, client: Client, command: Command, argv: list[bytes]
    ) -> bytes | None:
        """The error of a script whose user may not run a request."""
        denial = self._denial(client, command, argv, "lua")
        if denial is None:
            return None
        return b"ERR ACL failure in script: " + wording(client, denial)

    def _denial(
        self, client: Client, command: Command, argv: list[bytes], context: str
    ) -> Denial | None:
        instance = self._instance
        denial = instance.users.denial(client.user, command, argv)
        if denial is not None:
            note_denial(
                instance, client, argv, denial.reason, context, denial.object, client.user.name
            )
        return denial


def wording(client: Client, denial: Denial) -> bytes:
    """The text of a refusal for the client itself, which names no key or channel."""
    if denial.reason == "command":
        return b"User %b has no permissions to run the '%b' command" % (
            client.user.name,
            denial.object,
        )
    return b"No permissions to access a " + denial.reason.encode()
