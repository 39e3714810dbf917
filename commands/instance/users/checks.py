"""Whether a user may run a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from commands.engine.errors import CommandError
from commands.engine.footprints import Footprint, footprint_of, whole_family
from commands.engine.key_uses import key_uses
from commands.engine.registry import Command, own_groups
from commands.instance.users.selectors import READ, WRITE, Selector
from commands.instance.users.users import User

Reason = Literal["command", "key", "channel"]

_WRITES = frozenset(("insert", "update", "delete"))
# Commands that name channels: where these begin, whether they go on to the end, and whether they
# are patterns.
_CHANNELS = {
    "SUBSCRIBE": (1, True, False),
    "SSUBSCRIBE": (1, True, False),
    "PSUBSCRIBE": (1, True, True),
    "PUBLISH": (1, False, False),
    "SPUBLISH": (1, False, False),
}
# Of the refusals of several selectors, the one with the highest rank is told.
_RANKS: dict[Reason, int] = {"command": 1, "key": 2, "channel": 3}


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is refused: the command, or the place and text of a key or channel."""

    reason: Reason
    object: bytes
    place: int = 0


class _Use(NamedTuple):
    """A use of a key, or of all keys that begin with a text."""

    place: int
    key: bytes
    access: int
    whole: bool = False


Uses = Callable[[Sequence[bytes]], list[_Use]]


class _Facts:
    """What is checked of each request of a command."""

    __slots__ = ("bit", "channels", "exact_words", "name", "needs_permission", "uses")

    def __init__(self, command: Command, bit: int, *, hash_tags: bool) -> None:
        self.bit = bit
        self.name = command.wire_name.encode()
        # AUTH, HELLO, QUIT and RESET are for everyone.
        self.needs_permission = "no_auth" not in command.flags
        self.channels = _CHANNELS.get(command.name)
        self.exact_words = command.group in own_groups()
        self.uses = _uses_of(command, hash_tags)


class Checks:
    """Checks requests by the rules of users."""

    def __init__(self, bits: dict[Command, int], *, hash_tags: bool) -> None:
        self._bits = bits
        self._hash_tags = hash_tags
        self._facts: dict[Command, _Facts] = {}

    def denial(self, user: User, command: Command, argv: Sequence[bytes]) -> Denial | None:
        """Why the user may not run a request; None if it may.

        A single selector must grant all of it.
        """
        facts = self._facts.get(command)
        if facts is None:
            facts = _Facts(command, self._bits[command], hash_tags=self._hash_tags)
            self._facts[command] = facts
        worst: Denial | None = None
        for selector in user.selectors:
            found = self._refused_by(selector, command, facts, argv)
            if found is None:
                return None
            if worst is None or _weight(found) > _weight(worst):
                worst = found
        return worst

    def may_read_all_keys(self, user: User, command: Command, argv: Sequence[bytes]) -> bool:
        """Whether a selector grants the request and every key to read: for SORT with patterns."""
        self.denial(user, command, argv)
        facts = self._facts[command]
        return any(
            selector.has_all_keys_to_read
            and self._refused_by(selector, command, facts, argv) is None
            for selector in user.selectors
        )

    @staticmethod
    def _refused_by(
        selector: Selector, command: Command, facts: _Facts, argv: Sequence[bytes]
    ) -> Denial | None:
        if (
            not selector.allowed & facts.bit
            and facts.needs_permission
            and not _has_first_word(selector, command, facts, argv)
        ):
            return Denial("command", facts.name)
        if facts.uses is not None and not selector.all_keys:
            for use in facts.uses(argv):
                grants = selector.grants_keys_from if use.whole else selector.grants_key
                if not grants(use.key, use.access):
                    return Denial("key", use.key + b"*" if use.whole else use.key, use.place)
        if facts.channels is not None and not selector.all_channels:
            start, to_end, is_pattern = facts.channels
            for place in range(start, len(argv) if to_end else min(start + 1, len(argv))):
                if not selector.grants_channel(argv[place], is_pattern=is_pattern):
                    return Denial("channel", argv[place], place)
        return None


def _weight(denial: Denial) -> tuple[int, int]:
    return _RANKS[denial.reason], denial.place


def _has_first_word(
    selector: Selector, command: Command, facts: _Facts, argv: Sequence[bytes]
) -> bool:
    words = selector.first_words.get(command)
    if words is None or len(argv) < 2:
        return False
    return (argv[1] if facts.exact_words else argv[1].lower()) in words


# --- the keys of a request ---------------------------------------------------------------------


def _uses_of(command: Command, hash_tags: bool) -> Uses | None:
    """How requests of a command use keys; None if it has no keys."""
    footprint = footprint_of(command)
    if footprint is not None:
        return _collection_uses(command, footprint, hash_tags)
    specs = [spec for spec in command.keys if "not_key" not in spec.access]
    if not specs and command.key_finder is None:
        return None

    def uses(argv: Sequence[bytes]) -> list[_Use]:
        found = key_uses(command, argv)
        return [_Use(place, argv[place], _access(words)) for place, words in found.items()]

    if command.name == "SET":
        # Most requests have no options, and the options are what decides.
        return lambda argv: [_Use(1, argv[1], WRITE)] if len(argv) == 3 else uses(argv)
    if len(specs) > 1 or command.key_finder is not None or command.name == "BITFIELD":
        return uses
    spec, access = specs[0], _access(specs[0].access)
    place = spec.index
    if place is None or spec.keyword or spec.numkeys or spec.unknown or spec.last:
        return uses
    return lambda argv: [_Use(place, argv[place], access)] if place < len(argv) else []


def _collection_uses(command: Command, footprint: Footprint, hash_tags: bool) -> Uses:
    access = _access(" ".join(spec.access for spec in command.keys))
    if not command.keys:
        access = WRITE | READ if command.writes else READ

    def uses(argv: Sequence[bytes]) -> list[_Use]:
        try:
            touched = footprint(command, argv, hash_tags)
        except (CommandError, IndexError):
            touched = whole_family(command)
        return [_Use(1, each.start, access, not each.exact) for each in touched]

    return uses


def _access(words: str) -> int:
    """What a use in the words of key specs needs. One that shows nothing of the value and does
    not change it (EXISTS) needs any permission for the key."""
    named = frozenset(words.split())
    return (READ if "access" in named else 0) | (WRITE if named & _WRITES else 0)
