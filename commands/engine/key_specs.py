"""Where the keys of a request stand, in the terms of COMMAND INFO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commands.engine.grammar import Argument


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Where some keys of a command stand.

    The search begins at the word `index`, or after the word `keyword` (searched from
    `start`, backwards if that is negative). It finds either a range, with `last` and
    `limit` counted as in Redis, or a count of keys followed by the keys.
    """

    access: str
    index: int | None = 1
    keyword: str | None = None
    start: int = 0
    last: int = 0
    step: int = 1
    limit: int = 0
    numkeys: bool = False
    # The spec is incomplete: it cannot be used to find the keys.
    unknown: bool = False

    def begin(self, argv: Sequence[bytes]) -> int | None:
        """The index at which the keys begin; None if the request has none."""
        if self.unknown:
            return None
        if self.keyword is None:
            assert self.index is not None
            return self.index if self.index < len(argv) else None
        wanted = self.keyword.upper().encode()
        if self.start >= 0:
            places = range(self.start, len(argv) - 1)
        else:
            places = range(len(argv) + self.start, 0, -1)
        for place in places:
            if argv[place].upper() == wanted:
                return place + 1
        return None

    def find(self, argv: Sequence[bytes]) -> list[int]:
        """The indexes of the keys in argv; none if a count does not fit."""
        first = self.begin(argv)
        if first is None:
            return []
        if self.numkeys:
            try:
                count = int(argv[first])
            except ValueError:
                return []
            if count < 1 or first + count * self.step >= len(argv) + (self.step - 1):
                return []
            return [first + 1 + i * self.step for i in range(count)]
        if self.last >= 0:
            end = first + self.last
        elif self.limit <= 1:
            end = len(argv) + self.last
        else:
            end = first + (len(argv) - first) // self.limit + self.last
        return list(range(first, min(end, len(argv) - 1) + 1, self.step))


def derive_key_specs(arguments: Sequence[Argument], offset: int) -> tuple[KeySpec, ...]:
    """Key specs of simple grammars: keys at fixed places, counted, or up to the end."""
    specs: list[KeySpec] = []
    at = offset
    for place, argument in enumerate(arguments):
        if argument.kind == "key" and argument.token is None:
            counted = place > 0 and arguments[place - 1].name == "numkeys"
            if counted:
                specs.append(KeySpec(argument.access, index=at - 1, numkeys=True))
                break
            if argument.multiple:
                after = sum(a.least for a in arguments[place + 1 :])
                specs.append(KeySpec(argument.access, index=at, last=-1 - after))
                break
            specs.append(KeySpec(argument.access, index=at))
            if argument.optional:
                break
        elif argument.kind == "block" and argument.multiple and not argument.optional:
            keyed = [part for part in argument.parts if part.kind == "key"]
            if keyed and argument.parts[0] is keyed[0]:
                width = len(argument.parts)
                specs.append(KeySpec(keyed[0].access, index=at, last=-1, step=width))
                break
        if not argument.fixed:
            break
        at += argument.least
    return tuple(specs)
