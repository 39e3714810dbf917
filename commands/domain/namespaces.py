"""Namespaces: names of several segments, written as one text that is part of keys.

A namespace is a tenant and any number of segments, rendered `tenant:segment:segment`. A
`:` inside a segment is written `\\:` and a `\\` is written `\\\\`, so `("a", "b:c")` and
`("a", "b", "c")` are rendered differently: `a:b\\:c` and `a:b:c`. For any bytes, parsing is the
inverse of rendering, and each namespace has exactly one text: no two share a key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from commands.domain.errors import failure
from commands.instance.context import Context

# A rendered segment: no unescaped colon, and each backslash followed by what it escapes. The
# repetition is possessive: otherwise every character takes memory until the end.
_SEGMENT = re.compile(rb"(?:[^:\\]|\\[:\\])*+")


def escape(segment: bytes, special: bytes = b":") -> bytes:
    """A segment as it is written in a key: backslashes before backslashes and `special`."""
    if b"\\" in segment:
        segment = segment.replace(b"\\", b"\\\\")
    return segment.replace(special, b"\\" + special) if special in segment else segment


def unescape(rendered: bytes) -> bytes:
    """The inverse of `escape`; NAMESPACE if the text is not an escaped segment."""
    if not _SEGMENT.fullmatch(rendered):
        raise failure("NAMESPACE", "invalid segment '{}'", rendered)
    return unescape_valid(rendered)


def unescape_valid(rendered: bytes, special: bytes = b":") -> bytes:
    """The inverse of `escape`, for a text that is known to be an escaped segment."""
    if b"\\" not in rendered:
        return rendered
    # `\x` is in no such text, so it can stand for an escaped backslash meanwhile.
    marked = rendered.replace(b"\\\\", b"\\x").replace(b"\\" + special, special)
    return marked.replace(b"\\x", b"\\")


def render(segments: Sequence[bytes]) -> bytes:
    """`tenant:segment:segment`, each escaped."""
    return b":".join(map(escape, segments))


def tenant_part(ctx: Context, tenant: bytes) -> bytes:
    """The tenant as it is written in keys: escaped, and in braces with the setting `hash-tags`.

    The tag is the tenant alone, so that a command can write to several threads or namespaces
    of one tenant in one slot.
    """
    return tagged_tenant(tenant, tagged=ctx.instance.settings.hash_tags)


def tagged_tenant(tenant: bytes, *, tagged: bool) -> bytes:
    """The tenant as it is written in keys, in braces if keys have hash tags."""
    if not tenant:
        raise failure("NAMESPACE", "the tenant is empty")
    rendered = escape(tenant)
    if not tagged:
        return rendered
    if tenant.startswith(b"}"):
        raise failure("NAMESPACE", "tenant '{}' would be an empty hash tag", tenant)
    return b"{%b}" % rendered


def split(text: bytes) -> list[bytes]:
    """The segments of a rendered namespace, still escaped, the tenant first.

    NAMESPACE if the tenant is empty or a backslash precedes anything but `:` and `\\`.
    Segments after the tenant may be empty.
    """
    if not text or text.startswith(b":"):
        raise failure("NAMESPACE", "empty tenant in '{}'", text)
    if b"\\" not in text:
        return text.split(b":")
    segments, at = [], 0
    while True:
        match = _SEGMENT.match(text, at)
        assert match is not None
        segments.append(match[0])
        at = match.end()
        if at == len(text):
            return segments
        if text[at : at + 1] != b":":
            raise failure("NAMESPACE", "{} in '{}'", _wrong_escape(text[at + 1 :]), text)
        at += 1


def segment_at(text: bytes, start: int) -> bytes | None:
    """The rendered segment from `start` to the next unescaped colon; None if there is none."""
    match = _SEGMENT.match(text, start)
    assert match is not None
    return match[0] if text[match.end() : match.end() + 1] == b":" else None


def parse(text: bytes) -> list[bytes]:
    """The segments of a rendered namespace, unescaped; errors as in `split`."""
    return list(map(unescape, split(text)))


def _wrong_escape(after: bytes) -> str:
    return "unknown escape" if after else "backslash at the end"
