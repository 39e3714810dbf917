"""Key layouts that are read by prefix.

A family whose keys are read in order declares their prefix here when it is imported. Every
database then keeps the keys of that layout sorted (`storage.key_index`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from storage.key_index import Place

# Where a key of a layout stands in the order. `tagged` is the setting `hash-tags`.
LayoutPlace = Callable[..., bytes | None]


@dataclass(frozen=True, slots=True)
class KeyLayout:
    prefix: bytes
    # None keeps the keys in byte order.
    place: LayoutPlace | None


_declared: list[KeyLayout] = []


def declare_layout(prefix: bytes, place: LayoutPlace | None = None) -> None:
    if any(layout.prefix == prefix for layout in _declared):
        raise ValueError(f"the layout {prefix!r} is declared twice")
    _declared.append(KeyLayout(prefix, place))


def ordered_prefixes() -> tuple[bytes, ...]:
    return tuple(layout.prefix for layout in _declared)


def places(*, tagged: bool) -> dict[bytes, Place]:
    """The places of the layouts that are not in byte order."""
    return {
        layout.prefix: partial(layout.place, tagged=tagged)
        for layout in _declared
        if layout.place is not None
    }
