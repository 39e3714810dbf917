"""What a handler wants done that it cannot do itself.

Handlers never wait, close or send. They return one of these in place of a reply, and
`server/execution/outcomes.py` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from commands.engine.replies import NULL_ARRAY, Reply


@dataclass(slots=True)
class BlockOn:
    """Wait until one of `keys` is worth another try, then run the command again.

    The command runs again, from its own argv, whenever one of the keys changed and holds a
    value of `kind`; it may return `BlockOn` again, and then keeps its place in the queue.
    Clients that wait for one key are served first come, first served. Where waiting is not
    possible (in a transaction or script) the client gets `otherwise`, and when `deadline`
    (epoch ms on the instance's clock; None is never) passes, `timed_out`.
    """

    keys: Sequence[bytes]
    deadline: int | None
    kind: type[object]
    otherwise: Reply = NULL_ARRAY
    timed_out: Reply = NULL_ARRAY
    # Also run again when a key is gone or of another type (XREADGROUP reports that).
    on_loss: bool = False
    # Also run again after every so many ms, though no key changed: a consumer of a queue that
    # waits is there, and says so.
    every: int | None = None
    # Clients that wait for different keys, one of which is a part of the other, are served in
    # the order of their arrival too, when one command changed both.
    by_arrival: bool = False
    # In place of the command's own argv: XREAD's `$` is replaced when it starts to wait.
    argv: list[bytes] | None = None
    # What the command has computed so far, which it finds in `client.waiting` when it runs again.
    progress: object = None


@dataclass(slots=True)
class WaitUntil:
    """Wait for WAIT and WAITAOF: when the deadline passes, reply with what `reply` returns.

    `satisfied`, where given, is asked whenever more of the log is on disk, and ends the
    wait early.
    """

    deadline: int | None
    reply: Callable[[], Reply]
    satisfied: Callable[[], bool] | None = None


@dataclass(slots=True)
class RunTransaction:
    """Run these queued requests as one (EXEC)."""

    requests: list[list[bytes]]


class ScriptDoor(Protocol):
    """How a script reaches the keyspace."""

    def call(self, argv: list[bytes]) -> Reply:
        """Run a command and return its reply; CommandError if it may not run or fails."""

    def permits(self, argv: list[bytes]) -> bool:
        """Whether the user of the script may run a command; CommandError if there is none."""

    def interrupted(self) -> bytes | None:
        """Called from time to time; the text with which to stop the script, if it is to stop."""


@dataclass(slots=True)
class RunScript:
    """Run a script: `run` does, and calls commands through the door. It may raise CommandError."""

    run: Callable[[ScriptDoor], Reply]
    # Whether the script may write.
    writes: bool
    # What the script has declared in its first line: names of `commands.scripting.shebang.FLAGS`.
    # None if it declares nothing.
    flags: frozenset[bytes] | None
    # The request.
    argv: list[bytes]


@dataclass(slots=True)
class Unblock:
    """End another client's wait (CLIENT UNBLOCK); the reply is 1, or 0 if it did not wait."""

    client_id: int
    with_error: bool


@dataclass(slots=True)
class EndPause:
    """End a pause before its time (CLIENT UNPAUSE)."""


@dataclass(slots=True)
class Close:
    """Send the reply, then close the connection."""

    reply: Reply


@dataclass(slots=True)
class Shutdown:
    """Stop the server. `save` is None for "if there are save points"."""

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
    """Cancel the snapshot that is being written, or the one that is scheduled."""


@dataclass(slots=True)
class RewriteLog:
    """Rewrite the log in the background."""


@dataclass(slots=True)
class Reload:
    """Read the data from the snapshot file: saved just before, into a keyspace just emptied."""

    save: bool = True
    flush: bool = True
    merge: bool = False


@dataclass(slots=True)
class ReloadLog:
    """Read the data from the log."""


# What is done with files; the reply comes at once.
FileEffect = Save | CancelSave | RewriteLog | Reload | ReloadLog
Effect: TypeAlias = (
    BlockOn
    | WaitUntil
    | RunTransaction
    | RunScript
    | Unblock
    | EndPause
    | Close
    | Shutdown
    | FileEffect
)
# What a handler returns.
Outcome: TypeAlias = Reply | Effect
