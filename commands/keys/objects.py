"""OBJECT: how a value is encoded, and when it was last used."""

from __future__ import annotations

from commands.engine.containers import container
from commands.engine.errors import CommandError
from commands.engine.grammar import Key
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.frequencies import Frequencies
from storage.values.types import encoding_of, is_integer

_NO_IDLE_TIME = (
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
    "switching between policies at runtime LRU and LFU data will take some time to adjust."
)
_NO_FREQUENCY = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
    "that when switching between policies at runtime LRU and LFU data will take some time to "
    "adjust."
)
# Redis shares one object per small integer and reports the largest reference count for it.
_SHARED_INTEGERS = 10_000
_SHARED_REFCOUNT = 2**31 - 1

container(
    "OBJECT",
    group="generic",
    since="2.2.3",
    help_since="6.2.0",
    summary="Describes how the values of keys are stored and used.",
)


@command(
    "OBJECT ENCODING",
    group="generic",
    since="2.2.3",
    flags="readonly",
    summary="Returns the name of a value's internal encoding.",
    arguments=[Key("key", "RO")],
    tips=["nondeterministic_output"],
)
def object_encoding(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.inspect(argv[2], silent=True)
    return None if value is None else encoding_of(value)


@command(
    "OBJECT REFCOUNT",
    group="generic",
    since="2.2.3",
    flags="readonly",
    summary="Returns how many references there are to a value.",
    arguments=[Key("key", "RO")],
    tips=["nondeterministic_output"],
)
def object_refcount(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.inspect(argv[2], silent=True)
    if value is None:
        return None
    shared = value.__class__ is bytes and is_integer(value) and 0 <= int(value) < _SHARED_INTEGERS
    return _SHARED_REFCOUNT if shared else 1


@command(
    "OBJECT IDLETIME",
    group="generic",
    since="2.2.3",
    flags="readonly",
    summary="Returns the seconds since a key was last used.",
    arguments=[Key("key", "RO")],
    tips=["nondeterministic_output"],
)
def object_idletime(ctx: Context, argv: list[bytes]) -> Reply:
    db, key = ctx.db, argv[2]
    if db.inspect(key, silent=True) is None:
        return None
    if ctx.instance.memory.counts_uses:
        raise CommandError(_NO_IDLE_TIME)
    return max(0, ctx.now - db.accessed.get(key, ctx.now)) // 1000


@command(
    "OBJECT FREQ",
    group="generic",
    since="4.0.0",
    flags="readonly",
    summary="Returns how often a key is used, on a logarithmic scale.",
    arguments=[Key("key", "RO")],
    tips=["nondeterministic_output"],
)
def object_freq(ctx: Context, argv: list[bytes]) -> Reply:
    """Only under an LFU policy; under the others uses are not counted. A new key begins with 5.

    > CONFIG SET maxmemory-policy allkeys-lfu
    OK
    > SET greeting hello
    OK
    > OBJECT FREQ greeting
    (integer) 5
    """
    db, key = ctx.db, argv[2]
    if db.inspect(key, silent=True) is None:
        return None
    if isinstance(db.accessed, Frequencies):
        return db.accessed.counter(key, ctx.now)
    raise CommandError(_NO_FREQUENCY)
