"""One declaration per command, and all that is derived from it.

    @command(
        "LPOP", group="list", since="1.0.0", flags="write fast", complexity="O(N)",
        summary="Remove and return the first elements of a list.",
        arguments=[Key("key", "RW access delete"), Integer("count", optional=True)],
    )
    def lpop(ctx: Context, argv: list[bytes]) -> Reply: ...

Arity, key positions, ACL categories, COMMAND INFO/DOCS/GETKEYS, HELP and the command
reference are derived. A subcommand is declared by its two words ("CLIENT LIST") under a
container (`containers`). A declaration that contradicts itself fails at import.

The tables below are filled while the family modules are imported and never change
afterwards: they are constants. What an instance knows about a command (calls, time) lives
in the instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from commands.engine.grammar import Argument
from commands.engine.key_specs import KeySpec, derive_key_specs
from commands.engine.options import ArgumentParser

# A handler takes a context and the words of the request. The context belongs to an
# instance, of which nothing is known here, so its type is left open.
Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)

FLAGS = frozenset(
    "write readonly denyoom admin pubsub noscript blocking loading stale skip_monitor "
    "skip_slowlog asking fast no_auth may_replicate no_mandatory_keys allow_busy "
    "no_async_loading no_multi movablekeys".split()
)

CATEGORIES = frozenset(
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub "
    "admin fast slow blocking dangerous connection transaction scripting".split()
)

# Group to the ACL category of its commands; None for groups that have none.
_groups: dict[str, str | None] = {
    "generic": "keyspace",
    "string": "string",
    "bitmap": "bitmap",
    "hash": "hash",
    "list": "list",
    "set": "set",
    "sorted_set": "sortedset",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "stream": "stream",
    "pubsub": "pubsub",
    "transactions": "transaction",
    "connection": "connection",
    "scripting": "scripting",
    "server": None,
    "cluster": None,
}
# Group to the title of its page in the command reference.
_own_groups: dict[str, str] = {}


def declare_group(name: str, title: str) -> None:
    """Declare a group that Redis does not have; its ACL category has the same name.

    `title` is that of its page in the command reference.
    """
    if name in _groups:
        raise ValueError(f"the group {name} is declared twice")
    _groups[name] = name
    _own_groups[name] = title


def own_groups() -> Mapping[str, str]:
    """Return the groups that Redis does not have, with their titles."""
    return _own_groups


def group_category(group: str) -> str | None:
    return _groups.get(group)


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command as declared, with what follows from it."""

    name: str  # upper case; subcommands have both words
    group: str
    summary: str
    since: str
    complexity: str
    flags: frozenset[str]
    arguments: tuple[Argument, ...]
    handler: Handler
    arity: int
    keys: tuple[KeySpec, ...]
    categories: frozenset[str]
    tips: tuple[str, ...]
    history: tuple[tuple[str, str], ...] = ()
    deprecated: tuple[str, str] | None = None
    subcommands: dict[str, Command] = field(default_factory=dict)
    # Finds the keys where specs cannot (SORT).
    key_finder: Callable[[Sequence[bytes]], list[int]] | None = None
    # The key at a place, where it is only a part of the word.
    key_name: Callable[[Sequence[bytes], int], bytes] | None = None

    @property
    def wire_name(self) -> str:
        """The name in COMMAND INFO and ACL rules: lower case, subcommands after a bar."""
        return self.name.lower().replace(" ", "|")

    @property
    def writes(self) -> bool:
        return "write" in self.flags

    def accepts(self, words: int) -> bool:
        return words == self.arity if self.arity >= 0 else words >= -self.arity

    def key_indexes(self, argv: Sequence[bytes]) -> list[int]:
        """Where the keys stand in a request of this command."""
        if self.key_finder is not None:
            return self.key_finder(argv)
        found: list[int] = []
        for spec in self.keys:
            if "not_key" not in spec.access.split():
                found.extend(spec.find(argv))
        return found

    def key_at(self, argv: Sequence[bytes], place: int) -> bytes:
        """The key that the word at a place names."""
        return argv[place] if self.key_name is None else self.key_name(argv, place)

    @property
    def key_range(self) -> tuple[int, int, int]:
        """First key, last key and step: the older form of key specs in COMMAND INFO."""
        specs = [s for s in self.keys if s.keyword is None and not s.numkeys and not s.unknown]
        if not specs:
            return (0, 0, 0)
        first = min(s.index or 0 for s in specs)
        if any(s.last < 0 for s in specs):
            last = min(s.last for s in specs)
        else:
            last = max((s.index or 0) + s.last for s in specs)
        return (first, last, specs[0].step)


_declared: dict[str, Command] = {}


def _categories(group: str, flags: frozenset[str], extra: str) -> frozenset[str]:
    categories = set(extra.split())
    own = group_category(group)
    if own is not None:
        categories.add(own)
    if "write" in flags:
        categories.add("write")
    if "readonly" in flags and group != "scripting":
        categories.add("read")
    if "admin" in flags:
        categories |= {"admin", "dangerous"}
    if "pubsub" in flags:
        categories.add("pubsub")
    if "blocking" in flags:
        categories.add("blocking")
    categories.add("fast" if "fast" in flags else "slow")
    return frozenset(categories)


def command(
    name: str,
    *,
    group: str,
    summary: str,
    since: str,
    flags: str,
    arguments: Sequence[Argument] = (),
    complexity: str = "O(1)",
    arity: int | None = None,
    keys: Sequence[KeySpec] | None = None,
    key_finder: Callable[[Sequence[bytes]], list[int]] | None = None,
    key_name: Callable[[Sequence[bytes], int], bytes] | None = None,
    categories: str = "",
    without: str = "",
    tips: Sequence[str] = (),
    history: Sequence[tuple[str, str]] = (),
    deprecated: tuple[str, str] | None = None,
    request: type[object] | None = None,
) -> Callable[[H], H]:
    """Declare the decorated handler as a command.

    Arity, key specs and ACL categories are derived. `arity` overrides the derived arity for
    the few commands where Redis declares another; `keys` is needed where key positions do
    not follow from the arguments. `categories` adds ACL categories and `without` removes
    some. `deprecated` is (version, replacement). With `request`, the handler gets an object
    of that class in place of the words; see `commands.engine.options`.
    """
    flag_set = frozenset(flags.split())
    words = name.split(" ")
    derived_arity = len(words) + sum(a.least for a in arguments)
    if not all(a.fixed for a in arguments):
        derived_arity = -derived_arity
    specs = tuple(keys) if keys is not None else derive_key_specs(arguments, len(words))
    if any(s.keyword is not None or s.numkeys or s.unknown for s in specs) or key_finder:
        flag_set |= {"movablekeys"}
    effective = _categories(group, flag_set, categories) - set(without.split())
    unknown = (
        flag_set - FLAGS
        or effective - CATEGORIES - _own_groups.keys()
        or ({group} - _groups.keys())
        or ({"write", "readonly"} if {"write", "readonly"} <= flag_set else set())
    )
    if unknown:
        raise ValueError(f"{name}: {sorted(unknown)} are unknown or contradict each other")
    if not summary.endswith("."):
        raise ValueError(f"{name}: the summary must end with a full stop")
    if name != name.upper() or len(words) > 2:
        raise ValueError(f"{name}: a name must be one or two words in upper case")

    def declare(handler: H) -> H:
        called: Handler = handler
        own = group in _own_groups
        if request is not None:
            called = _parsing(handler, ArgumentParser(name, request, arguments, own=own))
        if own:
            called = _named(called, name)
        entry = Command(
            name=name,
            group=group,
            summary=summary,
            since=since,
            complexity=complexity,
            flags=flag_set,
            arguments=tuple(arguments),
            handler=called,
            arity=derived_arity if arity is None else arity,
            keys=specs,
            categories=effective,
            tips=tuple(tips),
            history=tuple(history),
            deprecated=deprecated,
            key_finder=key_finder,
            key_name=key_name,
        )
        if len(words) == 1:
            table, word = _declared, name
        else:
            parent = _declared.get(words[0])
            if parent is None:
                raise ValueError(f"{name}: its container is not declared")
            table, word = parent.subcommands, words[1]
        if word in table:
            raise ValueError(f"{name} is declared twice")
        table[word] = entry
        return handler

    return declare


def _parsing(handler: Handler, parser: ArgumentParser[Any]) -> Handler:
    """The handler as the dispatcher calls it, with the words of a request."""
    parse = parser.parse

    @wraps(handler)
    def called(ctx: object, argv: list[bytes]) -> object:
        return handler(ctx, parse(argv))

    return called


def _named(handler: Handler, name: str) -> Handler:
    """A handler that tells its context which command it runs, for the events of the command."""

    @wraps(handler)
    def called(ctx: Any, argv: list[bytes]) -> object:
        ctx.begin(name)
        return handler(ctx, argv)

    return called


def commands() -> dict[str, Command]:
    """All top-level commands by upper-case name; complete once the families are loaded."""
    return _declared
