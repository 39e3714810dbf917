"""JOB.LIST: order, filters, and cursors."""

from __future__ import annotations

import json

import pytest

from tests.support.jobs import NOW, filled, listed
from tests.support.resp import Connection
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def frozen(server: RunningServer) -> None:
    server.freeze(NOW)


def test_lists_are_ordered_by_creation_and_filtered(
    server: RunningServer, client: Connection
) -> None:
    idents = filled(server, client)
    assert listed(client) == idents
    assert listed(client, "DESC") == idents[::-1]
    assert listed(client, count=1000) == idents
    assert listed(client, "STATUS", "running") == idents[5:10]
    assert listed(client, "STATUS", "completed", "DESC") == idents[4::-1]
    assert listed(client, "KIND", "backfill") == idents[1::2]
    assert listed(client, "TARGET", "t3") == idents[3::5]
    assert listed(client, "TARGET", "nothing") == []
    assert listed(client, "WORKER", "w1") == idents[:10]
    assert listed(client, "SINCE", NOW + 3) == idents[8:]
    assert listed(client, "UNTIL", NOW + 3, "DESC") == idents[11::-1]
    assert listed(client, "SINCE", NOW + 3, "UNTIL", NOW + 4) == idents[8:16]
    assert listed(client, "KIND", "train", "TARGET", "t3", "STATUS", "queued") == idents[18::10]
    assert listed(client, "WORKER", "w1", "STATUS", "queued") == []


def test_a_cursor_is_valid_after_its_job_was_removed(
    server: RunningServer, client: Connection
) -> None:
    idents = filled(server, client)
    for order, rest in (([], idents[7:]), (["DESC"], idents[:33][::-1])):
        cursor, rows = client("JOB.LIST", "p", *order, "COUNT", 7)
        client("JOB.DEL", "p", json.loads(rows[-1])["id"])
        _, behind = client("JOB.LIST", "p", *order, "CURSOR", cursor)
        assert [json.loads(row)["id"] for row in behind] == [
            ident for ident in rest if client("JOB.GET", "p", ident)
        ]
