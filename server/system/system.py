"""What the server needs of the operating system. Tests replace parts of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.system.files import Files, SystemFiles
from server.system.processes import Processes, SystemProcesses


@dataclass(frozen=True, slots=True)
class System:
    """`files` holds the data; `processes` write snapshots and rewrites in the background."""

    files: Files = field(default_factory=SystemFiles)
    processes: Processes = field(default_factory=SystemProcesses)


SYSTEM = System()
