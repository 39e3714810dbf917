"""The door to the data: what it does beside reading and writing."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from storage.clock import Clock
from storage.database import Database
from storage.errors import WrongType
from storage.keyspace import Keyspace
from storage.values.hashes import Hash

START = 1_700_000_000_000


@pytest.fixture
def keyspace() -> Keyspace:
    clock = Clock()
    clock.freeze(START)
    return Keyspace(clock, databases=4)


@pytest.fixture
def db(keyspace: Keyspace) -> Database:
    return keyspace.databases[0]


def advance(keyspace: Keyspace, ms: int) -> None:
    keyspace.clock.advance(ms)
    keyspace.refresh_now()


def a_hash(**fields: str) -> Hash:
    made = Hash()
    for field, value in fields.items():
        made.put(field.encode(), value.encode(), Keyspace(Clock(), 1).limits)
    return made


class Watching:
    """A client that watches."""

    failed = False

    def watched_key_changed(self) -> None:
        self.failed = True


class Listening(list[tuple[int, bytes, str, bool]]):
    """Hears of everything that happens to keys."""

    def __init__(self, keyspace: Keyspace) -> None:
        super().__init__()
        keyspace.observers.append(
            lambda database, key, event, change: self.append((database.index, key, event, change))
        )

    def names(self) -> list[str]:
        names = [event for _, _, event, _ in self]
        self.clear()
        return names


# --- expiry --------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["read", "fetch", "peek", "read_string", "fetch_string"])
def test_a_key_past_its_deadline_is_not_there(look: str, keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 100)
    advance(keyspace, 100)
    assert getattr(db, look)(b"k") == b"v", "a deadline's own millisecond still belongs to it"
    advance(keyspace, 1)
    assert getattr(db, look)(b"k") is None


def test_expiry_is_a_write_of_its_own(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 100)
    watching, heard = Watching(), Listening(keyspace)
    db.watch(b"k", watching)
    advance(keyspace, 101)
    dirty = keyspace.dirty
    assert db.read(b"k") is None
    assert "expired" in heard.names()
    assert keyspace.expired_keys == 1
    assert watching.failed
    assert keyspace.dirty > dirty
    assert (len(db), db.deadline(b"k")) == (0, None)


def test_peeking_leaves_no_trace(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 100)
    advance(keyspace, 50)
    heard = Listening(keyspace)
    before = (keyspace.hits, keyspace.misses, keyspace.dirty, dict(db.accessed))
    assert db.peek(b"k") == b"v"
    assert db.peek(b"none") is None
    advance(keyspace, 51)
    assert db.peek(b"k") is None
    assert len(db) == 1, "a peek removes nothing"
    assert (keyspace.hits, keyspace.misses, keyspace.dirty, dict(db.accessed)) == before
    assert heard == []


def test_paused_expiry_hides_without_removing(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 1)
    keyspace.expiry_paused = True
    advance(keyspace, 10)
    assert db.read(b"k") is None
    assert len(db) == 1
    keyspace.expiry_paused = False
    assert db.read(b"k") is None
    assert len(db) == 0


def test_a_sweep_removes_what_is_due_and_nothing_else(keyspace: Keyspace, db: Database) -> None:
    other = keyspace.databases[2]
    for number in range(100):
        db.store(b"%d" % number, b"v", "set")
        db.expire_at(b"%d" % number, START + number * 1000)
    other.store(b"k", b"v", "set")
    other.expire_at(b"k", START + 1)
    advance(keyspace, 50_500)
    while keyspace.sweep_expired(16) is not None:
        pass
    assert sorted(map(int, db.data)) == list(range(51, 100))
    assert len(other) == 0
    assert keyspace.expired_keys == 52


def test_a_hash_loses_fields_and_then_itself(keyspace: Keyspace, db: Database) -> None:
    value = a_hash(a="1", b="2", c="3")
    db.store(b"h", value, "hset")
    value.set_deadline(b"a", START + 100)
    value.set_deadline(b"b", START + 200)
    db.note_field_deadlines(b"h", value)
    advance(keyspace, 150)
    heard = Listening(keyspace)
    assert set(db.read_as(b"h", Hash) or ()) == {b"b", b"c"}
    assert heard.names() == ["hexpired"]
    assert keyspace.expired_fields == 1
    value.set_deadline(b"c", START + 200)
    db.note_field_deadlines(b"h", value)
    advance(keyspace, 100)
    while keyspace.sweep_expired(16) is not None:
        pass
    assert db.peek(b"h") is None
    assert heard.names() == ["hexpired", "del"]


# --- writing --------------------------------------------------------------------------------


def test_storing_replaces_value_and_deadline(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"1", "set")
    db.expire_at(b"k", START + 100)
    db.store(b"k", b"2", "set", keep_ttl=True)
    assert (db.read(b"k"), db.deadline(b"k")) == (b"2", START + 100)
    db.store(b"k", b"3", "set")
    assert (db.read(b"k"), db.deadline(b"k")) == (b"3", None)
    assert keyspace.dirty == 3


def test_an_emptied_collection_is_removed(keyspace: Keyspace, db: Database) -> None:
    value = a_hash(a="1")
    db.store(b"h", value, "hset")
    heard = Listening(keyspace)
    value.remove(b"a")
    db.finish_change(b"h", value, "hdel")
    assert db.peek(b"h") is None
    assert heard.names() == ["hdel", "del"]


def test_deleting_what_is_not_there_changes_nothing(keyspace: Keyspace, db: Database) -> None:
    heard = Listening(keyspace)
    assert not db.delete(b"k")
    assert (keyspace.dirty, heard) == (0, [])


def test_new_keys_are_told_from_replaced_ones(keyspace: Keyspace, db: Database) -> None:
    heard = Listening(keyspace)
    db.store(b"k", b"1", "set")
    assert heard.names() == ["new", "set"]
    db.store(b"k", b"2", "set")
    assert heard.names() == ["set"]


def test_wrong_type_counts_as_a_hit(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    with pytest.raises(WrongType):
        db.read_as(b"k", Hash)
    with pytest.raises(WrongType):
        db.fetch_as(b"k", Hash)
    db.store(b"h", a_hash(a="1"), "hset")
    with pytest.raises(WrongType):
        db.read_string(b"h")
    assert (keyspace.hits, keyspace.misses) == (2, 0)


def test_hits_misses_and_the_news_of_a_miss(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    heard = Listening(keyspace)
    db.read(b"k")
    db.read_string(b"none")
    db.fetch(b"none")
    assert (keyspace.hits, keyspace.misses) == (1, 1)
    assert heard == [(0, b"none", "keymiss", False)]


def test_reads_touch_unless_told_not_to(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    advance(keyspace, 1000)
    keyspace.no_touch = True
    db.read(b"k")
    db.fetch(b"k")
    assert db.accessed[b"k"] == START
    keyspace.no_touch = False
    db.read(b"k")
    assert db.accessed[b"k"] == START + 1000


# --- watching and waiting --------------------------------------------------------------------


def test_watchers_are_told_of_their_key_only(db: Database) -> None:
    mine, others = Watching(), Watching()
    db.watch(b"k", mine)
    db.watch(b"other", others)
    db.store(b"k", b"v", "set")
    assert (mine.failed, others.failed) == (True, False)
    db.unwatch(b"other", others)
    db.store(b"other", b"v", "set")
    assert not others.failed
    assert list(db.watched) == [b"k"]


@pytest.mark.parametrize("holds_it", [True, False])
def test_flushing_fails_the_watchers_of_what_was_there(db: Database, holds_it: bool) -> None:
    if holds_it:
        db.store(b"k", b"v", "set")
    watching = Watching()
    db.watch(b"k", watching)
    assert db.flush() == holds_it
    assert watching.failed == holds_it


def test_changes_of_awaited_keys_are_ready(keyspace: Keyspace, db: Database) -> None:
    db.wait_for(b"k")
    db.wait_for(b"k")
    db.store(b"other", b"v", "set")
    assert keyspace.ready == []
    db.store(b"k", b"v", "set")
    assert keyspace.ready == [(db, b"k")]
    keyspace.ready.clear()
    db.stop_waiting(b"k")
    db.changed(b"k", "set")
    assert keyspace.ready == [(db, b"k")]
    keyspace.ready.clear()
    db.stop_waiting(b"k")
    db.changed(b"k", "set")
    assert (keyspace.ready, db.awaited) == ([], {})


def test_swapping_moves_contents_and_not_clients(keyspace: Keyspace, db: Database) -> None:
    other = keyspace.databases[1]
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 100)
    watching = [Watching(), Watching(), Watching()]
    db.watch(b"k", watching[0])
    other.watch(b"k", watching[1])
    other.watch(b"none", watching[2])
    other.wait_for(b"k")
    keyspace.swap(0, 1)
    assert (len(db), other.read(b"k"), other.deadline(b"k")) == (0, b"v", START + 100)
    assert [one.failed for one in watching] == [True, True, False]
    assert keyspace.ready == [(other, b"k")]


# --- everything at once ----------------------------------------------------------------------


class Model(RuleBasedStateMachine):
    """A database beside a dict of key to (value, deadline)."""

    keys = st.sampled_from([b"a", b"b", b"c"])

    def __init__(self) -> None:
        super().__init__()
        clock = Clock()
        clock.freeze(START)
        self.keyspace = Keyspace(clock, 1)
        self.db = self.keyspace.databases[0]
        self.model: dict[bytes, tuple[bytes, int | None]] = {}

    def alive(self, key: bytes) -> bytes | None:
        value, deadline = self.model.get(key, (None, None))
        return None if deadline is not None and deadline < self.keyspace.now else value

    @rule(key=keys, value=st.binary(max_size=2), keep=st.booleans())
    def store(self, key: bytes, value: bytes, keep: bool) -> None:
        alive = self.db.fetch(key) is not None
        assert alive == (self.alive(key) is not None)
        deadline = self.model[key][1] if keep and alive else None
        self.db.store(key, value, "set", keep_ttl=keep)
        self.model[key] = (value, deadline)

    @rule(key=keys, ms=st.integers(-5, 300))
    def expire(self, key: bytes, ms: int) -> None:
        if self.db.fetch(key) is not None:
            self.db.expire_at(key, self.keyspace.now + ms)
            self.model[key] = (self.model[key][0], self.keyspace.now + ms)

    @rule(key=keys)
    def persist(self, key: bytes) -> None:
        if self.db.fetch(key) is not None:
            value, deadline = self.model[key]
            assert self.db.persist(key) == (deadline is not None)
            self.model[key] = (value, None)

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        assert self.db.delete(key) == (self.alive(key) is not None)
        self.model.pop(key, None)

    @rule(ms=st.integers(0, 200))
    def wait(self, ms: int) -> None:
        advance(self.keyspace, ms)

    @rule(limit=st.integers(1, 4))
    def sweep(self, limit: int) -> None:
        self.keyspace.sweep_expired(limit)

    @rule()
    def pick(self) -> None:
        picked = self.db.random_key(Random(1))
        living = [key for key in self.model if self.alive(key) is not None]
        assert picked in living if living else picked is None

    @invariant()
    def same_to_every_look(self) -> None:
        living = {key for key in self.model if self.alive(key) is not None}
        assert set(self.db.live_keys()) == living
        for key in (b"a", b"b", b"c"):
            assert self.db.peek(key) == self.alive(key)

    @invariant()
    def nothing_is_kept_for_keys_that_are_gone(self) -> None:
        assert self.db.accessed.keys() <= self.db.data.keys()
        assert self.db.expires.keys() <= self.db.data.keys()


TestModel = Model.TestCase
