"""channels-redis: both channel layers carry messages and groups between processes."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from support import SECONDS, URL


async def echo(kind: str) -> None:
    """A worker of its own: answers every message of the channel `echo`, until told to stop."""
    layer = make(kind)
    if kind == "core":
        name = "echo"
    else:
        name = await layer.new_channel()
    await layer.group_add("workers", name)
    print("ready", flush=True)
    while (message := await layer.receive(name))["type"] != "stop":
        await layer.send(message["answer"], {"type": "echo", "text": message["text"]})


def make(kind: str) -> Any:
    if kind == "core":
        return RedisChannelLayer(hosts=[URL], capacity=20, symmetric_encryption_keys=None)
    return RedisPubSubChannelLayer(hosts=[URL])


async def use(kind: str) -> None:
    layer = make(kind)
    await layer.flush()
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, kind, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    mine = await layer.new_channel()
    for text in ("a", "b", "c"):
        await layer.group_send("workers", {"type": "say", "answer": mine, "text": text})
        assert (await layer.receive(mine))["text"] == text

    mates = [await layer.new_channel() for _ in range(5)]
    for mate in mates:
        await layer.group_add("room", mate)
    await layer.group_discard("room", mates[0])
    await layer.group_send("room", {"type": "hello"})
    for mate in mates[1:]:
        assert await layer.receive(mate) == {"type": "hello"}
    await layer.group_send("workers", {"type": "stop"})
    assert await process.wait() == 0

    if kind == "core":
        for n in range(20):
            await layer.send("full", {"type": "n", "n": n})
        try:
            await layer.send("full", {"type": "n"})
        except ChannelFull:
            pass
        else:
            raise AssertionError("a full channel takes messages")
        assert [(await layer.receive("full"))["n"] for _ in range(20)] == list(range(20))
        await layer.close_pools()
    await layer.flush()


async def main() -> None:
    for kind in ("core", "pubsub"):
        await asyncio.wait_for(use(kind), SECONDS)


if __name__ == "__main__":
    asyncio.run(echo(sys.argv[1]) if len(sys.argv) > 1 else main())
