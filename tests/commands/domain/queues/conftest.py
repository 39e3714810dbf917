"""The clock of the server stands still unless a test advances it."""

from __future__ import annotations

import pytest

from tests.support.door import check_reads_before_writes
from tests.support.queues import NOW
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def stopped_clock(server: RunningServer) -> None:
    server.freeze(NOW)


@pytest.fixture(autouse=True)
def reads_before_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    check_reads_before_writes(monkeypatch)
