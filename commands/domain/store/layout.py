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
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from commands.domain.calls import call_integer, call_values
from commands.domain.namespaces import escape, split, tenant_part, unescape, unescape_valid
from commands.domain.records import count_poison
from commands.engine.key_layouts import declare_layout
from commands.instance.context import Context

STORE_PREFIX = b"entelix:store:"
END, CHILD, BEYOND = b"\0\0", b"\0\1", b"\0\2"

_START = len(STORE_PREFIX)
_SEGMENTS = re.compile(rb"(?:[^:\\]|\\[:\\])*+")
# Entries are read in pages. The first ones are small, for callers that want few entries.
_FIRST_PAGE, _LARGEST_PAGE = 16, 1024


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

    __slots__ = ("depth", "key_prefix", "name", "place", "tenant_prefix")

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

    def key(self, key: bytes) -> bytes:
        """The Redis key of an entry."""
        return self.key_prefix + escape(key)

    def keys(self, keys: list[bytes]) -> list[bytes]:
        prefix = self.key_prefix
        return [prefix + escape(key) for key in keys]

    def key_at(self, place: bytes) -> bytes:
        """The Redis key of the entry at a place of this tenant."""
        name, key = named_at(place)
        return b"%b%b:%b" % (self.tenant_prefix, name, escape(key))


def named_at(place: bytes) -> tuple[bytes, bytes]:
    """The namespace and key of the entry at a place."""
    head, _, key = place.partition(END)
    return name_at(head), key


def name_at(head: bytes) -> bytes:
    """The name of a namespace, from the common start of the places of its entries."""
    return head[_START:].replace(CHILD, b":").replace(b"\0\xff", b"\0")


def walk(
    ctx: Context, space: Namespace, prefix: bytes, *, after: bytes | None = None, limit: int = 0
) -> Iterator[tuple[bytes, bytes]]:
    """The place and value of each entry whose place begins with `prefix`, in their order.

    Keys that do not hold a string are skipped, and counted as bad records. `limit` is how many
    entries the caller is going to use, 0 for all. It sets the size of the pages only: the
    iterator does not stop there.
    """
    page = min(limit or _FIRST_PAGE, _LARGEST_PAGE)
    while True:
        # Reading removes expired keys from the index, so a page of places is copied first.
        found = list(islice(ctx.db.ordered.range(prefix, after=after), page))
        if not found:
            return
        keys = [space.key_at(place) for place in found]
        values = call_values(ctx, b"MGET", *keys)
        for place, key, value in zip(found, keys, values, strict=True):
            if value is not None:
                yield place, value
            elif call_integer(ctx, b"EXISTS", key):
                count_poison(ctx)
        if len(found) < page:
            return
        after = found[-1]
        page = min(page * 4, _LARGEST_PAGE)
