"""What the server needs of the operating system. Tests replace parts of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.system.descriptors import Descriptors, SystemDescriptors
from server.system.files import Files, SystemFiles
from server.system.network import Network, SystemNetwork
from server.system.processes import Processes, SystemProcesses


@dataclass(frozen=True, slots=True)
class System:
    """`files` holds the data; `processes` write snapshots and rewrites in the background;
    `network` makes the listening sockets; `descriptors` is the limit of open files."""

    files: Files = field(default_factory=SystemFiles)
    processes: Processes = field(default_factory=SystemProcesses)
    network: Network = field(default_factory=SystemNetwork)
    descriptors: Descriptors = field(default_factory=SystemDescriptors)


SYSTEM = System()
