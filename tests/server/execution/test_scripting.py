"""Scripts that run for long: what other clients get meanwhile, and how they are stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

BUSY = Error(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)
KILLED = "ERR Script killed by user with SCRIPT KILL..."
FOREVER = "while true do end"


@pytest.fixture
def server(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server(busy_reply_threshold="1")
    yield running
    running.close()


def start(server: RunningServer, script: str) -> tuple[Connection, Connection]:
    """Start a script that does not end; return its client, and another one that finds it busy."""
    runner, other = server.connect(), server.connect()
    runner("PING")
    other("PING")
    runner.send("EVAL", script, 0)
    wait_until(lambda: other("PING") == BUSY, "a busy server")
    return runner, other


@pytest.mark.parametrize(
    "script",
    [
        FOREVER,
        "local i = 0 repeat i = i + 1 until false",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(pcall, function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function(e) return e end) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(redis.call, 'get', 'k') end",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "string.gsub('aaa', 'a', function() while true do end end)",
        "return loadstring('while true do end')()",
    ],
)
def test_others_are_answered_and_can_stop_the_script(server: RunningServer, script: str) -> None:
    runner, other = start(server, script)
    assert other("GET", "k") == BUSY
    assert other("EVAL", "return 1", 0) == BUSY
    assert other("SCRIPT", "KILL") == "OK"
    assert runner.read().text.startswith(KILLED)
    assert other("PING") == "PONG"
    assert other("EVAL", "return 1", 0) == 1
    assert runner("SCRIPT", "KILL").code == "NOTBUSY"


def test_a_client_that_connects_meanwhile_can_stop_it(server: RunningServer) -> None:
    runner, _ = start(server, FOREVER)
    late = server.connect()
    assert late("CLIENT", "ID") == 3
    assert late("SCRIPT", "KILL") == "OK"
    assert runner.read().text.startswith(KILLED)


def test_a_script_that_has_written_cannot_be_stopped(server: RunningServer) -> None:
    runner, other = start(
        server, "redis.call('set', 'k', 1) while redis.call('exists', 'stop') == 0 do end"
    )
    assert other("SCRIPT", "KILL").code == "UNKILLABLE"
    assert other("SET", "stop", 1) == BUSY
    running = server.instance.running_script
    assert running is not None
    running.stopped_by = b"ERR stopped by the test"
    assert runner.read().text.startswith("ERR stopped by the test")
    assert other("GET", "k") == b"1"


def test_requests_sent_before_and_after_are_answered_in_order(server: RunningServer) -> None:
    runner, other = server.connect(), server.connect()
    other("PING")
    runner.send_raw(b"SET a 1\r\nEVAL 'while true do end' 0\r\nGET a\r\n")
    wait_until(lambda: other("PING") == BUSY, "a busy server")
    other("SCRIPT", "KILL")
    assert runner.read() == "OK"
    assert runner.read().text.startswith(KILLED)
    assert runner.read() == b"1"


def test_a_transaction_with_a_busy_script_is_refused_to_others(server: RunningServer) -> None:
    _, other = start(server, FOREVER)
    assert other("MULTI") == "OK"
    assert other("GET", "k") == BUSY
    assert other("EXEC").code == "EXECABORT"
    assert other("SCRIPT", "KILL") == "OK"


def test_the_threshold_can_be_off(loop: Loop) -> None:
    server = loop.start_server(busy_reply_threshold="0")
    try:
        client = server.connect()
        assert client("EVAL", "for i = 1, 20000000 do end return 1", 0) == 1
    finally:
        server.close()


def test_shutdown_ends_a_script_that_runs_for_ever() -> None:
    with ServeProcess("--busy-reply-threshold", "1", "--appendonly", "no") as process:
        runner, other = Connection(process.port), Connection(process.port)
        runner.send("EVAL", "redis.call('set', 'k', 1) while true do end", 0)
        wait_until(lambda: other("PING") == BUSY, "a busy server")
        other.send("SHUTDOWN", "NOSAVE")
        assert process.wait() == 0


# --- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "local s = 'x' while true do s = s .. s end",
        "return string.rep('x', 2^30)",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} while true do t[#t + 1] = redis.call('ping', ('x'):rep(100000) .. #t) end",
        "local t = {} while true do t[#t + 1] = {} pcall(redis.call, 'incr', 'text') end",
        "local t = {} while true do t[#t + 1] = {} pcall(redis.call, t, t[#t], {}) end",
        "local t = {} while true do t = {t, t} cjson.encode({#t}) end",
    ],
)
def test_a_script_that_needs_too_much_memory_ends(loop: Loop, script: str) -> None:
    server = loop.start_server(script_memory_limit="2mb")
    try:
        client = server.connect()
        client("SET", "text", "x")
        reply = client("EVAL", script, 0)
        assert "not enough memory" in reply.text
        assert client("EVAL", "return #string.rep('x', 100000)", 0) == 100_000
    finally:
        server.close()
