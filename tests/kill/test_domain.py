"""The check of domain records after a kill sees what is missing or half applied."""

from __future__ import annotations

import pytest

from tests.kill.domain import DomainCheck, DomainWriter, DomainWritten
from tests.support.resp import Connection, Error
from tests.support.servers import Loop

STEPS = 5
JOB = f"{3:032x}"


def written_by(client: Connection) -> DomainWritten:
    written = DomainWritten()
    writer = DomainWriter("w", written)
    for _ in range(STEPS):
        replies = client.pipeline(writer.requests())
        assert not any(isinstance(reply, Error) for reply in replies), replies
        writer.acknowledge(client, replies)
    return written


def test_the_check_finds_everything_that_was_written(loop: Loop) -> None:
    server = loop.start_server()
    client = server.connect()
    written = written_by(client)
    check = DomainCheck(client, "w", written)
    check.run()
    assert (check.lost, check.half_applied) == (0, [])
    assert set(written.acknowledged.values()) == {STEPS}
    server.close()


@pytest.mark.parametrize(
    "damage",
    [
        ("DEL", f"redkeep:job:{{w}}:{JOB}"),
        ("ZREM", "redkeep:jobs:{w}:all", JOB),
        ("ZREM", "redkeep:jobs:{w}:status:completed", JOB),
        ("DEL", "entelix:cp:w:thread:byid"),
        ("ZREMRANGEBYRANK", "entelix:cp:w:thread:bystep", "0", "1"),
        ("DEL", "entelix:store:w:w:3"),
        ("DEL", "redkeep:queue:{w}:config"),
        ("HDEL", "redkeep:model_versions:{w}", "3"),
        ("DEL", f"redkeep:model_weights:{{w}}:{STEPS}"),
    ],
)
def test_the_check_sees_what_is_missing(loop: Loop, damage: tuple[str, ...]) -> None:
    server = loop.start_server()
    client = server.connect()
    written = written_by(client)
    assert client(*damage) in (1, 2)
    check = DomainCheck(client, "w", written)
    check.run()
    assert check.lost or check.half_applied
    server.close()
