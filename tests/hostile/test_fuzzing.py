"""Hostile input: the server neither crashes nor leaks, and keeps serving other clients.

The server runs in its own process, started as users start it, because a crash would end the
whole process. Each round of inputs is sent over one connection whose sending half is then
closed: the answer is complete when the server closes the other half.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.damage import redis, redkeep
from tests.support import fuzzing
from tests.support.bystander import Bystander
from tests.support.oracles import redis_binary
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, NeedData, parse, request

# Far more than a server with a few keys occupies, far less than it would if it allocated what
# a false length announces.
_MOST_MEMORY = 300 << 20
# Redis gets a part of the input, enough to show how long it makes others wait.
_COMPARED_ROUNDS = 500


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServeProcess]:
    with ServeProcess(
        "--enable-debug-command", "yes", "--proto-max-bulk-len", "1mb", "--save", "",
        "--slowlog-log-slower-than", "-1", "--dir", str(tmp_path),
    ) as running:  # fmt: skip
        yield running


class Witness:
    """A well-behaved client, whose data must not appear in the replies to others."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port, resp=3)
        self._turn = 0
        self.secret = "nobody-else-must-see-this"

    def send(self) -> None:
        """Send requests; `check_replies` reads what they return."""
        self._turn += 1
        words = [f"{self.secret}-{self._turn}"]
        self._expected = [words[0].encode(), "OK", "QUEUED", "QUEUED", ["OK", b"%d" % self._turn]]
        key = f"{self.secret}-key"
        for sent in (
            ["ECHO", *words], ["MULTI"], ["SETEX", key, 1, self._turn], ["GETDEL", key], ["EXEC"]
        ):  # fmt: skip
            self._connection.send(*sent)

    def check_replies(self) -> None:
        replies = [self._connection.read() for _ in self._expected]
        assert replies == self._expected
        assert not self._connection.pushes

    def __call__(self, *words: str | bytes) -> object:
        return self._connection(*words)

    def restore(self) -> None:
        """Restore the data that the random requests work on."""
        self("FLUSHALL")
        for words in fuzzing.PREPARATION:
            self(*words)

    def close(self) -> None:
        self._connection.close()


def answer_to(port: int, data: bytes) -> tuple[bytes, bool]:
    """Send the data; return the whole answer and whether the connection was reset."""
    received = []
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            for chunk in iter(partial(sock.recv, 1 << 20), b""):
                received.append(chunk)
        except (ConnectionResetError, BrokenPipeError):
            return b"".join(received), True
    return b"".join(received), False


def replies_in(answer: bytes, was_reset: bool) -> list[object]:
    """Split the answer into replies. Only a reset connection may end inside a reply."""
    replies = []
    at = 0
    while at < len(answer):
        try:
            reply, at = parse(answer, at)
        except NeedData:
            assert was_reset, answer[at:]
            break
        replies.append(reply)
    return replies


def most_memory(pid: int) -> int:
    """Return the peak memory of the process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError("VmHWM")


def send_random_bytes(process: ServeProcess, inputs: int, seed: int) -> None:
    rng = random.Random(seed)
    source = fuzzing.Bytes(rng)
    witness = Witness(process.port)
    sent = rounds = 0
    while sent < inputs:
        if rounds % 1000 == 0:
            witness.restore()
        rounds += 1
        pieces = [source.any() for _ in range(rng.randint(1, 20))]
        sent += len(pieces)
        data = b"".join(pieces)
        witness.send()
        answer, was_reset = answer_to(process.port, data)
        witness.check_replies()
        replies_in(answer, was_reset)
        assert b"internal error" not in answer, data
        if b"monitor" not in data.lower():
            assert witness.secret.encode() not in answer, data
    clients = witness("CLIENT", "LIST")
    witness.close()
    assert str(clients).count(" fd=") == 1, clients
    assert most_memory(process.pid) < _MOST_MEMORY
    assert process.close() == 0
    assert "Traceback" not in "".join(process.errors)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_random_and_mutated_bytes_do_no_harm(process: ServeProcess) -> None:
    send_random_bytes(process, 100_000, seed=1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_lot_of_random_and_mutated_bytes_do_no_harm(process: ServeProcess, seed: int) -> None:
    send_random_bytes(process, 1_000_000, seed)


def send_random_commands(process: ServeProcess, times: int, seed: int) -> None:
    rng = random.Random(seed)
    source = fuzzing.Commands(rng)
    witness = Witness(process.port)
    asked = [command for command in source.commands for _ in range(times)]
    rng.shuffle(asked)
    for at in range(0, len(asked), 60):
        if at % 3000 == 0:
            witness.restore()
        words = [source.of(command) for command in asked[at : at + 60]]
        hello = rng.choice(([b"HELLO", b"2"], [b"HELLO", b"3"]))
        answer, was_reset = answer_to(process.port, b"".join(map(request, [hello, *words])))
        assert b"internal error" not in answer, words
        replies_in(answer, was_reset)
    witness.send()
    witness.check_replies()
    witness.close()
    assert process.close() == 0
    assert "Traceback" not in "".join(process.errors)


@pytest.mark.skipif(redis_binary() is None, reason="there is no redis-server on PATH")
@pytest.mark.parametrize("kind", [fuzzing.Bytes, fuzzing.Commands])
def test_others_wait_no_longer_than_with_redis(
    kind: type[fuzzing.Bytes] | type[fuzzing.Commands],
) -> None:
    waits = []
    for start in (redkeep, redis):
        source = kind(random.Random(1))
        with start() as target, Bystander(target.port) as bystander:
            for _ in range(_COMPARED_ROUNDS):
                pieces = [source.any() for _ in range(20)]
                encoded = (each if isinstance(each, bytes) else request(each) for each in pieces)
                # DEBUG stops redis-server now and then, which is what it is for.
                answer_to(target.port, b"".join(e for e in encoded if b"debug" not in e.lower()))
        waits.append(bystander.waits)
    ours, theirs = waits
    assert ours.worst <= 10 * theirs.worst + 0.3, waits


def test_every_command_survives_random_arguments(process: ServeProcess) -> None:
    send_random_commands(process, 60, seed=1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 6))
def test_every_command_survives_many_random_arguments(process: ServeProcess, seed: int) -> None:
    send_random_commands(process, 3000, seed)
