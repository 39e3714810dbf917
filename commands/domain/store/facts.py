"""STORE.INFO, STORE.TTL and STORE.EXPIRE: an entry without its value."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import LONGEST_MS
from commands.domain.calls import call_integer, call_values
from commands.domain.errors import failure
from commands.domain.store.companions import (
    ABSENT,
    NEVER,
    deadline_after,
    expire_at,
    read_times,
)
from commands.domain.store.events import tell_of_key
from commands.domain.store.layout import Namespace, times_key, vector_key
from commands.domain.store.vectors import size_of
from commands.engine.grammar import Key, String
from commands.engine.numbers import read_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@command(
    "STORE.INFO",
    group="store",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns facts about an entry without its value.",
    arguments=[Key("namespace", "RO"), String("key")],
)
def store_info(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns a map, or nil if there is no entry.

    `created` and `updated` are epoch milliseconds: when STORE commands first and last put the
    value. They are nil while the entry was only written by plain commands, which do not change
    them, or with the setting `store-times no`. `size` is the length of the value in bytes, `ttl`
    what is left in milliseconds, nil if the entry does not expire, and `vector` how many numbers
    its vector has, nil without one.

        > STORE.PUT acme:agent-a colour green TTL 60000
        OK
        > STORE.INFO acme:agent-a colour
         1) "created"
         2) (integer) ...
         3) "updated"
         4) (integer) ...
         5) "size"
         6) (integer) 5
         7) "ttl"
         8) (integer) 60000
         9) "vector"
        10) (nil)
    """
    entry = Namespace(ctx, argv[1]).key(argv[2])
    ttl = call_integer(ctx, b"PTTL", entry)
    if ttl == ABSENT:
        return None
    size = call_integer(ctx, b"STRLEN", entry)
    stored, vector = call_values(ctx, b"MGET", times_key(entry), vector_key(entry))
    times = read_times(ctx, stored)
    return {
        b"created": None if times is None else times.created,
        b"updated": None if times is None else times.updated,
        b"size": size,
        b"ttl": None if ttl == NEVER else ttl,
        b"vector": None if vector is None else size_of(vector),
    }


@command(
    "STORE.TTL",
    group="store",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns how long an entry will live.",
    arguments=[Key("namespace", "RO"), String("key")],
)
def store_ttl(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns milliseconds as PTTL does: -1 if the entry does not expire, -2 if there is none.

    > STORE.PUT acme:agent-a colour green TTL 60000
    OK
    > STORE.TTL acme:agent-a colour
    (integer) 60000
    > STORE.TTL acme:agent-a weight
    (integer) -2
    """
    return call_integer(ctx, b"PTTL", Namespace(ctx, argv[1]).key(argv[2]))


def _new_ttl(word: bytes) -> int | None:
    """Milliseconds, or None for PERSIST."""
    if word.upper() == b"PERSIST":
        return None
    ttl = read_integer(word)
    if ttl is None or not 1 <= ttl <= LONGEST_MS:
        raise failure(
            "ERR", "milliseconds must be an integer from 1 to {} or PERSIST, not '{}'",
            str(LONGEST_MS), word,
        )  # fmt: skip
    return ttl


@dataclass(slots=True)
class Expire:
    namespace: bytes
    key: bytes
    milliseconds: int | None


@command(
    "STORE.EXPIRE",
    group="store",
    since="0.1.0",
    flags="write fast",
    summary="Changes the TTL of an entry without its value.",
    arguments=[
        Key("namespace", "RW update"),
        String("key"),
        String("milliseconds", convert=_new_ttl),
    ],
    request=Expire,
)
def store_expire(ctx: Context, request: Expire) -> Reply:
    """Returns 1, or 0 if there is no such entry.

    The TTL is in milliseconds, counted from now; `PERSIST` in its place removes it. The value,
    its times and its vector stay as they are.

        > STORE.PUT acme:agent-a colour green
        OK
        > STORE.EXPIRE acme:agent-a colour 60000
        (integer) 1
        > STORE.TTL acme:agent-a colour
        (integer) 60000
        > STORE.EXPIRE acme:agent-a colour PERSIST
        (integer) 1
        > STORE.TTL acme:agent-a colour
        (integer) -1
    """
    space = Namespace(ctx, request.namespace)
    entry = space.key(request.key)
    if not call_integer(ctx, b"EXISTS", entry):
        return 0
    expire_at(ctx, entry, deadline_after(ctx, request.milliseconds))
    tell_of_key(ctx, space, "expire", request.key)
    return 1
