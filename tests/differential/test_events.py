"""Keyspace notifications: the events of every command, on Redkeep and on the real servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.differential.events import CASES
from tests.differential.machines import (
    geo,
    hashes,
    hyperloglogs,
    keys,
    lists,
    sets,
    sorted_sets,
    streams,
    strings,
)
from tests.differential.scripts import Script
from tests.differential.test_machines import DEEP, QUICK
from tests.support.info import info
from tests.support.oracles import Oracle, redis_binary
from tests.support.resp import Connection, Error, Word
from tests.support.scripts import cli_line
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

Events = list[tuple[bytes, bytes]]

# Everything, in both forms.
ALL = "AKEmn"
# What Redis 7.0 has and reports as Valkey does, and what only Redis reports like that: Valkey calls
# a key that gets a time in the past expired at once.
IN_REDIS_7_0 = [
    "strings changed in place", "hyperloglogs", "lists", "sets", "sorted sets", "geo", "keys",
    "reads of missing keys", "transactions and scripts", "keys found to be expired",
]  # fmt: skip
REDIS_ONLY = ["times in the past"]
_FENCE = b"__key@0__:fence"
needs_redis = pytest.mark.skipif(
    redis_binary() is None, reason="Valkey differs from Redis, and there is no redis-server on PATH"
)


class Listener:
    """A server, a client that works on it, and a subscriber to all of its events."""

    def __init__(self, server: RunningServer | Oracle, classes: str = ALL) -> None:
        self.name = getattr(server, "name", "redkeep")
        self.client, self.control, self.waiter, self.subscriber = (
            Connection(server.port) for _ in range(4)
        )
        assert self.control("FLUSHALL") == "OK"
        assert self.control("CONFIG", "SET", "notify-keyspace-events", classes) == "OK"
        self.subscriber("PSUBSCRIBE", "__key*@*__:*")

    def run(self, *words: Word) -> tuple[Any, Events]:
        """Run a command; return its reply and the events since the one before."""
        reply = self.client(*words)
        return reply, self.events()

    def events(self) -> Events:
        self.control("PUBLISH", _FENCE, "")
        return list(iter(self.next_event, (_FENCE, b"")))

    def next_event(self) -> tuple[bytes, bytes]:
        _, _, channel, text = self.subscriber.read()
        return channel, text

    def block(self, *words: Word) -> None:
        """Block another client with this command."""
        self.waiter.send(*words)
        wait_until(lambda: info(self.control, "blocked_clients") == "1", "a blocked client")

    def close(self) -> None:
        for connection in (self.client, self.control, self.waiter, self.subscriber):
            connection.close()


def _compare(script: Script, ours: Listener, theirs: Listener) -> None:
    for words in script:
        assert ours.run(*words)[1] == theirs.run(*words)[1], cli_line(words)
    ours.close()
    theirs.close()


def _oracles(valkey: Oracle, request: pytest.FixtureRequest) -> list[Oracle]:
    second = [request.getfixturevalue("redis7")] if redis_binary() is not None else []
    return [valkey, *second]


@pytest.mark.parametrize("name", [name for name in CASES if name not in REDIS_ONLY])
def test_each_command_reports_the_events_of_valkey(
    name: str, server: RunningServer, valkey: Oracle
) -> None:
    _compare(CASES[name], Listener(server), Listener(valkey))


@needs_redis
@pytest.mark.parametrize("name", REDIS_ONLY + IN_REDIS_7_0)
def test_each_command_reports_the_events_of_redis(
    name: str, server: RunningServer, redis7: Oracle
) -> None:
    _compare(CASES[name], Listener(server), Listener(redis7))


@pytest.mark.parametrize("classes", ["KA", "EA", "KEA", "En", *(f"E{c}" for c in "g$lshzxetdm")])
def test_a_setting_selects_the_events_of_its_classes(
    classes: str, server: RunningServer, valkey: Oracle
) -> None:
    script = [
        words
        for name in CASES
        if name not in REDIS_ONLY
        for words in (*CASES[name], ("SELECT", 0), ("FLUSHALL",))
    ]
    _compare(script, Listener(server, classes), Listener(valkey, classes))


@pytest.mark.parametrize("classes", ["", "K", "E", "A", "g$"])
def test_nothing_is_published_without_classes_or_channels(
    classes: str, server: RunningServer
) -> None:
    before = server.call(lambda: list(server.instance.keyspace.observers))
    listener = Listener(server, classes)
    assert listener.run("SET", "k", "v") == ("OK", [])
    assert server.call(lambda: server.instance.keyspace.observers) == before


@pytest.mark.parametrize(
    ("waiting", "served_by"),
    [
        (("BLPOP", "l", 0), ("RPUSH", "l", "a")),
        (("BLPOP", "l", 0), ("RPUSH", "l", "a", "b")),
        (("BRPOPLPUSH", "l", "m", 0), ("RPUSH", "l", "a")),
        (("BLMOVE", "l", "m", "LEFT", "RIGHT", 0), ("LPUSH", "l", "a")),
        (("BLMPOP", 0, 1, "l", "LEFT", "COUNT", 3), ("RPUSH", "l", "a", "b")),
        (("BZPOPMIN", "z", 0), ("ZADD", "z", 1, "a", 2, "b")),
        (("BZMPOP", 0, 1, "z", "MAX"), ("ZADD", "z", 1, "a")),
        (("XREAD", "BLOCK", 0, "STREAMS", "s", "$"), ("XADD", "s", "1-1", "a", "b")),
        (("BLPOP", "l", 0), ("RENAME", "full", "l")),
        (("BLPOP", "l", 0), ("COPY", "full", "l")),
        (("BLPOP", "l", 0), ("SORT", "full", "STORE", "l")),
        (("BLPOP", "l", 0), ("EVAL", "redis.call('rpush','l','a')redis.call('set','k','v')", 0)),
    ],
)
def test_a_command_that_waited_reports_its_events_when_it_is_served(
    waiting: tuple[Word, ...],
    served_by: tuple[Word, ...],
    server: RunningServer,
    valkey: Oracle,
    request: pytest.FixtureRequest,
) -> None:
    streams_of = []
    servers: list[RunningServer | Oracle] = [server, *_oracles(valkey, request)]
    for each in servers:
        listener = Listener(each)
        listener.run("RPUSH", "full", 3, 1, 2)
        listener.block(*waiting)
        at_first = listener.events()
        _, events = listener.run(*served_by)
        reply = listener.waiter.read()
        streams_of.append((at_first, events, reply, listener.events()))
        listener.close()
    assert all(found == streams_of[0] for found in streams_of[1:])


def test_timers_report_what_expires(server: RunningServer, valkey: Oracle) -> None:
    streams_of = []
    servers: list[RunningServer | Oracle] = [server, valkey]
    for each in servers:
        listener = Listener(each, "Exgh")
        listener.client("SET", "key", 1, "PX", 1)
        found = [listener.next_event() for _ in range(2)]
        listener.client("HSET", "hash", "a", 1, "b", 2)
        listener.client("HPEXPIRE", "hash", 1, "FIELDS", 1, "a")
        found += [listener.next_event() for _ in range(3)]
        listener.client("HPEXPIRE", "hash", 1, "FIELDS", 1, "b")
        found += [listener.next_event() for _ in range(3)]
        streams_of.append(found)
        listener.close()
    assert streams_of[0] == streams_of[1]


def test_a_subscriber_gets_its_own_events_after_the_reply(
    server: RunningServer, valkey: Oracle
) -> None:
    streams_of = []
    for each in (server, valkey):
        client = each.connect(resp=3)
        client("CONFIG", "SET", "notify-keyspace-events", "KEA")
        client("PSUBSCRIBE", "__key*__:*")
        client.send("SET", "k", "v")
        client.send("PING")
        streams_of.append([client.read() for _ in range(4)])
        client.close()
    assert streams_of[0] == streams_of[1]


def test_domain_commands_report_the_events_of_the_commands_they_run(server: RunningServer) -> None:
    journal = server.record()
    listener = Listener(server, "KEA")
    reported: Events = []
    for line in (
        "STORE.PUT acme settings {} TTL 100000",
        "STORE.DEL acme settings",
        "JOB.SUBMIT gpu train acme {}",
        "JOB.CLAIM gpu w1",
        "QUEUE.PUSH orders {}",
        "CP.PUT acme thread STEP 1 STATE {}",
    ):
        reply, events = listener.run(*line.split())
        assert not isinstance(reply, Error), (line, reply)
        reported += events
    plain = server.call(lambda: list(journal.take()))
    listener.run("FLUSHALL")
    replayed: Events = []
    for request in plain:
        replayed += listener.run(*request)[1]
    assert reported
    assert reported == replayed


# --- random commands ----------------------------------------------------------------------------


class Sessions(RuleBasedStateMachine):
    """Random commands; their events are those of one of the real servers."""

    listeners: Sequence[Listener]

    def __init__(self) -> None:
        super().__init__()
        self.history: list[str] = []
        for each in self.listeners:
            each.control("FLUSHALL")
            each.events()

    @rule(words=st.one_of(*(f.COMMANDS for f in (hashes, keys, lists, sets, sorted_sets))))
    def collections(self, words: tuple[Word, ...]) -> None:
        self.play(words)

    @rule(words=st.one_of(*(family.COMMANDS for family in (streams, strings, hyperloglogs, geo))))
    def others(self, words: tuple[Word, ...]) -> None:
        self.play(words)

    def play(self, words: tuple[Word, ...]) -> None:
        self.history.append(cli_line(words))
        found, *expected = [each.run(*words)[1] for each in self.listeners]
        assert found in expected, "\n".join([*self.history, repr(found), repr(expected)])


@needs_redis
@pytest.mark.parametrize(
    "profile",
    [pytest.param(QUICK, id="quick"), pytest.param(DEEP, id="deep", marks=pytest.mark.deep)],
)
def test_random_commands_report_the_events_of_a_real_server(
    profile: settings, server: RunningServer, valkey: Oracle, redis7: Oracle
) -> None:
    listeners = [Listener(each, "AKEn") for each in (server, valkey, redis7)]
    for each in listeners:
        # What expires is reported when a command meets it, and not at some time by a timer.
        each.control("DEBUG", "SET-ACTIVE-EXPIRE", 0)

    class Machine(Sessions):
        pass

    Machine.listeners = listeners
    try:
        run_state_machine_as_test(Machine, settings=profile)
    finally:
        for each in listeners:
            each.control("DEBUG", "SET-ACTIVE-EXPIRE", 1)
            each.close()
