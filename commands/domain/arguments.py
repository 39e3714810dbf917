"""Arguments that the domain families share."""

from __future__ import annotations

from collections.abc import Callable

from commands.domain.errors import failure
from commands.domain.records import checked_json
from commands.engine.errors import CommandError
from commands.engine.grammar import Argument, Integer

# Any moment of the clock plus this stays below 2**53, up to which a score is exact.
LONGEST_MS = 2**52
MOST = 2**31 - 1


def Milliseconds(  # noqa: N802 - it reads as a type in declarations
    name: str, token: str | None = None, *, low: int = 1, optional: bool = True
) -> Argument:
    """A duration. It is short enough to be added to any moment."""
    return Integer(
        name,
        token,
        optional=optional and token is not None,
        low=low,
        high=LONGEST_MS,
        unit="milliseconds",
    )


def Count(  # noqa: N802
    name: str, token: str | None = None, *, low: int = 1, high: int = MOST
) -> Argument:
    """How many of something."""
    return Integer(name, token, optional=token is not None, low=low, high=high)


def utf8_text(what: str) -> Callable[[bytes], str]:
    """Return a conversion for text that becomes part of a JSON row, so must be UTF-8."""

    def convert(word: bytes) -> str:
        try:
            return word.decode()
        except UnicodeDecodeError:
            raise failure("BADRECORD", "{} is not valid UTF-8", what) from None

    return convert


def json_text(what: str) -> Callable[[bytes], str]:
    """Return a conversion for JSON that is kept as the text it is."""

    def convert(word: bytes) -> str:
        checked_json(word, what)
        return word.decode()

    return convert


def is_pool(name: bytes) -> bool:
    """Whether a pool can have this name.

    Keys have the pool as their hash tag. Without braces in its name the tag is the whole
    name, and no two pools share a key.
    """
    return bool(name) and b"{" not in name and b"}" not in name


def check_pool(name: bytes) -> None:
    """Raise an error unless a pool can have this name."""
    if not is_pool(name):
        raise CommandError("ERR the name of a pool must not be empty or contain braces")
