"""Every command with extreme arguments: no internal error, bounded work, and Redis' errors.

The server runs in a process of its own with limited memory and processor time. Each request is
also sent to the real servers that know the command: the reply must be of the same type as that
of one of them, and an error the same to the letter.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

import pytest

from commands.engine.registry import Command
from tests.support import extremes
from tests.support.declarations import our_commands
from tests.support.extremes import Request
from tests.support.oracles import STARTERS
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Error, Word, request

# The longest string, for all servers: offsets beyond it are refused, those below allocate it.
_LONGEST = "16mb"
# What the server may allocate: several times what any of these requests needs.
_MOST_MEMORY = 1 << 30
# Seconds of processor time for all tests of one process. A single request that never ends makes
# its test fail much earlier.
_MOST_SECONDS = 1800

# Commands that stop the server or act on other clients, with the reason they are not sent.
LEFT_OUT = {
    "shutdown": "ends the server",
    "save": "writes files",
    "bgsave": "writes files",
    "bgrewriteaof": "writes files",
    "config|rewrite": "writes files",
    "config|set": "changes the limits of this test",
    "failover": "pauses all clients",
    "replicaof": "starts a replication",
    "slaveof": "starts a replication",
    "client|pause": "holds back the requests that follow",
    "client|kill": "ends the connections of the test",
    "monitor": "has endless replies",
    "client|reply": "turns off the replies that are compared",
    "quit": "ends the connection",
    "pfselftest": "has no arguments, and takes long",
    "debug": "its subcommands are not declared",
}
COMMANDS = {
    name: command
    for name, command in sorted(our_commands().items())
    if name not in LEFT_OUT and not command.subcommands
}
# Groups whose commands change how a connection works: each request gets a new one.
_ON_THEIR_OWN = frozenset({"connection", "pubsub", "transactions"})

# Replies that differ from those of the oracles on purpose: (command, part of our error) -> why.
DIFFERENCES = {
    ("bitfield", "bit offset"): "there, huge multiples of the width wrap around",
    ("bitfield_ro", "bit offset"): "there, huge multiples of the width wrap around",
    ("client|tracking", ""): "here, a client with the ID 1 is connected",
    ("cluster|help", ""): "there, it fails without cluster mode",
    ("script|debug", ""): "see docs/COMPATIBILITY.md",
}
# Follow Redis 7.4, which neither oracle is.
_OF_LATER_REDIS = frozenset(
    "hexpire hpexpire hexpireat hpexpireat hexpiretime hpexpiretime httl hpttl hpersist hgetdel "
    "hgetex hsetex".split()
)
# For a large negative count, the oracles return gigabytes.
_GENEROUS = frozenset({"srandmember", "hrandfield", "zrandmember"})


class Target:
    """A server to send requests to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = Connection(port)
        self.commands = {
            name for name in COMMANDS if any(self._connection("COMMAND", "INFO", name))
        }

    def replies(self, command: Command, requests: Sequence[Request]) -> list[object]:
        """Send the requests, each to a database with just its key, and return their replies."""
        if command.group not in _ON_THEIR_OWN:
            return self._replies(self._connection, command, requests)
        replies = []
        for single in requests:
            with Connection(self.port) as connection:
                replies += self._replies(connection, command, [single])
        return replies

    def _replies(
        self, connection: Connection, command: Command, requests: Sequence[Request]
    ) -> list[object]:
        sent: list[Sequence[Word]] = []
        ends = []
        for key, words in requests:
            sent += (["FLUSHALL"], *extremes.KEYS[key])
            # In a transaction nothing blocks.
            sent += [["MULTI"], words, ["EXEC"]] if "blocking" in command.flags else [words]
            ends.append(len(sent))
        connection.send_raw(b"".join(map(request, sent)))
        replies = [connection.read() for _ in sent]
        if "blocking" not in command.flags:
            return [replies[end - 1] for end in ends]
        return [_of_transaction(replies[end - 2], replies[end - 1]) for end in ends]

    def close(self) -> None:
        self._connection.close()


def _of_transaction(queued: object, executed: object) -> object:
    if isinstance(queued, Error):
        return queued
    assert isinstance(executed, list), executed
    return executed[0]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with ServeProcess(
        "--save", "", "--appendonly", "no", "--proto-max-bulk-len", _LONGEST
    ) as process:
        resource.prlimit(process.pid, resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
        found = Target(process.port)
        yield found
        found.close()
    assert "Traceback" not in "".join(process.errors)


@pytest.fixture(scope="module")
def oracles() -> Iterator[list[Target]]:
    """The real servers that this machine has."""
    running = []
    for start in STARTERS.values():
        with suppress(LookupError):
            running.append(start("--proto-max-bulk-len", _LONGEST))
    yield [Target(oracle.port) for oracle in running]
    for oracle in running:
        oracle.close()


def kind_of(reply: object) -> str:
    """Return what must be equal: the text of an error, the type of any other reply."""
    return reply.text if isinstance(reply, Error) else type(reply).__name__


def check(
    target: Target, oracles: list[Target], name: str, requests: Iterable[Request], size: int
) -> None:
    command = COMMANDS[name]
    rest = iter(requests)
    while batch := list(islice(rest, size)):
        ours = [kind_of(reply) for reply in target.replies(command, batch)]
        theirs = [
            [kind_of(reply) for reply in oracle.replies(command, batch)]
            for oracle in oracles
            if name in oracle.commands and is_comparable(name, batch)
        ]
        for place, (kind, sent) in enumerate(zip(ours, batch, strict=True)):
            assert "internal error" not in kind, sent
            expected = [kinds[place] for kinds in theirs]
            if kind not in expected and expected and not is_intended(name, kind):
                shown = [word[:50] for word in sent.words]
                raise AssertionError(f"{shown} replies {kind!r}, not one of {expected}")


def is_comparable(name: str, batch: list[Request]) -> bool:
    if name in _GENEROUS:
        return not any(word[:1] == b"-" for _, words in batch for word in words[2:3])
    return name not in _OF_LATER_REDIS


def is_intended(name: str, kind: str) -> bool:
    return any(name == other and part in kind for other, part in DIFFERENCES)


def test_every_command_is_tested_or_left_out() -> None:
    assert LEFT_OUT.keys() <= our_commands().keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_one_extreme_argument(target: Target, oracles: list[Target], name: str) -> None:
    check(target, oracles, name, extremes.requests(COMMANDS[name]), 50)


@pytest.mark.parametrize("name", COMMANDS)
def test_very_long_and_very_many_arguments(
    target: Target, oracles: list[Target], name: str
) -> None:
    check(target, oracles, name, extremes.large_requests(COMMANDS[name]), 2)


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_several_extreme_arguments(target: Target, name: str) -> None:
    rng = random.Random(name)
    command = COMMANDS[name]
    requests = (extremes.random_request(command, rng) for _ in range(1000))
    check(target, [], name, requests, 50)
