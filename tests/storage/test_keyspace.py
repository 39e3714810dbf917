"""`Database` and `Keyspace`: expiry, changes, statistics, watched keys, blocked clients."""

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


def sweep_all(keyspace: Keyspace) -> None:
    for _ in range(100):
        if keyspace.sweep_expired(16) is None:
            return
    raise AssertionError("the sweep does not end")


def a_hash(**fields: str) -> Hash:
    made = Hash()
    for field, value in fields.items():
        made.put(field.encode(), value.encode(), Keyspace(Clock(), 1).limits)
    return made


class Watching:
    """A client that watches keys."""

    failed = False

    def watched_key_changed(self) -> None:
        self.failed = True


class Listening(list[tuple[int, bytes, str | None, bool]]):
    """Records every event of every key."""

    def __init__(self, keyspace: Keyspace) -> None:
        super().__init__()
        keyspace.observers.append(self._note)

    def _note(self, database: Database, key: bytes, event: str | None, change: bool) -> None:
        if event is not None:
            self.append((database.index, key, event, change))

    def names(self) -> list[str | None]:
        names = [event for _, _, event, _ in self]
        self.clear()
        return names


# --- expiry --------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["read", "fetch", "peek", "read_string", "fetch_string"])
def test_a_key_past_its_deadline_does_not_exist(
    look: str, keyspace: Keyspace, db: Database
) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 100)
    advance(keyspace, 100)
    assert getattr(db, look)(b"k") == b"v", "the key exists up to and including its deadline"
    advance(keyspace, 1)
    assert getattr(db, look)(b"k") is None


def test_expiry_is_reported_like_a_write_but_does_not_count_as_a_change(
    keyspace: Keyspace, db: Database
) -> None:
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
    assert keyspace.dirty == dirty, "as in Redis"
    assert (len(db), db.deadline(b"k")) == (0, None)


def test_peek_has_no_side_effects(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 100)
    advance(keyspace, 50)
    heard = Listening(keyspace)
    before = (keyspace.hits, keyspace.misses, keyspace.dirty, dict(db.accessed))
    assert db.peek(b"k") == b"v"
    assert db.peek(b"none") is None
    advance(keyspace, 51)
    assert db.peek(b"k") is None
    assert len(db) == 1, "peek does not remove expired keys"
    assert (keyspace.hits, keyspace.misses, keyspace.dirty, dict(db.accessed)) == before
    assert heard == []


def test_paused_expiry_hides_expired_keys_without_removing_them(
    keyspace: Keyspace, db: Database
) -> None:
    db.store(b"k", b"v", "set")
    db.expire_at(b"k", START + 1)
    keyspace.expiry_paused = True
    advance(keyspace, 10)
    assert db.read(b"k") is None
    assert len(db) == 1
    keyspace.expiry_paused = False
    assert db.read(b"k") is None
    assert len(db) == 0


def test_a_sweep_removes_all_expired_keys_and_no_others(keyspace: Keyspace, db: Database) -> None:
    other = keyspace.databases[2]
    for number in range(100):
        db.store(b"%d" % number, b"v", "set")
        db.expire_at(b"%d" % number, START + number * 1000)
    other.store(b"k", b"v", "set")
    other.expire_at(b"k", START + 1)
    advance(keyspace, 50_500)
    sweep_all(keyspace)
    assert sorted(map(int, db.data)) == list(range(51, 100))
    assert len(other) == 0
    assert keyspace.expired_keys == 52


def test_a_hash_is_removed_when_its_last_field_expires(keyspace: Keyspace, db: Database) -> None:
    value = a_hash(a="1", b="2", c="3")
    db.store(b"h", value, "hset")
    value.set_deadline(b"a", START + 100)
    value.set_deadline(b"b", START + 200)
    db.note_field_deadlines(b"h", value)
    advance(keyspace, 150)
    heard = Listening(keyspace)
    dirty = keyspace.dirty
    assert set(db.read_as(b"h", Hash) or ()) == {b"b", b"c"}
    assert heard.names() == ["hexpired"]
    assert keyspace.expired_fields == 1
    value.set_deadline(b"c", START + 200)
    db.note_field_deadlines(b"h", value)
    advance(keyspace, 100)
    sweep_all(keyspace)
    assert db.peek(b"h") is None
    assert heard.names() == ["hexpired", "del"]
    assert keyspace.dirty == dirty, "as in Redis"


# --- writing --------------------------------------------------------------------------------


def test_store_replaces_value_and_deadline(keyspace: Keyspace, db: Database) -> None:
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


def test_deleting_a_missing_key_changes_nothing(keyspace: Keyspace, db: Database) -> None:
    heard = Listening(keyspace)
    assert not db.delete(b"k")
    assert (keyspace.dirty, heard) == (0, [])


def test_only_new_keys_have_a_new_event(keyspace: Keyspace, db: Database) -> None:
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


def test_hits_and_misses_are_counted_and_misses_reported(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    heard = Listening(keyspace)
    db.read(b"k")
    db.read_string(b"none")
    db.fetch(b"none")
    assert (keyspace.hits, keyspace.misses) == (1, 1)
    assert heard == [(0, b"none", "keymiss", False)]


def test_reads_touch_keys_unless_no_touch_is_set(keyspace: Keyspace, db: Database) -> None:
    db.store(b"k", b"v", "set")
    advance(keyspace, 1000)
    keyspace.no_touch = True
    db.read(b"k")
    db.fetch(b"k")
    assert db.accessed[b"k"] == START
    keyspace.no_touch = False
    db.read(b"k")
    assert db.accessed[b"k"] == START + 1000


# --- watched keys and blocked clients ------------------------------------------------------


def test_only_watchers_of_the_changed_key_fail(db: Database) -> None:
    mine, others = Watching(), Watching()
    db.watch(b"k", mine)
    db.watch(b"other", others)
    db.store(b"k", b"v", "set")
    assert (mine.failed, others.failed) == (True, False)
    db.unwatch(b"other", others)
    db.store(b"other", b"v", "set")
    assert not others.failed
    assert list(db.watched) == [b"k"]


@pytest.mark.parametrize("exists", [True, False])
def test_flush_fails_the_watchers_of_existing_keys(db: Database, exists: bool) -> None:
    if exists:
        db.store(b"k", b"v", "set")
    watching = Watching()
    db.watch(b"k", watching)
    assert db.flush() == exists
    assert watching.failed == exists


def test_changed_keys_with_blocked_clients_are_ready(keyspace: Keyspace, db: Database) -> None:
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


def test_swap_exchanges_contents_but_not_watchers_and_blocked_clients(
    keyspace: Keyspace, db: Database
) -> None:
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


# --- against a model -------------------------------------------------------------------------


class Model(RuleBasedStateMachine):
    """A database compared with a dict of key to (value, deadline)."""

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
    def live_keys_are_those_of_the_model(self) -> None:
        living = {key for key in self.model if self.alive(key) is not None}
        assert set(self.db.live_keys()) == living
        for key in (b"a", b"b", b"c"):
            assert self.db.peek(key) == self.alive(key)

    @invariant()
    def nothing_is_kept_for_removed_keys(self) -> None:
        assert self.db.accessed.keys() <= self.db.data.keys()
        assert self.db.expires.keys() <= self.db.data.keys()


TestModel = Model.TestCase
