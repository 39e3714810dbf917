"""What others than scripts see of them: INFO, data files, clients that wait for a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Protocol

from commands.instance.client import Client

_BUSY = "BUSY Redis is busy running a script. You can only call {} or SHUTDOWN NOSAVE."


class KeptScripts(Protocol):
    """The scripts that are loaded."""

    # Scripts of EVAL that made room for later ones.
    evicted: int

    def __len__(self) -> int: ...

    @property
    def memory_used(self) -> int:
        """The bytes that the interpreter holds."""

    @property
    def code_memory(self) -> int:
        """The bytes that the texts of the scripts take."""


class KeptLibraries(Protocol):
    """The libraries of functions, which are part of the data."""

    def __len__(self) -> int: ...

    @property
    def function_count(self) -> int: ...

    @property
    def memory_used(self) -> int:
        """The bytes that the interpreter holds."""

    @property
    def code_memory(self) -> int:
        """The bytes that the texts of the libraries take."""


@dataclass(slots=True)
class RunningScript:
    """The script or the function that runs now."""

    client: Client
    # The request that runs it, and the name of the function if it is one.
    argv: list[bytes]
    function: bytes | None = None
    started_ns: int = field(default_factory=perf_counter_ns)
    # Whether it has changed data: then it cannot be killed.
    wrote: bool = False
    # The error with which it is to end, once it is to end.
    stopped_by: bytes | None = None
    # Whether it has run for so long that others are told so.
    busy: bool = False

    @property
    def elapsed_ns(self) -> int:
        return perf_counter_ns() - self.started_ns

    @property
    def busy_error(self) -> str:
        """What others get while it runs."""
        return _BUSY.format("SCRIPT KILL" if self.function is None else "FUNCTION KILL")
