"""Checkpoints as tests write and read them: thread `t` of tenant `acme`."""

from __future__ import annotations

import json
import re
from typing import Any

from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.patrols import Patrol, patrols
from storage.errors import WrongType
from tests.support.offline import Offline
from tests.support.resp import Connection, Word

NOW = 1_700_000_000_000


A = "01890a5d-ac96-774b-bcce-00000000000a"


B = "01890a5d-ac96-774b-bcce-00000000000b"


C = "01890a5d-ac96-774b-bcce-00000000000c"


UUID7 = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


BY_STEP, BY_ID = "entelix:cp:acme:t:bystep", "entelix:cp:acme:t:byid"


WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


def body(envelope: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(envelope)["body"]
    return value


def ids(history: list[bytes]) -> list[str]:
    return [body(envelope)["id"] for envelope in history]


def put(client: Connection, checkpoint: str, step: int, *options: Word) -> None:
    reply = client("CP.PUT", "acme", "t", "STEP", step, "STATE", "{}", "ID", checkpoint, *options)
    assert reply == checkpoint.encode()


def envelope(checkpoint: str = A, **changes: Any) -> str:
    """An envelope as another client may have written it."""
    inside = {
        "id": checkpoint,
        "tenant_id": "acme",
        "thread_id": "t",
        "parent_id": None,
        "step": 0,
        "state": 42,
        "next_node": None,
        "timestamp": "2026-01-01T00:00:00.123456789+00:00",
    }
    changed = {name: value for name, value in (inside | changes).items() if value is not ...}
    return json.dumps({"schema_version": 1, "body": changed})


def store(client: Connection, checkpoint: str, text: str | bytes, step: int = 0) -> None:
    client("ZADD", BY_STEP, step, checkpoint)
    client("HSET", BY_ID, checkpoint, text)


def look_after(client: Offline) -> None:
    """Run all patrols over all keys."""
    for declared in patrols():
        for key in list(client.database.ordered.range(declared.prefix)):
            place: bytes | None = b""
            while place is not None:
                place = _look(client, declared, key, place)


def _look(client: Offline, declared: Patrol, key: bytes, place: bytes) -> bytes | None:
    reached: list[bytes | None] = []

    def run(ctx: Context) -> bool:
        reached.append(declared.look(ctx, key, place))
        return False

    try:
        client.run_sweep(client.database, run)
    except (CommandError, WrongType):
        return None
    return reached[0]
