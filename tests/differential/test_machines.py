"""Random sessions per data type, on Redkeep and valkey-server."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.differential import machines
from tests.differential.session import Arena, Difference, make_machine
from tests.support.oracles import Oracle, redis_binary
from tests.support.servers import RunningServer

FAMILIES = sorted(
    module.name for module in pkgutil.iter_modules(machines.__path__) if module.name != "grammar"
)
# Valkey replies differently from Redis to these; Redkeep follows Redis.
REDIS_DECIDES = frozenset({"geo", "keys"})
# Derandomized, so that a failure comes from a change of the code and not from a new example.
QUICK = settings(
    max_examples=40,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    database=None,
    # Shrinking runs hundreds of sessions; the script is short enough to read as it is.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
DEEP = settings(
    QUICK,
    max_examples=3000,
    stateful_step_count=60,
    derandomize=False,
    phases=[Phase.generate, Phase.shrink],
)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "profile",
    [pytest.param(QUICK, id="quick"), pytest.param(DEEP, id="deep", marks=pytest.mark.deep)],
)
def test_every_reply_of_random_sessions_is_that_of_valkey(
    family: str,
    profile: settings,
    server: RunningServer,
    valkey: Oracle,
    request: pytest.FixtureRequest,
) -> None:
    if family in REDIS_DECIDES and redis_binary() is None:
        pytest.skip("Valkey differs from Redis, and there is no redis-server on PATH")
    second = request.getfixturevalue("redis7") if redis_binary() is not None else None
    arena = Arena(server, valkey, second)
    commands = import_module(f"{machines.__name__}.{family}").COMMANDS
    found = ""
    try:
        run_state_machine_as_test(make_machine(commands, arena), settings=profile)
    except Difference as difference:
        found = str(difference)
    if found:
        # Outside of the handler, so that the report is not the traceback of the session.
        pytest.fail(found, pytrace=False)
