"""Fixtures that all tests share.

`server` is a fresh Redkeep per test, `client` and `client3` are connections to it.
`valkey` and `redis7` are real servers, started once per test process and reset to
their initial state for every test that uses them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.oracles import Oracle, start_redis, start_valkey
from tests.support.resp import Connection
from tests.support.servers import Loop, RunningServer

# On a busy machine an example may take any time; waits have deadlines of their own.
settings.register_profile("redkeep", deadline=None)
settings.load_profile("redkeep")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="also run tests that take long")
    parser.addoption(
        "--against",
        choices=("redkeep", "redis", "valkey"),
        default="redkeep",
        help="the server that tests/ecosystem uses",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Deep tests run for minutes, so the limit of pyproject.toml is not for them.
    mark = (
        pytest.mark.timeout(3600)
        if config.getoption("--deep")
        else pytest.mark.skip(reason="runs for minutes; skipped unless --deep is given")
    )
    for item in items:
        if "deep" in item.keywords:
            item.add_marker(mark)


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """The thread that runs all Redkeep servers of this test process."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def server(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server()
    yield running
    running.close()


@pytest.fixture
def client(server: RunningServer) -> Connection:
    """A RESP2 connection to `server`."""
    return server.connect()


@pytest.fixture
def client3(server: RunningServer) -> Connection:
    """A RESP3 connection to `server`."""
    return server.connect(resp=3)


@pytest.fixture(scope="session")
def running_valkey() -> Iterator[Oracle]:
    """The process behind `valkey`, with the data of the previous test."""
    try:
        oracle = start_valkey()
    except LookupError as reason:
        pytest.skip(str(reason))
    yield oracle
    oracle.close()


@pytest.fixture(scope="session")
def running_redis7() -> Iterator[Oracle]:
    """The process behind `redis7`, with the data of the previous test."""
    try:
        oracle = start_redis()
    except LookupError as reason:
        pytest.skip(str(reason))
    yield oracle
    oracle.close()


@pytest.fixture
def valkey(running_valkey: Oracle) -> Oracle:
    running_valkey.reset()
    return running_valkey


@pytest.fixture
def redis7(running_redis7: Oracle) -> Oracle:
    running_redis7.reset()
    return running_redis7
