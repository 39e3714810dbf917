"""SORT: the elements of a list, set or sorted set in order, or values they refer to.

The options are not parsed from the declaration: ASC and DESC may both be given, and the last
one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Argument, ArgumentGroup, Integer, Key, OneOf, Pattern, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import read_float
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.engine.slots import key_slot, pattern_slot
from commands.instance.context import Context
from storage.database import Database
from storage.errors import WrongType
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet

_NOT_NUMBERS = "ERR One or more scores can't be converted into double"
_SPACES = b" \t\n\v\f\r"
_COMPLEXITY = "O(N+M*log(M)) for N elements, M of them returned; O(N) if BY disables sorting."
_ARGUMENTS: tuple[Argument, ...] = (
    Key("key", "RO access"),
    Pattern("by-pattern", "BY", optional=True),
    ArgumentGroup("limit", Integer("offset"), Integer("count"), token="LIMIT", optional=True),
    Pattern("get-pattern", "GET", optional=True, multiple=True, multiple_token=True),
    OneOf("order", Token("ASC"), Token("DESC"), optional=True),
    Token("ALPHA", name="sorting", optional=True),
)
# The keys that BY and GET look up depend on the elements.
_KEYS = (KeySpec("RO access"), KeySpec("RO access", unknown=True))


@dataclass(slots=True)
class _Request:
    """The parsed request, without its key."""

    by: _Lookup | None = None
    get: list[_Lookup] = field(default_factory=list)
    # The BY pattern has no star, so it is the same for all elements: keep their order.
    unsorted: bool = False
    alpha: bool = False
    descending: bool = False
    offset: int = 0
    count: int = -1
    target: bytes | None = None


@dataclass(slots=True)
class _Lookup:
    """A pattern of BY or GET: the key, or the field of a hash, to read for an element."""

    prefix: bytes
    suffix: bytes
    field: bytes | None
    # `#` is the element itself; any other pattern without a star finds nothing.
    itself: bool
    finds_nothing: bool

    @classmethod
    def parse(cls, pattern: bytes) -> _Lookup:
        prefix, star, rest = pattern.partition(b"*")
        suffix, _, hash_field = rest.partition(b"->")
        if not hash_field:
            suffix = rest
        return cls(prefix, suffix, hash_field or None, pattern == b"#", not star)

    def find(self, db: Database, element: bytes) -> bytes | None:
        if self.itself:
            return element
        if self.finds_nothing:
            return None
        value = db.read(self.prefix + element + self.suffix)
        if self.field is not None:
            return value.get(self.field) if value.__class__ is Hash else None
        if value.__class__ is bytes or value.__class__ is bytearray:
            return bytes(value)
        return None


def _find_keys(argv: Sequence[bytes]) -> list[int]:
    """Return the places of the key that is sorted and of the last one after STORE."""
    found, place = [1], 2
    target = None
    skipped = {b"LIMIT": 2, b"GET": 1, b"BY": 1}
    while place < len(argv):
        word = argv[place].upper()
        if word == b"STORE" and place + 1 < len(argv):
            target = place + 1
        place += 1 + skipped.get(word, 0)
    return found if target is None else [*found, target]


@command(
    "SORT",
    group="generic",
    since="1.0.0",
    flags="write denyoom",
    complexity=_COMPLEXITY,
    categories="set sortedset list dangerous",
    without="keyspace",
    summary="Sorts the elements of a list, set or sorted set, and can store the result.",
    arguments=[*_ARGUMENTS, Key("destination", "OW update", "STORE", optional=True)],
    keys=[*_KEYS, KeySpec("OW update", unknown=True)],
    key_finder=_find_keys,
)
def sort(ctx: Context, argv: list[bytes]) -> Reply:
    request = _parse(ctx, argv, may_store=True)
    rows = _sorted_elements(ctx, argv[1], request)
    if request.target is None:
        return _get_values(ctx.db, rows, request)
    return _store(ctx, request.target, _get_values(ctx.db, rows, request))


@command(
    "SORT_RO",
    group="generic",
    since="7.0.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    categories="set sortedset list dangerous",
    without="keyspace",
    summary="Returns the sorted elements of a list, set or sorted set.",
    arguments=_ARGUMENTS,
    keys=_KEYS,
)
def sort_ro(ctx: Context, argv: list[bytes]) -> Reply:
    request = _parse(ctx, argv, may_store=False)
    return _get_values(ctx.db, _sorted_elements(ctx, argv[1], request), request)


def _parse(ctx: Context, argv: list[bytes], *, may_store: bool) -> _Request:
    request = _Request()
    arguments = Arguments(argv, 2)
    while arguments:
        option = arguments.option()
        if option == b"ASC":
            request.descending = False
        elif option == b"DESC":
            request.descending = True
        elif option == b"ALPHA":
            request.alpha = True
        elif option == b"LIMIT" and len(arguments) >= 2:
            request.offset = arguments.integer()
            request.count = arguments.integer()
        elif option == b"BY" and arguments:
            pattern = arguments.word()
            if b"*" in pattern:
                _check_slot(ctx, argv[1], pattern, "BY")
                _check_may_look_up(ctx, argv, b"BY")
                request.by = _Lookup.parse(pattern)
            else:
                request.unsorted = True
        elif option == b"GET" and arguments:
            pattern = arguments.word()
            _check_slot(ctx, argv[1], pattern, "GET")
            _check_may_look_up(ctx, argv, b"GET")
            request.get.append(_Lookup.parse(pattern))
        elif option == b"STORE" and may_store and arguments:
            request.target = arguments.word()
        else:
            raise CommandError(SYNTAX)
    return request


def _check_may_look_up(ctx: Context, argv: list[bytes], option: bytes) -> None:
    """Raise an error unless the user may read all keys: a pattern can name any of them."""
    if ctx.client.restricted:
        bound = ctx.instance.find_command(argv)
        assert bound is not None
        if not ctx.instance.users.may_read_all_keys(ctx.client.user, bound.command, argv):
            raise CommandError(
                b"ERR %b option of SORT denied due to insufficient ACL permissions." % option
            )


def _check_slot(ctx: Context, key: bytes, pattern: bytes, option: str) -> None:
    """In a cluster, the keys that a pattern names must be in the slot of the key."""
    if b"*" in pattern and pattern_slot(pattern) != key_slot(key):
        ctx.refuse_in_cluster(f"{option} option of SORT denied in Cluster mode.")


def _sorted_elements(ctx: Context, key: bytes, request: _Request) -> list[bytes]:
    """Return the elements in the requested order and range."""
    value = ctx.db.read(key)
    if value is None:
        return []
    if value.__class__ not in (List, Set, SortedSet):
        raise WrongType
    if value.__class__ is SortedSet:
        # Redis converts to the full encoding in order to sort, which clients can see.
        value.packed = False
    start, stop = _limits(request, len(value))
    if request.unsorted:
        # A set is unordered, so a stored result is sorted to be reproducible.
        if value.__class__ is Set and request.target is not None:
            return sorted(value, reverse=request.descending)[start:stop]
        return _in_own_order(value, request, start, stop)
    elements = list(value)
    if request.by is None and request.alpha:
        elements.sort(reverse=request.descending)
        return elements[start:stop]
    if request.alpha:
        # Elements with equal texts keep their order; those with equal numbers are compared.
        by_text = [(_text_weight(ctx.db, element, request), element) for element in elements]
        by_text.sort(key=itemgetter(0), reverse=request.descending)
        return [element for _, element in by_text[start:stop]]
    by_number = [(_numeric_weight(ctx.db, element, request), element) for element in elements]
    by_number.sort(reverse=request.descending)
    return [element for _, element in by_number[start:stop]]


def _limits(request: _Request, size: int) -> tuple[int, int]:
    """Convert LIMIT into a slice of `size` elements."""
    start = min(max(0, request.offset), size)
    if request.count < 0:
        return start, size
    return start, min(start + request.count, size)


def _in_own_order(
    value: List | Set | SortedSet, request: _Request, start: int, stop: int
) -> list[bytes]:
    if isinstance(value, Set):
        return list(value)[start:stop]
    if request.descending:
        start, stop = len(value) - stop, len(value) - start
    part: list[bytes]
    if isinstance(value, List):
        part = value.window(start, stop)
    else:
        part = [member for _, member in value.pairs(start, stop)]
    if request.descending:
        part.reverse()
    return part


def _text_weight(db: Database, element: bytes, request: _Request) -> tuple[bool, bytes]:
    """Return the text to sort by; elements without one come first."""
    text = element if request.by is None else request.by.find(db, element)
    return text is not None, text or b""


def _numeric_weight(db: Database, element: bytes, request: _Request) -> float:
    """Return the number to sort by; elements without one count as zero."""
    text = element if request.by is None else request.by.find(db, element)
    if text is None:
        return 0.0
    # C skips spaces before a number.
    number = read_float(text.lstrip(_SPACES))
    if number is None:
        raise CommandError(_NOT_NUMBERS)
    return number


def _get_values(db: Database, elements: list[bytes], request: _Request) -> list[bytes | None]:
    if not request.get:
        return list(elements)
    return [lookup.find(db, element) for element in elements for lookup in request.get]


def _store(ctx: Context, target: bytes, rows: list[bytes | None]) -> int:
    if not rows:
        ctx.db.delete(target, even_expired=True)
        return 0
    items = [row or b"" for row in rows]
    ctx.db.fetch(target)
    ctx.db.store(target, List.of(items, ctx.limits), "sortstore", count=len(items))
    return len(items)
