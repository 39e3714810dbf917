"""Names of memory namespaces as clients render them."""

from __future__ import annotations


def escape(segment: bytes) -> bytes:
    return segment.replace(b"\\", b"\\\\").replace(b":", b"\\:")


def render(*segments: bytes) -> bytes:
    return b":".join(map(escape, segments))
