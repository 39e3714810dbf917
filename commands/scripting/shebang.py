"""The first line of a script or of a library: `#!lua flags=no-writes`, `#!lua name=library`."""

from __future__ import annotations

from commands.engine.errors import CommandError
from commands.engine.words import split_words

# What a script may declare, in the order in which Redis lists them.
FLAGS = (b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys")

_MARK = b"#!"
_ENGINE = b"lua"
_FLAGS_OPTION, _NAME_OPTION = b"flags=", b"name="
_BAD_NAME = (
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least "
    "one character long"
)
_NAME_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def split_shebang(body: bytes) -> tuple[bytes, frozenset[bytes] | None]:
    """A script without its first line, which stays as an empty one, and the flags in it.

    The flags are None if there is no such line: such scripts Redis treats as before version 7.
    """
    if not body.startswith(_MARK):
        return body, None
    line, rest = _first_line(body, "ERR Invalid script shebang")
    words = split_words(line)
    if not words:
        raise CommandError("ERR Invalid engine in script shebang")
    engine, *options = words
    if engine.lower() != _MARK + _ENGINE:
        raise CommandError(b"ERR Unexpected engine in script shebang: " + engine)
    flags: set[bytes] = set()
    for option in options:
        if not option.startswith(_FLAGS_OPTION):
            raise CommandError(b"ERR Unknown lua shebang option: " + option)
        given = option[len(_FLAGS_OPTION) :]
        for flag in given.split(b",") if given else ():
            if flag not in FLAGS:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + flag)
            flags.add(flag)
    return rest, frozenset(flags)


def split_metadata(code: bytes) -> tuple[bytes, bytes]:
    """The name of a library, and its code with an empty first line."""
    if not code.startswith(_MARK):
        raise CommandError("ERR Missing library metadata")
    invalid = "ERR Invalid library metadata"
    line, rest = _first_line(code, invalid)
    words = split_words(line)
    if not words:
        raise CommandError(invalid)
    engine, *options = words
    name: bytes | None = None
    for option in options:
        if option[: len(_NAME_OPTION)].lower() != _NAME_OPTION:
            raise CommandError(b"ERR Invalid metadata value given: " + option)
        if name is not None:
            raise CommandError("ERR Invalid metadata value, name argument was given multiple times")
        name = option[len(_NAME_OPTION) :]
    if name is None:
        raise CommandError("ERR Library name was not given")
    if not name or not _NAME_CHARACTERS.issuperset(name):
        raise CommandError(_BAD_NAME)
    if engine[len(_MARK) :].lower() != _ENGINE:
        raise CommandError(b"ERR Engine '%b' not found" % engine[len(_MARK) :])
    return name, rest


def _first_line(text: bytes, otherwise: str) -> tuple[bytes, bytes]:
    """The first line, and what begins with the end of it. It cannot contain a zero byte."""
    line, newline, rest = text.partition(b"\n")
    if not newline or b"\0" in line:
        raise CommandError(otherwise)
    return line, newline + rest
