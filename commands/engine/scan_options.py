"""The cursor and the options of SCAN, HSCAN, SSCAN and ZSCAN.

    cursor = parse_cursor(argv[2])
    value = ctx.db.read_as(argv[1], Hash)
    if value is None:
        return [b"0", []]
    options = parse_scan_options(argv, 3, bare=b"NOVALUES")

Redis does not parse the options if the key does not exist, so look up the key first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import INVALID_CURSOR, SYNTAX, CommandError
from commands.engine.numbers import UINT64_MAX
from commands.engine.patterns import Matcher, glob_matcher

# The syntax of C's strtoul; a negative number wraps around.
_CURSOR = re.compile(rb"([+-]?)0*+([0-9]*)").fullmatch
_DEFAULT_COUNT = 10
# Options that omit the values or scores, and the command that has each.
_BARE = {b"NOVALUES": "HSCAN", b"NOSCORES": "ZSCAN"}


@dataclass(slots=True)
class ScanOptions:
    """How many elements to visit, and which of them to return."""

    count: int = _DEFAULT_COUNT
    # None if everything matches.
    match: Matcher | None = None
    # A type name in lower case (SCAN only).
    kind: bytes | None = None
    # Return members only: without the values of HSCAN or the scores of ZSCAN.
    bare: bool = False

    def pick(self, members: Iterable[bytes]) -> list[bytes]:
        """Return the members that match."""
        match = self.match
        return list(members) if match is None else [m for m in members if match(m)]


def parse_cursor(text: bytes) -> int:
    # An embedded NUL ends the number, as it ends a C string.
    text = text.split(b"\0", 1)[0]
    found = _CURSOR(text)
    # `int` refuses very long numbers.
    if found is None or len(found[2]) > 20:
        raise CommandError(INVALID_CURSOR)
    sign, digits = found.groups()
    if text == sign != b"":
        raise CommandError(INVALID_CURSOR)
    number = int(digits or b"0")
    if number > UINT64_MAX:
        raise CommandError(INVALID_CURSOR)
    return -number & UINT64_MAX if sign == b"-" else number


def parse_scan_options(
    argv: list[bytes], start: int, *, typed: bool = False, bare: bytes | None = None
) -> ScanOptions:
    """Parse the options from `start` on.

    `typed` allows TYPE; `bare` is the option NOVALUES or NOSCORES, if the command has one.
    """
    options = ScanOptions()
    if len(argv) == start:
        return options
    arguments = Arguments(argv, start)
    while arguments:
        option = arguments.option()
        if option == b"COUNT" and arguments:
            options.count = arguments.integer()
            if options.count < 1:
                raise CommandError(SYNTAX)
        elif option == b"MATCH" and arguments:
            pattern = arguments.word()
            options.match = None if pattern == b"*" else glob_matcher(pattern)
        elif option == b"TYPE" and typed and arguments:
            options.kind = arguments.word().lower()
        elif option in _BARE:
            if option != bare:
                raise CommandError(
                    f"ERR {option.decode()} option can only be used in {_BARE[option]}"
                )
            options.bare = True
        else:
            raise CommandError(SYNTAX)
    return options
