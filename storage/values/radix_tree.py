"""The shape that Redis' radix tree takes over a set of keys."""

from __future__ import annotations

from collections.abc import Sequence

_KEY_BYTES = 16


def radix_nodes(keys: Sequence[int]) -> int:
    """How many nodes the tree over these ascending 128-bit keys has, its root included.

    A run of bytes without a branch is one node, a branch is one, and so is the end of a
    key. So two neighbours decide where their paths part, and a stack of the branches that
    are open on the way to the last key counts each branch once.
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
    """Bytes after the branch's own up to the next node make one node more."""
    return 1 if end > branch + 1 else 0
