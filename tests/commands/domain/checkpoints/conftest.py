"""Every test of checkpoints checks that commands read before they write."""

from __future__ import annotations

import pytest

from tests.support.door import check_reads_before_writes


@pytest.fixture(autouse=True)
def reads_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    check_reads_before_writes(monkeypatch)
