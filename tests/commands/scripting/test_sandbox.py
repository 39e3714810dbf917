"""Attacks on the sandbox of scripts: nothing of Python or of the system is in reach, no script
changes what the next one sees, and no script takes the server down."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import pytest

from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer

MEMORY = 4 << 20


@pytest.fixture
def small(loop: Loop) -> Iterator[RunningServer]:
    """A server whose scripts have little memory."""
    running = loop.start_server(script_memory_limit=str(MEMORY))
    yield running
    running.close()


def run(client: Connection, script: str, *arguments: str | bytes) -> Any:
    return client("EVAL", dedent(script), 0, *arguments)


def check_works(client: Connection) -> None:
    """The server and its interpreter are as they were."""
    assert client("PING") == "PONG"
    assert run(
        client, "return redis.call('ECHO', 'x') .. #KEYS .. tostring(cjson.decode('1'))"
    ) == (b"x01")


# --- what is in reach -------------------------------------------------------------------------

# Everything that a script can get hold of, by its path.
WALK = """
    local seen, found = {}, {}
    local function walk(value, path)
      local kind = type(value)
      if kind == 'userdata' and not rawequal(value, cjson.null) then
        found[#found + 1] = path
      end
      if kind == 'userdata' or kind == 'function' or kind == 'table' or kind == 'thread' then
        if seen[value] then return end
        seen[value] = true
      end
      walk_metatable = nil
      local meta = getmetatable(value)
      if meta ~= nil then walk(meta, path .. '<meta>') end
      if kind == 'table' then
        for key, item in pairs(value) do
          walk(key, path .. '<key>')
          walk(item, path .. '.' .. tostring(key))
        end
        for key, item in next, value do walk(item, path .. '[' .. tostring(key) .. ']') end
      end
      if kind == 'function' then
        for _, argument in ipairs({1, 'x', {}, print_nothing or false}) do
          local results = {pcall(value, argument)}
          for at, result in pairs(results) do
            if type(result) ~= 'function' then walk(result, path .. '()' .. at) end
          end
        end
      end
    end
"""


def test_no_python_object_is_in_reach(client: Connection) -> None:
    script = WALK.replace("walk_metatable = nil", "").replace("print_nothing or false", "false")
    script += """
        -- These end the walk, not the sandbox.
        for _, name in ipairs({'error', 'load', 'collectgarbage'}) do seen[_G[name]] = true end
        seen[coroutine.yield] = true
        walk(_G, '_G')
        local text = 'x'
        walk(getmetatable(text), 'string')
        return found
    """
    assert run(client, script) == []
    check_works(client)


NAMES = """
    os.execute os.exit os.getenv os.remove os.rename os.tmpname io package python debug getfenv
    setfenv newproxy module require dofile loadfile print lua lupa jit ffi __builtins__
    string.__index math.randomstate coroutine.running_thread collectgarbage_x rawlen
""".split()


@pytest.mark.parametrize("name", NAMES)
def test_what_scripts_must_not_have_is_absent(client: Connection, name: str) -> None:
    reply = run(
        client,
        f"local ok, value = pcall(function() return {name} end) "
        "return {tostring(ok), type(value)}",
    )
    assert reply in ([b"false", b"string"], [b"true", b"nil"])


@pytest.mark.parametrize(
    "value",
    [
        "cjson.null",
        "redis.call",
        "cjson.decode",
        "''",
        "KEYS",
        "coroutine.create(function() end)",
    ],
)
@pytest.mark.parametrize(
    "name", ["__class__", "__globals__", "__init__", "__metatable", "__index", "__gc", "__call"]
)
def test_values_have_no_attributes_of_python(client: Connection, value: str, name: str) -> None:
    reply = run(
        client,
        f"local ok, found = pcall(function() local v = {value} return v['{name}'] end) "
        "return ok and type(found) or 'refused'",
    )
    assert reply in (b"nil", b"refused")


@pytest.mark.parametrize("operation", ["v()", "v.x", "v + 1", "#v", "v .. ''", "v < v", "-v"])
def test_null_can_do_nothing(client: Connection, operation: str) -> None:
    script = f"local v = cjson.null return pcall(function() return {operation} end) and 1 or 0"
    assert run(client, script) == 0


# --- bytecode ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "load",
    [
        "loadstring(code)",
        "loadstring(code, '=x')",
        "load(function() local part = code code = nil return part end)",
        "load(function() local part = code:sub(1, 1) code = code:sub(2) return part end)",
    ],
)
def test_bytecode_is_not_loaded(client: Connection, load: str) -> None:
    script = f"""
        local code = string.dump(function() return 1 end)
        local loaded, failure = {load}
        return {{type(loaded), failure ~= nil and 1 or 0}}
    """
    assert run(client, script) == [b"nil", 1]


def test_a_script_that_is_bytecode_is_refused(client: Connection) -> None:
    reply = client("EVAL", b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00", 0)
    assert isinstance(reply, Error)
    assert reply.text.startswith("ERR Error compiling script (new function): ")


def test_loaded_code_sees_the_sandbox_only(client: Connection) -> None:
    script = "return loadstring('return _G == ... and getfenv == nil')(_G)"
    reply = run(client, script)
    assert isinstance(reply, Error)
    assert "nonexistent global variable 'getfenv'" in reply.text
    assert run(client, "return loadstring('return ... == _G')(_G)") == 1
    assert run(client, "return loadstring('x = 1') and pcall(loadstring('x = 1')) and 1 or 0") == 0


# --- shared tables ----------------------------------------------------------------------------

TABLES = "_G redis cjson cmsgpack struct bit string table math coroutine getmetatable('')".split()
CHANGES = [
    "v.x = 1",
    "v.call = 1",
    "v[1] = 1",
    "rawset(v, 'x', 1)",
    "setmetatable(v, {})",
    "table.insert(v, 1)",
    "table.insert(v, 1, 1)",
    "table.remove(v)",
    "table.remove(v, 1)",
    "table.setn(v, 1)",
    "getmetatable(v).__index = function() end",
    "getmetatable(v).__newindex = nil",
    "rawset(getmetatable(v), '__newindex', nil)",
    "rawset(rawget(v, '__index'), 'x', 1)",
]
# What the tables hold, before and after.
CONTENTS = """
    local names = {}
    for _, t in ipairs({TABLES}) do
      names[#names + 1] = '|'
      local here = {}
      for key, value in pairs(t) do here[#here + 1] = tostring(key) .. type(value) end
      table.sort(here)
      for _, name in ipairs(here) do names[#names + 1] = name end
      names[#names + 1] = type(rawget(t, 'x')) .. type(rawget(t, 1))
    end
    return names
""".replace("TABLES", ", ".join(TABLES))


@pytest.mark.parametrize("table", TABLES)
def test_shared_tables_cannot_be_changed(client: Connection, table: str) -> None:
    before = run(client, CONTENTS)
    for change in CHANGES:
        reply = run(client, f"local v = {table} {change}")
        assert isinstance(reply, Error), change
    # A table that appears empty to sort, and functions that swap its items.
    run(client, f"table.sort({table}, function() return true end)")
    run(client, f"pcall(table.foreach, {table}, function(k, v) {table}[k] = nil end)")
    run(client, f"for k, v in next, {table} do pcall(rawset, {table}, k, nil) end")
    assert run(client, CONTENTS) == before
    check_works(client)


@pytest.mark.parametrize("iterator", ["pairs", "ipairs", "next"])
def test_iterators_do_not_hand_out_the_table_behind_a_shared_one(
    client: Connection, iterator: str
) -> None:
    script = f"""
        local a, b, c = {iterator}(redis)
        local results = {{a, b, c}}
        for _, value in pairs(results) do
          if type(value) == 'table' and pcall(rawset, value, 'x', 1) then return 'written' end
        end
        return rawget(redis, 'x') == nil and 'safe' or 'written'
    """
    assert run(client, script) == b"safe"


def test_a_metatable_cannot_reach_the_table_behind_a_shared_one(client: Connection) -> None:
    script = """
        local reached = {}
        for _, name in ipairs({'__index', '__newindex', '__call', '__eq', '__lt', '__le',
            '__concat', '__len', '__tostring', '__gc', '__mode', '__metatable'}) do
          local mine = setmetatable({}, {[name] = function(...) reached = {...} end})
          pcall(function() return mine == redis end)
          pcall(function() return mine < redis end)
          pcall(function() return mine .. redis end)
          pcall(function() return redis .. mine end)
        end
        for _, value in pairs(reached) do
          if type(value) == 'table' and value ~= redis and getmetatable(value) == nil then
            return 'reached'
          end
        end
        return 'safe'
    """
    assert run(client, script) == b"safe"


# --- no state between scripts ---------------------------------------------------------------


def test_scripts_leave_nothing_behind(client: Connection) -> None:
    run(
        client,
        """
        KEYS[1], ARGV.x = 'left', 'left'
        pcall(function() KEYS = {'left'} end)
        cjson.encode_max_depth(1) cjson.decode_max_depth(1)
        cjson.encode_number_precision(3) cjson.encode_invalid_numbers(true)
        cjson.encode_sparse_array(true) cjson.decode_invalid_numbers(false)
        redis.setresp(3)
        """,
    )
    assert run(client, "return {#KEYS, #ARGV, tostring(ARGV.x)}") == [0, 0, b"nil"]
    assert run(
        client,
        "return {cjson.encode_max_depth(), cjson.decode_max_depth(), "
        "cjson.encode_number_precision(), tostring(cjson.encode_invalid_numbers()), "
        "tostring(cjson.decode_invalid_numbers()), tostring((cjson.encode_sparse_array()))}",
    ) == [1000, 1000, 14, b"false", b"true", b"false"]
    assert run(client, "return type(redis.call('GET', 'absent'))") == b"boolean"


def test_scripts_share_no_state_through_functions(client: Connection) -> None:
    for script in (
        "setmetatable(cjson.new(), {}) cjson.new().encode = 1",
        "local made = cjson.new() made.encode_max_depth(1) made.x = 1",
        "coroutine.wrap(function() coroutine.yield(1) end)()",
        "local meta = getmetatable('') pcall(function() meta.__index = nil end)",
    ):
        run(client, script)
    assert run(client, "return {type(cjson.new().x), cjson.new().encode({{1}})}") == [
        b"nil",
        b"[[1]]",
    ]
    check_works(client)


# --- errors -----------------------------------------------------------------------------------

FAILURES = [
    "error()",
    "error(nil)",
    "error(5)",
    "error(true)",
    "error({})",
    "error({err = 5})",
    "error(redis)",
    "error(_G)",
    "error(cjson.null)",
    "error(function() end)",
    "error(coroutine.create(function() end))",
    "error(setmetatable({}, {__index = function() error('again') end}))",
    "error(setmetatable({}, {__tostring = function() error('again') end}))",
    "redis.call('NOSUCH')",
    "redis.call('LPUSH', 'k')",
    "redis.call({})",
    "redis.call()",
    "cjson.decode('{')",
    "cjson.encode(function() end)",
    "cmsgpack.unpack('\\193')",
    "struct.pack('Z')",
    "bit.band({})",
    "redis.sha1hex()",
    "math.random(0)",
    "string.rep()",
    "unpack({}, 1, 1e9)",
    "local function f() return f() + 1 end f()",
    "local a = nil; a.b = 1",
]
CATCHERS = {
    "pcall": "local results = {pcall(fail)}",
    "xpcall": "local results = {xpcall(fail, function(e) return {e} end)}",
    "failing handler": "local results = {xpcall(fail, function(e) error(e) end)}",
    "handler of ours": "local results = {xpcall(fail, cjson.encode)}",
    "resume": "local results = {coroutine.resume(coroutine.create(fail))}",
    "wrap": "local results = {pcall(coroutine.wrap(fail))}",
    "nested": "local results = {coroutine.resume(coroutine.create(function() "
    "return pcall(coroutine.wrap(function() return xpcall(fail, function(e) error(e) end) end)) "
    "end))}",
    "gsub": "local results = {pcall(string.gsub, 'x', 'x', fail)}",
    "sort": "local results = {pcall(table.sort, {1, 2}, fail)}",
    "load": "local results = {pcall(load, fail)}",
    "metamethod": "local t = setmetatable({}, {__index = fail}) "
    "local results = {pcall(function() return t.x end)}",
    "foreach": "local results = {pcall(table.foreach, {1}, fail)}",
}


@pytest.mark.parametrize("catch", CATCHERS.values(), ids=CATCHERS)
def test_whatever_catches_an_error_gets_no_python_object(client: Connection, catch: str) -> None:
    for failure in FAILURES:
        script = f"""
            local function fail() {failure} end
            {catch}
            for _, value in pairs(results) do
              if type(value) == 'table' and value ~= redis and value ~= _G then
                for _, item in pairs(value) do
                  if type(item) == 'userdata' and item ~= cjson.null then return 'python' end
                end
              end
              if type(value) == 'userdata' and value ~= cjson.null then return 'python' end
            end
            return 'safe'
        """
        assert run(client, script) == b"safe", failure
    check_works(client)


@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_that_nobody_catches_ends_the_script_only(
    client: Connection, failure: str
) -> None:
    assert isinstance(run(client, failure), Error)
    assert isinstance(run(client, f"coroutine.wrap(function() {failure} end)()"), Error)
    check_works(client)


# --- exhaustion ---------------------------------------------------------------------------------

HUNGRY = {
    "string": "local s = 'x' while true do s = s .. s end",
    "rep": "return string.rep('x', 1e10)",
    "table": "local t = {} while true do t[#t + 1] = {} end",
    "concat": "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(10000) end "
    "while true do t[#t + 1] = table.concat(t) end",
    "closures": "local f = function() end while true do local g = f f = function() g() end end",
    "coroutines": "local t = {} while true do "
    "t[#t + 1] = coroutine.wrap(function() coroutine.yield() end) t[#t]() end",
    "loadstring": "local t = {} while true do "
    "t[#t + 1] = loadstring('return \"' .. ('x'):rep(1000) .. #t .. '\"') end",
    "load": "return load(function() return ('x'):rep(1000) end)",
    "format": "local t = {} while true do t[#t + 1] = ('%99d'):rep(3):format(1,2,#t) end",
    "gsub": "return (('x'):rep(100000):gsub('x', ('y'):rep(1000)))",
    "cjson.encode": "local t = {('x'):rep(10000)} for i = 1, 30 do t = {t, t} end "
    "return cjson.encode(t)",
    "cjson.encode of zero bytes": "return cjson.encode(('\\0'):rep(3e6))",
    "cjson.encode of a sparse array": "cjson.encode_sparse_array(false, 0) "
    "return cjson.encode({[2^31 - 1] = 1})",
    "cjson.decode of arrays": "return cjson.decode('[' .. ('[],'):rep(5e5) .. '1]')",
    "cjson.decode of numbers": "return cjson.decode('[' .. ('1,'):rep(1e6) .. '1]')",
    "cjson.decode of objects": "return cjson.decode('[' .. ('{},'):rep(5e5) .. '1]')",
    "cjson.decode slowly": "return cjson.decode('[' .. ('[],'):rep(5e5) .. 'x]')",
    "cmsgpack.pack": "local t = {('x'):rep(10000)} for i = 1, 14 do t = {t, t, t, t} end "
    "return cmsgpack.pack(t)",
    "cmsgpack.unpack": "return cmsgpack.unpack('\\221\\0\\15\\0\\0' .. ('\\144'):rep(983040))",
    "cmsgpack.unpack of maps": "return cmsgpack.unpack("
    "'\\221\\0\\15\\0\\0' .. ('\\129\\1\\1'):rep(983040))",
    "struct.pack": "local s = ('x'):rep(1e6) return struct.pack(('s'):rep(7), s, s, s, s, s, s, s)",
    "struct.unpack": "local s = ('x'):rep(2e6) return struct.unpack(('c1999999!'):rep(1) .. "
    "('s'):rep(0), s), struct.unpack('c2000000', s), (s .. 'y'):reverse()",
    "sha1hex": "local s = ('x'):rep(2e6) return redis.sha1hex(s .. 'x' .. s)",
    "redis.call": "local s = ('x'):rep(1e6) for i = 1, 9 do redis.call('APPEND', 'k', s) end "
    "return redis.call('GET', 'k') .. ''",
    "many results": "for i = 1, 2e4 do redis.call('RPUSH', 'l', ('x'):rep(100)) end "
    "local t = {} while true do t[#t + 1] = redis.call('LRANGE', 'l', 0, -1) end",
    "error objects": "local t = {} while true do "
    "t[#t + 1] = select(2, pcall(error, ('x'):rep(1000) .. #t)) end",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", HUNGRY.values(), ids=HUNGRY)
def test_memory_is_limited(small: RunningServer, script: str) -> None:
    client = small.connect()
    reply = run(client, script)
    assert isinstance(reply, Error)
    assert reply.text.startswith("ERR not enough memory")
    # The same, when the script goes on.
    run(client, f"for i = 1, 3 do pcall(function() {script} end) end")
    run(client, f"coroutine.resume(coroutine.create(function() {script} end))")
    run(client, f"xpcall(function() {script} end, function(e) return tostring(e):rep(1000) end)")
    check_works(client)


# Takes all memory, in ever smaller pieces.
FILL = """
    local held = {}
    local function fill()
      local size = 2^22
      while size >= 1 do
        local ok, piece = pcall(string.rep, 'x', size + #held % 7)
        if ok then held[#held + 1] = piece else size = size / 2 end
        if #held > 60000 then break end
      end
    end
"""
# Calls with memory at its limit: arguments, results and errors have to be handed over.
CALLS = [
    "redis.call('ECHO', held[1])",
    "redis.call('ECHO', {})",
    "redis.call('LRANGE', 'list', 0, -1)",
    "redis.call('HGETALL', 'hash')",
    "redis.call(unpack(tables))",
    "redis.call('NOSUCH')",
    "redis.pcall('NOSUCH')",
    "redis.sha1hex(held[1])",
    "redis.status_reply(held[1])",
    "redis.log(redis.LOG_DEBUG, held[1])",
    "redis.setresp(3)",
    "cjson.encode(held)",
    "cjson.encode(tables)",
    "cjson.decode('[[[[1,2,3]]]]')",
    "cjson.decode('[' .. ('[],'):rep(1000) .. '1]')",
    "cjson.decode('{')",
    "cjson.new()",
    "cmsgpack.pack(tables)",
    "cmsgpack.pack(unpack(tables))",
    "cmsgpack.unpack(packed)",
    "cmsgpack.unpack('\\193')",
    "cmsgpack.unpack(('\\161x'):rep(7000))",
    "struct.pack('s', held[1])",
    "struct.unpack(('c1'):rep(7000), packed)",
    "struct.unpack('Z', '')",
    "bit.band(1, 2, 3)",
    "bit.band({})",
    "math.random(10)",
    "math.random({})",
    "loadstring('return 1')",
    "coroutine.wrap(function() return redis.call('ECHO', held[1]) end)()",
    "string.gsub('xxxx', 'x', redis.sha1hex)",
    "table.sort(tables, function(a, b) return cjson.encode(a) < cjson.encode(b) end)",
    "error({err = held[1]})",
    "error(held[1])",
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("call", CALLS)
def test_functions_work_or_fail_when_memory_is_full(small: RunningServer, call: str) -> None:
    client = small.connect()
    for at in range(50):
        client("RPUSH", "list", "x" * 100)
        client("HSET", "hash", f"f{at}", "x" * 100)
    prepare = """
        local tables = {}
        for i = 1, 7000 do tables[i] = {i} end
        local packed = ('\\1'):rep(7000)
    """
    run(client, f"{prepare}{FILL} fill() for i = 1, 3 do pcall(function() {call} end) end")
    run(client, f"{prepare}{FILL} fill() {call}")
    deep = f"local function down(n) if n == 0 then fill() {call} else down(n - 1) end return 1 end"
    run(client, f"{prepare}{FILL} {deep} for i = 1, 2 do pcall(down, 5000 * i) end")
    run(client, f"{prepare}{FILL} coroutine.wrap(function() fill() {call} end)()")
    check_works(client)


def test_memory_is_full_with_many_scripts_loaded(small: RunningServer) -> None:
    client = small.connect()
    for at in range(3000):
        client("SCRIPT", "LOAD", f"return {at}")
    run(
        client,
        f"""
        local tables = {{}}
        for i = 1, 7000 do tables[i] = {{}} end
        {FILL} fill()
        for i = 1, 3 do pcall(redis.call, unpack(tables)) pcall(cmsgpack.pack, unpack(tables)) end
        """,
    )
    check_works(client)


@pytest.mark.parametrize(
    "script",
    [
        "local function f() return 1 + f() end return f()",
        "local function f() return pcall(f) end return f()",
        "local function f() return (pcall(f)) end return f()",
        "local function f() return (xpcall(f, f)) end return f()",
        "local function f() return (coroutine.wrap(f)()) end return f()",
        "local function f() return (coroutine.resume(coroutine.create(f))) end return f()",
        "local function f() return (('x'):gsub('x', f)) end return f()",
        "local function f() table.sort({1, 2, 3}, f) end return f()",
        "local t = {} setmetatable(t, {__index = function(t, k) return t[k + 1] end}) return t[1]",
        "local t = {} setmetatable(t, {__index = t}) return t.x",
        "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) "
        "return tostring(t)",
        "local f = function() return 1 end for i = 1, 1e5 do local g = f "
        "f = function() return g() + 1 end end return f()",
        "return loadstring(('('):rep(1e5))",
        "return loadstring('return ' .. ('{'):rep(1e5))",
        "return loadstring(('do '):rep(1e5))",
        "return loadstring('return ' .. ('1 + '):rep(1e5) .. '1')()",
        "return loadstring('return ' .. ('-'):rep(2) .. ('not '):rep(1e5) .. '1')",
        "local s = 'return 1' for i = 1, 300 do s = 'return (function() ' .. s .. ' end)()' end "
        "return loadstring(s)",
        "local t = {} for i = 1, 1e5 do t = {t} end return t",
        "local t = {} t[1] = t return t",
        "local t = {} t.map = t return t",
        "local t = {} t.set = {[t] = true} return t",
        "return string.find(('a'):rep(1e5), ('('):rep(40))",
        "return string.match(('x'):rep(1e5), '%f[x]' .. ('%b()'):rep(1000))",
        "return string.format(('%s'):rep(1e4), unpack({}, 1, 7000))",
        "return string.format('%99999999d', 1)",
        "return string.format('%.99999999f', 1)",
        "return unpack({}, 0, 2^31 - 1)",
        "return unpack({}, -2^31, 2^31 - 1)",
        "return unpack({}, 2^31 - 2, 2^31 - 1)",
        "return unpack({}, 1, 1e308)",
        "return unpack({}, -1e308, 1e308)",
        "return unpack({}, 0/0, 0/0)",
        "return unpack({}, 0/0, 1e9)",
        "return unpack({}, 1, 0/0)",
        "return ('x'):rep(2^40)",
        "return select(2^31, 1)",
        "return select(-2^31, 1)",
        "return string.sub('x', -2^63, 2^63)",
        "return string.byte(('x'):rep(1e5), 1, -1)",
        "return string.char(unpack(setmetatable({}, {__index = function() return 65 end}), 1, 70))",
        "return table.concat({}, '', 1, 2^31)",
        "return table.concat(setmetatable({}, {__index = function() return 'x' end}), '', 1, 9)",
        "return struct.pack('!2147483647' .. ('i32'):rep(10), 1)",
        "return struct.unpack('c2147483647', 'x', 2147483647)",
        "return struct.unpack('!8' .. ('i'):rep(10), 'x', -1)",
        "return struct.unpack('bc0', '\\255x', -2)",
        "return struct.size(('c2147483647'):rep(100))",
        "return cmsgpack.unpack(('\\145'):rep(1e5))",
        "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
        "return cmsgpack.unpack_limit('', -2^63, 2^63)",
        "return cjson.decode(('['):rep(1e5))",
        "cjson.decode_max_depth(2^31 - 1) return cjson.decode(('['):rep(1e5) .. (']'):rep(1e5))",
        "cjson.decode_max_depth(2^31 - 1) return cjson.decode(('{\"a\":'):rep(1e5))",
        "cjson.encode_max_depth(2^31 - 1) local t = {} t[1], t[2] = t, t return cjson.encode(t)",
        "return bit.tohex(1, -2^31)",
        "return tostring(2^1023):rep(10)",
        "return tonumber(('9'):rep(1e5))",
        "return tonumber(('1'):rep(1e5), 36)",
        "return math.fmod(1, 0)",
        "return math.ldexp(1, 2^31)",
        "for i = 1e308, 2e308, -1 do end",
        "collectgarbage('setstepmul', 0) collectgarbage('setpause', 0) collectgarbage('stop')",
        "return coroutine.resume(coroutine.running())",
        "local c c = coroutine.create(function() return coroutine.resume(c) end) "
        "return coroutine.resume(c)",
        "local c c = coroutine.wrap(function() c() end) return c()",
        "coroutine.yield()",
        "return pcall(coroutine.yield)",
        "return coroutine.wrap(function() return pcall(coroutine.yield, 1) end)()",
        "return coroutine.wrap(function() ('x'):gsub('x', coroutine.yield) end)()",
        "local t = setmetatable({}, {__gc = function() error('x') end, __mode = 'kv'}) t = nil "
        "collectgarbage()",
    ],
)
def test_extremes_end_with_a_reply(client: Connection, script: str) -> None:
    run(client, script)
    run(client, f"return coroutine.wrap(function() {script} end)()")
    run(client, f"pcall(function() {script} end)")
    check_works(client)


# --- code of a script that runs where no limit holds ------------------------------------------


@pytest.mark.parametrize(
    "result",
    [
        "setmetatable({}, {__index = function() while true do end end})",
        "setmetatable({}, {__index = function() redis.call('SET', 'k', 'v') end})",
        "setmetatable({}, {__index = function() error('x') end})",
        "{map = setmetatable({}, {__index = function() while true do end end})}",
        "{verbatim_string = setmetatable({}, {__index = function() while true do end end})}",
        "{setmetatable({}, {__index = function() while true do end end})}",
    ],
)
def test_results_and_arguments_run_no_code_of_the_script(client: Connection, result: str) -> None:
    run(client, f"return {result}")
    run(client, f"return cjson.encode({result})")
    run(client, f"return #cmsgpack.pack({result})")
    assert client("EXISTS", "k") == 0
    check_works(client)


def test_tables_of_a_script_are_read_as_they_are(client: Connection) -> None:
    table = "setmetatable({1, 2}, {__index = function() return 7 end})"
    assert run(client, f"return {table}") == [1, 2]
    assert run(client, f"return cjson.encode({table})") == b"[1,2]"
    assert run(client, f"return cmsgpack.pack({table})") == b"\x92\x01\x02"
    assert run(client, "return setmetatable({}, {__index = {ok = 'x'}})") == []
