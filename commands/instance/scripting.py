"""What of scripting others than scripts see: INFO, SCRIPT KILL, clients that wait for a script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from commands.instance.client import Client


class KeptScripts(Protocol):
    """The scripts that are loaded."""

    def __len__(self) -> int: ...

    @property
    def memory_used(self) -> int:
        """The bytes that the interpreter holds."""


@dataclass(slots=True)
class RunningScript:
    """The script that runs now."""

    client: Client
    # Whether it has changed data: then it cannot be killed.
    wrote: bool = False
    # The error with which it is to end, once it is to end.
    stopped_by: bytes | None = None
    # Whether it has run for so long that others are told so.
    busy: bool = False
