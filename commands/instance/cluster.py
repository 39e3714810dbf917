"""The cluster that a server presents with `cluster-enabled yes`: one node with all slots."""

from __future__ import annotations

from random import Random


class Cluster:
    """What the node knows of itself. Nothing is kept: a restart gives it new ids."""

    def __init__(self) -> None:
        self.node_id = self.shard_id = b""
        # The configuration epoch of the node, which is that of the cluster.
        self.epoch = 0
        self.reset()

    def reset(self) -> None:
        """Become a new node."""
        # Not the instance's source of chance, which tests seed.
        random = Random()
        self.node_id = b"%040x" % random.getrandbits(160)
        self.shard_id = b"%040x" % random.getrandbits(160)
        self.epoch = 0
