"""Requests per second of scripts, as redis-benchmark sends them."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent

from scripts.benchmarks.rows import Row
from scripts.benchmarks.session import Session

ONE_LINE = b"return redis.call('GET', KEYS[1])"
# A sliding-window rate limiter with some bookkeeping, as applications have them.
FIFTY_LINES = dedent("""\
    local window_key = KEYS[1]
    local stats_key = KEYS[2]
    local now = tonumber(ARGV[1])
    local window = tonumber(ARGV[2])
    local limit = tonumber(ARGV[3])
    local member = ARGV[4]

    local function number_or(value, default)
      if value then
        return tonumber(value)
      end
      return default
    end

    local function split(text)
      local parts = {}
      for part in string.gmatch(text, "[^:]+") do
        parts[#parts + 1] = part
      end
      return parts
    end

    local parts = split(member)
    local tenant = parts[1]
    local request = parts[2] or "none"

    redis.call("ZREMRANGEBYSCORE", window_key, 0, now - window)
    local used = redis.call("ZCARD", window_key)
    local allowed = used < limit

    if allowed then
      redis.call("ZADD", window_key, now, member)
      redis.call("PEXPIRE", window_key, window)
      used = used + 1
    end

    local seen = number_or(redis.call("HGET", stats_key, tenant), 0)
    redis.call("HSET", stats_key, tenant, seen + 1)

    local report = {}
    for i = 1, 3 do
      report[i] = string.format("%s-%d", request, i)
    end

    local left = limit - used
    if left < 0 then
      left = 0
    end

    return { allowed and 1 or 0, left, table.concat(report, ",") }
    """).encode()


LIBRARY = b"""#!lua name=benchmark
redis.register_function("read", function(keys) return redis.call("GET", keys[1]) end)
"""


def measure(session: Session) -> Iterator[Row]:
    """EVALSHA of scripts of one and of fifty lines, and a function of one line."""
    count = str(session.scaled(100_000, at_least=10_000))
    for label, script, keys, arguments in (
        ("EVALSHA, one line", ONE_LINE, ("key",), ()),
        ("EVALSHA, 50 lines", FIFTY_LINES, ("window", "stats"), ("1", "1000", "5", "a:b")),
    ):
        shas = {
            server.call(b"SCRIPT", b"LOAD", script) for server in (session.ours, session.theirs)
        }
        (sha,) = shas
        words = ("EVALSHA", sha.decode(), str(len(keys)), *keys, *arguments)
        ratio = session.throughput("-n", count, "-c", "50", *words)
        yield Row(f"{label}, 50 clients", ratio, 0.5, 0.9)
    for server in (session.ours, session.theirs):
        server.call(b"FUNCTION", b"LOAD", b"REPLACE", LIBRARY)
    ratio = session.throughput("-n", count, "-c", "50", "FCALL", "read", "1", "key")
    yield Row("FCALL, one line, 50 clients", ratio, 0.5, 0.9)
    session.flush()
