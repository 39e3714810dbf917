"""That a request, a transaction or a script uses keys of one slot only, in a cluster."""

from __future__ import annotations

from commands.engine.effects import RunScript
from commands.engine.errors import CommandError
from commands.engine.registry import Command
from commands.engine.slots import request_slots
from commands.instance.client import Client
from commands.instance.instance import Instance

_NO_CLUSTER = "ERR Can not run script on cluster, 'no-cluster' flag is set."
# Both are Redis' texts; no key here belongs to another node.
_SEVERAL_IN_CALL = "ERR Script attempted to access a non local key in a cluster node"
_SEVERAL_IN_SCRIPT = "ERR Script attempted to access keys that do not hash to the same slot"


def crosses_slots(instance: Instance, client: Client, command: Command, argv: list[bytes]) -> bool:
    """Whether a request, or the transaction that it runs, has keys of several slots."""
    if command.name != "EXEC" or client.transaction is None:
        return len(request_slots(command, argv)) > 1
    slots: set[int] = set()
    for queued in client.transaction.queue:
        bound = instance.find_command(queued)
        if bound is not None:
            slots |= request_slots(bound.command, queued)
    return len(slots) > 1


class ScriptSlots:
    """The slot that a script uses, in a cluster."""

    def __init__(self, instance: Instance, effect: RunScript) -> None:
        flags = effect.flags
        if flags is not None and b"no-cluster" in flags:
            raise CommandError(_NO_CLUSTER)
        # A script that declares nothing is one of the time before such rules.
        self._may_cross = flags is None or b"allow-cross-slot-keys" in flags
        bound = instance.find_command(effect.argv)
        # The keys that it declares.
        self._slots = set() if bound is None else request_slots(bound.command, effect.argv)

    def check(self, command: Command, argv: list[bytes]) -> None:
        """Refuse a call with keys of another slot than those before."""
        slots = request_slots(command, argv)
        if len(slots) > 1:
            raise CommandError(_SEVERAL_IN_CALL)
        if not self._may_cross:
            self._slots |= slots
            if len(self._slots) > 1:
                self._slots -= slots
                raise CommandError(_SEVERAL_IN_SCRIPT)
