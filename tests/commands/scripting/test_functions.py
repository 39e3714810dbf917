"""FCALL and FUNCTION: what libraries can do, what they keep, and what they cannot reach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from storage.rdb import dump_libraries
from tests.support.info import info
from tests.support.memory import resident
from tests.support.resp import Connection, Error, Map
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

MEMORY = 4 << 20


@pytest.fixture
def small(loop: Loop) -> Iterator[RunningServer]:
    """A server whose functions have little memory."""
    running = loop.start_server(script_memory_limit=str(MEMORY))
    yield running
    running.close()


@pytest.fixture
def busy(loop: Loop) -> Iterator[RunningServer]:
    """A server that soon counts as busy."""
    running = loop.start_server(busy_reply_threshold="1")
    yield running
    running.close()


def load(client: Connection, code: str, name: str = "lib", *, replace: bool = False) -> Any:
    options = ["REPLACE"] if replace else []
    return client("FUNCTION", "LOAD", *options, f"#!lua name={name}\n{code}")


def define(client: Connection, body: str, before: str = "") -> None:
    """Have the function `f` do this."""
    code = f"{before} redis.register_function('f', function(keys, args) {body} end)"
    assert load(client, code, replace=True) == b"lib"


def call(client: Connection, body: str, before: str = "") -> Any:
    define(client, body, before)
    return client("FCALL", "f", 0)


# --- loading ------------------------------------------------------------------------------------


def test_a_library_that_fails_leaves_the_old_one(client: Connection) -> None:
    define(client, "return 'old'")
    before = client("FUNCTION", "LIST", "WITHCODE")
    for code in (
        "redis.register_function('f', function() return 'new' end) x = 1",
        "redis.register_function('f', function() return 'new' end) error",
        "return 1",
        "redis.register_function('f', function() end) redis.register_function('f', 5)",
    ):
        assert isinstance(load(client, code, replace=True), Error)
        assert client("FUNCTION", "LIST", "WITHCODE") == before
        assert client("FCALL", "f", 0) == b"old"


def test_a_library_can_be_replaced_while_another_one_keeps_its_functions(
    client: Connection,
) -> None:
    define(client, "return 1")
    load(client, "redis.register_function('g', function() return 2 end)", "other")
    assert load(client, "redis.register_function('g', function() end)", replace=True) == Error(
        "ERR Function g already exists"
    )
    assert [client("FCALL", name, 0) for name in "fg"] == [1, 2]
    assert client("FUNCTION", "DELETE", "other") == "OK"
    assert load(client, "redis.register_function('g', function() return 3 end)", replace=True)
    assert client("FCALL", "g", 0) == 3
    assert client("FCALL", "f", 0) == Error("ERR Function not found")


def test_a_library_that_does_not_end_is_stopped(client: Connection) -> None:
    for code in (
        "while true do end",
        "redis.register_function('f', function() end) local function g() return g() end g()",
        "local s = 'x' while true do s = s:upper() end",
    ):
        assert load(client, code) == Error(
            "ERR Error registering functions: ERR FUNCTION LOAD timeout"
        )
    assert client("FUNCTION", "LIST") == []
    define(client, "return 1")
    assert client("FCALL", "f", 0) == 1


@pytest.mark.parametrize(
    "code",
    [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local s = ('x'):rep(2^30)",
        "local n = 0 while true do n = n + 1 redis.register_function('f' .. n, function() end) end",
        "redis.register_function(('x'):rep(2^21), function() end) "
        "redis.register_function(('y'):rep(2^21), function() end)",
    ],
)
def test_a_library_that_needs_too_much_memory_is_refused(small: RunningServer, code: str) -> None:
    client = small.connect()
    reply = load(client, code)
    assert "not enough memory" in reply.text
    assert client("FUNCTION", "LIST") == []
    assert call(client, "return 1") == 1


def test_a_function_has_few_flags(client: Connection) -> None:
    reply = load(
        client,
        "local flags = {} for at = 1, 100000 do flags[at] = 'no-writes' end "
        "redis.register_function{function_name='f', callback=function() end, flags=flags}",
    )
    assert reply == Error("ERR Error registering functions: ERR too many flags given")


def test_restoring_many_libraries_takes_no_longer_than_five_seconds(client: Connection) -> None:
    slow = "local n = 0 for i = 1, 5e6 do n = n + 1 end "
    codes = [
        f"#!lua name=l{at}\n{slow} redis.register_function('f{at}', function() end)".encode()
        for at in range(2000)
    ]
    assert client("FUNCTION", "RESTORE", dump_libraries(codes)) == Error(
        "ERR Error registering functions: ERR FUNCTION LOAD timeout"
    )
    assert client("FUNCTION", "LIST") == []


def test_bytecode_is_refused(client: Connection) -> None:
    for code in ("\x1bLua", "\x1bLuaQ\0\1\4\4\4\x08\0"):
        assert "unexpected symbol near 'char(27)'" in load(client, code).text
    assert call(client, "return loadstring('\\27Lua') == nil") == 1


def test_hostile_names_are_refused(client: Connection) -> None:
    for name in ("f g", "f\\r\\n", "\\0", "f:1", "../f", "\\255", "__index.x", ""):
        reply = load(client, f"redis.register_function('{name}', function() end)")
        assert "can only contain letters" in reply.text
    for name in ("__index", "__gc", "_G", "err", "ok", "call", "1", "nil"):
        assert load(client, f"redis.register_function('{name}', function() return 1 end)") == b"lib"
        assert client("FCALL", name, 0) == 1
        assert client("FUNCTION", "DELETE", "lib") == "OK"


def test_a_description_is_any_text(client: Connection) -> None:
    load(
        client,
        "redis.register_function{function_name='f', callback=function() end, "
        "description='\\r\\n\\0\\255'}",
    )
    listed = client("FUNCTION", "LIST")[0]
    assert listed[5][0][3] == b"\r\n\0\xff"


# --- what functions keep, and what they cannot change ---------------------------------------------


def test_the_functions_of_a_library_share_its_local_variables(client: Connection) -> None:
    load(
        client,
        "local kept = {} "
        "redis.register_function('put', function(keys, args) kept[args[1]] = args[2] end) "
        "redis.register_function('take', function(keys, args) return kept[args[1]] end)",
    )
    client("FCALL", "put", 0, "a", "1")
    assert client("FCALL", "take", 0, "a") == b"1"
    client("SCRIPT", "FLUSH")
    assert client("FCALL", "take", 0, "a") == b"1"


def test_arguments_can_be_kept(client: Connection) -> None:
    define(client, "kept[#kept + 1] = args return #kept[1] .. (kept[1][1] or '')", "local kept={}")
    assert client("FCALL", "f", 0, "a") == b"1a"
    for _ in range(1000):
        assert client("FCALL", "f", 0, "b", "c") == b"1a"


def test_coroutines_can_be_kept(client: Connection) -> None:
    define(
        client,
        "made = made or coroutine.wrap(function() local n = 0 while true do "
        "n = n + 1 coroutine.yield(n) end end) return made()",
        "local made",
    )
    assert [client("FCALL", "f", 0) for _ in range(3)] == [1, 2, 3]


ATTACKS = [
    "x = 1",
    "_G.x = 1",
    "rawset(_G, 'x', 1)",
    "redis.x = 1",
    "redis.call = nil",
    "rawset(redis, 'call', nil)",
    "server.call = nil",
    "setmetatable(redis, {})",
    "setmetatable(_G, {__index = function() return 1 end})",
    "string.rep = nil",
    "getmetatable('').__index = {}",
    "getmetatable('').__index.upper = nil",
    "table.insert(redis, 1)",
    "os.clock = nil",
    "cjson.encode = nil",
    "load_redis.register_function = nil",
    "rawset(load_redis, 'x', 1)",
    "setmetatable(load_redis, {})",
    "load_redis.register_function('g', function() end)",
    "return load_redis.call('ping')",
    "return os.exit()",
    "return os.getenv('HOME')",
    "return python.builtins",
    "return debug.getinfo(1)",
    "return require('io')",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_others_see_can_be_changed(client: Connection, attack: str) -> None:
    checks = (
        "return tostring(rawget(_G, 'x')) .. tostring(redis.x) .. type(redis.call) .. "
        "type(string.rep) .. ('x'):upper() .. type(redis.register_function) .. "
        "type(cjson.encode) .. type(os.clock)"
    )
    load(client, f"redis.register_function('check', function() {checks} end)", "other")
    before = client("FCALL", "check", 0)
    assert before == b"nilnilfunctionfunctionXnilfunctionfunction"
    define(client, attack, "local load_redis = redis")
    assert isinstance(client("FCALL", "f", 0), Error)
    define(client, f"pcall(function() {attack} end)", "local load_redis = redis")
    assert client("FCALL", "f", 0) is None
    assert client("FCALL", "check", 0) == before
    assert client("EVAL", checks, 0) == before
    assert client("FUNCTION", "STATS")[3][1] == [b"libraries_count", 2, b"functions_count", 2]


def test_libraries_do_not_see_each_other(client: Connection) -> None:
    load(
        client,
        "local secret = 'x' local function helper() return secret end "
        "redis.register_function('a', function() return helper() end)",
        "first",
    )
    for body in ("return secret", "return helper()", "return a()"):
        define(client, body)
        assert "nonexistent global variable" in client("FCALL", "f", 0).text


def test_scripts_and_functions_have_interpreters_of_their_own(client: Connection) -> None:
    define(client, "return #kept", "local kept = ('x'):rep(100000)")
    assert client("EVAL", "return KEYS[1]", 1, "k") == b"k"
    assert "nonexistent global variable 'KEYS'" in call(client, "return KEYS[1]").text
    assert client("EVAL", "return redis.register_function == nil", 0) == 1


def test_functions_are_not_called_within_scripts(client: Connection) -> None:
    define(client, "return 1")
    assert client("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1) == "OK"
    assert client("EVAL", "return redis.call('FCALL', 'f', 0)", 0) == 1
    define(client, "return redis.call('FCALL', 'f', 0)")
    assert "cannot run another one" in client("FCALL", "f", 0).text
    define(client, "return redis.call('FUNCTION', 'FLUSH')")
    assert client("FCALL", "f", 0) == "OK"
    assert client("FUNCTION", "LIST") == []


# --- memory ---------------------------------------------------------------------------------------


def test_a_library_cannot_hold_more_than_the_limit(small: RunningServer) -> None:
    client = small.connect()
    load(
        client,
        "local kept = {} "
        "redis.register_function('hoard', function() while true do kept[#kept + 1] = {} end end) "
        "redis.register_function('release', function() kept = {} end)",
        "hoard",
    )
    for _ in range(5):
        assert "not enough memory" in client("FCALL", "hoard", 0).text
    assert int(info(client, "used_memory_vm_functions")) < MEMORY + (1 << 20)
    assert client("EVAL", "return #('x'):rep(1000000)", 0) == 1_000_000
    assert client("FCALL", "release", 0) is None
    define(client, "return #('x'):rep(1000000)")
    wait_until(lambda: client("FCALL", "f", 0) == 1_000_000, "free memory")


def test_removing_libraries_frees_their_memory(small: RunningServer) -> None:
    client = small.connect()
    take = "for i = 1, 10 do held[i] = ('x'):rep(2^18 + i) end return #held"
    for remove in (("FUNCTION", "FLUSH"), ("FUNCTION", "DELETE", "lib")):
        define(client, take, "local held = {}")
        assert client("FCALL", "f", 0) == 10
        assert client(*remove) == "OK"
        define(client, take, "local held = {}")
        wait_until(lambda: client("FCALL", "f", 0) == 10, "free memory")


def test_many_calls_take_no_memory(client: Connection) -> None:
    define(client, "return {keys[1], args[1], redis.call('PING')}")

    def calls(count: int) -> None:
        for _ in range(count // 500):
            for _ in range(500):
                client.send("FCALL", "f", 1, "k", "a")
            for _ in range(500):
                client.read()

    calls(2000)
    before = resident(os.getpid())
    vm = int(info(client, "used_memory_vm_functions"))
    calls(20_000)
    assert resident(os.getpid()) - before < 8 << 20
    assert int(info(client, "used_memory_vm_functions")) < 2 * vm + (1 << 20)


def test_loading_and_deleting_many_times_takes_no_memory(client: Connection) -> None:
    def rounds(count: int) -> None:
        for number in range(count):
            load(client, f"redis.register_function('f', function() return {number} end)")
            client("FUNCTION", "DELETE", "lib")

    rounds(300)
    before = resident(os.getpid())
    rounds(2000)
    assert resident(os.getpid()) - before < 8 << 20
    assert int(info(client, "used_memory_vm_functions")) < 4 << 20
    assert client("FUNCTION", "STATS")[3][1] == [b"libraries_count", 0, b"functions_count", 0]


def test_a_huge_library_can_be_loaded(client: Connection) -> None:
    many = " ".join(
        f"redis.register_function('f{n}', function() return {n} end)" for n in range(3000)
    )
    assert load(client, many + " --" + "x" * (4 << 20)) == b"lib"
    assert client("FCALL", "f2999", 0) == 2999
    assert info(client, "number_of_functions") == "3000"
    assert info(client, "number_of_libraries") == "1"
    assert int(info(client, "used_memory_functions")) > 4 << 20
    assert client("FUNCTION", "FLUSH") == "OK"
    assert info(client, "number_of_functions") == "0"


# --- running for long -----------------------------------------------------------------------------

BUSY = Error(
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
)
BUSY_SCRIPT = Error(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
)


def start(server: RunningServer, *words: str | int) -> tuple[Connection, Connection]:
    """Run a function that does not end; return its client, and another one that finds it busy."""
    runner, other = server.connect(), server.connect()
    other("PING")
    runner.send(*words)
    wait_until(lambda: isinstance(other("PING"), Error), "a busy server")
    return runner, other


def test_a_function_is_stopped_by_its_own_command(busy: RunningServer) -> None:
    define(busy.connect(), "while true do pcall(redis.call, 'get', 'k') end")
    runner, other = start(busy, "FCALL", "f", 1, "key", "\x01")
    assert other("GET", "k") == BUSY
    assert other("SCRIPT", "KILL") == BUSY
    assert other("FUNCTION", "LIST") == BUSY
    stats = other("FUNCTION", "STATS")
    assert stats[1][:4] == [b"name", b"f", b"command", [b"FCALL", b"f", b"1", b"key", b"\x01"]]
    assert stats[1][4] == b"duration_ms"
    assert stats[1][5] >= 1
    assert stats[3] == [b"LUA", [b"libraries_count", 1, b"functions_count", 1]]
    other("HELLO", 3)
    assert other("FUNCTION", "KILL") == "OK"
    assert runner.read().text.startswith("ERR Script killed by user with SCRIPT KILL... script: f,")
    assert isinstance(other("FUNCTION", "STATS"), Map)
    assert other("FUNCTION", "KILL").code == "NOTBUSY"


def test_a_script_is_not_stopped_by_function_kill(busy: RunningServer) -> None:
    runner, other = start(busy, "EVAL", "while true do end", 0)
    assert other("FUNCTION", "KILL") == BUSY_SCRIPT
    assert other("FUNCTION", "STATS") == BUSY_SCRIPT
    assert other("SCRIPT", "KILL") == "OK"
    assert runner.read().text.startswith("ERR Script killed")


def test_a_function_that_has_written_cannot_be_stopped(busy: RunningServer) -> None:
    define(busy.connect(), "redis.call('set', 'k', 1) while true do end")
    runner, other = start(busy, "FCALL", "f", 0)
    assert other("FUNCTION", "KILL").code == "UNKILLABLE"
    running = busy.instance.running_script
    assert running is not None
    running.stopped_by = b"ERR stopped by the test"
    assert runner.read().text.startswith("ERR stopped by the test")


# --- flags, INFO, SCRIPT SHOW ---------------------------------------------------------------------


def test_what_a_function_declares_is_checked_before_it_runs(
    server: RunningServer, client: Connection
) -> None:
    define(client, "redis.call('set', 'k', 1) return redis.call('get', 'k')")
    before = client("DBSIZE")
    server.instance.persistence.end_snapshot(0.0, succeeded=False)
    try:
        client("CONFIG", "SET", "save", "3600 1", "stop-writes-on-bgsave-error", "yes")
        assert client("FCALL", "f", 0).code == "MISCONF"
        assert "script:" not in client("FCALL", "f", 0).text
        assert client("EVAL", "#!lua\nreturn 1", 0).code == "MISCONF"
        assert client("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == 1
        assert client("EVAL", "return 1", 0) == 1
        assert client("DBSIZE") == before
    finally:
        server.instance.persistence.end_snapshot(0.0, succeeded=True)
    assert client("FCALL", "f", 0) == b"1"


def test_scripts_that_make_room_for_others_are_counted(client: Connection) -> None:
    for number in range(510):
        client("EVAL", f"return {number}", 0)
    assert info(client, "number_of_cached_scripts") == "500"
    assert info(client, "evicted_scripts") == "10"
    assert int(info(client, "used_memory_scripts_eval")) > 500 * 10


def test_a_loaded_script_is_shown(client: Connection) -> None:
    sha = client("SCRIPT", "LOAD", "return '\xff\\0'".encode("latin-1"))
    assert client("SCRIPT", "SHOW", sha) == b"return '\xff\\0'"
    assert client("SCRIPT", "SHOW", sha.upper()) == b"return '\xff\\0'"
    client("SCRIPT", "FLUSH")
    assert client("SCRIPT", "SHOW", sha) == Error("NOSCRIPT No matching script.")


def test_server_is_another_name_of_redis(client: Connection) -> None:
    names = "return {server == redis, server.SERVER_NAME, server.REDIS_VERSION}"
    assert client("EVAL", names, 0) == [1, b"redkeep", b"7.2.4"]
    assert call(client, names) == [1, b"redkeep", b"7.2.4"]
    assert load(client, "server.register_function('g', function() end)", "other") == b"other"
    assert client("EVAL", "return type(os.clock()) .. tostring(os.time)", 0) == b"numbernil"
