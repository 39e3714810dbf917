"""Random rules for random users, on Redkeep and valkey-server: how they are shown after each step,
and what they allow, by DRYRUN and for real."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.differential.cases.acl import ACTIONS, REQUESTS
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

USERS = ("ann", "bob")
COMMANDS = (
    *("get", "set", "mget", "copy", "del", "sort", "publish", "eval", "select", "config", "acl"),
    *("config|get", "config|set", "acl|whoami", "object", "object|encoding", "zunionstore", "GET"),
    *("ping", "xread", "subscribe", "client", "client|id", "nothing", "config|nothing"),
)
CATEGORIES = (
    *("all", "read", "write", "string", "keyspace", "fast", "slow", "dangerous", "admin"),
    *("connection", "pubsub", "hash", "stream", "transaction", "nothing"),
)
PATTERNS = ("a", "a*", "*", "r*", "w*", "ch", "ch*", "[ab]", "?", "b", "")


def _one(*rules: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.one_of(*rules)


def _joined(*parts: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


SIGN = st.sampled_from("+-")
SELECTOR_RULE = _one(
    _joined(SIGN, st.sampled_from(COMMANDS)),
    _joined(SIGN, st.just("@"), st.sampled_from(CATEGORIES)),
    _joined(st.sampled_from(["~", "%R~", "%W~", "%RW~", "&"]), st.sampled_from(PATTERNS)),
    st.sampled_from(
        "allkeys resetkeys allchannels resetchannels allcommands nocommands +select|0 +select|1 "
        "+get|a +config|get|x -select|0 %X~a".split()
    ),
)
# Without `reset`, after which Redis shows a flag that Valkey does not have.
RULE = _one(
    SELECTOR_RULE,
    SELECTOR_RULE,
    SELECTOR_RULE,
    st.sampled_from(
        f"on off nopass resetpass >p >q <p <q clearselectors (on) ( +get~a x ) y #{'a' * 64} "
        f"!{'a' * 64} #a".split()
    ),
    st.lists(SELECTOR_RULE, max_size=3).map(lambda rules: f"({' '.join(rules)})"),
)
STEP = st.tuples(
    st.sampled_from(USERS),
    st.lists(RULE, min_size=1, max_size=4),
    st.lists(st.sampled_from(REQUESTS), max_size=4),
    st.lists(st.sampled_from(ACTIONS), max_size=4),
)
QUICK = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
)
DEEP = settings(QUICK, max_examples=5000, derandomize=False, phases=[Phase.generate, Phase.shrink])


class Pair:
    """The same requests on both servers, which must give the same replies."""

    def __init__(self, ours: Connection, theirs: Connection, history: list[str]) -> None:
        self._ours = ours
        self._theirs = theirs
        self._history = history

    def ask(self, *words: str) -> object:
        self._history.append(" ".join(words))
        mine, right = self._ours(*words), self._theirs(*words)
        # Only what is refused is compared to the letter: the data of the servers may differ.
        if words[0] != "ACL" and not (_is_refusal(mine) or _is_refusal(right)):
            return mine
        assert mine == right, "\n".join([*self._history, f"ours   {mine}", f"theirs {right}"])
        return mine

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


def _is_refusal(reply: object) -> bool:
    return isinstance(reply, Error) and ("NOPERM" in reply.text or "ACL" in reply.text)


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize(
    "profile",
    [pytest.param(QUICK, id="quick"), pytest.param(DEEP, id="deep", marks=pytest.mark.deep)],
)
def test_users_are_those_of_valkey(
    profile: settings, resp: int, server: RunningServer, valkey: Oracle
) -> None:
    @profile
    @given(st.lists(STEP, min_size=1, max_size=6))
    def play(steps: list[tuple[str, list[str], list[str], list[str]]]) -> None:
        history: list[str] = []
        admin = Pair(server.connect(resp=resp), valkey.connect(resp), history)
        admin.ask("ACL", "DELUSER", *USERS)
        admin.ask("ACL", "SETUSER", USERS[0], "on", "nopass", "~*", "+@all")
        admin.ask("FLUSHALL")
        for user, rules, requests, actions in steps:
            admin.ask("ACL", "SETUSER", user, *(word for rule in rules for word in rule.split()))
            admin.ask("ACL", "LIST")
            for request in requests:
                admin.ask("ACL", "DRYRUN", user, *request.split(" "))
            client = Pair(server.connect(resp=resp), valkey.connect(resp), history)
            client.ask("AUTH", user, "p")
            for action in actions:
                client.ask(*action.split(" "))
            client.close()
        admin.close()

    play()
