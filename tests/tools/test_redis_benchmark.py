"""redis-benchmark runs all its tests, in all its ways, and finds nothing to complain of."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.support.servers import RunningServer

BENCHMARK = shutil.which("redis-benchmark")
if BENCHMARK is None:
    pytest.skip("there is no redis-benchmark on PATH", allow_module_level=True)

# What it runs when it is not told what to run.
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
def test_all_default_tests(server: RunningServer, options: str) -> None:
    shown = run(server, "-q", "-n", "200", "-c", "10", *options.split())
    # Two hundred requests can be over within the same millisecond: "inf".
    assert re.findall(r"^(.+): (?:[\d.]+|inf) requests per second", shown, re.MULTILINE) == DEFAULTS


def test_the_long_report_shows_the_settings(server: RunningServer) -> None:
    """It asks for them, and warns if it is not told."""
    shown = run(server, "-n", "100", "-t", "set")
    assert 'host configuration "save": \n' in shown
    assert 'host configuration "appendonly": no\n' in shown


def test_any_command(server: RunningServer) -> None:
    shown = run(server, "-n", "100", "-q", "-r", "1", "ZADD", "zset", "__rand_int__", "x")
    assert "requests per second" in shown
    assert server.connect()("ZCARD", "zset") == 1


def test_idle_connections_and_large_values(server: RunningServer) -> None:
    assert "SET: " in run(server, "-q", "-n", "100", "-c", "200", "-d", "100000", "-t", "set,get")
