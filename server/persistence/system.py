"""What the server needs of the operating system. Tests replace parts of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.persistence.background import Forking, Method, Slicing
from server.persistence.children import CAN_FORK
from server.persistence.disk import Disk, SystemDisk
from server.system.descriptors import Descriptors, SystemDescriptors
from server.system.network import Network, SystemNetwork


def _best_method() -> Method:
    return Forking() if CAN_FORK else Slicing()


@dataclass(frozen=True, slots=True)
class System:
    """`disk` holds the log; `method` writes snapshots and rewrites in the background;
    `network` makes the listening sockets, and `descriptors` is the limit of open files."""

    disk: Disk = field(default_factory=SystemDisk)
    method: Method = field(default_factory=_best_method)
    network: Network = field(default_factory=SystemNetwork)
    descriptors: Descriptors = field(default_factory=SystemDescriptors)


SYSTEM = System()
