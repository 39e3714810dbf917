"""Random programs about checkpoints, compared reply by reply with a model in plain Python.

The model is dictionaries of checkpoints, and the rules of the documentation. Besides CP.* a
client with the plain commands of the layout writes and removes checkpoints, the clock moves,
keys expire, and the server is restarted from its log or from a dump of its keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from commands.domain.checkpoints.envelopes import timestamp
from commands.domain.checkpoints.keys import Thread
from commands.domain.checkpoints.meta_index import rows
from commands.families import load
from tests.support.checkpoints import NOW, look_after
from tests.support.offline import Recorded
from tests.support.resp import Word
from tests.support.waiting import pages

QUICK = settings(
    max_examples=100, stateful_step_count=40, derandomize=True, deadline=None, database=None
)
DEEP = settings(max_examples=3000, stateful_step_count=50, deadline=None)

IDS = [f"01890a5d-ac96-774b-bcce-{number:012x}" for number in range(4)]
# Few enough for most steps to find something.
PLACES = [
    *(("a", "t", ""), ("a", "t", "n:writes|x"), ("a", "t", "bystep"), ("a", "b:c", "")),
    *(("a:b", "c", ""), ("a", "t:ns", "n")),
]
TENANTS = ["a", "a:b"]
THREADS = ["t", "b:c", "t:ns"]
PATHS = ["", "n:writes|x", "bystep", "n"]
METAS = [None, "{}", '{"user":"ada"}', '{"user":"bob","score":1}', '{"score": 2.5,"at":{"x":1}}']
FILTERS: list[dict[str, Any]] = [
    *({}, {"user": "ada"}, {"score": {"$gt": 1}}, {"user": {"$ne": "ada"}}, {"at.x": 1}),
    {"user": {"$in": ["ada", "bob"]}, "score": {"$exists": True}},
]

Place = tuple[str, str, str]
places = st.sampled_from([*PLACES[:2], *PLACES])
ids = st.sampled_from(IDS)
maybe_ids = st.none() | ids
steps = st.sampled_from([0, 1, 2, 2**53, 2**53 + 1, 2**63, 2**64 - 1])
states = st.sampled_from(["null", " [1] ", '{"a":{}}'])
blobs = st.sampled_from([None, b"", b"\x00\xff"])
metas = st.sampled_from(METAS)
nodes = st.sampled_from([None, "plan"])
ttls = st.sampled_from([None, None, None, 500, 5000])


@dataclass
class Checkpoint:
    id: str
    parent: str | None
    step: int
    state: str
    node: str | None
    meta: str | None
    blob: bytes | None
    at: int
    # Another client wrote the envelope, in other words.
    foreign: bool = False
    writes: dict[tuple[str, int], tuple[str, bytes]] = field(default_factory=dict)

    def says_the_same(self, other: Checkpoint) -> bool:
        return not self.foreign and replace(other, at=self.at, writes=self.writes) == self

    @property
    def value(self) -> Any:
        return None if self.meta is None else json.loads(self.meta)


@dataclass
class Space:
    """A thread, or a namespace of one."""

    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    deadline: int | None = None

    def newest(self) -> list[Checkpoint]:
        found = self.checkpoints.values()
        return sorted(found, key=lambda one: (one.step, one.id), reverse=True)


checkpoints = st.builds(
    Checkpoint,
    id=ids,
    parent=maybe_ids,
    step=steps,
    state=states,
    node=nodes,
    meta=metas,
    blob=blobs,
    at=st.just(0),
)


def _holds(name: str, found: Any, operand: Any) -> bool:
    if name == "$exists":
        return (found is not ...) is operand
    if name == "$gt":
        return found is not ... and found > operand
    if name == "$in":
        return found in operand
    return (found == operand) is (name == "$eq")


def matches(value: Any, wanted: dict[str, Any]) -> bool:
    """Whether META meets a filter, for the filters of this test."""
    for path, condition in wanted.items():
        found: Any = value
        for name in path.split("."):
            found = found.get(name, ...) if isinstance(found, dict) else ...
        tests = condition if isinstance(condition, dict) else {"$eq": condition}
        for name, operand in tests.items():
            if not _holds(name, found, operand):
                return False
    return True


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


class Checkpoints(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        load()
        self.server = Recorded(NOW)
        self.now = NOW
        self.spaces: dict[Place, Space] = {}
        # What the last step may have changed.
        self.touched: set[Place] = set()
        # Whether no key has expired since the patrols: then the index is exact.
        self.is_exact = True
        self.last_put: tuple[Place, Checkpoint, str | None] | None = None

    # --- helpers ------------------------------------------------------------------------

    def space(self, place: Place) -> Space:
        return self.spaces.get(place, Space())

    def make(self, place: Place) -> Space:
        self.touched.add(place)
        return self.spaces.setdefault(place, Space())

    def tidy(self) -> None:
        for place, space in list(self.spaces.items()):
            has_expired = space.deadline is not None and self.now > space.deadline
            if not space.checkpoints or has_expired:
                del self.spaces[place]
                self.is_exact = self.is_exact and not has_expired

    def pick(self, number: int) -> tuple[Place, str]:
        """One of the checkpoints that exist, or of those that do not."""
        found = [(place, ident) for place in self.spaces for ident in self.space(place).checkpoints]
        found.append((PLACES[0], IDS[0]))
        return sorted(found)[number % len(found)]

    def call(self, name: str, place: Place, *words: Word | None) -> Any:
        self.touched.add(place)
        tenant, thread, path = place
        given = [word for word in words if word is not None]
        # Without a namespace the option may be left out.
        return self.server(name, tenant, thread, *given, *(("NS", path) if path else ()))

    def store(self, place: Place, one: Checkpoint, ttl: int | None) -> None:
        space = self.make(place)
        before = space.checkpoints.get(one.id)
        if before is None:
            space.checkpoints[one.id] = one
        elif not before.says_the_same(one):
            space.checkpoints[one.id] = replace(one, writes=before.writes)
        if ttl is not None:
            space.deadline = self.now + ttl

    @staticmethod
    def options(*given: tuple[str, Word | None]) -> list[Word]:
        return [w for name, word in given if word is not None for w in (name, word)]

    def envelope(self, place: Place, one: Checkpoint) -> dict[str, Any]:
        tenant, thread, path = place
        body = {
            "id": one.id,
            "tenant_id": tenant,
            "thread_id": thread,
            "parent_id": one.parent,
            "step": one.step,
            "state": json.loads(one.state),
            "next_node": one.node,
            "timestamp": timestamp(one.at).decode(),
        }
        body |= {"ns": path} if path else {}
        body |= {} if one.blob is None else {"bstate": len(one.blob)}
        return body | ({} if one.meta is None else {"meta": one.value})

    def same(self, place: Place, reply: Any, expected: list[Checkpoint]) -> None:
        assert [json.loads(raw)["body"] for raw in reply] == [
            self.envelope(place, one) for one in expected
        ]

    # --- writing ------------------------------------------------------------------------

    @rule(several=st.lists(st.tuples(places, checkpoints), min_size=2, max_size=5))
    def puts(self, several: list[tuple[Place, Checkpoint]]) -> None:
        for place, one in several:
            self.put(place, one, None, None)

    @rule(
        place=places,
        one=checkpoints,
        ttl=ttls,
        latest=st.sampled_from([None, None, None, "-", *IDS]),
    )
    def put(self, place: Place, one: Checkpoint, ttl: int | None, latest: str | None) -> None:
        one = replace(one, at=self.now, writes={})
        self.last_put = place, one, latest
        words = self.options(
            *(("STATE", None if one.state == "null" and one.blob is not None else one.state),),
            *(("BSTATE", one.blob), ("NEXT", one.node), ("META", one.meta)),
            *(("PARENT", one.parent), ("TTL", ttl), ("IFLATEST", latest)),
        )
        reply = self.call("CP.PUT", place, "STEP", one.step, "ID", one.id.upper(), *words)
        space = self.space(place)
        before = space.checkpoints.get(one.id)
        newest = space.newest()
        repeated = before is not None and before.says_the_same(one)
        if latest not in (None, newest[0].id if newest else "-") and not repeated:
            assert reply is None
            return
        assert reply == one.id.encode()
        self.store(place, one, ttl)

    @rule()
    def put_again(self) -> None:
        """Send the last put again, as a client does that has lost the reply."""
        if self.last_put is not None:
            place, one, latest = self.last_put
            self.put(place, one, None, latest)

    @rule(place=places, ident=ids, parent=ids, state=states, node=nodes, meta=metas, ttl=ttls)
    def update(
        self,
        place: Place,
        ident: str,
        parent: str,
        state: str,
        node: str | None,
        meta: str | None,
        ttl: int | None,
    ) -> None:
        words = self.options(
            *(("STATE", state), ("NEXT", node), ("META", meta), ("TTL", ttl), ("ID", ident))
        )
        reply = self.call("CP.UPDATE", place, parent, *words)
        space = self.space(place)
        if ident in space.checkpoints:
            assert reply == ident.encode()
        elif parent not in space.checkpoints:
            assert reply.code == "NOTFOUND"
        else:
            assert reply == ident.encode()
            before = space.checkpoints[parent]
            step = min(before.step + 1, 2**64 - 1)
            one = Checkpoint(ident, parent, step, state, node or before.node, meta, None, self.now)
            self.store(place, one, ttl)

    @rule(pick=st.integers(0, 30), thread=st.sampled_from(THREADS), ident=ids)
    def fork(self, pick: int, thread: str, ident: str) -> None:
        place, source = self.pick(pick)
        reply = self.call("CP.FORK", place, source, thread, "ID", ident)
        target = (place[0], thread, place[2])
        if ident in self.space(target).checkpoints:
            assert reply == ident.encode()
        elif source not in self.space(place).checkpoints:
            assert reply.code == "NOTFOUND"
        else:
            assert reply == ident.encode()
            before = self.space(place).checkpoints[source]
            one = replace(before, id=ident, parent=source, at=self.now, foreign=False, writes={})
            self.store(target, one, None)

    @rule(place=places, thread=st.sampled_from(THREADS))
    def copy(self, place: Place, thread: str) -> None:
        reply = self.call("CP.COPY", place, thread)
        tenant, name, path = place
        if thread == name:
            assert reply.code == "ERR"
            return
        paths = [path] if path else PATHS
        copied = 0
        for one in paths:
            source = self.space((tenant, name, one))
            if not source.checkpoints:
                continue
            is_new = (tenant, thread, one) not in self.spaces
            target = self.make((tenant, thread, one))
            if is_new:
                target.deadline = source.deadline
            for ident, checkpoint in source.checkpoints.items():
                before = target.checkpoints.get(ident)
                kept = checkpoint.writes or (before.writes if before else {})
                target.checkpoints[ident] = replace(checkpoint, writes=dict(kept))
                copied += 1
        assert reply == copied

    @rule(place=places, keep=st.integers(0, 3))
    def prune(self, place: Place, keep: int) -> None:
        removed = self.space(place).newest()[keep:]
        assert self.call("CP.PRUNE", place, "KEEP", keep) == len(removed)
        for one in removed:
            del self.space(place).checkpoints[one.id]
        self.tidy()

    @rule(place=places, ident=maybe_ids)
    def delete(self, place: Place, ident: str | None) -> None:
        reply = self.call("CP.DEL", place, ident)
        tenant, thread, path = place
        if ident is not None:
            assert reply == (self.space(place).checkpoints.pop(ident, None) is not None)
        else:
            gone = [(tenant, thread, one) for one in ([path] if path else PATHS)]
            assert reply == sum(len(self.space(one).checkpoints) for one in gone)
            for one in gone:
                self.spaces.pop(one, None)
        self.tidy()

    @rule(
        pick=st.integers(0, 30),
        task=st.sampled_from(["x", "x:1"]),
        idx=st.integers(-1, 1),
        channel=st.sampled_from(["c", "c:\\"]),
        value=st.sampled_from([b"", b"\x00:"]),
    )
    def write(self, pick: int, task: str, idx: int, channel: str, value: bytes) -> None:
        place, ident = self.pick(pick)
        tenant, thread, path = place
        space = ("NS", path) if path else ()
        reply = self.server(
            "CP.WRITES", "PUT", tenant, thread, ident, task, *space, *(idx, channel, value)
        )
        if ident not in self.space(place).checkpoints:
            assert reply.code == "NOTFOUND"
        else:
            assert reply == 1
            self.make(place).checkpoints[ident].writes[task, idx] = channel, value

    # --- other clients, time and restarts -----------------------------------------------

    @rule(place=places, ident=ids, step=steps, meta=metas, node=nodes)
    def put_with_plain_commands(
        self, place: Place, ident: str, step: int, meta: str | None, node: str | None
    ) -> None:
        thread = self.thread(place)
        one = Checkpoint(ident, None, step, "42", node, meta, None, self.now, foreign=True)
        text = json.dumps({"schema_version": 1, "body": self.envelope(place, one)})
        self.server("ZADD", thread.by_step, min(step, 2**63 - 1), ident)
        self.server("HSET", thread.by_id, ident, text)
        before = self.space(place).checkpoints.get(ident)
        one.writes = before.writes if before else {}
        self.make(place).checkpoints[ident] = one
        look_after(self.server)

    @rule(place=places, ident=ids)
    def delete_with_plain_commands(self, place: Place, ident: str) -> None:
        thread = self.thread(place)
        self.server("ZREM", thread.by_step, ident)
        self.server("HDEL", thread.by_id, ident)
        self.space(place).checkpoints.pop(ident, None)
        self.tidy()
        look_after(self.server)

    @rule(ms=st.sampled_from([1, 400, 4000]))
    def wait(self, ms: int) -> None:
        self.server.advance(ms)
        self.now += ms
        self.server.sweep()
        self.tidy()

    @rule(from_log=st.booleans())
    def restart(self, from_log: bool) -> None:
        again = Recorded(self.now)
        if from_log:
            # A log is replayed as of the time at which its commands ran; then keys expire.
            again.instance.clock.freeze(0)
            again.replay(self.server.take_log())
            again.instance.clock.freeze(self.now)
        else:
            for key in self.server("KEYS", "*"):
                expires = max(0, self.server("PEXPIRETIME", key))
                again("RESTORE", key, expires, self.server("DUMP", key), "ABSTTL")
        self.server = again

    def thread(self, place: Place) -> Thread:
        tenant, thread, path = (word.encode() for word in place)
        return Thread(self.server.context, tenant, thread, path)

    # --- reading ------------------------------------------------------------------------

    @invariant()
    def what_was_touched_is_right(self) -> None:
        touched, self.touched = self.touched, set()
        for place in sorted(touched):
            self.check(place)
        self.touched = set()

    def check(self, place: Place) -> None:
        newest = self.space(place).newest()
        latest = self.call("CP.LATEST", place)
        self.same(place, [] if latest is None else [latest], newest[:1])
        self.same(place, self.call("CP.HISTORY", place), newest)
        for one in newest:
            state = one.state.strip().encode() if one.blob is None else one.blob
            assert self.call("CP.STATE", place, one.id) == state
            writes = self.server("CP.WRITES", "GET", *place[:2], one.id, "NS", place[2])
            assert writes == sorted(
                [task.encode(), idx, channel.encode(), value]
                for (task, idx), (channel, value) in one.writes.items()
            )

    @rule(place=places, wanted=st.sampled_from(FILTERS), size=st.integers(1, 4))
    def read(self, place: Place, wanted: dict[str, Any], size: int) -> None:
        newest = self.space(place).newest()
        found = [one for one in newest if matches(one.value, wanted)]
        words = ("FILTER", json.dumps(wanted))
        self.same(place, self.call("CP.HISTORY", place, *words, "LIMIT", size), found[:size])
        paged = pages(
            lambda at: self.call("CP.HISTORY", place, *words, "COUNT", size, "CURSOR", at)
        )
        self.same(place, [raw for page in paged for raw in page], found)
        for ident in IDS:
            one = self.space(place).checkpoints.get(ident)
            raw = self.call("CP.GET", place, ident)
            self.same(place, [] if raw is None else [raw], [] if one is None else [one])
            if one is None:
                assert self.call("CP.STATE", place, ident) is None
                assert self.server("CP.WRITES", "GET", *place[:2], ident, "NS", place[2]) == []
        info = self.call("CP.INFO", place)
        assert (info is None) == (not newest)
        if newest:
            facts = dict(zip(info[::2], info[1::2], strict=True))
            assert (facts[b"count"], facts[b"last"]) == (len(newest), newest[0].id.encode())
            assert facts[b"first"] == newest[-1].id.encode()
            assert facts[b"expires_at"] == self.space(place).deadline

    @rule(tenant=st.sampled_from(TENANTS), wanted=st.sampled_from(FILTERS), size=st.integers(1, 4))
    def search(self, tenant: str, wanted: dict[str, Any], size: int) -> None:
        words = ("CP.SEARCH", tenant, "FILTER", json.dumps(wanted), "COUNT", size, "CURSOR")
        found = [
            json.loads(raw)["body"]
            for page in pages(lambda at: self.server(*words, at))
            for raw in page
        ]
        expected = [
            self.envelope(place, one)
            for place, space in self.spaces.items()
            for one in space.checkpoints.values()
            if place[0] == tenant and matches(one.value, wanted)
        ]
        assert sorted(map(_text, found)) == sorted(map(_text, expected))

    @invariant()
    def lists_are_right(self) -> None:
        for tenant in TENANTS:
            threads = {place[1] for place in self.spaces if place[0] == tenant}
            cursor, listed = self.server("CP.THREADS", tenant)
            assert cursor == b"0"
            assert sorted(listed) == sorted(name.encode() for name in threads)
            for thread in [*THREADS, "c"]:
                paths = {p[2] for p in self.spaces if p[:2] == (tenant, thread) and p[2]}
                cursor, listed = self.server("CP.NAMESPACES", tenant, thread)
                assert sorted(listed) == sorted(path.encode() for path in paths)

    @rule()
    def look_after(self) -> None:
        """The keys are those of the checkpoints, and the index is exact. Patrols change nothing
        unless something has expired."""
        if not self.is_exact:
            look_after(self.server)
            self.is_exact = True
        self.keys_are_right()
        look_after(self.server)
        self.keys_are_right()

    def keys_are_right(self) -> None:
        expected = set()
        for place, space in self.spaces.items():
            thread = self.thread(place)
            assert self.server("ZCARD", thread.by_step) == len(space.checkpoints)
            assert self.server("HLEN", thread.by_id) == len(space.checkpoints)
            blobs = [one.blob for one in space.checkpoints.values() if one.blob is not None]
            assert sorted(self.server("HVALS", thread.states)) == sorted(blobs)
            writes = [1 + len(one.writes) for one in space.checkpoints.values() if one.writes]
            assert self.server("HLEN", thread.writes) == sum(writes)
            for key in set(thread.keys) & set(self.server("KEYS", "entelix:*")):
                assert self.server("PEXPIRETIME", key) == (space.deadline or -1)
            for one in space.checkpoints.values():
                expected |= {
                    (thread.meta(name), row)
                    for name, row in rows(thread, one.id.encode(), one.value)
                }
        stored = {
            (key, row)
            for key in self.server("KEYS", "redkeep:cp-meta:*")
            for row in self.server("ZRANGE", key, 0, -1)
        }
        assert stored == expected
        names = {key for place in self.spaces for key in self.thread(place).keys}
        assert set(self.server("KEYS", "entelix:*")) <= names
        assert self.server("KEYS", "redkeep:cp-[wt]*") == []


def test_random_programs() -> None:
    run_state_machine_as_test(Checkpoints, settings=QUICK)


@pytest.mark.deep
def test_many_random_programs() -> None:
    run_state_machine_as_test(Checkpoints, settings=DEEP)
