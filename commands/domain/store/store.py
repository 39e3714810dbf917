"""STORE.*: single entries: storing, reading and removing them.

`layout` describes the keys of entries, and `companions` what is kept beside them. These commands
and a plain SET, GET or DEL of an entry's key see each other's changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import LONGEST_MS, Milliseconds
from commands.domain.calls import call_integer, call_text, call_values, write
from commands.domain.errors import failure
from commands.domain.store.companions import (
    ABSENT,
    NEVER,
    deadline_after,
    expire_at,
    times_after_put,
    times_after_puts,
    with_companions,
    write_with_deadline,
)
from commands.domain.store.events import forget, stored_in, tell_of_key, tell_of_keys
from commands.domain.store.layout import Namespace, times_key, vector_key
from commands.domain.store.vectors import checked_vector
from commands.engine.containers import declare_family_help
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Key, OneOf, String, Token
from commands.engine.numbers import read_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

# How many entries one request stores, reads or removes by name at most.
MOST_NAMED = 1000


def _check_number(what: str, number: int) -> None:
    if number > MOST_NAMED:
        raise failure(
            "ERR", "at most {} {} are allowed in one request, not {}",
            str(MOST_NAMED), what, str(number),
        )  # fmt: skip


# --- storing -------------------------------------------------------------------------------


@dataclass(slots=True)
class Put:
    namespace: bytes
    key: bytes
    value: bytes
    condition: bytes | None = None
    ifeq: bytes | None = None
    ttl: int | None = None
    keepttl: bool = False
    vector: bytes | None = None


@command(
    "STORE.PUT",
    group="store",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) for N entries in the store.",
    summary="Stores a value under a key of a namespace.",
    arguments=[
        Key("namespace", "RW insert update"),
        String("key"),
        String("value"),
        OneOf("condition", Token("NX"), Token("XX"), optional=True),
        String("expected", "IFEQ", optional=True),
        OneOf(
            "expiration",
            Milliseconds("ttl", "TTL", optional=False),
            Token("KEEPTTL"),
            optional=True,
        ),
        String("vector", "VECTOR", optional=True, convert=checked_vector),
    ],
    request=Put,
)
def store_put(ctx: Context, request: Put) -> Reply:
    """Returns OK, or nil if a condition prevented the put.

    `NX` stores only a new key, `XX` only an existing one, and `IFEQ` only replaces a value that
    equals the given one, byte for byte: compare and set. A put replaces the whole entry: without
    `TTL milliseconds` it removes the old TTL, unless `KEEPTTL` is given, and without `VECTOR` the
    old vector. A vector is 32-bit floats, little-endian; `STORE.NEAR` finds entries by it.

        > STORE.PUT acme:agent-a greeting hello TTL 60000
        OK
        > STORE.PUT acme:agent-a greeting again NX
        (nil)
        > STORE.PUT acme:agent-a greeting 'good day' IFEQ hello KEEPTTL
        OK
    """
    space = Namespace(ctx, request.namespace)
    entry = space.key(request.key)
    deadline = call_integer(ctx, b"PEXPIRETIME", entry)
    exists = deadline != ABSENT
    if request.condition == (b"NX" if exists else b"XX"):
        return None
    if request.ifeq is not None and call_text(ctx, b"GET", entry) != request.ifeq:
        return None
    if not request.keepttl:
        deadline = deadline_after(ctx, request.ttl)
    elif not exists:
        deadline = NEVER
    times = times_after_put(ctx, entry, exists=exists)
    write_with_deadline(ctx, entry, request.value, deadline)
    outdated = []
    if times is None:
        outdated.append(times_key(entry))
    else:
        write_with_deadline(ctx, times_key(entry), times.text(), deadline)
    if request.vector is None:
        outdated.append(vector_key(entry))
    else:
        write_with_deadline(ctx, vector_key(entry), request.vector, deadline)
    if outdated:
        write(ctx, b"DEL", *outdated)
    tell_of_key(ctx, space, "put", request.key)
    return OK


@command(
    "STORE.MPUT",
    group="store",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) for M pairs and N entries in the store.",
    summary="Stores several values in a namespace at once.",
    arguments=[
        Key("namespace", "RW insert update"),
        ArgumentGroup(
            "expiration", Milliseconds("ttl"), Token("ENTRIES"), token="TTL", optional=True
        ),
        ArgumentGroup("data", String("key"), String("value"), multiple=True),
    ],
)
def store_mput(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns OK. All entries are stored or, after an error, none. At most 1,000 are allowed.

    The entries have no vectors afterwards, and no TTL. To give all of them a TTL, write
    `TTL milliseconds ENTRIES` before the first key. The number of words tells this form from
    a pair whose key is `TTL`, so any key and value can be stored in both forms.

        > STORE.MPUT acme:agent-a colour green size 7
        OK
        > STORE.MPUT acme:agent-a TTL 60000 ENTRIES mood good place home
        OK
    """
    space = Namespace(ctx, argv[1])
    ttl, words = _pairs_of(argv)
    # The last value of a key counts.
    data = dict(zip(words[::2], words[1::2], strict=True))
    _check_number("entries", len(data))
    entries = space.keys(list(data))
    deadline = deadline_after(ctx, ttl)
    times = times_after_puts(ctx, entries)
    stored = list(zip(entries, data.values(), strict=True))
    outdated = list(map(vector_key, entries))
    if times is None:
        outdated += map(times_key, entries)
    else:
        stored += ((times_key(key), one.text()) for key, one in zip(entries, times, strict=True))
    if deadline == NEVER:
        write(ctx, b"MSET", *[word for pair in stored for word in pair])
    else:
        for key, value in stored:
            write_with_deadline(ctx, key, value, deadline)
    write(ctx, b"DEL", *outdated)
    tell_of_keys(ctx, space, "mput", list(data))
    return OK


def _pairs_of(argv: list[bytes]) -> tuple[int | None, list[bytes]]:
    """The TTL of STORE.MPUT and its keys and values: an even number of words without a TTL."""
    words = argv[2:]
    if len(words) % 2 == 0:
        return None, words
    if len(words) < 5 or words[0].upper() != b"TTL" or words[2].upper() != b"ENTRIES":
        raise CommandError(
            "ERR data is incomplete, expected: [TTL milliseconds ENTRIES] key value [key value ...]"
        )
    ttl = read_integer(words[1])
    if ttl is None or not 1 <= ttl <= LONGEST_MS:
        raise failure(
            "ERR", "TTL must be an integer from 1 to {} (milliseconds), not '{}'",
            str(LONGEST_MS), words[1],
        )  # fmt: skip
    return ttl, words[3:]


# --- reading -------------------------------------------------------------------------------


@dataclass(slots=True)
class Get:
    namespace: bytes
    key: bytes
    refresh: int | None = None


@command(
    "STORE.GET",
    group="store",
    since="0.1.0",
    flags="write fast",
    summary="Returns the value of a key of a namespace.",
    arguments=[
        Key("namespace", "RW access update"),
        String("key"),
        Milliseconds("ttl", "REFRESH"),
    ],
    request=Get,
)
def store_get(ctx: Context, request: Get) -> Reply:
    """Returns the value, or nil if there is no entry or it has expired.

    `REFRESH milliseconds` gives the entry a new TTL, counted from now.

        > STORE.PUT acme:agent-a colour green
        OK
        > STORE.GET acme:agent-a colour
        "green"
        > STORE.GET acme:agent-a weight
        (nil)
    """
    entry = Namespace(ctx, request.namespace).key(request.key)
    value = call_text(ctx, b"GET", entry)
    if value is not None and request.refresh is not None:
        expire_at(ctx, entry, deadline_after(ctx, request.refresh))
    return value


@command(
    "STORE.MGET",
    group="store",
    since="0.1.0",
    flags="readonly fast",
    complexity="O(N) for N keys.",
    summary="Returns the values of several keys of a namespace.",
    arguments=[Key("namespace", "RO access"), String("key", multiple=True)],
)
def store_mget(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns a value or nil for each key, in the order of the keys. At most 1,000 are allowed.

    > STORE.MPUT acme:agent-a colour green size 7
    OK
    > STORE.MGET acme:agent-a colour weight size
    1) "green"
    2) (nil)
    3) "7"
    """
    _check_number("keys", len(argv) - 2)
    return call_values(ctx, b"MGET", *Namespace(ctx, argv[1]).keys(argv[2:]))


# --- removing ------------------------------------------------------------------------------


@command(
    "STORE.DEL",
    group="store",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M keys and N entries in the store.",
    summary="Removes entries of a namespace.",
    arguments=[Key("namespace", "RW delete"), String("key", multiple=True)],
)
def store_del(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many entries were removed. Keys without an entry are skipped.

    At most 1,000 keys are allowed.

        > STORE.PUT acme:agent-a colour green
        OK
        > STORE.DEL acme:agent-a colour weight
        (integer) 1
    """
    space = Namespace(ctx, argv[1])
    keys = list(dict.fromkeys(argv[2:]))
    _check_number("keys", len(keys))
    entries = space.keys(keys)
    removed = call_integer(ctx, b"EXISTS", *entries)
    if removed:
        is_last = removed == stored_in(ctx, space)
        write(ctx, b"DEL", *with_companions(entries))
        tell_of_keys(ctx, space, "del", keys, removed=removed)
        if is_last:
            forget(ctx, space)
    return removed


declare_family_help("STORE", group="store", since="0.1.0")
