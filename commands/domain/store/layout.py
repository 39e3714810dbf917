"""The keys of STORE entries, and the order in which they are kept.

An entry is the string `entelix:store:<tenant>:<namespace>:<key>`: the tenant, the rendered
namespace (which begins with the tenant, too), and the key, each escaped as described in
`namespaces`. With `hash-tags` the first tenant is written in braces.

Byte order of keys would mix the entries of `acme:a` with those of `acme:a:b` and of
`acme:ab`, so that reading one namespace would mean reading others as well. The ordered index
therefore keeps each key at a *place*:

    entelix:store: <segment> 00 01 <segment> ... 00 00 <key as the client gave it>

with a NUL inside a segment written `00 ff`. In this order the entries of a namespace are
adjacent and in byte order of their keys. Those of the namespaces within it follow, and then
those of its next sibling.

Beside an entry there may be two strings, under the rest of its key. They have the TTL of the
entry, and are removed with it by STORE commands and, after a plain DEL, by a patrol
(`companions`):

| key | holds |
|---|---|
| `redkeep:store:times:<rest>` | when it was created and last put, in epoch ms |
| `redkeep:store:vector:<rest>` | its vector: 32-bit floats, little-endian |

The hash `redkeep:store:indexes` says which namespaces have an index (`indexes`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from commands.domain.namespaces import escape, split, tenant_part, unescape, unescape_valid
from commands.engine.key_layouts import declare_layout
from commands.instance.context import Context

STORE_PREFIX = b"entelix:store:"
TIMES_PREFIX = b"redkeep:store:times:"
VECTOR_PREFIX = b"redkeep:store:vector:"
END, CHILD, BEYOND = b"\0\0", b"\0\1", b"\0\2"

# Yields places in order: all of them, or those behind one.
Places = Callable[[bytes | None], Iterator[bytes]]

_BYTES_OF_ENTRY = 2048
_START = len(STORE_PREFIX)
_SEGMENTS = re.compile(rb"(?:[^:\\]|\\[:\\])*+")


def _place(key: bytes, *, tagged: bool) -> bytes | None:
    text = key[_START:]
    if _is_plain(text):
        part, _, named = text.partition(b":")
        name, colon, leaf = named.rpartition(b":")
        if not colon:
            return None
        tenant, head = name.partition(b":")[0], name.replace(b":", CHILD)
    else:
        segments = _segments(text)
        if segments is None or len(segments) < 3:
            return None
        part, tenant, leaf = segments[0], segments[1], unescape_valid(segments[-1])
        head = _head(segments[1:-1])
    if not tenant or part != (b"{%b}" % tenant if tagged else tenant):
        return None
    return STORE_PREFIX + head + END + leaf


def _is_plain(name: bytes) -> bool:
    """Whether a name has nothing to escape: it can be changed as a whole, which is fast."""
    return b"\\" not in name and b"\0" not in name


declare_layout(STORE_PREFIX, _place)


def _segments(text: bytes) -> list[bytes] | None:
    """The segments between unescaped colons; None if an escape is wrong."""
    if b"\\" not in text:
        return text.split(b":")
    segments, at = [], 0
    while True:
        match = _SEGMENTS.match(text, at)
        assert match is not None
        segments.append(match[0])
        at = match.end() + 1
        if at > len(text):
            return segments
        if text[at - 1 : at] != b":":
            return None


def _head(segments: list[bytes]) -> bytes:
    """The common start of the places of a namespace's entries, after the prefix."""
    return CHILD.join([segment.replace(b"\0", b"\0\xff") for segment in segments])


class Namespace:
    """A namespace by its name from a client; a NAMESPACE error if the name is not valid."""

    __slots__ = ("depth", "key_prefix", "name", "own", "place", "tenant_prefix")

    def __init__(self, ctx: Context, name: bytes) -> None:
        segments = split(name)
        self.name = name
        self.depth = len(segments)
        part = tenant_part(ctx, unescape(segments[0]))
        # The common start of the keys of the tenant, and of those of this namespace.
        self.tenant_prefix = STORE_PREFIX + part + b":"
        self.key_prefix = self.tenant_prefix + name + b":"
        # Followed by END in places of its own entries, by CHILD in those of namespaces within it.
        head = name.replace(b":", CHILD) if _is_plain(name) else _head(segments)
        self.place = STORE_PREFIX + head
        # The common start of the places of its own entries.
        self.own = self.place + END

    def key(self, key: bytes) -> bytes:
        """The Redis key of an entry."""
        return self.key_prefix + escape(key)

    def keys(self, keys: list[bytes]) -> list[bytes]:
        prefix = self.key_prefix
        return [prefix + escape(key) for key in keys]

    def span(self, *, subtree: bool) -> tuple[bytes, bytes]:
        """The places from which and up to which its entries are: its own, or all below it."""
        return self.own, self.place + (BEYOND if subtree else CHILD)

    def place_of(self, name: bytes, key: bytes) -> bytes:
        """The place of an entry in a namespace of this tenant."""
        return STORE_PREFIX + _head(split(name)) + END + key

    def key_at(self, place: bytes) -> bytes:
        """The Redis key of the entry at a place of this tenant."""
        name, key = named_at(place)
        return b"%b%b:%b" % (self.tenant_prefix, name, escape(key))


def weight(value: bytes | bytearray) -> int:
    """As how many more entries a long value counts when it is parsed."""
    return len(value) // _BYTES_OF_ENTRY


def times_key(entry: bytes) -> bytes:
    return TIMES_PREFIX + entry[_START:]


def vector_key(entry: bytes) -> bytes:
    return VECTOR_PREFIX + entry[_START:]


def named_at(place: bytes) -> tuple[bytes, bytes]:
    """The namespace and key of the entry at a place."""
    head, _, key = place.partition(END)
    return name_at(head), key


def name_at(head: bytes) -> bytes:
    """The name of a namespace, from the common start of the places of its entries."""
    return head[_START:].replace(CHILD, b":").replace(b"\0\xff", b"\0")
