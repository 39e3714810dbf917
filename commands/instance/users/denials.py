"""ACL LOG: the requests and logins that were refused."""

from __future__ import annotations

from dataclasses import dataclass

# A refusal like an earlier one within this time only counts there.
_GROUPED_MS = 60_000


@dataclass(slots=True)
class Entry:
    reason: str
    context: str
    object: bytes
    username: bytes
    client_info: bytes
    ident: int
    created_ms: int
    updated_ms: int
    count: int = 1

    def is_like(self, other: Entry) -> bool:
        return (
            self.reason == other.reason
            and self.context == other.context
            and self.object == other.object
            and self.username == other.username
            and other.created_ms - self.updated_ms <= _GROUPED_MS
        )


class Denials:
    """The latest refusals, the newest first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._last_id = -1

    def add(
        self,
        reason: str,
        context: str,
        object_: bytes,
        username: bytes,
        client_info: bytes,
        now: int,
        most: int,
    ) -> None:
        """Note a refusal; `most` entries are kept."""
        new = Entry(reason, context, object_, username, client_info, 0, now, now)
        for place, known in enumerate(self.entries):
            if known.is_like(new):
                known.count += 1
                known.updated_ms = now
                known.client_info = client_info
                self.entries.insert(0, self.entries.pop(place))
                break
        else:
            self._last_id += 1
            new.ident = self._last_id
            self.entries.insert(0, new)
        del self.entries[most:]

    def clear(self) -> None:
        self.entries.clear()
