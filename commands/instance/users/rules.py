"""The rules of ACL SETUSER, redis.conf and the ACL file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from commands.engine.registry import own_groups
from commands.engine.words import split_words
from commands.instance.users.catalogue import Catalogue
from commands.instance.users.selectors import BOTH, READ, WRITE, Selector
from commands.instance.users.users import User, password_hash

_UNKNOWN = "Unknown command or category name in ACL"
_SYNTAX = "Syntax error"
_AFTER_ALL_KEYS = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns"
)
_AFTER_ALL_CHANNELS = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels"
)
_NOT_ADDED = "The password you are trying to remove from the user does not exist"
_BAD_HASH = (
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    "characters"
)
_FIRST_WORD_OF_SUBCOMMAND = "Allowing first-arg of a subcommand is not supported"

_is_hash = re.compile(rb"[0-9a-f]{64}").fullmatch
_has_spaces = re.compile(rb"[\s\0]").search
_READ_WRITE = {ord("R"): READ, ord("W"): WRITE}


class RuleError(ValueError):
    """A rule is not valid; the message is Redis'."""

    def __init__(self, rule: bytes, reason: str) -> None:
        self.rule = rule
        self.reason = reason
        super().__init__(reason)


class UnmatchedParenthesis(ValueError):
    """A selector has no closing parenthesis."""

    def __init__(self, start: bytes) -> None:
        self.start = start
        super().__init__(f"Unmatched parenthesis in acl selector starting at '{start!r}'")


def is_user_name(name: bytes) -> bool:
    return not _has_spaces(name)


def merge_selectors(words: Sequence[bytes]) -> list[bytes]:
    """Join the words of each selector: a rule may be given in one word or in several."""
    merged: list[bytes] = []
    opened: list[bytes] = []
    for word in words:
        if opened or (word.startswith(b"(") and not word.endswith(b")")):
            opened.append(word)
            if len(opened) > 1 and word.endswith(b")"):
                merged.append(b" ".join(opened))
                opened = []
        else:
            merged.append(word)
    if opened:
        raise UnmatchedParenthesis(opened[0])
    return merged


class Rules:
    """Changes users by rules."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def apply(self, user: User, rules: Sequence[bytes], *, all_channels: bool) -> None:
        """Apply rules in their order; RuleError at the first that is not valid.

        `all_channels` is what a selector starts with (`acl-pubsub-default`).
        """
        for rule in rules:
            reason = self._apply(user, rule, all_channels)
            if reason is not None:
                raise RuleError(rule, reason)

    def _apply(self, user: User, rule: bytes, all_channels: bool) -> str | None:
        """Apply a rule; the reason if it is not valid."""
        if not rule:
            return None
        mark = rule[:1]
        if mark in (b">", b"#", b"<", b"!"):
            return _change_password(user, mark, rule[1:])
        if mark == b"(" and rule.endswith(b")"):
            return self._add_selector(user, rule[1:-1], all_channels)
        match rule.lower():
            case b"on" | b"off" as word:
                user.enabled = word == b"on"
            case b"nopass":
                user.needs_no_password = True
                user.passwords.clear()
            case b"resetpass":
                user.needs_no_password = False
                user.passwords.clear()
            case b"sanitize-payload" | b"skip-sanitize-payload" as word:
                user.sanitizes = word == b"sanitize-payload"
            case b"clearselectors":
                del user.selectors[1:]
            case b"reset":
                user.become(User(user.name, all_channels=all_channels))
                user.sanitizes = True
            case _:
                return self._change(user.selectors[0], rule)
        return None

    def _add_selector(self, user: User, text: bytes, all_channels: bool) -> str | None:
        rules = split_words(text)
        if rules is None:
            return _SYNTAX
        selector = Selector(all_channels=all_channels)
        for rule in rules:
            reason = self._change(selector, rule)
            if reason is not None:
                return reason
        user.selectors.append(selector)
        return None

    # --- selectors --------------------------------------------------------------------------

    def _change(self, selector: Selector, rule: bytes) -> str | None:
        match rule.lower():
            case b"allkeys" | b"~*":
                selector.allow_all_keys()
            case b"resetkeys":
                selector.reset_keys()
            case b"allchannels" | b"&*":
                selector.allow_all_channels()
            case b"resetchannels":
                selector.reset_channels()
            case b"allcommands" | b"+@all":
                selector.allow_all_commands(self._catalogue)
            case b"nocommands" | b"-@all":
                selector.allow_no_commands()
            case _:
                return self._change_one(selector, rule)
        return None

    def _change_one(self, selector: Selector, rule: bytes) -> str | None:
        mark = rule[:1]
        if mark in (b"~", b"%"):
            return _add_keys(selector, rule)
        if mark == b"&":
            if selector.all_channels:
                return _AFTER_ALL_CHANNELS
            if _has_spaces(rule):
                return _SYNTAX
            selector.add_channels(rule[1:])
            return None
        if mark not in (b"+", b"-"):
            return _SYNTAX
        if rule[1:2] == b"@":
            return self._change_category(selector, mark, rule[1:])
        if mark == b"+" and b"|" in rule:
            return self._allow_part(selector, rule[1:])
        command = self._catalogue.find(rule[1:])
        if command is None:
            return _UNKNOWN
        selector.change_command(self._catalogue, command, allow=mark == b"+")
        selector.note_rule(mark, command.wire_name.encode())
        return None

    def _change_category(self, selector: Selector, mark: bytes, rule: bytes) -> str | None:
        name = rule[1:].lower()
        if name.decode("latin-1") not in self._catalogue.categories():
            return _UNKNOWN
        selector.change_category(self._catalogue, name.decode(), allow=mark == b"+")
        selector.note_rule(mark, b"@" + name)
        return None

    def _allow_part(self, selector: Selector, text: bytes) -> str | None:
        """`+command|subcommand`, or `+command|word` for a command without subcommands."""
        name, _, part = text.rpartition(b"|")
        command = self._catalogue.find(name)
        if command is None:
            return _UNKNOWN
        if b"|" in name:
            return _FIRST_WORD_OF_SUBCOMMAND
        if not part:
            return _SYNTAX
        if command.subcommands:
            found = self._catalogue.find(text)
            if found is None:
                return _UNKNOWN
            selector.change_command(self._catalogue, found, allow=True)
            selector.note_rule(b"+", found.wire_name.encode())
            return None
        if _has_spaces(part):
            # It would be read back as several rules.
            return _SYNTAX
        # Collections differ by case; the first words of Redis' commands do not.
        part = part if command.group in own_groups() else part.lower()
        selector.allow_first_word(command, part)
        selector.note_rule(b"+", b"%b|%b" % (command.wire_name.encode(), part))
        return None


def _change_password(user: User, mark: bytes, text: bytes) -> str | None:
    if mark in (b"#", b"!"):
        if not _is_hash(text):
            return _BAD_HASH
        known = text
    else:
        known = password_hash(text)
    if mark in (b">", b"#"):
        user.passwords[known] = None
        user.needs_no_password = False
    elif known in user.passwords:
        del user.passwords[known]
    else:
        return _NOT_ADDED
    return None


def _add_keys(selector: Selector, rule: bytes) -> str | None:
    if selector.all_keys:
        return _AFTER_ALL_KEYS
    access = BOTH
    letters, _, pattern = rule[1:].partition(b"~")
    if rule.startswith(b"~"):
        pattern = rule[1:]
    else:
        kinds = [_READ_WRITE.get(letter) for letter in letters.upper()]
        if not kinds or None in kinds or len(set(kinds)) != len(kinds):
            return _SYNTAX
        access = sum(kind for kind in kinds if kind is not None)
    if _has_spaces(pattern):
        return _SYNTAX
    selector.add_keys(pattern, access)
    return None
