"""What a handler wants done that it cannot do itself.

Handlers never wait, close or send. They return one of these in place of a reply, and
`server/` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from commands.engine.replies import NULL_ARRAY, Reply


@dataclass(slots=True)
class BlockOn:
    """WaitUntil until one of `keys` is worth trying again, then run the command anew.

    The command is run again, from its own argv, whenever one of the keys was changed and
    holds a value of `kind`; it may well answer `BlockOn` again, and then keeps its place in
    the queue. Waiters of a key are served first come, first served. Where waiting is not
    possible (in a transaction or script) the client gets `otherwise`, and when `deadline`
    (epoch ms on the instance's clock; None is never) passes, `timed_out`.
    """

    keys: Sequence[bytes]
    deadline: int | None
    kind: type[Any]
    otherwise: Reply = NULL_ARRAY
    timed_out: Reply = NULL_ARRAY
    # Also run again when a key is gone or is of another type (XREADGROUP: to say so).
    on_loss: bool = False
    # In place of the command's own argv: what the waiting fixed (XREAD's `$`).
    argv: list[bytes] | None = None


@dataclass(slots=True)
class WaitUntil:
    """Answer what `reply` says by then when the deadline passes: for WAIT and WAITAOF.

    `satisfied`, if there is one, is asked whenever more of the log has come to be on disk,
    and ends the waiting early.
    """

    deadline: int | None
    reply: Callable[[], Reply]
    satisfied: Callable[[], bool] | None = None


@dataclass(slots=True)
class Close:
    """Send the reply, then close the connection."""

    reply: Reply


@dataclass(slots=True)
class Shutdown:
    """End the server. `save` is None for "if there are save points"."""

    save: bool | None = None
    now: bool = False
    force: bool = False


@dataclass(slots=True)
class Save:
    """Write a snapshot: now, or in the background, at once or as soon as that is possible."""

    background: bool = False
    schedule: bool = False


@dataclass(slots=True)
class CancelSave:
    """Give up the snapshot that is being written, or the one that is scheduled."""


@dataclass(slots=True)
class RewriteLog:
    """Write the log anew, in the background."""


@dataclass(slots=True)
class Reload:
    """Read the data from the snapshot file: saved just before, into a keyspace just emptied."""

    save: bool = True
    flush: bool = True
    merge: bool = False


@dataclass(slots=True)
class ReloadLog:
    """Read the data from the log."""


# What is done with files. Whoever carries it out answers, and nobody waits.
FileEffect = Save | CancelSave | RewriteLog | Reload | ReloadLog
