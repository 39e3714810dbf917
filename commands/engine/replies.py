"""The replies that handlers return.

Most replies are plain Python values; only `server/wire/encoder.py` knows how each is
encoded in RESP2 and RESP3:

| value | meaning |
|---|---|
| `bytes`, `bytearray` | a bulk string |
| `str` | a status line, such as "OK" |
| `int` | an integer |
| `float` | a double (RESP2: a bulk string) |
| `bool` | a boolean (RESP2: 1 or 0) |
| `None` | null |
| `list`, `tuple` | an array |
| `dict` | a map (RESP2: a flat array) |

The other replies are the classes below. Never return a mutable value that stays in the
keyspace (except a bytearray: the encoder copies it at once).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TypeAlias, Union

Reply: TypeAlias = Union[
    bool,
    int,
    float,
    str,
    bytes,
    bytearray,
    Sequence["Reply"],
    Mapping[bytes, "Reply"],
    "NullArray",
    "NoReply",
    "ErrorReply",
    "SetReply",
    "Pairs",
    "Couples",
    "MapReply",
    "RandomPicks",
    "Verbatim",
    "DoubleText",
    "BigNumber",
    "Push",
    "Attributed",
    "Replies",
    "Encoded",
    None,
]
OK = "OK"


class NullArray:
    """The null of commands that otherwise return an array (RESP2 `*-1`)."""

    __slots__ = ()


class NoReply:
    """Nothing is sent to the client."""

    __slots__ = ()


NULL_ARRAY = NullArray()
NO_REPLY = NoReply()


class ErrorReply:
    """An error inside a larger reply (EXEC); handlers raise CommandError otherwise."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


class SetReply:
    """An unordered collection (RESP2: an array)."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Reply]) -> None:
        self.items = items if isinstance(items, list) else list(items)


class Pairs:
    """Pairs such as member and score: nested arrays in RESP3, a flat array in RESP2."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[tuple[Reply, Reply]]) -> None:
        self.items = items


class Couples:
    """Pairs such as key and entries: a map in RESP3, nested arrays in RESP2."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[tuple[Reply, Reply]]) -> None:
        self.items = items


class MapReply:
    """A map given as pairs, for keys that a dict cannot hold or that occur twice."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[tuple[Reply, Reply]]) -> None:
        self.items = items


class RandomPicks:
    """An array of items picked at random, so many that most of them occur repeatedly.

    The encoder picks among the encoded items, so that no pick needs an object of its own.
    """

    __slots__ = ("count", "items", "rng")

    def __init__(self, items: Sequence[Reply] | Pairs, count: int, rng: Random) -> None:
        self.items = items
        self.count = count
        self.rng = rng


class Verbatim:
    """Text with a format of three letters (RESP2: a bulk string)."""

    __slots__ = ("form", "text")

    def __init__(self, text: bytes, form: bytes = b"txt") -> None:
        self.text = text
        self.form = form


class DoubleText:
    """A double with digits other than those a score would be printed with."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


class BigNumber:
    """An integer beyond 64 bits (RESP2: a bulk string)."""

    __slots__ = ("digits",)

    def __init__(self, digits: bytes) -> None:
        self.digits = digits


class Push:
    """An out-of-band message (RESP2: an array)."""

    __slots__ = ("encoded", "items")

    def __init__(self, items: Sequence[Reply]) -> None:
        self.items = items
        # One message often goes to many clients: the encoder keeps the bytes per protocol.
        self.encoded: dict[int, bytes] = {}


class Attributed:
    """A reply with attributes before it (RESP2: the reply alone)."""

    __slots__ = ("attributes", "reply")

    def __init__(self, attributes: Sequence[tuple[Reply, Reply]], reply: Reply) -> None:
        self.attributes = attributes
        self.reply = reply


class Replies:
    """Several replies to one command, such as SUBSCRIBE to several channels."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[Reply]) -> None:
        self.items = items


class Encoded:
    """A reply that is already encoded."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data
