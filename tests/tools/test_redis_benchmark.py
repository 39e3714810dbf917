"""redis-benchmark runs all its tests in all its modes, without errors or warnings."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.support.servers import RunningServer

BENCHMARK = shutil.which("redis-benchmark")
if BENCHMARK is None:
    pytest.skip("there is no redis-benchmark on PATH", allow_module_level=True)

# The tests that it runs by default.
DEFAULTS = [
    "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD",
    "HSET", "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)",
    "LRANGE_100 (first 100 elements)", "LRANGE_300 (first 300 elements)",
    "LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)", "MSET (10 keys)",
]  # fmt: skip


def run(server: RunningServer, *words: str) -> str:
    assert BENCHMARK is not None
    done = subprocess.run(
        [BENCHMARK, "-p", str(server.port), *words], capture_output=True, timeout=120, text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    assert not re.search("error|warning|wrong|fail", done.stdout, re.IGNORECASE), done.stdout
    return done.stdout.replace("\r", "\n")


@pytest.mark.parametrize(
    "options", ["", "-P 16", "-3", "--threads 2", "-P 16 -3 --threads 2 -r 50"]
)
def test_all_default_tests_run(server: RunningServer, options: str) -> None:
    shown = run(server, "-q", "-n", "200", "-c", "10", *options.split())
    # Two hundred requests may take less than a millisecond, which is reported as "inf".
    assert re.findall(r"^(.+): (?:[\d.]+|inf) requests per second", shown, re.MULTILINE) == DEFAULTS


def test_the_long_report_shows_the_settings(server: RunningServer) -> None:
    """redis-benchmark reads them with CONFIG GET, and warns if that fails."""
    shown = run(server, "-n", "100", "-t", "set")
    assert 'host configuration "save": \n' in shown
    assert 'host configuration "appendonly": no\n' in shown


def test_any_command_can_be_measured(server: RunningServer) -> None:
    shown = run(server, "-n", "100", "-q", "-r", "1", "ZADD", "zset", "__rand_int__", "x")
    assert "requests per second" in shown
    assert server.connect()("ZCARD", "zset") == 1


def test_idle_connections_and_large_values_work(server: RunningServer) -> None:
    assert "SET: " in run(server, "-q", "-n", "100", "-c", "200", "-d", "100000", "-t", "set,get")
