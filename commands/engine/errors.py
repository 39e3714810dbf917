"""Error replies and the texts, defined by Redis, that several commands use.

A handler raises `CommandError`; the dispatcher turns it into an error reply. The first word
of the text is the error's code.
"""

from __future__ import annotations


class CommandError(Exception):
    """An error reply. `text` starts with a code, for example `ERR syntax error`."""

    def __init__(self, text: str | bytes) -> None:
        self.text = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        super().__init__(self.text)

    @property
    def code(self) -> bytes:
        return self.text.split(b" ", 1)[0]


SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NOT_A_FLOAT = "ERR value is not a valid float"
MUST_BE_POSITIVE = "ERR value is out of range, must be positive"
NO_SUCH_KEY = "ERR no such key"
INDEX_OUT_OF_RANGE = "ERR index out of range"
SAME_OBJECT = "ERR source and destination objects are the same"
DB_INDEX_OUT_OF_RANGE = "ERR DB index is out of range"
INVALID_CURSOR = "ERR invalid cursor"
TIMEOUT_NOT_A_FLOAT = "ERR timeout is not a float or out of range"
TIMEOUT_NOT_AN_INTEGER = "ERR timeout is not an integer or out of range"
TIMEOUT_NEGATIVE = "ERR timeout is negative"
INCREMENT_OVERFLOW = "ERR increment or decrement would overflow"
INCREMENT_NAN_OR_INF = "ERR increment would produce NaN or Infinity"
STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
NOT_AUTHENTICATED = "NOAUTH Authentication required."
OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."


def wrong_arity(name: str) -> CommandError:
    return CommandError(f"ERR wrong number of arguments for '{name.lower()}' command")


def wrong_subcommand(argv: list[bytes]) -> CommandError:
    """The error of a known subcommand with arguments that it does not accept."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (argv[1], argv[0].upper())
    )


def invalid_expire(name: str) -> CommandError:
    return CommandError(f"ERR invalid expire time in '{name.lower()}' command")
