"""`cjson`, `cmsgpack`, `struct` and `bit` answer as those of Redis and Valkey.

`library_cases.txt` has one script on each line. Where the two differ from each other, the order of
a map for example, there is nothing to compare with.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.oracles import Oracle
from tests.support.resp import Error
from tests.support.servers import RunningServer

CASES = Path(__file__).with_name("library_cases.txt").read_text("utf-8").splitlines()
# Valkey does not show the SHA1 of the script here.
_SCRIPT = re.compile(r" script: (?:[0-9a-f]{40}, )?on ")


def _plain(reply: Any) -> Any:
    return Error(_SCRIPT.sub(" script: on ", reply.text)) if isinstance(reply, Error) else reply


@pytest.mark.parametrize("resp", [2, 3])
def test_libraries_answer_as_the_originals(
    server: RunningServer, redis7: Oracle, valkey: Oracle, resp: int
) -> None:
    ours, redis, other = (each.connect(resp=resp) for each in (server, redis7, valkey))
    compared = 0
    for script in CASES:
        wanted = _plain(redis("EVAL", script, 0))
        if _plain(other("EVAL", script, 0)) == wanted:
            compared += 1
            assert _plain(ours("EVAL", script, 0)) == wanted, script
    assert compared > 0.95 * len(CASES)
