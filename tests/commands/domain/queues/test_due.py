"""The sweep over queues: what it costs, and keys that it cannot read."""

from __future__ import annotations

from typing import Any

import pytest

from commands.instance.context import Context
from server.patrolling import Patrolling
from tests.support.queues import read
from tests.support.resp import Connection
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until


def test_an_overwritten_key_does_not_delay_other_queues(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.PUSH", "bad", "x", "DELAY", 10)
    client("QUEUE.PUSH", "q", "x", "DELAY", 20)
    client("DEL", "redkeep:queue:{bad}:late")
    client("SET", "redkeep:queue:{bad}:late", "damaged")
    server.advance(20)
    wait_until(lambda: client("XLEN", "redkeep:queue:{q}:stream:0") == 1, "the delayed message")


def test_a_sweep_reads_only_what_is_due(
    server: RunningServer, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        client("QUEUE.PUSH", number, "x", "DELAY", 10**9)
        client("QUEUE.PUSH", number, "x")
        read(client, "LEASE", 10**9, queue=str(number))
        client("QUEUE.HEARTBEAT", number, "g", "c")
    client("CONFIG", "SET", "presence-ttl-ms", 10**9)
    server.advance(200_000)  # the sweep visits all of them, and has nothing to prune
    client("QUEUE.PUSH", "due", "x", "DELAY", 10)
    calls: list[bytes] = []
    call = Context.call

    def counted(ctx: Context, *words: bytes) -> Any:
        calls.append(words[0])
        return call(ctx, *words)

    late = "redkeep:queue:due:0000000170000012*"
    wait_until(lambda: not client("KEYS", late), "the end of earlier work")
    monkeypatch.setattr(Patrolling, "tick", lambda _: None)
    monkeypatch.setattr(Context, "call", counted)
    server.advance(10)
    wait_until(lambda: client("XLEN", "redkeep:queue:{due}:stream:0"), "the due message")
    server.call(lambda: None)
    assert 5 < len(calls) < 30, calls
