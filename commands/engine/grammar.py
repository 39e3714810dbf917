"""The grammar of a command: its arguments, as declared and as COMMAND DOCS shows them.

    arguments=[Key("key", "RW access delete"), Integer("count", optional=True)]

Arity and key positions are derived from it (`registry`, `key_specs`), and `options` builds
a parser from it. The range of a number, its unit and a conversion belong to the declaration
too, so that help and errors can show them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword

from commands.engine.numbers import INT64_MAX, INT64_MIN

_KEY_ACCESS = frozenset(
    "RO RW OW RM access update insert delete not_key incomplete variable_flags".split()
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, or a group of them, as COMMAND DOCS describes it."""

    name: str
    kind: str
    token: str | None = None
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    since: str | None = None
    access: str = ""
    parts: tuple[Argument, ...] = ()
    # Of an integer: its range, what it counts (shown in help and errors), and Redis' error
    # texts for a word that is not an integer and for a number out of range (by default, the
    # same text).
    low: int = INT64_MIN
    high: int = INT64_MAX
    unit: str = ""
    message: str | None = None
    range_message: str | None = None
    # Of a string or an integer: makes the value, or raises CommandError.
    convert: Callable[[bytes], object] | None = None

    @property
    def field(self) -> str:
        """The name of this argument in a parsed request: its token, or else its name."""
        word = (self.token or self.name).lower().replace("-", "_").replace(" ", "_")
        return f"{word}_" if iskeyword(word) else word

    @property
    def least(self) -> int:
        """The smallest number of words it takes."""
        if self.optional:
            return 0
        words = 1 if self.token is not None else 0
        if self.kind == "oneof":
            words += min(part.least for part in self.parts)
        elif self.kind == "block":
            words += sum(part.least for part in self.parts)
        elif self.kind != "pure-token":
            words += 1
        return words

    @property
    def fixed(self) -> bool:
        """Whether it always takes the same number of words."""
        if self.optional or self.multiple:
            return False
        if self.kind == "oneof":
            return (
                all(part.fixed for part in self.parts) and len({p.least for p in self.parts}) == 1
            )
        return all(part.fixed for part in self.parts)


def _leaf(kind: str) -> Callable[..., Argument]:
    def make(
        name: str,
        token: str | None = None,
        *,
        optional: bool = False,
        multiple: bool = False,
        multiple_token: bool = False,
        since: str | None = None,
    ) -> Argument:
        return Argument(name, kind, token, optional, multiple, multiple_token, since)

    return make


Double = _leaf("double")
Pattern = _leaf("pattern")
UnixTime = _leaf("unix-time")


def String(  # noqa: N802 - these read as types in declarations
    name: str,
    token: str | None = None,
    *,
    optional: bool = False,
    multiple: bool = False,
    multiple_token: bool = False,
    since: str | None = None,
    convert: Callable[[bytes], object] | None = None,
) -> Argument:
    return Argument(
        name, "string", token, optional, multiple, multiple_token, since, convert=convert
    )


def Integer(  # noqa: N802
    name: str,
    token: str | None = None,
    *,
    optional: bool = False,
    multiple: bool = False,
    multiple_token: bool = False,
    since: str | None = None,
    low: int = INT64_MIN,
    high: int = INT64_MAX,
    unit: str = "",
    message: str | None = None,
    range_message: str | None = None,
    convert: Callable[[bytes], object] | None = None,
) -> Argument:
    return Argument(
        name,
        "integer",
        token,
        optional,
        multiple,
        multiple_token,
        since,
        low=low,
        high=high,
        unit=unit,
        message=message,
        range_message=range_message,
        convert=convert,
    )


def Key(  # noqa: N802
    name: str,
    access: str,
    token: str | None = None,
    *,
    optional: bool = False,
    multiple: bool = False,
    since: str | None = None,
) -> Argument:
    """A key. `access` is RO, RW, OW or RM with access, update, insert or delete."""
    unknown = set(access.split()) - _KEY_ACCESS
    if unknown:
        raise ValueError(f"unknown key access: {unknown}")
    return Argument(name, "key", token, optional, multiple, False, since, access)


def Token(  # noqa: N802
    word: str, *, name: str | None = None, optional: bool = False, since: str | None = None
) -> Argument:
    """A literal word. In COMMAND DOCS, a few have another name than the word."""
    name = name or word.lower().replace(" ", "-")
    return Argument(name, "pure-token", word, optional, False, False, since)


def OneOf(  # noqa: N802
    name: str,
    *parts: Argument,
    token: str | None = None,
    optional: bool = False,
    multiple: bool = False,
    since: str | None = None,
) -> Argument:
    return Argument(name, "oneof", token, optional, multiple, False, since, "", parts)


def ArgumentGroup(  # noqa: N802
    name: str,
    *parts: Argument,
    token: str | None = None,
    optional: bool = False,
    multiple: bool = False,
    multiple_token: bool = False,
    since: str | None = None,
) -> Argument:
    return Argument(name, "block", token, optional, multiple, multiple_token, since, "", parts)
