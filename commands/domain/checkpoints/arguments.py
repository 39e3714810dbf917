"""Arguments of the commands about checkpoints."""

from __future__ import annotations

import re
from typing import Any

from commands.domain.errors import failure
from commands.domain.records import checked_json, write_json
from commands.engine.grammar import Argument, Integer
from commands.engine.numbers import UINT64_MAX

# A member of META costs a row in an index.
MOST_META_MEMBERS = 64
# Fewer brackets than this cannot nest too deep.
_LEVELS = 1000

_is_unsigned = re.compile(rb"[1-9][0-9]{0,19}|0").fullmatch


def Unsigned(name: str, token: str, *, optional: bool = False) -> Argument:  # noqa: N802
    """An integer of 64 bits without a sign, as steps are."""

    def convert(word: bytes) -> int:
        if not _is_unsigned(word) or int(word) > UINT64_MAX:
            raise failure(
                "ERR", "{} must be an integer from 0 to 18446744073709551615, not '{}'", token, word
            )
        return int(word)

    return Integer(name, token, optional=optional, low=0, high=UINT64_MAX, convert=convert)


def state(word: bytes) -> bytes:
    _check_json(word, "STATE")
    return word


def meta(word: bytes) -> bytes:
    value = _check_json(word, "META")
    if not isinstance(value, dict):
        raise failure("BADRECORD", "META is not a JSON object")
    if len(value) > MOST_META_MEMBERS:
        raise failure("BADRECORD", "META has more than 64 members")
    return word


def _check_json(word: bytes, argument: str) -> Any:
    """The value of a JSON text that is also valid inside an envelope."""
    value = checked_json(word, argument)
    # The parser has a limit of depth, and an envelope adds two levels.
    if word.count(b"[") + word.count(b"{") > _LEVELS:
        checked_json(b"[[%b]]" % word, argument)
    return value


def node(word: bytes) -> bytes:
    """The name of a node as JSON."""
    try:
        return write_json(word.decode())
    except UnicodeDecodeError:
        raise failure("BADRECORD", "NEXT is not UTF-8") from None
