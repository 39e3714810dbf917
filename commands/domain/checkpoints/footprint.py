"""Which keys the commands on checkpoints touch, for the rules of users."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.checkpoints.keys import CHECKPOINT_PREFIX
from commands.domain.namespaces import escape, tagged_tenant
from commands.engine.footprints import Touched, declare_footprint
from commands.engine.registry import Command

# Where the second thread of a request stands.
_OTHER_THREAD = {"CP.FORK": 4, "CP.COPY": 3}
_OF_TENANT = frozenset(("CP.THREADS", "CP.SEARCH"))


def _footprint(command: Command, argv: Sequence[bytes], hash_tags: bool) -> list[Touched]:
    """The threads that a request names, with their namespaces; or all threads of the tenant.

    The keys `redkeep:cp-*` of the tenant are derived from these.
    """
    if command.name.endswith("HELP"):
        return []
    at = len(command.name.split())
    tenant = b"%b%b:" % (CHECKPOINT_PREFIX, tagged_tenant(argv[at], tagged=hash_tags))
    if command.name in _OF_TENANT:
        return [Touched(tenant)]
    threads = [argv[at + 1]]
    other = _OTHER_THREAD.get(command.name)
    if other is not None:
        threads.append(argv[other])
    return [Touched(b"%b%b:" % (tenant, escape(thread))) for thread in threads]


declare_footprint("CP.", _footprint, CHECKPOINT_PREFIX)
