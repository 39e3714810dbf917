"""The script that runs now, as SCRIPT KILL and other clients see it."""

from __future__ import annotations

from dataclasses import dataclass

from commands.instance.client import Client


@dataclass(slots=True)
class RunningScript:
    client: Client
    # Whether it has changed data: then it cannot be killed.
    wrote: bool = False
    # Whether it is to end, and with which error.
    stopped_by: bytes | None = None
    # Whether it runs for so long that others are told so.
    busy: bool = False
