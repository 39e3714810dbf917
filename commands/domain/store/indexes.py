"""Indexes of values: which are declared, and their content, which is kept in memory.

The hash `redkeep:store:indexes` has a field for each namespace with an index, with the paths
as a JSON array. That is all that is stored. The content is derived from the entries: each
database has it in `Database.derived`, from where it goes when the keys are flushed or loaded,
and with the keys when databases are swapped. An observer of the keyspace notes the entries that
any client changes; they are read again before the next search, or by the sweep. The observer is
registered only while a database has an index. Only so many entries may wait to be read; beyond
that, whoever changes an entry pays for the reading of one.

A sweep reads the existing entries after a declaration or a restart, a bounded number at a time.
Until it is done, searches read the entries themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from commands.domain.calls import call_fields
from commands.domain.json_filters import Filter
from commands.domain.records import count_poison, read_json
from commands.domain.store.fields import Candidates, Fields, cost_of, stored_string
from commands.domain.store.layout import CHILD, END, STORE_PREFIX, Namespace
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import sweep
from storage.database import Database
from storage.errors import WrongType

INDEXES_KEY = b"redkeep:store:indexes"
MOST_INDEXES, MOST_PATHS = 1000, 16
# How many entries a step of the sweep reads, and how many changed ones may wait to be read: a
# search reads them first, in a few milliseconds. A long value counts as several entries.
_BATCH, _MOST_CHANGED = 100, 500


@dataclass(frozen=True, slots=True)
class Declaration:
    space: Namespace
    paths: tuple[str, ...]


class Indexes:
    """The indexes of one database."""

    def __init__(self) -> None:
        # Whether the declarations are to be read again.
        self.is_outdated = True
        # Keys of entries that have changed since they were read, with what reading them costs.
        self._changed: dict[bytes, int] = {}
        self._cost = 0
        # By the start of the places in their namespace.
        self._by_head: dict[bytes, Fields] = {}
        # Those that have not read all entries yet.
        self._unfinished: list[Fields] = []

    def declare(self, declared: list[Declaration]) -> None:
        """Follow the declarations; what is declared as before is kept."""
        self.is_outdated = False
        before, self._by_head = self._by_head, {}
        for one in declared:
            fields = before.get(one.space.place)
            if fields is None or fields.paths != one.paths:
                fields = Fields(one.paths, one.space)
            self._by_head[one.space.place] = fields
        self._unfinished = [one for one in self._by_head.values() if not one.is_complete]

    def note(self, database: Database, key: bytes) -> None:
        """Read an entry that has changed, later or, if very many have changed, now."""
        cost = cost_of(database, key)
        self._cost += cost - self._changed.get(key, 0)
        self._changed[key] = cost
        while self._cost > _MOST_CHANGED:
            self._read_changed(database)

    def catch_up(self, database: Database) -> None:
        """Read all entries that have changed."""
        while self._changed:
            self._read_changed(database)

    def _read_changed(self, database: Database) -> None:
        key, cost = self._changed.popitem()
        self._cost -= cost
        place = database.ordered.place_of(key)
        if place is not None:
            text = stored_string(database, key)
            for fields in self._above(place):
                fields.put(place, text)

    def read_more(self, database: Database) -> bool:
        """Read what has changed and some more entries; return whether there are more."""
        self.catch_up(database)
        left = _BATCH
        while self._unfinished and left > 0:
            left -= self._unfinished[-1].read(database, left)
            if self._unfinished[-1].is_complete:
                self._unfinished.pop()
        return bool(self._unfinished)

    def _above(self, place: bytes) -> Iterator[Fields]:
        """The indexes that an entry belongs to."""
        levels = place[: place.index(END)].split(CHILD)
        for depth in range(1, len(levels) + 1):
            fields = self._by_head.get(CHILD.join(levels[:depth]))
            if fields is not None:
                yield fields

    def candidates(self, space: Namespace, wanted: Filter) -> Candidates | None:
        """The fewest entries at and below a namespace that can match; None if no index helps."""
        found = [
            fields.candidates(wanted.conditions, space.span(subtree=True))
            for fields in self._above(space.own)
            if fields.is_complete
        ]
        return min(filter(None, found), key=lambda one: one.number, default=None)

    def of(self, space: Namespace) -> Fields | None:
        """The index that is declared for a namespace."""
        return self._by_head.get(space.place)


def indexes_of(ctx: Context) -> Indexes | None:
    """The indexes of the selected database, as they are declared now; None if there is none."""
    indexes = ctx.db.derived.get(Indexes)
    if isinstance(indexes, Indexes) and not indexes.is_outdated:
        return indexes
    declared = declarations(ctx)
    if not declared:
        ctx.db.derived.pop(Indexes, None)
        if not any(Indexes in database.derived for database in ctx.keyspace.databases):
            _stop_observing(ctx)
        return None
    if not isinstance(indexes, Indexes):
        indexes = ctx.db.derived[Indexes] = Indexes()
        if _note_change not in ctx.keyspace.observers:
            ctx.keyspace.observers.append(_note_change)
    indexes.declare(declared)
    return indexes


def _stop_observing(ctx: Context) -> None:
    if _note_change in ctx.keyspace.observers:
        ctx.keyspace.observers.remove(_note_change)


def declarations(ctx: Context) -> list[Declaration]:
    """What is declared; what cannot be read is skipped and counted."""
    try:
        fields = call_fields(ctx, INDEXES_KEY)
    except WrongType:
        count_poison(ctx)
        return []
    found = []
    for name, text in islice(fields.items(), MOST_INDEXES):
        paths = _read_paths(text)
        try:
            space = Namespace(ctx, name)
        except CommandError:
            paths = None
        if paths is None:
            count_poison(ctx)
        else:
            found.append(Declaration(space, paths))
    return found


def _read_paths(text: bytes) -> tuple[str, ...] | None:
    """The declared paths of an index; None if they cannot be read."""
    try:
        paths = read_json(text)
    except ValueError:
        return None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        return None
    return tuple(paths) if 0 < len(paths) <= MOST_PATHS else None


def candidates_for(ctx: Context, space: Namespace, wanted: Filter | None) -> Candidates | None:
    """The entries that can match a filter, if an index knows them and they are fewer than all."""
    if wanted is None or not wanted.conditions:
        return None
    indexes = indexes_of(ctx)
    if indexes is None:
        return None
    indexes.catch_up(ctx.db)
    found = indexes.candidates(space, wanted)
    if found is None or found.number >= ctx.db.ordered.count_between(*space.span(subtree=True)):
        return None
    return found


def _note_change(database: Database, key: bytes, event: str | None, modified: bool) -> None:
    if not modified:
        return
    indexes = database.derived.get(Indexes)
    if not isinstance(indexes, Indexes):
        return
    if key.startswith(STORE_PREFIX):
        indexes.note(database, key)
    elif key == INDEXES_KEY:
        indexes.is_outdated = True
        if key not in database.data:
            del database.derived[Indexes]


@sweep(INDEXES_KEY)
def read_entries(ctx: Context, key: bytes) -> bool:
    """Read entries that an index has not read yet."""
    if key != INDEXES_KEY:
        return False
    indexes = indexes_of(ctx)
    return indexes is not None and indexes.read_more(ctx.db)
