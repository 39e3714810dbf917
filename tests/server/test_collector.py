"""What no collection will ever look at again must go by itself."""

from __future__ import annotations

import gc

from commands.instance.client import Client
from tests.support.servers import RunningServer


def _clients() -> int:
    return sum(type(thing) is Client for thing in gc.get_objects())


def test_a_closed_client_leaves_no_cycle(server: RunningServer) -> None:
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
        while stays("CLIENT", "LIST").count(b"\n") > 1:
            pass
        assert server.call(_clients) == before
    finally:
        gc.enable()
