"""CP.*, STORE.* and QUEUE.* with random words, over keys that were overwritten at random.

A request may fail with an error reply only, an error must not have changed anything, and the
sweep over queues must finish.
"""

from __future__ import annotations

import random

import pytest

from commands.families import load
from commands.operator.dataset_digest import keyspace_digest
from tests.support.offline import Recorded

REQUESTS = 3000
FAMILIES = ("CP.", "STORE.", "QUEUE.")
WORDS = [
    *(b"", b"a", b"q", b"g", b"acme", b"acme:a", b"\\", b":", b"acme:\\:", b"\xff\x00", b"x" * 500),
    *(b"TTL", b"NX", b"XX", b"KEEPTTL", b"COUNT", b"LIMIT", b"DEPTH", b"FILTER", b"OFFSET"),
    *(b"PREFIX", b"AFTER", b"WITHVALUES", b"REFRESH", b"LEASE", b"DELAY", b"PRIORITY", b"ID"),
    *(b"LEASES", b"CURSOR", b"{}", b'{"a":{"$gt":1}}', b"0", b"1", b"5", b"-1", b"1.5"),
    *(b"9223372036854775807", b"9223372036854775806", b"0-1", b"1700000000000-0"),
    *(b"STEP", b"STATE", b"PARENT", b"NEXT", b"META", b"KEEP", b"BEFORE", b"PUT", b"GET"),
    *(
        b"01890a5d-ac96-774b-bcce-b302099a8057",
        b"1700000000000-0@3",
        b"99999999999999999999-1",
        b"5:1-1",
        b"-5:x",
        b"d0000000000000001",
    ),
]
OVERWRITES = [
    [b"SET", b"", b"zz"],
    [b"HSET", b"", b"f", b"v"],
    [b"ZADD", b"", b"1", b"m", b"inf", b"1-1", b"-inf", b"2-1"],
    [b"XADD", b"", b"*", b"f", b"v"],
]


class Target:
    """An instance without a server."""

    def __init__(self) -> None:
        self._session = Recorded(1_700_000_000_000)
        self.instance = self._session.instance
        self.database = self._session.database

    def run(self, argv: list[bytes], resp: int) -> bytes:
        self._session.client.speak(resp)
        return self._session.run(argv)

    def overwrite(self, rng: random.Random) -> None:
        """Replace the value of a random key by a random one."""
        if self.database.data:
            key = rng.choice(list(self.database.data))
            self.run([b"DEL", key], 2)
            request = list(rng.choice(OVERWRITES))
            request[1] = key
            self.run(request, 2)

    def advance(self, ms: int) -> None:
        self._session.advance(ms)
        self._session.sweep()


@pytest.mark.parametrize("seed", [1, 2])
def test_errors_change_nothing_and_sweeps_finish(seed: int) -> None:
    rng = random.Random(seed)
    target = Target()
    names = [name.encode() for name in load() if name.startswith(FAMILIES)]
    errors = 0
    for number in range(REQUESTS):
        name = rng.choice(names)
        argv = [name, *rng.choices(WORDS, k=rng.randrange(9))]
        if name.startswith(b"QUEUE") and len(argv) > 3 and rng.random() < 0.6:
            argv[1:4] = [b"q", b"g", b"c"]
        if name.startswith(b"CP.") and len(argv) > 3 and rng.random() < 0.6:
            argv[1:3] = [b"acme", b"a"]
        if name == b"CP.PUT":
            # Random words would hardly ever give both of the options that it requires.
            argv[3:3] = [b"STEP", b"1", b"STATE", b"{}"]
        if rng.random() < 0.02:
            target.advance(rng.choice([1, 100, 50_000]))
        if rng.random() < 0.003:
            target.overwrite(rng)
        before = keyspace_digest(target.instance.keyspace)
        reply = target.run(argv, rng.choice([2, 3]))
        if reply.startswith(b"-"):
            errors += 1
            assert keyspace_digest(target.instance.keyspace) == before, (argv, reply)
        if number % 1000 == 999:
            target.instance.keyspace.flush_all()
    assert 0 < errors < REQUESTS
