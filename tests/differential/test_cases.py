"""The scripts of `cases/` on Redkeep, valkey-server and redis-server."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import pytest

from tests.differential import cases
from tests.differential.runner import differences, explain, run
from tests.differential.scripts import Script
from tests.support.oracles import Oracle, redis_binary
from tests.support.resp import Word
from tests.support.servers import RunningServer

# Valkey replies differently from Redis here; Redkeep follows Redis, so redis-server is needed.
REDIS_DECIDES = frozenset(
    {
        "administration: cluster",
        "bitmaps: counting",
        "clients: listing",
        "cluster: cluster support is disabled",
        "keys: scanning",
        "sorting: numbers as C reads them",
        "strings: getex",
    }
)
needs_redis = pytest.mark.skipif(
    redis_binary() is None, reason="Valkey differs from Redis, and there is no redis-server on PATH"
)


def collect() -> list[Any]:
    """Return (script, whether redis 7.0 knows its commands) for every case."""
    found = []
    for module in pkgutil.iter_modules(cases.__path__):
        family = import_module(f"{cases.__name__}.{module.name}")
        later = getattr(family, "LATER_THAN_REDIS_7_0", ())
        for name, script in family.CASES.items():
            is_later = later is True or (later is not False and name in later)
            title = f"{module.name}: {name}"
            marks = [needs_redis] if title in REDIS_DECIDES else []
            found.append(pytest.param(script, not is_later, id=title, marks=marks))
    return found


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize(("script", "in_redis7"), collect())
def test_every_reply_of_a_script_is_that_of_the_real_servers(
    script: Script,
    in_redis7: bool,
    resp: int,
    server: RunningServer,
    valkey: Oracle,
    request: pytest.FixtureRequest,
) -> None:
    oracles = [valkey]
    if in_redis7 and redis_binary() is not None:
        oracles.append(request.getfixturevalue("redis7"))
    theirs = {oracle.name: run(oracle.connect, script, resp) for oracle in oracles}

    def encoding_of(key: Word) -> Any:
        return valkey("OBJECT", "ENCODING", key)

    ours = run(lambda resp: server.connect(resp), script, resp)
    found = list(differences(script, ours, theirs, encoding_of))
    if found:
        pytest.fail(explain(script, found, resp), pytrace=False)
