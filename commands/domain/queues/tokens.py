"""Who holds a message: checks of the tokens and ids by which consumers name it."""

from __future__ import annotations

from commands.domain.errors import failure
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import Named
from commands.engine.errors import CommandError
from commands.instance.context import Context

# How many messages one request may name or return.
MOST_MESSAGES = 200


def new_secret(ctx: Context) -> bytes:
    """The random part of a token."""
    return b"%016x" % ctx.rng.getrandbits(64)


def check_token(queue: Queue, group: bytes, named: Named, stored: bytes | None) -> None:
    """Raise NOTOWNER if a token is of an earlier delivery than the latest one."""
    if named.secret is not None and named.secret != stored:
        raise failure(
            "NOTOWNER",
            "message {} of queue {} was delivered again in group {}: this token is out of date",
            named.text,
            queue.name,
            group,
        )


def not_held(queue: Queue, group: bytes, named: Named) -> CommandError:
    return failure(
        "NOTOWNER",
        "message {} of queue {} is not leased in group {}",
        named.text,
        queue.name,
        group,
    )


def in_doubt(queue: Queue, group: bytes, named: Named) -> CommandError:
    return failure(
        "NOTOWNER",
        "message {} of queue {} was delivered more than once in group {} and is leased:"
        " name it by its token",
        named.text,
        queue.name,
        group,
    )


def check_number(names: int) -> None:
    if names > MOST_MESSAGES:
        raise failure("ERR", "a request can name {} messages at most", b"%d" % MOST_MESSAGES)
