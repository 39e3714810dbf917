"""When two replies count as equal.

By default they must be exactly equal: types (a status is not a bulk string, an integer not a
boolean), values, order, and the texts of errors and doubles. A command that cannot promise
that has a named tolerance: for every use (`BY_COMMAND`), or in one case, which then writes the
command as a call, as in `loosely("INFO", "memory")`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.resp import (
    Attributed,
    Double,
    Error,
    Map,
    Push,
    Set,
    Verbatim,
    Word,
    word,
)

Tolerance = Callable[[Any, Any], bool]


# --- comparisons ---------------------------------------------------


def equal(ours: Any, theirs: Any) -> bool:
    """Exactly equal."""
    return bool(_frozen(ours) == _frozen(theirs))


def equal_as_sets(ours: Any, theirs: Any) -> bool:
    """The same items in any order; within an item the order counts."""
    if type(ours) is not type(theirs):
        return False
    if not isinstance(ours, (list, Set, Map, Push)):
        return equal(ours, theirs)
    return Counter(map(_frozen, _items(ours))) == Counter(map(_frozen, _items(theirs)))


def equal_as_pairs(ours: Any, theirs: Any) -> bool:
    """The same pairs in any order, whether flat (RESP2) or a map (RESP3)."""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) % 2 == 0:
        return Counter(map(_frozen, _coupled(ours))) == Counter(map(_frozen, _coupled(theirs)))
    return equal_as_sets(ours, theirs)


def equal_in_any_order(ours: Any, theirs: Any) -> bool:
    """The same items in any order, at every level."""
    return bool(_sorted(ours) == _sorted(theirs))


def equal_as_scans(ours: Any, theirs: Any) -> bool:
    """Steps of a scan: complete scans in one step return the same items; for others only the
    form is compared."""
    if not (_is_scan(ours) and _is_scan(theirs)):
        return equal(ours, theirs)
    if ours[0] == theirs[0] == b"0":
        return equal_as_sets(ours[1], theirs[1])
    return True


def equal_within(slack: int) -> Tolerance:
    """Integers that differ by at most `slack`; negative ones have a meaning and must be equal."""

    def compare(ours: Any, theirs: Any) -> bool:
        if type(ours) is int and type(theirs) is int:
            if ours < 0 or theirs < 0:
                return ours == theirs
            return abs(ours - theirs) <= slack
        if isinstance(ours, list) and isinstance(theirs, list):
            return len(ours) == len(theirs) and all(map(compare, ours, theirs))
        return equal(ours, theirs)

    return compare


def equal_codes(ours: Any, theirs: Any) -> bool:
    """Errors with the same first word; anything else exactly."""
    if isinstance(ours, Error) and isinstance(theirs, Error):
        return ours.code == theirs.code
    return equal(ours, theirs)


def equal_types(ours: Any, theirs: Any) -> bool:
    """The same type of reply; errors must have the same code."""
    if isinstance(ours, Error) and isinstance(theirs, Error):
        return ours.code == theirs.code
    return type(ours) is type(theirs)


def equal_changes(ours: Any, theirs: Any) -> bool:
    """INFO persistence with the same number of changes since the last SAVE."""
    return changes_in(ours) == changes_in(theirs)


def equal_but_for_the_clock(ours: Any, theirs: Any) -> bool:
    """Equal except for the times and idle times of consumers and pending entries."""
    return equal(timeless(ours), timeless(theirs))


def changes_in(info: bytes | Verbatim) -> int:
    """Return the number of changes since the last SAVE from INFO persistence."""
    text = info.text if isinstance(info, Verbatim) else info
    return int(text.partition(b"rdb_changes_since_last_save:")[2].split(maxsplit=1)[0])


_OF_THE_MOMENT = frozenset(
    (b"age-seconds", b"client-info", b"entry-id", b"timestamp-created", b"timestamp-last-updated")
)


def equal_refusals(ours: Any, theirs: Any) -> bool:
    """Entries of ACL LOG without times, ids and what describes the client."""

    def lasting(entry: Any) -> list[Any]:
        pairs = entry.items if isinstance(entry, Map) else _coupled(entry)
        return [pair for pair in pairs if pair[0] not in _OF_THE_MOMENT]

    return equal([*map(lasting, ours)], [*map(lasting, theirs)])


# --- commands with a tolerance ---------------------------------------------------------


class Call(tuple[Word, ...]):
    """A command of a script with its own tolerance."""

    tolerance: Tolerance
    # The real servers disagree, and only the reply of redis-server counts.
    redis_only: bool = False


def _marked(tolerance: Tolerance, redis_only: bool = False) -> Callable[..., Call]:
    def mark(*words: Word) -> Call:
        call = Call(words)
        call.tolerance = tolerance
        call.redis_only = redis_only
        return call

    return mark


as_set = _marked(equal_as_sets)
as_pairs = _marked(equal_as_pairs)
in_any_order = _marked(equal_in_any_order)
refusals = _marked(equal_refusals)
rounded = _marked(equal_within(2))
rounded_ms = _marked(equal_within(2000))
loosely = _marked(equal_types)
code_only = _marked(equal_codes)
# For INFO persistence, after a SAVE at the beginning.
same_changes = _marked(equal_changes)
# The reply of Redis counts and not that of Valkey. Without redis-server, only the type is compared.
redis_way = _marked(equal, redis_only=True)


_SAME_ENCODINGS = ((b"listpackex", b"hashtable"), (b"int", b"embstr"), (b"raw", b"embstr"))


def equal_encodings(ours: Any, theirs: Any) -> bool:
    """Names of encodings. Only in Redis is a hash with expiring fields compact, and an integer
    that INCRBYFLOAT made is stored as text until it is reloaded. Valkey embeds strings of more
    than 44 bytes, too."""
    return equal(ours, theirs) or any((ours, theirs) == pair for pair in _SAME_ENCODINGS)


def equal_but_for_nul_bytes(ours: Any, theirs: Any) -> bool:
    """Replies of SORT. Redis compares texts up to a NUL byte, and leaves the order of equal ones
    to chance."""
    if equal(ours, theirs):
        return True
    if not (isinstance(ours, list) and isinstance(theirs, list)):
        return False

    def cut(reply: list[Any]) -> list[Any]:
        return [i.partition(b"\0")[0] if isinstance(i, bytes) else i for i in reply]

    return equal(cut(ours), cut(theirs)) and equal_in_any_order(ours, theirs)


# Tolerances of commands whose replies depend on the clock, on chance or on hash order.
BY_COMMAND: dict[bytes, Tolerance] = {
    name.encode(): tolerance
    for tolerance, names in (
        # SPOP with a count returns all members, or the sessions would not stay equal.
        (equal_as_sets, "KEYS SUNION SINTER SDIFF SPOP PUBSUB CONFIG"),
        (equal_as_scans, "SCAN SSCAN HSCAN ZSCAN"),
        (equal_within(1), "TTL EXPIRETIME HTTL HEXPIRETIME"),
        (equal_within(1500), "PTTL PEXPIRETIME HPTTL HPEXPIRETIME"),
        (equal_encodings, "OBJECT"),
        (equal_but_for_nul_bytes, "SORT SORT_RO"),
        (equal_but_for_the_clock, "XINFO XPENDING"),
        (equal_types, "RANDOMKEY SRANDMEMBER HRANDFIELD ZRANDMEMBER TIME LASTSAVE INFO LOLWUT"),
    )
    for name in names.split()
}


def any_error(*words: Word) -> Call:
    """Any two errors are equal; other replies are compared as usual for the command."""
    usual = BY_COMMAND.get(word(words[0]).upper(), equal)

    def compare(ours: Any, theirs: Any) -> bool:
        return (isinstance(ours, Error) and isinstance(theirs, Error)) or usual(ours, theirs)

    call = Call(words)
    call.tolerance = compare
    return call


# Replies whose order is defined only while the collection has a compact encoding.
UNORDERED_WHEN_HASHED: dict[bytes, Tolerance] = {
    b"SMEMBERS": equal_as_sets,
    b"HKEYS": equal_as_sets,
    b"HVALS": equal_as_sets,
    b"HGETALL": equal_as_pairs,
}
COMPACT = frozenset({b"listpack", b"intset", b"ziplist"})


def _syntax_error_here(ours: Any, theirs: Any) -> bool:
    """Replies to BITCOUNT with a start and no end: Valkey counts to the end."""
    return equal(ours, theirs) or ours == Error("ERR syntax error")


def _number_error_here(ours: Any, theirs: Any) -> bool:
    """Replies to BITCOUNT with a unit: Valkey checks the unit before the numbers."""
    return equal(ours, theirs) or (theirs == Error("ERR syntax error") and isinstance(ours, Error))


def _missing_key_first(ours: Any, theirs: Any) -> bool:
    """Replies to GETEX: only Valkey checks the time also if there is no key."""
    return equal(ours, theirs) or (ours is None and isinstance(theirs, Error))


def tolerance_of(words: Sequence[Word], encoding_of: Callable[[Word], Any]) -> Tolerance:
    """Return how replies to a command are compared.

    `encoding_of` returns the encoding of a key on the reference server; it is called only if the
    order of the reply depends on it.
    """
    if isinstance(words, Call):
        return words.tolerance
    name = word(words[0]).upper()
    if name == b"BITCOUNT" and len(words) == 3:
        return _syntax_error_here
    if name == b"BITCOUNT" and len(words) == 5:
        return _number_error_here
    if name == b"GETEX":
        return _missing_key_first
    hashed = UNORDERED_WHEN_HASHED.get(name)
    if hashed is None:
        return BY_COMMAND.get(name, equal)

    def compare(ours: Any, theirs: Any) -> bool:
        if equal(ours, theirs):
            return True
        return len(words) == 2 and encoding_of(words[1]) not in COMPACT and hashed(ours, theirs)

    return compare


_TIMES = frozenset({b"seen-time", b"active-time", b"idle", b"inactive"})


def timeless(reply: Any) -> Any:
    """Return a reply of XINFO or XPENDING without its times.

    Fields are names followed by values, pending entries are [id, consumer, time, count] or
    [id, time, count].
    """
    if isinstance(reply, Map):
        kept = [(name, value) for name, value in reply.items if name not in _TIMES]
        return Map([(name, timeless(value)) for name, value in kept])
    if not isinstance(reply, list):
        return reply
    if len(reply) in (3, 4) and all(type(item) is int for item in reply[-2:]):
        return [*reply[:-2], reply[-1]]
    kept = []
    at = 0
    while at < len(reply):
        if isinstance(reply[at], bytes) and reply[at] in _TIMES:
            at += 2
        else:
            kept.append(timeless(reply[at]))
            at += 1
    return kept


# --- helpers -----------------------------------------------------------------------------


def _frozen(reply: Any) -> Any:
    """Return a hashable form in which exactly equal replies are equal."""
    if isinstance(reply, (list, Set, Push)):
        return (type(reply), tuple(map(_frozen, _items(reply))))
    if isinstance(reply, Map):
        return (Map, tuple((_frozen(key), _frozen(value)) for key, value in reply.items))
    if isinstance(reply, Double):
        return (Double, reply.text)
    if isinstance(reply, tuple):
        return tuple(map(_frozen, reply))
    if isinstance(reply, Attributed):
        return (Attributed, _frozen(reply.attributes), _frozen(reply.reply))
    if isinstance(reply, (Error, Verbatim)):
        return reply
    return (type(reply), reply)


def _sorted(reply: Any) -> Any:
    if isinstance(reply, (list, Set, Push)):
        return (type(reply), sorted(map(_sorted, _items(reply)), key=repr))
    if isinstance(reply, Map):
        return (Map, sorted(((_sorted(k), _sorted(v)) for k, v in reply.items), key=repr))
    return _frozen(reply)


def _items(reply: Any) -> list[Any]:
    return reply if isinstance(reply, list) else list(reply.items)


def _coupled(flat: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(flat[at : at + 2]) for at in range(0, len(flat), 2)]


def _is_scan(reply: Any) -> bool:
    return isinstance(reply, list) and len(reply) == 2 and isinstance(reply[0], bytes)
