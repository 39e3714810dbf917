"""Random programs over the store and its model in plain Python.

The model holds what COMMANDS should give: entries by namespace and key with their deadlines, and
beside them times and vectors, which plain commands of other clients do not touch. Programs use
hostile names, move the clock, declare and remove indexes, and restart the server from its log or
from a snapshot. Every reply is compared.
"""

from __future__ import annotations

import io
import json
import random
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.patrolling import Patrolling
from storage.rdb import load, save
from tests.support.offline import Recorded
from tests.support.resp import Error
from tests.support.store import escape, render
from tests.support.waiting import pages

NOW = 1_700_000_000_000

Segments = tuple[bytes, ...]
Place = tuple[Segments, bytes]

SPACES: list[Segments] = [
    (b"acme",), (b"acme", b"a"), (b"acme", b"a", b"b"), (b"acme", b"a:b"), (b"acme", b"a", b""),
    (b"acme", b"\0"), (b"acme", b"a\0\1b"), (b"acme", b"ab", b"c"), (b"acme\\", b"a"),
    (b"globex", b"a"), (b"{acme}", b"a"),
]  # fmt: skip
KEYS = [b"k", b"", b"m:n", b"\\", b"\0\1", b"k\xff", b"TTL"]
TEXTS = [b"{", b"", b"[]", b'"x"', b"7"]
VECTORS = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.5), (2.0, 2.0), (0.0, 0.0)]
FILTERS: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
    ({"n": 1}, lambda it: it["n"] == 1),
    ({"n": {"$gte": 2}}, lambda it: it["n"] >= 2),
    ({"n": {"$gt": 0, "$lt": 3}, "t": "b"}, lambda it: 0 < it["n"] < 3 and it["t"] == "b"),
    ({"t": {"$in": ["a", "c"]}}, lambda it: it["t"] in "ac"),
    ({"t": {"$ne": "a"}}, lambda it: it["t"] != "a"),
]


@dataclass(frozen=True)
class Value:
    text: bytes
    deadline: int | None = None


class Table(dict[Place, Value]):
    """Values with deadlines; what has expired is removed by `expire`."""

    def expire(self, now: int) -> int:
        gone = [p for p, one in self.items() if one.deadline is not None and one.deadline < now]
        for place in gone:
            del self[place]
        return len(gone)

    def retime(self, place: Place, deadline: int | None) -> None:
        if place in self:
            self[place] = replace(self[place], deadline=deadline)


class Program:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = NOW
        self.server = Recorded(NOW)
        self.entries, self.times, self.vectors = Table(), Table(), Table()
        # How many entries have expired since STORE.EVICT; None if one was overwritten since.
        self.expired: int | None = 0
        self.indexes: dict[Segments, list[bytes]] = {}

    # --- choices ------------------------------------------------------------------------------

    def place(self) -> Place:
        # Often one that is there.
        if self.entries and self.rng.random() < 0.5:
            return self.rng.choice(list(self.entries))
        return self.rng.choice(SPACES), self.rng.choice(KEYS)

    def text(self) -> bytes:
        if self.rng.random() < 0.2:
            return self.rng.choice(TEXTS)
        return json.dumps({"n": self.rng.randrange(4), "t": self.rng.choice("abc")}).encode()

    def ttl(self) -> int | None:
        return self.rng.choice([None, None, 5, 50, 500])

    def until(self, ttl: int | None) -> int | None:
        return None if ttl is None else self.now + ttl

    def redis_key(self, place: Place, prefix: bytes = b"entelix:store:") -> bytes:
        space, key = place
        return prefix + escape(space[0]) + b":" + render(*space) + b":" + escape(key)

    def below(self, space: Segments) -> list[Place]:
        found = [place for place in self.entries if place[0][: len(space)] == space]
        return sorted(found)

    def own(self, space: Segments) -> list[Place]:
        return sorted(place for place in self.entries if place[0] == space)

    # --- writes -------------------------------------------------------------------------------

    def stored(self, place: Place, text: bytes, deadline: int | None) -> None:
        """STORE commands keep times beside an entry, and remove its vector."""
        created = self.now
        if place in self.entries and place in self.times:
            created = int(self.times[place].text.split()[0])
        self.entries[place] = Value(text, deadline)
        self.times[place] = Value(b"%d %d" % (created, self.now), deadline)
        self.vectors.pop(place, None)

    def remove(self, place: Place) -> bool:
        self.times.pop(place, None)
        self.vectors.pop(place, None)
        return self.entries.pop(place, None) is not None

    def put(self) -> None:
        rng, place, text, ttl = self.rng, self.place(), self.text(), self.ttl()
        space, key = place
        words: list[Any] = ["STORE.PUT", render(*space), key, text]
        before = self.entries.get(place)
        deadline, allowed = self.until(ttl), True
        if ttl is not None:
            words += ["TTL", ttl]
        elif rng.random() < 0.2:
            words.append("KEEPTTL")
            deadline = None if before is None else before.deadline
        if rng.random() < 0.3:
            condition = rng.choice(["NX", "XX"])
            words.append(condition)
            allowed = (before is None) == (condition == "NX")
        if rng.random() < 0.3:
            expected = rng.choice([b"7", self.text(), b"" if before is None else before.text])
            words += ["IFEQ", expected]
            allowed = allowed and before is not None and before.text == expected
        vector = array("f", rng.choice(VECTORS)).tobytes() if rng.random() < 0.4 else None
        if vector is not None:
            words += ["VECTOR", vector]
        assert self.server(*words) == ("OK" if allowed else None), words
        if allowed:
            self.stored(place, text, deadline)
            if vector is not None:
                self.vectors[place] = Value(vector, deadline)

    def mput(self) -> None:
        space, ttl = self.rng.choice(SPACES), self.ttl()
        pairs = [(self.rng.choice(KEYS), self.text()) for _ in range(self.rng.randint(1, 4))]
        words: list[Any] = [] if ttl is None else ["TTL", ttl, "ENTRIES"]
        flat = [word for pair in pairs for word in pair]
        assert self.server("STORE.MPUT", render(*space), *words, *flat) == "OK"
        for key, text in dict(pairs).items():
            self.stored((space, key), text, self.until(ttl))

    def delete(self) -> None:
        space = self.place()[0]
        keys = self.rng.choices(KEYS, k=3)
        removed = self.server("STORE.DEL", render(*space), *keys)
        assert removed == sum([self.remove((space, key)) for key in dict.fromkeys(keys)])

    def clear(self) -> None:
        space, subtree = self.place()[0], self.rng.random() < 0.5
        found = self.below(space) if subtree else self.own(space)
        words: list[Any] = ["SUBTREE"] if subtree else []
        if self.rng.random() < 0.7:
            words += ["LIMIT", 2]
            found = found[:2]
        assert self.server("STORE.CLEAR", render(*space), *words) == len(found)
        for place in found:
            self.remove(place)

    def retime(self) -> None:
        place, ttl = self.place(), self.ttl()
        space, key = place
        exists = place in self.entries
        if self.rng.random() < 0.5 and ttl is not None:
            reply = self.server("STORE.GET", render(*space), key, "REFRESH", ttl)
            assert reply == (self.entries[place].text if exists else None)
        else:
            reply = self.server("STORE.EXPIRE", render(*space), key, ttl or "PERSIST")
            assert reply == int(exists)
        if exists:
            for table in (self.entries, self.times, self.vectors):
                table.retime(place, self.until(ttl))

    def plain(self) -> None:
        """What another client does with the key of an entry."""
        place, ttl = self.place(), self.ttl()
        key, exists = self.redis_key(place), place in self.entries
        kind = self.rng.choice(["SET", "DEL", "PEXPIRE", "PERSIST", "RENAME"])
        if kind == "SET":
            text = self.text()
            options: list[Any] = [] if ttl is None else ["PX", ttl]
            self.server("SET", key, text, *options)
            self.entries[place] = Value(text, self.until(ttl))
        elif kind == "DEL":
            assert self.server("DEL", key) == int(exists)
            self.entries.pop(place, None)
        elif kind == "RENAME":
            other = self.place()
            reply = self.server("RENAME", key, self.redis_key(other))
            assert isinstance(reply, Error) is not exists
            if exists:
                self.entries[other] = self.entries.pop(place)
        else:
            assert ttl is None or self.server("PEXPIRE", key, ttl) == int(exists)
            if ttl is None:
                self.server("PERSIST", key)
            self.entries.retime(place, self.until(ttl))

    def index(self) -> None:
        space = self.rng.choice(SPACES)
        if self.rng.random() < 0.3:
            removed = self.server("STORE.UNINDEX", render(*space))
            assert removed == int(self.indexes.pop(space, None) is not None)
            return
        self.indexes[space] = paths = self.rng.choice([[b"n"], [b"t", b"n"]])
        assert self.server("STORE.INDEX", render(*space), "FIELDS", len(paths), *paths) == "OK"

    # --- time and restarts --------------------------------------------------------------------

    def advance(self) -> None:
        ms = self.rng.choice([1, 6, 60])
        self.now += ms
        self.server.advance(ms)
        expired = self.entries.expire(self.now)
        self.times.expire(self.now)
        self.vectors.expire(self.now)
        if self.expired is not None:
            self.expired += expired
        if self.rng.random() < 0.7:
            removed = self.server("STORE.EVICT")
            assert self.expired is None or removed == self.expired
            self.expired = 0
        elif expired:
            # A plain SET may come before the removal.
            self.expired = None

    def patrol(self) -> None:
        patrolling = Patrolling(self.server.instance, self.server.run_sweep)
        for _ in range(self.server("DBSIZE") + 1):
            patrolling.tick()
        for table in (self.times, self.vectors):
            for place in [place for place in table if place not in self.entries]:
                del table[place]

    def restart(self) -> None:
        # While a log is replayed, no key expires by the clock.
        fresh = Recorded(NOW)
        log = self.server.take_log()
        if self.rng.random() < 0.5:
            fresh.replay(log)
            fresh.take_log()
        else:
            facts: dict[str, str | int] = {"redis-ver": "7.2.4", "ctime": 1}
            snapshot = b"".join(save(self.server.instance.keyspace, facts))
            load(io.BytesIO(snapshot), fresh.instance.keyspace)
            fresh.take_log().extend(log)
        fresh.advance(self.now - NOW)
        self.server = fresh
        fresh("STORE.EVICT")
        self.expired = 0

    # --- reads --------------------------------------------------------------------------------

    def read_one(self) -> None:
        place = self.place()
        space, key = render(*place[0]), place[1]
        entry = self.entries.get(place)
        server = self.server
        assert server("STORE.GET", space, key) == (None if entry is None else entry.text)
        left = -2 if entry is None else -1 if entry.deadline is None else entry.deadline - self.now
        assert server("STORE.TTL", space, key) == left
        flat = server("STORE.INFO", space, key)
        if entry is None:
            assert flat is None
            return
        times, vector = self.times.get(place), self.vectors.get(place)
        created, updated = (None, None) if times is None else map(int, times.text.split())
        assert flat[1::2] == [
            created, updated, len(entry.text), None if left == -1 else left,
            None if vector is None else len(vector.text) // 4,
        ]  # fmt: skip

    def in_pages(self, *request: Any) -> Iterator[Any]:
        count = self.rng.choice([1, 3, 100])
        for page in pages(lambda cursor: self.server(*request, "COUNT", count, "CURSOR", cursor)):
            yield from page

    def read_lists(self) -> None:
        space = self.place()[0]
        name, own, below = render(*space), self.own(space), self.below(space)
        server, keys = self.server, [key for _, key in own]
        assert server("STORE.LIST", name) == keys
        assert list(self.in_pages("STORE.LIST", name)) == keys
        assert server("STORE.COUNT", name) == len(own)
        assert server("STORE.COUNT", name, "SUBTREE") == len(below)
        spaces = sorted({place[0] for place in below})
        assert server("STORE.NAMESPACES", name) == [render(*one) for one in spaces]
        cut = sorted({one[: len(space) + 1] for one in spaces})
        request = ("STORE.NAMESPACES", name, "DEPTH", 1)
        assert list(self.in_pages(*request)) == [render(*one) for one in cut]
        values = [self.entries[place].text for place in own]
        assert not keys or server("STORE.MGET", name, *keys) == values

    def matching(self, space: Segments, matches: Callable[[Any], bool]) -> list[Place]:
        found = []
        for place in self.below(space):
            try:
                document = json.loads(self.entries[place].text)
            except ValueError:
                continue
            # A member that is missing matches $ne.
            document = document if isinstance(document, dict) else {"n": -9, "t": "absent"}
            if matches(document):
                found.append(place)
        return found

    def search(self) -> None:
        space = self.place()[0]
        wanted, matches = self.rng.choice(FILTERS)
        found = [
            [b"namespace", render(*place[0]), b"key", place[1], b"value", self.entries[place].text]
            for place in self.matching(space, matches)
        ]
        request = ("STORE.SEARCH", render(*space), "FILTER", json.dumps(wanted))
        assert self.server(*request) == found, request
        assert list(self.in_pages(*request)) == found, request
        assert self.server(*request, "LIMIT", 2) == found[:2]

    def near(self) -> None:
        space = self.place()[0]
        x, y = self.rng.choice(VECTORS)
        wanted, matches = self.rng.choice(FILTERS)
        filtered = self.rng.random() < 0.5
        found = []
        for place in self.matching(space, matches) if filtered else self.below(space):
            if place in self.vectors:
                a, b = array("f", self.vectors[place].text)
                found.append((a * x + b * y, self.redis_key(place)))
        found.sort(key=lambda one: (-one[0], one[1]))
        words = ["FILTER", json.dumps(wanted)] if filtered else []
        blob = array("f", (x, y)).tobytes()
        request: list[Any] = ["STORE.NEAR", render(*space), "VECTOR", blob, "METRIC", "DOT"]
        rows = self.server(*request, "K", 3, *words)
        assert [float(row[7]) for row in rows] == [score for score, _ in found[:3]], request
        for row, (_, key) in zip(rows, found, strict=False):
            assert key.endswith(row[1] + b":" + escape(row[3]))

    def indexed(self) -> None:
        self.server.sweep()
        for space, paths in self.indexes.items():
            _, rows = self.server("STORE.INDEXES", render(*space))
            facts = next(row for row in rows if row[1] == render(*space))
            assert (facts[3], facts[7]) == (paths, 1)

    # --- the program --------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        writes = [self.put, self.put, self.mput, self.delete, self.clear, self.retime, self.plain]
        others = [self.advance, self.advance, self.index, self.indexed, self.patrol, self.restart]
        reads = [self.read_one, self.read_one, self.read_lists, self.search, self.near]
        for _ in range(steps):
            self.rng.choice(writes if self.rng.random() < 0.7 else others)()
            self.rng.choice(reads)()
        self.patrol()
        self.server("STORE.EVICT")
        assert len(self.server("KEYS", "entelix:*")) == len(self.entries)
        assert len(self.server("KEYS", "redkeep:store:times:*")) == len(self.times)
        assert len(self.server("KEYS", "redkeep:store:vector:*")) == len(self.vectors)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_store_does_what_its_model_does(rng: random.Random) -> None:
    Program(rng).run(60)


@pytest.mark.parametrize("seed", range(40))
def test_the_store_does_what_its_model_does_for_these_seeds(seed: int) -> None:
    Program(random.Random(seed)).run(150)


@pytest.mark.deep
def test_the_store_does_what_its_model_does_for_many_seeds() -> None:
    for seed in range(5000):
        try:
            Program(random.Random(seed)).run(200)
        except Exception as fault:
            raise AssertionError(f"seed {seed}") from fault
