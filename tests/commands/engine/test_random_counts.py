"""SRANDMEMBER, HRANDFIELD and ZRANDMEMBER with negative counts, whose replies may be any size."""

from __future__ import annotations

import socket
from collections import Counter

import pytest

from tests.support.memory import peak_memory
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

COMMANDS = ["SRANDMEMBER s", "HRANDFIELD h", "ZRANDMEMBER z"]
WITH_VALUES = ["HRANDFIELD h {} WITHVALUES", "ZRANDMEMBER z {} WITHSCORES"]
REFUSED = Error("ERR value is out of range")


def fill(client: Connection, size: int) -> set[bytes]:
    names = [b"m%d" % number for number in range(size)]
    client("SADD", "s", *names)
    client("HSET", "h", *[word for name in names for word in (name, b"0")])
    client("ZADD", "z", *[word for name in names for word in (b"0", name)])
    return set(names)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("count", [1, 2, 249, 250, 251, 5000])
def test_each_pick_is_one_of_the_members(
    client: Connection, command: str, size: int, count: int
) -> None:
    names = fill(client, size)
    picked = client(*command.split(), -count)
    assert len(picked) == count
    assert set(picked) <= names


@pytest.mark.parametrize("command", COMMANDS)
def test_members_are_picked_equally_often(client: Connection, command: str) -> None:
    fill(client, 10)
    counts = Counter(client(*command.split(), -20_000))
    # Ten standard deviations.
    assert all(1_600 < count < 2_400 for count in counts.values())


@pytest.mark.parametrize("command", WITH_VALUES)
def test_values_and_scores_come_with_their_members(
    client: Connection, client3: Connection, command: str
) -> None:
    names = fill(client, 3)
    value, score = b"0", 0.0
    flat = client(*command.format(-5000).split())
    assert len(flat) == 10_000
    assert set(flat[::2]) == names
    assert set(flat[1::2]) == {value}
    pairs = client3(*command.format(-5000).split())
    assert len(pairs) == 5000
    assert {name for name, _ in pairs} == names
    assert {other for _, other in pairs} == {score if "SCORES" in command else value}


def test_picks_in_a_transaction(client: Connection) -> None:
    fill(client, 3)
    client("MULTI")
    client("ZRANDMEMBER", "z", -4000)
    client("PING")
    picked, pong = client("EXEC")
    assert (len(picked), pong) == (4000, "PONG")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_large_reply_takes_the_memory_of_its_bytes(
    server: RunningServer, client: Connection, command: str
) -> None:
    fill(client, 3)
    count = 1 << 20
    size = count * len(b"$2\r\nm1\r\n")
    with peak_memory() as peak, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(f"{command} -{count}\r\n".encode())
        received = 0
        while received < size:
            received += len(sock.recv(4096))
    assert peak.bytes < 4 * size


@pytest.mark.parametrize("count", [-(2**24) - 1, -(2**40), -(2**62), -(2**63) + 1])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_enormous_reply_is_refused(client: Connection, command: str, count: int) -> None:
    assert client(*command.split(), count) == []
    fill(client, 3)
    assert client(*command.split(), count) == REFUSED


def test_large_members_count(client: Connection) -> None:
    large = b"x" * 1_000_000
    client("SADD", "s", large)
    client("HSET", "h", "f", large)
    client("ZADD", "z", 1, large)
    assert client("SRANDMEMBER", "s", -1000) == REFUSED
    assert client("HRANDFIELD", "h", -1000, "WITHVALUES") == REFUSED
    assert client("ZRANDMEMBER", "z", -1000, "WITHSCORES") == REFUSED
    assert client("HRANDFIELD", "h", -1000) == [b"f"] * 1000
    assert client("SRANDMEMBER", "s", -2) == [large, large]


@pytest.mark.parametrize("count", [-(2**63), 2**63, -(2**62) - 1, 2**62 + 1, "x"])
@pytest.mark.parametrize("command", [*(f"{command} {{}}" for command in COMMANDS), *WITH_VALUES])
def test_refused_counts(client: Connection, valkey: Oracle, command: str, count: int | str) -> None:
    words = command.format(count).split()
    assert client(*words) == valkey(*words)
