"""Writers that remember what was acknowledged, and a server that is killed while they write.

A round starts `redkeep serve` on a directory, lets some writers work, kills the process
with SIGKILL at a random moment, starts it again and reads the data. Each writer owns its
keys and writes numbers that count up, which makes it simple to say what must be there:

- `counter`: INCR; at least what was acknowledged, at most what was requested;
- `list`: RPUSH of 1, 2, 3 ...; a prefix of that, at least as long;
- `a`, `b`, `c`: set to the same number in one MULTI; always equal;
- `keys`: SET of a new key each time; all acknowledged ones are there;
- jobs, checkpoints, store, queue and models of its own: see `domain`.

Nothing acknowledged may be missing under any value of `appendfsync`: when only the process dies
and not the machine, everything that was written to the file is still there.

The sleeps here are random moments for the kill; no test waits for anything by sleeping.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from tests.kill.domain import DomainCheck, DomainWriter, DomainWritten
from tests.support.processes import ServeProcess, launch
from tests.support.resp import TIMEOUT, Connection, ConnectionClosed, Error, Word

WRITERS = 4
COMMANDS_PER_STEP = 17


@dataclass
class Written:
    """What one writer has requested and what of it was acknowledged, over all rounds."""

    requested: int = 0
    acknowledged: int = 0
    # How many steps were acknowledged in the round.
    steps: int = 0
    domain: DomainWritten = field(default_factory=DomainWritten)


class Writer:
    """Writes until its connection breaks."""

    def __init__(self, port: int, number: int, written: Written) -> None:
        self._prefix = f"w{number}:"
        self._written = written
        self._domain = DomainWriter(f"w{number}", written.domain)
        self._connection = Connection(port)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive(), "a writer outlives the server"
        self._connection.close()

    def _run(self) -> None:
        with suppress(ConnectionClosed, OSError):
            for number in count(self._written.requested + 1):
                self._write(number)

    def _write(self, number: int) -> None:
        written, prefix = self._written, self._prefix
        written.requested = number
        requests: list[tuple[Word, ...]] = [
            ("INCR", prefix + "counter"),
            ("RPUSH", prefix + "list", number),
            ("MULTI",),
            ("SET", prefix + "a", number),
            ("SET", prefix + "b", number),
            ("SET", prefix + "c", number),
            ("EXEC",),
            ("SET", f"{prefix}key:{number}", number),
        ]
        replies = self._connection.pipeline(requests + self._domain.requests())
        for reply in replies:
            assert not isinstance(reply, Error), reply
        written.acknowledged = number
        written.steps += 1
        self._domain.acknowledge(self._connection, replies[len(requests) :])


@dataclass
class Losses:
    """What was missing or half applied after a restart."""

    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    half_applied: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.acknowledged} steps of {COMMANDS_PER_STEP} commands "
            f"acknowledged, {self.lost} lost, {len(self.half_applied)} half applied"
        )


class Arena:
    """A data directory, what was written to it, and any number of rounds."""

    def __init__(self, directory: Path, policy: str, seed: int) -> None:
        self._directory = directory
        self._policy = policy
        self._rng = Random(seed)
        self._written = [Written() for _ in range(WRITERS)]
        self.losses = Losses()

    def round(self, moment: str) -> None:
        """Kill the server at a moment: "writing", "snapshot", "rewrite" or "loading"."""
        with self._serve() as server:
            self._verify(server.port)
            writers = [
                Writer(server.port, number, written) for number, written in enumerate(self._written)
            ]
            for writer in writers:
                writer.start()
            time.sleep(self._rng.uniform(0.02, 0.2))
            if moment in ("snapshot", "rewrite"):
                with Connection(server.port) as control:
                    control("BGSAVE" if moment == "snapshot" else "BGREWRITEAOF")
                # The child works for a few ms: kill before, during or after that.
                time.sleep(self._rng.uniform(0, 0.04))
            server.kill()
            for writer in writers:
                writer.join()
        if moment == "loading":
            self._kill_while_starting()
        self.losses.rounds += 1

    def finish(self) -> Losses:
        """Verify the data that the last round left."""
        with self._serve() as server:
            self._verify(server.port)
            server.kill()
        return self.losses

    def _serve(self) -> ServeProcess:
        return ServeProcess(
            "--dir", str(self._directory), "--appendfsync", self._policy, "--save", "",
        )  # fmt: skip

    def _kill_while_starting(self) -> None:
        process = launch("serve", "--port", "0", "--dir", str(self._directory))
        time.sleep(self._rng.uniform(0.1, 0.5))
        process.kill()
        # Its few lines of output fit into the pipes; this also closes them.
        process.communicate()

    def _verify(self, port: int) -> None:
        with Connection(port) as connection:
            for number, written in enumerate(self._written):
                self._verify_writer(connection, f"w{number}:", written)

    def _verify_writer(self, connection: Connection, prefix: str, written: Written) -> None:
        losses = self.losses
        counter = int(connection("GET", prefix + "counter") or 0)
        items = [int(item) for item in connection("LRANGE", prefix + "list", 0, -1)]
        together = connection("MGET", prefix + "a", prefix + "b", prefix + "c")
        newest = max([counter, *items[-1:], *(int(n) for n in together if n is not None)])
        if len(set(together)) > 1:
            losses.half_applied.append(f"{prefix} MULTI left {together}")
        if items != list(range(1, len(items) + 1)):
            losses.half_applied.append(f"{prefix}list is {items[-5:]}")
        there = {counter, len(items), int(together[0] or 0)}
        keys = [f"{prefix}key:{n}" for n in range(1, written.requested + 1)]
        found = connection("MGET", *keys) if keys else []
        kept = min([*there, *(n for n, value in enumerate(found) if value is None)])
        losses.acknowledged += written.steps
        losses.lost += max(0, written.acknowledged - kept)
        if newest > written.requested:
            losses.half_applied.append(f"{prefix} has {newest}, which was never requested")
        # The next round continues from the data that is there, with all keys at the same number.
        level = max([written.acknowledged, newest])
        self._level(connection, prefix, level)
        written.requested = written.acknowledged = level
        written.steps = 0
        check = DomainCheck(connection, prefix.removesuffix(":"), written.domain)
        check.run()
        losses.lost += check.lost
        losses.half_applied += check.half_applied

    @staticmethod
    def _level(connection: Connection, prefix: str, number: int) -> None:
        """Set all keys of a writer to the same number."""
        length = connection("LLEN", prefix + "list")
        requests: list[tuple[str | int, ...]] = [("SET", prefix + "counter", number)]
        requests += [("RPUSH", prefix + "list", n) for n in range(length + 1, number + 1)]
        requests += [("SET", prefix + name, number) for name in "abc"]
        requests += [("SET", f"{prefix}key:{n}", n) for n in range(1, number + 1)]
        connection.pipeline(requests)
