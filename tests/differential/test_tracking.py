"""Client-side caching: what each client receives, on Redkeep and on valkey-server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.differential.compare import equal
from tests.differential.test_machines import DEEP, QUICK
from tests.differential.tracking import CASES, Session, parse
from tests.support.oracles import Oracle
from tests.support.servers import RunningServer


@pytest.mark.parametrize("name", CASES)
def test_each_client_receives_what_valkey_sends(
    name: str, server: RunningServer, valkey: Oracle
) -> None:
    clients, steps = parse(CASES[name])
    ours, theirs = Session(server, clients), Session(valkey, clients)
    for who, text in steps:
        _compare(f"{who}> {text}", ours.play(who, text), theirs.play(who, text))
    ours.close()
    theirs.close()


def _compare(what: str, found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    for client, messages in expected.items():
        assert equal(found[client], messages), (
            f"{what}\n{client} gets {found[client]}\n   not {messages}"
        )


# --- random sessions ----------------------------------------------------------------------------


def _join(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    strategies = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(lambda words: " ".join(filter(None, words)))


_key = st.sampled_from(["k1", "k2", "k3", "j1"])
_prefix = st.sampled_from(["k", "k1", "j", "x"])
_options = st.one_of(
    st.just(""),
    st.sampled_from(["OPTIN", "OPTOUT", "NOLOOP", "OPTIN NOLOOP", "REDIRECT @b", "REDIRECT @c"]),
    st.sampled_from(["BCAST", "BCAST NOLOOP", "BCAST REDIRECT @c", "BCAST REDIRECT @b NOLOOP"]),
    _join("BCAST PREFIX", _prefix, st.sampled_from(["", "NOLOOP"])),
)
_modes = st.one_of(
    _join("CLIENT TRACKING ON", _options),
    _join("CLIENT TRACKING OFF; CLIENT TRACKING ON", _options),
    st.sampled_from(["CLIENT TRACKING OFF", "CLIENT CACHING YES", "CLIENT CACHING NO"]),
    st.just("CLIENT TRACKINGINFO"),
)
_reads = st.one_of(
    _join("GET", _key),
    _join("MGET", _key, _key),
    _join("EXISTS", _key, _key),
    _join("OBJECT ENCODING", _key),
    _join("CLIENT CACHING YES; GET", _key),
)
_writes = st.one_of(
    _join("SET", _key, "1"),
    _join("SET", _key, "1 PX 1000000"),
    _join("DEL", _key, _key),
    _join("INCR", _key),
    _join("MSET", _key, "1", _key, "2"),
    _join("EXPIRE", _key, st.sampled_from(["100", "-1"])),
    _join("RENAME", _key, _key),
    _join("GETSET", _key, "5"),
    _join("COPY", _key, _key),
)
_plain = st.one_of(_reads, _reads, _writes)
_scripts = st.tuples(st.sampled_from(["get", "incr", "del"]), _key, _key).map(
    lambda words: f"EVAL redis.call('{words[0]}','{words[1]}')redis.call('get','{words[2]}') 0"
)
_transactions = st.lists(st.one_of(_plain, _scripts), min_size=1, max_size=4).map(
    lambda lines: "; ".join(["MULTI", *lines, "EXEC"])
)
_rare = st.sampled_from(["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "PING", "nosuch"])
_lines = st.one_of(_plain, _plain, _plain, _scripts, _transactions, _rare)


class RandomSessions(RuleBasedStateMachine):
    """Three clients in random modes, one of which may be a subscriber."""

    server: RunningServer
    oracle: Oracle

    def __init__(self) -> None:
        super().__init__()
        self.history: list[str] = []

    @initialize(resp=st.sampled_from([2, 3]), subscriber=st.booleans())
    def start(self, resp: int, subscriber: bool) -> None:
        clients = {"a": 3, "b": resp, "c": 2}
        self.ours, self.theirs = Session(self.server, clients), Session(self.oracle, clients)
        self.history.append(f"b in RESP{resp}")
        self.play("a", "CLIENT TRACKING ON")
        if subscriber:
            self.play("c", "SUBSCRIBE __redis__:invalidate")

    @rule(who=st.sampled_from("aab"), lines=st.lists(_lines, min_size=1, max_size=3))
    def requests(self, who: str, lines: list[str]) -> None:
        self.play(who, "; ".join(lines))

    @rule(who=st.sampled_from("aab"), line=_modes)
    def mode(self, who: str, line: str) -> None:
        # On its own: what was changed in the same turn would be told by the modes of both.
        self.play(who, line)

    @rule(line=_writes)
    def write_by_another(self, line: str) -> None:
        for session in (self.ours, self.theirs):
            session.control(*line.split())
        self.history.append(f"control> {line}")
        self.play("b", "GET none")

    def play(self, who: str, text: str) -> None:
        self.history.append(f"{who}> {text}")
        script = "\n".join(self.history)
        _compare(script, self.ours.play(who, text), self.theirs.play(who, text))
        assert self.ours.numbers() == self.theirs.numbers(), script

    def teardown(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.mark.parametrize(
    "profile",
    [pytest.param(QUICK, id="quick"), pytest.param(DEEP, id="deep", marks=pytest.mark.deep)],
)
def test_random_sessions_receive_what_valkey_sends(
    profile: settings, server: RunningServer, valkey: Oracle
) -> None:
    class Machine(RandomSessions):
        pass

    Machine.server, Machine.oracle = server, valkey
    run_state_machine_as_test(Machine, settings=profile)
