"""What one client can do to make all others wait, or to fill the memory.

Each attack is a function of the port it attacks, and ends by itself. The tests run each on
Redkeep and on redis-server while a bystander pings both; `python -m tests.hostile` prints the
table of results.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.support.resp import Connection, request


@dataclass(frozen=True, slots=True)
class Attack:
    run: Callable[[int], None]
    # Set before the attack; the attacker does not know it.
    password: str = ""
    # Takes a quarter of a minute and more.
    is_long: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")


def unread_gets(port: int) -> None:
    """10,000 GETs of 60 KB, of which no reply is read; then one more every 10 ms."""
    with Connection(port) as attacker:
        attacker("SET", "long", b"x" * 60_000)
        attacker.send_raw(request(["GET", "long"]) * 10_000)
        for _ in range(200):
            time.sleep(0.01)
            attacker.send("GET", "long")


def unread_subscriptions(port: int) -> None:
    """60 subscribers that read nothing, and 300 messages of 100 KB."""
    with ExitStack() as stack:
        for _ in range(60):
            subscriber = stack.enter_context(Connection(port))
            subscriber("SUBSCRIBE", "news")
        publisher = stack.enter_context(Connection(port))
        for _ in range(300):
            publisher("PUBLISH", "news", b"x" * 100_000)


def a_long_value_read_honestly(port: int) -> None:
    """A GET of 256 MB by a client that reads as fast as it can."""
    size = 256 << 20
    with Connection(port) as reader:
        reader("SETRANGE", "long", size - 1, "x")
        reader.send("GET", "long")
        left = size + len(b"$%d\r\n\r\n" % size)
        while left:
            left -= len(reader.socket.recv(1 << 20))


def unread_pings_of_a_stranger(port: int) -> None:
    """A client without the password that sends PING and never reads."""
    with Connection(port) as stranger:
        stranger.socket.settimeout(1)
        try:
            for _ in range(1500):
                stranger.send_raw(b"PING\r\n" * 10_000)
        except OSError:
            pass


def patterns_of_a_million_question_marks(port: int) -> None:
    """KEYS with a million `?`, with a thousand keys."""
    with Connection(port, timeout=120) as attacker:
        attacker.pipeline([("SET", f"key:{number}", 1) for number in range(1000)])
        attacker("KEYS", b"?" * 1_000_000)
        attacker("SCAN", 0, "MATCH", b"a*" * 256_000)


def many_long_patterns(port: int) -> None:
    """400 different patterns of 80 KB."""
    with Connection(port, timeout=120) as attacker:
        attacker("SET", "key", 1)
        for number in range(400):
            attacker("KEYS", b"%d" % number + b"[a-c]?x" * 11_000)


def pings_of_a_blocked_client(port: int) -> None:
    """A blocked client that sends 60 MB of PING, and is unblocked."""
    with Connection(port, timeout=120) as attacker, Connection(port) as other:
        attacker.send("BLPOP", "nothing", 0)
        for _ in range(600):
            attacker.send_raw(b"PING\r\n" * 16_000)
        other("RPUSH", "nothing", "x")
        # Two lines of BLPOP's reply name the key, two the element, and one counts them.
        left = 5 + 9_600_000
        while left:
            left -= attacker.socket.recv(1 << 20).count(b"\n")


def a_huge_random_sample(port: int) -> None:
    """ZRANDMEMBER with a count of -16,777,216."""
    with Connection(port, timeout=120) as attacker:
        attacker("ZADD", "z", 1, "a", 2, "b")
        attacker.send("ZRANDMEMBER", "z", -16_777_216)
        left = len(b"*16777216\r\n") + 16_777_216 * len(b"$1\r\na\r\n")
        while left:
            left -= len(attacker.socket.recv(1 << 20))


def clients_that_wake_each_other(port: int) -> None:
    """Two pipelines of 30,000 pairs of BLPOP and RPUSH that unblock each other."""
    pairs = 30_000
    with Connection(port, timeout=120) as first, Connection(port, timeout=120) as second:
        there = request(["RPUSH", "there", "x"]) + request(["BLPOP", "back", 0])
        back = request(["BLPOP", "there", 0]) + request(["RPUSH", "back", "x"])
        for _ in range(pairs // 100):
            second.send_raw(back * 100)
            first.send_raw(there * 100)
        for connection in (first, second):
            # Six lines for each pair: five of BLPOP, one of RPUSH.
            left = 6 * pairs
            while left:
                left -= connection.socket.recv(1 << 20).count(b"\n")


def a_transaction_of_many_requests(port: int) -> None:
    """MULTI with a million PINGs, discarded."""
    with Connection(port, timeout=120) as attacker:
        attacker("MULTI")
        for _ in range(100):
            attacker.send_raw(b"PING\r\n" * 10_000)
            left = 10_000
            while left:
                left -= attacker.socket.recv(1 << 20).count(b"\n")
        attacker("DISCARD")


def a_request_of_a_million_words(port: int) -> None:
    """MGET with a million keys, three times."""
    with Connection(port, timeout=120) as attacker:
        for _ in range(3):
            attacker.send_raw(b"*1000001\r\n$4\r\nMGET\r\n" + b"$1\r\nk\r\n" * 1_000_000)
            left = 1_000_001
            while left:
                left -= attacker.socket.recv(1 << 20).count(b"\n")


def a_pipeline_of_a_million_writes(port: int) -> None:
    """One client sends a million SETs without waiting."""
    with Connection(port, timeout=120) as attacker:
        for start in range(0, 1_000_000, 10_000):
            numbers = range(start, start + 10_000)
            attacker.send_raw(b"".join(request(["SET", f"k:{n}", n]) for n in numbers))
            left = 10_000
            while left:
                left -= attacker.socket.recv(1 << 20).count(b"\n")


def connections_that_come_and_go(port: int) -> None:
    """5,000 connections, one after the other, that send half a request."""
    for _ in range(5000):
        with Connection(port) as attacker:
            attacker.send_raw(b"*2\r\n$3\r\nGET\r\n$5\r\nab")


ATTACKS = (
    Attack(unread_gets),
    Attack(unread_subscriptions),
    Attack(a_long_value_read_honestly),
    Attack(unread_pings_of_a_stranger, password="only-the-bystander-knows-it"),
    Attack(patterns_of_a_million_question_marks),
    Attack(many_long_patterns),
    Attack(pings_of_a_blocked_client, is_long=True),
    Attack(a_huge_random_sample),
    Attack(clients_that_wake_each_other),
    Attack(a_transaction_of_many_requests),
    Attack(a_request_of_a_million_words),
    Attack(a_pipeline_of_a_million_writes),
    Attack(connections_that_come_and_go),
)
