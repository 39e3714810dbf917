"""JSON of records."""

from __future__ import annotations

import tracemalloc

from commands.domain.records import write_json


def test_stored_json_takes_no_more_memory_than_its_text() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [write_json({"number": number}) for number in range(1000)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 1000
    assert after - before < 200_000
