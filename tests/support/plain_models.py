"""Models and versions as MODEL.* and ML.* promise them, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Version:
    """A version as it should be shown."""

    # None for a row that is no object.
    facts: dict[str, Any] | None
    weights: bytes | None = None
    archived: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    description: str | None = None

    @property
    def has_note(self) -> bool:
        return bool(self.tags or self.metrics or self.description)


@dataclass
class Open:
    facts: dict[str, Any]
    active: bool
    until: int
    data: bytes = b""


@dataclass
class Model:
    # The row as a JSON value; an empty string stands for no row.
    row: Any = ""
    versions: dict[int, Version] = field(default_factory=dict)
    open: dict[int, Open] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    description: str | None = None
    given: int = 0
    # Until when the highest number is remembered.
    given_until: int | None = None
    # Every number that was given since it was last forgotten.
    numbers: set[int] = field(default_factory=set)

    @property
    def readable(self) -> bool:
        return isinstance(self.row, dict) or self.row == ""

    def highest(self) -> int:
        named = self.row.get("latest") if isinstance(self.row, dict) else None
        return max(self.given, named if isinstance(named, int) else 0, *self.versions, 0)

    def serves(self, version: object) -> bool:
        one = self.versions.get(version) if isinstance(version, int) else None
        return one is not None and not one.archived

    @property
    def active(self) -> int | None:
        version = self.row.get("active") if isinstance(self.row, dict) else None
        return version if self.serves(version) else None

    def remember(self, version: int = 0) -> None:
        self.given, self.given_until = max(self.highest(), version), None

    def change_row(self, **members: Any) -> None:
        self.row = ({} if self.row == "" else self.row) | members
