"""The number of nodes in Redis' radix tree, which XINFO reports."""

from __future__ import annotations

from collections.abc import Sequence

_KEY_BYTES = 16


def radix_nodes(keys: Sequence[int]) -> int:
    """Return how many nodes a tree of these ascending 128-bit keys has, with its root.

    A run of bytes without a branch is one node, a branch is one, and so is the end of a
    key. Neighbouring keys determine where their paths part, and a stack of the branches on
    the path of the previous key counts each branch once.
    """
    if not keys:
        return 1
    nodes = len(keys)
    open_branches: list[int] = []
    previous = keys[0]
    end = _KEY_BYTES  # where the path below the branch being closed comes to its next node
    for key in keys[1:]:
        part = _KEY_BYTES - ((previous ^ key).bit_length() + 7) // 8
        end = _KEY_BYTES
        while open_branches and open_branches[-1] > part:
            branch = open_branches.pop()
            nodes += _run_between(branch, end)
            end = branch
        nodes += _run_between(part, end)
        if not open_branches or open_branches[-1] < part:
            open_branches.append(part)
            nodes += 1
        previous = key
    end = _KEY_BYTES
    while open_branches:
        branch = open_branches.pop()
        nodes += _run_between(branch, end)
        end = branch
    return nodes + (1 if end > 0 else 0)


def _run_between(branch: int, end: int) -> int:
    """Return 1 if there are bytes, and so a node, between a branch and the next node."""
    return 1 if end > branch + 1 else 0
