"""Every command, many times on one connection, with a log and without: memory stays flat.

What a command stores is deleted after each round; whatever is left then was gathered somewhere
else: in the context, the client, the instance, or a cache. It must not depend on how often the
command was called.
"""

from __future__ import annotations

import gc
import random
import socket
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import islice

import pytest

from commands.engine.registry import Command
from storage.journal import Journal
from tests.support import fuzzing
from tests.support.declarations import our_commands
from tests.support.memory import resident
from tests.support.offline import Offline
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Word, request
from tests.test_domain_completeness import EXAMPLES, SETUP

NOW = 1_700_000_000_000
# By chance: tables grow in steps, statistics get new rows.
MOST_GROWTH = 24_000
LEFT_OUT = {
    # They wait, stop the server, or change what this test relies on.
    *("shutdown", "debug", "client|reply", "client|kill", "client|pause", "monitor", "quit"),
    *("multi", "subscribe", "psubscribe", "ssubscribe", "hello", "reset", "config|set"),
    # It runs what MULTI has queued, and nothing else.
    "exec",
    # It takes seconds.
    "pfselftest",
    # They read or write files.
    *("save", "bgsave", "bgrewriteaof", "config|rewrite"),
}


def requests_of(name: str, command: Command, times: int) -> Iterator[list[bytes]]:
    if name in EXAMPLES:
        yield from ([word.encode() for word in EXAMPLES[name].words] for _ in range(times))
        return
    source = fuzzing.Commands(random.Random(name))
    yield from (source.of(command) for _ in range(times))


def growth(name: str, times: int, *, logged: bool) -> int:
    """Return how many bytes more are left of a round of many calls than of one of a few."""
    command = our_commands()[name]
    session = Offline(NOW)
    if logged:
        session.instance.keyspace.journal = Journal()
    preparation = [[word.encode() for word in each.split(" ")] for each in SETUP]
    requests = list(requests_of(name, command, times))

    def play(most: int) -> None:
        session.run(*preparation, *fuzzing.PREPARATION)
        for each in requests[:most]:
            session.run(each)
            if logged:
                journal = session.instance.keyspace.journal
                assert journal is not None
                journal.take()
        # Not with commands: what a connection gathers must not be cleared by another command.
        session.context.select(session.database)
        session.instance.keyspace.flush_all()
        session.instance.slowlog.clear()

    tracemalloc.start()
    try:
        sizes = []
        for most in (times, times // 4, times):
            play(most)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return sizes[2] - sizes[1]


NAMES = sorted(
    name
    for name, command in our_commands().items()
    if name not in LEFT_OUT and not command.subcommands and "blocking" not in command.flags
)


WRITES = [name for name in NAMES if our_commands()[name].writes]


@pytest.mark.parametrize("logged", [True, False], ids=["logged", "not logged"])
@pytest.mark.parametrize("name", WRITES)
def test_memory_stays_flat(name: str, logged: bool) -> None:
    # What other threads of this process allocate is counted, too.
    assert any(growth(name, 60, logged=logged) < MOST_GROWTH for _ in range(3))


@pytest.mark.deep
@pytest.mark.parametrize("logged", [True, False], ids=["logged", "not logged"])
@pytest.mark.parametrize("name", NAMES)
def test_memory_stays_flat_for_long(name: str, logged: bool) -> None:
    assert growth(name, 25_000, logged=logged) < MOST_GROWTH


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_without_a_log_no_entries_are_gathered_for_it(name: str) -> None:
    session = Offline(NOW)
    for each in (*SETUP, EXAMPLES[name].request):
        session(*each.split(" "))
        assert not session.context.log_entries


# --- the same through a socket, with files -----------------------------------------------------

MODES = {
    "no files": ("--save", "", "--appendonly", "no"),
    "snapshots": ("--save", "60 1", "--appendonly", "no"),
    "log, no": ("--save", "", "--appendonly", "yes", "--appendfsync", "no"),
    "log, everysec": ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
    "log, always": ("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
}
# A read does the same in every mode.
COMMANDS = dict.fromkeys(MODES, WRITES) | {"no files": NAMES, "log, everysec": NAMES}
CALLS = 100_000
_PIPELINED = 100
_ROUND = 5000
# For one command. Those that describe all commands, or that fill a key of 512 MB, get fewer calls.
_MOST_SECONDS = 10
# The allocator of a process keeps some memory, more or less by chance.
MOST_RESIDENT_GROWTH = 16 * 2**20


def send(client: socket.socket, requests: Sequence[Sequence[Word]]) -> None:
    """Send requests and read what comes, up to the reply to a last one.

    Some commands have several replies, so they are not counted.
    """
    mark = b"the last reply to %d requests" % len(requests)
    client.sendall(b"".join(request(words) for words in [*requests, ("ECHO", mark)]))
    data = b""
    while not data.endswith(mark + b"\r\n"):
        received = client.recv(1 << 20)
        assert received, "the server has closed the connection"
        data = data[-100:] + received


def play(client: socket.socket, name: str, times: int) -> int:
    """Send a command so many times over one connection, and return how often it was sent.

    What it has stored is deleted in between, so that the memory in use at one moment does not
    depend on how often it is sent.
    """
    requests = requests_of(name, our_commands()[name], times)
    sent = 0
    end = time.monotonic() + _MOST_SECONDS
    while sent < times and time.monotonic() < end:
        send(client, [each.split(" ") for each in SETUP])
        send(client, fuzzing.PREPARATION)
        for _ in range(_ROUND // _PIPELINED):
            batch = list(islice(requests, _PIPELINED))
            send(client, batch)
            sent += len(batch)
        send(client, [("SELECT", 0), ("FLUSHALL",), ("SLOWLOG", "RESET")])
    return sent


@pytest.mark.deep
@pytest.mark.parametrize("mode", MODES)
def test_the_memory_of_a_server_stays_flat(mode: str) -> None:
    with ServeProcess(*MODES[mode]) as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        sizes = []
        for times in (_ROUND, CALLS):
            sent, grown = {}, {}
            for name in COMMANDS[mode]:
                before = resident(server.pid)
                sent[name] = play(client, name, times)
                grown[name] = resident(server.pid) - before
            sizes.append(resident(server.pid))
        client.close()
        fewer = {name: count for name, count in sent.items() if count < CALLS}
        print(f"{len(sent)} commands, {sum(sent.values()):,} calls; fewer than {CALLS:,}: {fewer}")
        most = sorted(grown, key=grown.__getitem__)[-10:]
        print("resident bytes:", sizes, {name: grown[name] for name in most})
        with Connection(server.port) as other:
            assert other("DBSIZE") == 0
        assert sizes[1] - sizes[0] < MOST_RESIDENT_GROWTH
