"""Selectors: one set of commands, keys and channels that a user may use together."""

from __future__ import annotations

from collections.abc import Callable

from commands.engine.patterns import glob_matcher
from commands.engine.registry import Command
from commands.instance.users.catalogue import Catalogue

READ, WRITE = 1, 2
BOTH = READ | WRITE
_MARKS = {BOTH: b"~", READ: b"%R~", WRITE: b"%W~"}


class KeyPattern:
    """Keys that match a pattern may be read, written, or both."""

    __slots__ = ("access", "ends_open", "matches", "pattern")

    def __init__(self, pattern: bytes, access: int) -> None:
        self.pattern = pattern
        self.access = access
        self.matches: Callable[[bytes], bool] = glob_matcher(pattern)
        self.ends_open = _ends_open(pattern)

    def covers(self, start: bytes) -> bool:
        """Whether it matches every key that begins with `start`.

        What a final star leaves open after `start` it leaves open after anything longer.
        """
        return self.ends_open and self.matches(start)

    def __bytes__(self) -> bytes:
        return _MARKS[self.access] + self.pattern


def _ends_open(pattern: bytes) -> bool:
    """Whether the last part of a pattern is a star."""
    at, end, star = 0, len(pattern), False
    while at < end:
        byte = pattern[at : at + 1]
        star = byte == b"*"
        if byte == b"\\":
            at += 2
        elif byte == b"[":
            at += 1
            while at < end and pattern[at : at + 1] != b"]":
                at += 2 if pattern[at : at + 1] == b"\\" else 1
            at += 1
        else:
            at += 1
    return star


class Selector:
    """Commands, keys and channels; a new one grants nothing.

    `allowed` has the bits of commands (`catalogue`). `rules` are the rules that made it, the
    latest last, which is how the selector is shown.
    """

    __slots__ = (
        *("all_channels", "all_keys", "allowed", "channels", "every_command", "first_words"),
        *("future_commands", "keys", "rules"),
    )

    def __init__(self, *, all_channels: bool = False) -> None:
        self.all_keys = False
        self.all_channels = all_channels
        # By their patterns, in the order in which they were added.
        self.keys: dict[bytes, KeyPattern] = {}
        self.channels: dict[bytes, Callable[[bytes], bool]] = {}
        self.allowed = 0
        # Every command is granted, and none was taken away again.
        self.every_command = False
        # The rules start from `+@all`.
        self.future_commands = False
        # What a command that is not allowed may have as its first argument all the same.
        self.first_words: dict[Command, tuple[bytes, ...]] = {}
        self.rules: list[bytes] = []

    def copy(self) -> Selector:
        twin = Selector(all_channels=self.all_channels)
        twin.all_keys = self.all_keys
        twin.keys = {
            pattern: KeyPattern(pattern, each.access) for pattern, each in self.keys.items()
        }
        twin.channels = dict(self.channels)
        twin.allowed = self.allowed
        twin.every_command = self.every_command
        twin.future_commands = self.future_commands
        twin.first_words = dict(self.first_words)
        twin.rules = list(self.rules)
        return twin

    # --- keys and channels --------------------------------------------------------------

    def allow_all_keys(self) -> None:
        self.all_keys = True
        self.keys.clear()

    def reset_keys(self) -> None:
        self.all_keys = False
        self.keys.clear()

    def add_keys(self, pattern: bytes, access: int) -> None:
        known = self.keys.get(pattern)
        if known is None:
            self.keys[pattern] = KeyPattern(pattern, access)
        else:
            known.access |= access

    def allow_all_channels(self) -> None:
        self.all_channels = True
        self.channels.clear()

    def reset_channels(self) -> None:
        self.all_channels = False
        self.channels.clear()

    def add_channels(self, pattern: bytes) -> None:
        self.channels.setdefault(pattern, glob_matcher(pattern))

    # --- commands -------------------------------------------------------------------------

    def allow_all_commands(self, catalogue: Catalogue) -> None:
        self.allowed = catalogue.all
        self.every_command = self.future_commands = True
        self.first_words.clear()
        self.rules.clear()

    def allow_no_commands(self) -> None:
        self.allowed = 0
        self.every_command = self.future_commands = False
        self.first_words.clear()
        self.rules.clear()

    def change_command(self, catalogue: Catalogue, command: Command, *, allow: bool) -> None:
        """Allow or deny a command with all its subcommands."""
        for each in (command, *command.subcommands.values()):
            bit = catalogue.bits[each]
            if allow:
                self.allowed |= bit
            else:
                self.allowed &= ~bit
                self.every_command = False
        self.first_words.pop(command, None)

    def change_category(self, catalogue: Catalogue, category: str, *, allow: bool) -> None:
        bits, members = catalogue.category(category)
        if allow:
            self.allowed |= bits
        else:
            self.allowed &= ~bits
            self.every_command = False
        for command in members:
            self.first_words.pop(command, None)

    def allow_first_word(self, command: Command, word: bytes) -> None:
        known = self.first_words.get(command, ())
        if word not in known:
            self.first_words[command] = (*known, word)

    def note_rule(self, sign: bytes, rule: bytes) -> None:
        """Add a rule about commands in place of those that it replaces."""
        replaced = rule + b"|"
        self.rules = [
            each for each in self.rules if each[1:] != rule and not each[1:].startswith(replaced)
        ]
        self.rules.append(sign + rule)

    # --- what it grants -------------------------------------------------------------------

    @property
    def has_all_keys_to_read(self) -> bool:
        star = self.keys.get(b"*")
        return self.all_keys or (star is not None and bool(star.access & READ))

    def grants_key(self, key: bytes, access: int) -> bool:
        if self.all_keys:
            return True
        for pattern in self.keys.values():
            if pattern.access & access == access and pattern.matches(key):
                return True
        return False

    def grants_keys_from(self, start: bytes, access: int) -> bool:
        """Whether every key that begins with `start` may be used so."""
        if self.all_keys:
            return True
        return any(
            pattern.access & access == access and pattern.covers(start)
            for pattern in self.keys.values()
        )

    def grants_channel(self, channel: bytes, *, is_pattern: bool) -> bool:
        if self.all_channels:
            return True
        if is_pattern:
            return channel in self.channels
        return any(matches(channel) for matches in self.channels.values())

    def is_unlimited(self, catalogue: Catalogue) -> bool:
        return self.all_keys and self.all_channels and self.allowed == catalogue.all

    # --- how it is shown ------------------------------------------------------------------

    def show_keys(self) -> bytes:
        return b"~*" if self.all_keys else b" ".join(map(bytes, self.keys.values()))

    def show_channels(self) -> bytes:
        if self.all_channels:
            return b"&*"
        return b" ".join(b"&" + pattern for pattern in self.channels)

    def show_commands(self) -> bytes:
        return b" ".join([b"+@all" if self.future_commands else b"-@all", *self.rules])

    def show(self) -> bytes:
        """All of it, as rules that make it."""
        channels = self.show_channels()
        if not self.all_channels:
            channels = b"resetchannels " + channels if channels else b"resetchannels"
        parts = (self.show_keys(), channels, self.show_commands())
        return b" ".join(part for part in parts if part)
