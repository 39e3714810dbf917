"""Users in files: the lines of the ACL file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable

from commands.instance.users.rules import (
    RuleError,
    Rules,
    UnmatchedParenthesis,
    is_user_name,
    merge_selectors,
)
from commands.instance.users.users import User

_NOTHING_CHANGED = (
    b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
)


class UserFileError(ValueError):
    """A file of users is not valid or cannot be written; `text` is Redis' message."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        super().__init__(text.decode("utf-8", "backslashreplace"))


def read_users(path: str, rules: Rules, default: User, *, all_channels: bool) -> dict[bytes, User]:
    """Read the users of an ACL file; UserFileError names each line that is not valid.

    `default` is what the default user is if the file does not define it.
    """
    name = os.fsencode(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        reason = (error.strerror or "").encode()
        raise UserFileError(b"Error loading ACLs, opening file '%b': %b" % (name, reason)) from None
    return parse_users(data, name, rules, default, all_channels=all_channels)


def parse_users(
    data: bytes, name: bytes, rules: Rules, default: User, *, all_channels: bool
) -> dict[bytes, User]:
    users: dict[bytes, User] = {}
    errors: list[bytes] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        stripped = line.strip(b" \t\r\n")
        if not stripped:
            continue
        words = [word for word in stripped.split(b" ") if word]
        place = b"%b:%d" % (name, number)
        if words[0] != b"user" or len(words) < 2:
            errors.append(b"%b should start with user keyword followed by the username. " % place)
            continue
        if words[1] in users:
            shown = (words[1], number)
            errors.append(b"WARNING: Duplicate user '%b' found on line %d. " % shown)
            continue
        if not is_user_name(words[1]):
            shown_name = b"'%b: username '%b' contains invalid characters. "
            errors.append(shown_name % (place, words[1]))
            continue
        user = User(words[1], all_channels=all_channels)
        reason = _apply(rules, user, words[2:], place, all_channels)
        if reason is not None:
            errors.append(reason)
        users[user.name] = user
    if errors:
        raise UserFileError(b"".join(errors) + _NOTHING_CHANGED)
    users.setdefault(default.name, default)
    return users


def _apply(
    rules: Rules, user: User, words: list[bytes], place: bytes, all_channels: bool
) -> bytes | None:
    """Apply the rules of a line; the error if they are not valid.

    Of the rule itself only the name of a command or category is shown, never a password.
    """
    try:
        rules.apply(user, merge_selectors(words), all_channels=all_channels)
    except UnmatchedParenthesis as error:
        return b"%b: Unmatched parenthesis in selector definition '%b'. " % (place, error.start)
    except RuleError as error:
        if error.rule[:1] in (b"+", b"-"):
            shown = (place, error.rule, error.reason.encode())
            return b"%b: Error in applying operation '%b': %b. " % shown
        return b"%b: %b. " % (place, error.reason.encode())
    return None


def write_users(
    path: str, users: Iterable[User], rules: Rules, default: User, *, all_channels: bool
) -> None:
    """Replace the ACL file; OSError or UserFileError if that is not possible.

    It is written only if reading it gives the same users.
    """
    lines = {user.name: user.line() for user in users}
    data = b"".join(line + b"\n" for line in lines.values())
    read = parse_users(data, b"new file", rules, default, all_channels=all_channels)
    if {user.name: user.line() for user in read.values()} != lines:
        raise UserFileError(b"the users cannot be written")
    # If the path is a symbolic link, replace its target and keep the link.
    target = os.path.realpath(path)
    directory, name = os.path.split(target)
    # Created exclusively and readable by its owner only: it has hashes of passwords.
    descriptor, temporary = tempfile.mkstemp(prefix=f"{name}.", suffix=".tmp", dir=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError:
        os.unlink(temporary)
        raise
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
