"""Random sessions on Redkeep and on the reference server, in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.differential.compare import (
    UNORDERED_WHEN_HASHED,
    changes_in,
    equal_in_any_order,
    tolerance_of,
)
from tests.differential.dump import Dump, dump, dumps_agree
from tests.differential.machines.grammar import KEYS, Words, key
from tests.support.oracles import Oracle
from tests.support.resp import NULL_ARRAY, Connection, ConnectionClosed, Word, word
from tests.support.scripts import cli_line, shown
from tests.support.servers import RunningServer

_CLIENTS = 2
_DATABASES = (0, 1, 2)
_COUNTERS = ("INFO", "persistence")


class Difference(AssertionError):
    """The servers differ; the message is a script that shows it."""


@dataclass
class Arena:
    """The servers that a machine runs on."""

    ours: RunningServer
    oracle: Oracle
    second: Oracle | None

    def __post_init__(self) -> None:
        self.our_control = self.ours.connect()
        self.their_control = self.oracle.connect()


@dataclass(frozen=True)
class Traces:
    """Effects of a batch of commands besides its replies."""

    changes: int
    """The number of changes that the server counted."""
    failed_watcher: bool
    """Whether a transaction that watched all keys was aborted."""


class Side:
    """The clients of one server in one session, and a client that watches the keys."""

    def __init__(self, server: RunningServer | Oracle, resp: int) -> None:
        self.clients = [Connection(server.port, resp=resp) for _ in range(_CLIENTS)]
        self.watcher = Connection(server.port)

    def ask(self, who: int, batch: Sequence[Sequence[Word]]) -> tuple[list[Any], Traces]:
        _, before = self.watcher.pipeline([("WATCH", *KEYS), _COUNTERS])
        replies = self.clients[who].pipeline(batch)
        _, outcome, after = self.watcher.pipeline([("MULTI",), ("EXEC",), _COUNTERS])
        return replies, Traces(changes_in(after) - changes_in(before), outcome is NULL_ARRAY)

    def close(self) -> None:
        for client in (*self.clients, self.watcher):
            client.close()


class Queue:
    """The commands that a client has queued since MULTI: EXEC returns their replies."""

    def __init__(self) -> None:
        self.words: list[Sequence[Word]] | None = None

    def note(self, words: Sequence[Word], reply: Any) -> list[Sequence[Word]] | None:
        """Record a command and its reply; for EXEC, return the commands that it ran."""
        name = word(words[0]).upper()
        if name == b"MULTI" and reply == "OK":
            self.words = []
        elif name in (b"EXEC", b"DISCARD") and len(words) == 1:
            executed, self.words = self.words, None
            return executed if name == b"EXEC" else None
        elif self.words is not None and reply == "QUEUED":
            self.words.append(words)
        return None


class Session(RuleBasedStateMachine):
    """Runs what `make_machine` generates; compares replies, effects and the final data."""

    arena: Arena

    def __init__(self) -> None:
        super().__init__()
        self.history: list[tuple[int, Sequence[Sequence[Word]]]] = []
        self.queues = [Queue() for _ in range(_CLIENTS)]
        self.resp = 2
        self.failed = False

    @initialize(resp=st.sampled_from([2, 3]))
    def start(self, resp: int) -> None:
        self.resp = resp
        for control in (self.arena.our_control, self.arena.their_control):
            assert control("FLUSHALL") == "OK"
        self.ours = Side(self.arena.ours, resp)
        self.theirs = Side(self.arena.oracle, resp)

    def play(self, who: int, *batch: Sequence[Word]) -> None:
        """Send commands to both servers, several as a pipeline, and compare."""
        self.history.append((who, batch))
        theirs, their_traces = self.theirs.ask(who, batch)
        try:
            ours, our_traces = self.ours.ask(who, batch)
        except (ConnectionClosed, TimeoutError) as lost:
            self.fail(cli_line(batch[-1]), lost, theirs)
        for at, words in enumerate(batch):
            executed = self.queues[who].note(words, theirs[at])
            is_last = at == len(batch) - 1
            if self.same(words, executed, is_last, ours[at], theirs[at]):
                continue
            if self.second_opinion(at, words, executed, is_last, ours[at], theirs[at]):
                continue
            self.fail(cli_line(words), ours[at], theirs[at])
        if not (
            our_traces == their_traces
            or any(map(_may_grow_uncounted, batch))
            or (self.arena.second is not None and our_traces == self.replay(self.arena.second)[1])
        ):
            self.fail("counted changes", our_traces, their_traces)

    def same(
        self,
        words: Sequence[Word],
        executed: list[Sequence[Word]] | None,
        is_last: bool,
        ours: Any,
        theirs: Any,
    ) -> bool:
        # After a transaction or pipeline, encodings may have changed, and the order with them.
        if executed is not None and isinstance(ours, list) and isinstance(theirs, list):
            return len(ours) == len(theirs) == len(executed) and all(
                _same_except_for_order(each, mine, other)
                for each, mine, other in zip(executed, ours, theirs, strict=True)
            )
        if not is_last and word(words[0]).upper() in UNORDERED_WHEN_HASHED:
            return _same_except_for_order(words, ours, theirs)
        return tolerance_of(words, self.encoding_of)(ours, theirs)

    def encoding_of(self, key: Word) -> Any:
        return self.arena.their_control("OBJECT", "ENCODING", key)

    def second_opinion(
        self,
        at: int,
        words: Sequence[Word],
        executed: list[Sequence[Word]] | None,
        is_last: bool,
        ours: Any,
        theirs: Any,
    ) -> bool:
        """Return whether redis-server gives our reply in the same session.

        Each reply inside a transaction may be that of either server, as outside of one.
        """
        if self.arena.second is None:
            return False
        replies, _ = self.replay(self.arena.second)
        second = replies[at]
        if executed is None or not all(isinstance(one, list) for one in (ours, theirs, second)):
            return self.same(words, executed, is_last, ours, second)
        return len(ours) == len(theirs) == len(second) == len(executed) and all(
            _same_except_for_order(each, mine, one) or _same_except_for_order(each, mine, other)
            for each, mine, one, other in zip(executed, ours, theirs, second, strict=True)
        )

    def replay(self, server: Oracle) -> tuple[list[Any], Traces]:
        """Run the session on another server; return the replies and effects of its last batch."""
        server("FLUSHALL")
        side = Side(server, self.resp)
        try:
            for client, batch in self.history:
                latest = side.ask(client, batch)
            return latest
        finally:
            side.close()

    def fail(self, what: str, ours: Any, theirs: Any) -> NoReturn:
        """End the session, which has found a difference."""
        self.failed = True
        raise Difference(
            self.explain(
                f"{what}\n  redkeep  {shown(ours)}\n  {self.arena.oracle.name:8} {shown(theirs)}"
            )
        )

    def explain(self, difference: str) -> str:
        lines = [f"RESP{self.resp}, after FLUSHALL:"]
        for who, batch in self.history:
            lines += [f"[{who}] {cli_line(words)}" for words in batch]
            if len(batch) > 1:
                lines[-1] += "   (sent as a pipeline)"
        return "\n".join([*lines, "", "different:", difference])

    def teardown(self) -> None:
        if not self.history:
            return
        self.ours.close()
        self.theirs.close()
        if self.failed:
            return
        ours = dump(self.arena.our_control, _DATABASES)
        theirs = dump(self.arena.their_control, _DATABASES)
        for control in (self.arena.our_control, self.arena.their_control):
            control("SELECT", 0)
        second = theirs
        if self.arena.second is not None and _differ(ours, theirs):
            # Where the servers disagree, Redkeep follows Redis, in the final data too.
            self.replay(self.arena.second)
            with self.arena.second.connect() as control:
                second = dump(control, _DATABASES)
        for place in sorted(ours.keys() | theirs.keys()):
            if not (
                dumps_agree(ours.get(place), theirs.get(place))
                or dumps_agree(ours.get(place), second.get(place))
            ):
                what = f"at the end, db {place[0]} {cli_line(place[1:])}"
                self.fail(what, ours.get(place), theirs.get(place))


def _same_except_for_order(words: Sequence[Word], ours: Any, theirs: Any) -> bool:
    tolerance = tolerance_of(words, lambda key: None)
    return tolerance(ours, theirs) or equal_in_any_order(ours, theirs)


def _may_grow_uncounted(words: Sequence[Word]) -> bool:
    """Return whether a refused overflow may have extended a string, which Redis does not count."""
    return word(words[0]).upper() == b"BITFIELD"


def _differ(ours: Dump, theirs: Dump) -> bool:
    return any(
        not dumps_agree(ours.get(place), theirs.get(place)) for place in ours.keys() | theirs.keys()
    )


def make_machine(commands: Words, arena: Arena) -> type[Session]:
    """Return the state machine that runs these commands."""

    class Machine(Session):
        @rule(words=commands, who=st.sampled_from([0, 0, 0, 1]))
        def command(self, words: tuple[Word, ...], who: int) -> None:
            self.play(who, words)

        @rule(batch=st.lists(commands, min_size=2, max_size=5))
        def pipeline(self, batch: list[tuple[Word, ...]]) -> None:
            self.play(0, *batch)

        @rule(
            watched=st.one_of(st.none(), key),
            intruder=st.one_of(st.none(), commands),
            batch=st.lists(commands, min_size=1, max_size=4),
            end=st.sampled_from(["EXEC", "EXEC", "EXEC", "DISCARD"]),
        )
        def transaction(
            self,
            watched: tuple[Word, ...] | None,
            intruder: tuple[Word, ...] | None,
            batch: list[tuple[Word, ...]],
            end: str,
        ) -> None:
            if watched is not None:
                self.play(0, ("WATCH", *watched))
            if intruder is not None:
                self.play(1, intruder)
            self.play(0, ("MULTI",), *batch, (end,))

    Machine.arena = arena
    return Machine
