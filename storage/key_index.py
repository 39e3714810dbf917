"""Keys in byte order, for the few layouts that are read by prefix.

Registered prefixes have their keys kept in a sorted list besides the dict, so that reading
a range costs what it returns and not what is stored. Other keys pay one `startswith` when
they are created and removed, and nothing when they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sortedcontainers import SortedList


def after_prefix(prefix: bytes) -> bytes | None:
    """The first text that is greater than everything with this prefix; None if none is."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


class KeyIndex:
    """The sorted keys of one database that have one of some prefixes."""

    __slots__ = ("_keys", "_prefixes")

    def __init__(self, prefixes: tuple[bytes, ...]) -> None:
        self._prefixes = prefixes
        # Made with the first key: most databases never hold one.
        self._keys: SortedList | None = None

    def __bool__(self) -> bool:
        return bool(self._keys)

    def added(self, key: bytes) -> None:
        """The key, which was not there, now is."""
        if key.startswith(self._prefixes):
            if self._keys is None:
                self._keys = SortedList()
            self._keys.add(key)

    def removed(self, key: bytes) -> None:
        if self._keys and key.startswith(self._prefixes):
            self._keys.discard(key)

    def rebuild(self, keys: Iterable[bytes]) -> None:
        """Start anew from all keys there are: one sort instead of many insertions."""
        prefixes = self._prefixes
        self._keys = SortedList(key for key in keys if key.startswith(prefixes))

    def range(
        self, prefix: bytes, *, after: bytes | None = None, start: bytes | None = None
    ) -> Iterator[bytes]:
        """Keys with the prefix in byte order: those greater than `after`, from `start` on.

        The database must not change while this is being walked.
        """
        if not self._keys:
            return
        low, inclusive = (prefix, True) if start is None or start < prefix else (start, True)
        if after is not None and after >= low:
            low, inclusive = after, False
        yield from self._keys.irange(low, after_prefix(prefix), (inclusive, False))

    def first(self, prefix: bytes, *, start: bytes) -> bytes | None:
        """The first key with the prefix from `start` on: how to skip over a whole group."""
        return next(self.range(prefix, start=start), None)
