"""Closed clients are freed without the cyclic garbage collector, which the server turns off."""

from __future__ import annotations

import gc

from commands.instance.client import Client
from tests.support.servers import RunningServer


def _clients() -> int:
    return sum(type(thing) is Client for thing in gc.get_objects())


def test_a_closed_client_leaves_no_reference_cycle(server: RunningServer) -> None:
    stays = server.connect()
    stays("PING")
    gc.collect()
    gc.disable()
    try:
        before = _clients()
        for _ in range(20):
            client = server.connect()
            client("SET", "key", "value")
            client("SUBSCRIBE", "news")
            client.close()
        server.wait_for_clients(1)
        # Until its next turn, the server's loop refers to the client it handled last.
        stays("PING")
        assert server.call(_clients) == before
    finally:
        gc.enable()
