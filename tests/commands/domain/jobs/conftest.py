"""Every test of jobs checks that handlers and sweeps read before they write."""

from __future__ import annotations

import pytest

from tests.support.door import check_reads_before_writes


@pytest.fixture(autouse=True)
def checked_door(monkeypatch: pytest.MonkeyPatch) -> None:
    check_reads_before_writes(monkeypatch)
