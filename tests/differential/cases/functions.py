"""Functions: loading libraries, what is refused, calls, flags, FUNCTION and its payloads."""

from __future__ import annotations

from tests.differential.compare import Call, in_any_order, redis_way
from tests.differential.scripts import Script
from tests.support.resp import Word

_FLUSH: tuple[Word, ...] = ("FUNCTION", "FLUSH")
_CALL: tuple[Word, ...] = ("FCALL", "f", 1, "k", "a")


def _load(code: str, name: str = "lib", *options: str) -> tuple[Word, ...]:
    return ("FUNCTION", "LOAD", *options, f"#!lua name={name}\n{code}")


def _replace(code: str, name: str = "lib") -> tuple[Word, ...]:
    return _load(code, name, "REPLACE")


def _loads(*codes: str) -> Script:
    return [_FLUSH, *map(_replace, codes), ("FUNCTION", "LIST")]


def _in_redis(*codes: str) -> Script:
    """Valkey calls the function `server.register_function` in its errors."""
    return [_FLUSH, *(redis_way(*_replace(code)) for code in codes), ("FUNCTION", "LIST")]


def _function(body: str, more: str = "") -> tuple[Word, ...]:
    return _replace(
        "redis.register_function{function_name='f', "
        f"callback=function(KEYS, ARGV) {body} end {more}}}"
    )


def _calls(*bodies: str) -> Script:
    """What functions with these bodies return."""
    return [_FLUSH, *(words for body in bodies for words in (_function(body), _CALL))]


def _failures(*bodies: str) -> Script:
    """Valkey does not name the function in the errors."""
    call: Call = redis_way(*_CALL)
    return [_FLUSH, *(words for body in bodies for words in (_function(body), call))]


CASES: dict[str, Script] = {
    "the first line of a library": [
        _FLUSH,
        *(
            ("FUNCTION", "LOAD", code)
            for code in (
                "",
                "return 1",
                "#!lua name=x",
                "#!lua\nreturn 1",
                "#!js name=x\nreturn 1",
                "#!js name=x foo=1\nreturn 1",
                "#!js\nreturn 1",
                "#!js name=x-y\nreturn 1",
                "#!lua foo=x\nreturn 1",
                "#!lua name=x name=y\nreturn 1",
                "#!lua name=\nreturn 1",
                "#!lua name=x-y\nreturn 1",
                "#!LUA name=x\nreturn 1",
                "#!lua NAME=x\nreturn 1",
                "#!lua name='a b'\nreturn 1",
                '#!lua name="x\nreturn 1',
                '#!lua "name=x"\nreturn 1',
                "#! \nreturn 1",
                "#!\nreturn 1",
                "#!lua name=x flags=no-writes\nreturn 1",
                "#!lua  name=x  \nreturn 1",
                "#!lua\tname=x\r\nreturn 1",
                "#!lua name=x\0y\nreturn 1",
            )
        ),
        ("FUNCTION", "LIST"),
    ],
    "what a library sees while it is loaded": _loads(
        "return 1",
        "xx yy",
        "error('x')",
        "foo()",
        "x = 1",
        "return x",
        "redis = 1",
        "redis.x = 1",
        "local t = {} t.a.b = 1",
        "\n\nlocal t = {} t.a.b = 1",
        "redis.call('ping')",
        "redis.pcall('ping')",
        "redis.setresp(3)",
        "redis.sha1hex('x')",
        "redis.acl_check_cmd('get', 'x')",
        "redis.error_reply('x')",
        "redis.nope()",
        "local a = math.random()",
        "local a = string.rep",
        "local a = cjson.encode({})",
        "local a = KEYS",
        "local a = _G",
        "local a = loadstring('return 1')",
        "local a = getmetatable(redis)",
        "local a = coroutine",
        "for k in next, redis do end",
        "('x').y.z = 1",
        "local function r() return 1 + r() end r()",
        "\x1bLua",
        "redis.register_function(('a'):upper() .. redis.LOG_WARNING, function() end)",
    ),
    "arguments of register_function": _in_redis(
        "redis.register_function()",
        "redis.register_function('f')",
        "redis.register_function('f', 1)",
        "redis.register_function('f', nil)",
        "redis.register_function('f', function() end, 3)",
        "redis.register_function('f', function() end, nil)",
        "redis.register_function(nil, function() end)",
        "redis.register_function(true, function() end)",
        "redis.register_function({}, function() end)",
        "redis.register_function({})",
        "redis.register_function({function_name='f'})",
        "redis.register_function({callback=function() end})",
        "redis.register_function({function_name='f', callback=1})",
        "redis.register_function({function_name={}, callback=function() end})",
        "redis.register_function({function_name='f', callback=function() end, foo=1})",
        "redis.register_function({function_name='f', callback=function() end, flags=1})",
        "redis.register_function({function_name='f', callback=function() end, flags={'x'}})",
        "redis.register_function({function_name='f', callback=function() end, flags={{}}})",
        "redis.register_function({function_name='f', callback=function() end, description={}})",
        "redis.register_function({[1]='f', callback=function() end})",
        "redis.register_function({[{}]='f', callback=function() end})",
        "redis.register_function('f-g', function() end)",
        "redis.register_function('', function() end)",
        "redis.register_function('f\\0g', function() end)",
        "redis.register_function('f g', function() end)",
        "redis.register_function({function_name=1.5, callback=function() end})",
        "redis.register_function('f', function() end) redis.register_function('f', function() end)",
    ),
    "functions as they are registered": [
        _FLUSH,
        *(
            words
            for code in (
                "redis.register_function(1, function() end)",
                "redis.register_function({FUNCTION_NAME='f', callback=function() end})",
                "redis.register_function{function_name=7, callback=function() end}",
                "redis.register_function{function_name='f', callback=redis.log, description=1}",
                "redis.register_function{function_name='f', callback=function() end, "
                "flags={'no-writes', 'NO-WRITES', 'allow-oom'}, description='two\\nlines'}",
                "redis.register_function{function_name='f', callback=function() end, "
                "flags={'no-cluster', 'allow-stale', 'allow-cross-slot-keys'}}",
                "redis.register_function{function_name='f', callback=function() end, "
                "flags={a='no-writes'}} return 5",
            )
            for words in (_replace(code), ("FUNCTION", "LIST", "WITHCODE"))
        ),
    ],
    "names are unique": [
        _FLUSH,
        _load("redis.register_function('f', function() return 1 end)"),
        _load("redis.register_function('f', function() return 2 end)"),
        _load("redis.register_function('f', function() return 3 end)", "other"),
        _load("redis.register_function('F', function() return 4 end)", "LIB"),
        _load("syntax error", "lib"),
        _load("redis.register_function('h', function() return 5 end)", "LIB"),
        ("FCALL", "H", 0),
        ("FUNCTION", "DELETE", "Lib"),
        ("FCALL", "f", 0),
        ("FCALL", "F", 0),
        _replace("redis.register_function('F', function() end)"),
        _replace("return 1"),
        _replace("syntax error"),
        ("FCALL", "f", 0),
        _replace("redis.register_function('g', function() return 5 end)"),
        ("FCALL", "f", 0),
        ("FCALL", "g", 0),
        ("FUNCTION", "STATS"),
        in_any_order("FUNCTION", "LIST"),
    ],
    "values that functions return": _calls(
        "return 1",
        "return 3.7",
        "return",
        "return {KEYS[1], ARGV[1], #KEYS, #ARGV}",
        "return {err='A b'}",
        "return redis.error_reply('X y')",
        "return redis.status_reply('fine')",
        "return redis.call('set', KEYS[1], 'v')",
        "return redis.call('get', KEYS[1])",
        "return redis.setresp(3)",
        "redis.setresp(3) return {double=3.5}",
        "return redis.sha1hex('')",
        "return type(loadstring)",
        "return loadstring('return 7')()",
        "return coroutine.wrap(function() return 5 end)()",
        "return redis.register_function == nil",
        "return redis.breakpoint == nil",
        "KEYS = 1 return KEYS",
    ),
    "errors of functions": _failures(
        "error('x')",
        "error({err='X y'})",
        "error(5)",
        "error()",
        "error({err='x'})",
        "\n\n error('third line')",
        "return redis.call('nope')",
        "return redis.pcall('nope')",
        "return redis.call('fcall', 'f', 0)",
        "return redis.call('eval', 'return 1', 0)",
        "return redis.call('function', 'list')",
        "foo()",
        "x = 1",
        "return x",
        "return _G.KEYS",
        "return redis.register_function('g', function() end)",
        "rawset(_G, 'x', 1)",
        "redis.x = 1",
        "string.x = 1",
        "getmetatable('').x = 1",
        "return setfenv",
        "return print",
        "redis.call(KEYS)",
    ),
    "what a library keeps": [
        _FLUSH,
        _load("local n = 0 redis.register_function('inc', function() n = n + 1 return n end)"),
        ("FCALL", "inc", 0),
        ("FCALL", "inc", 0),
        ("MULTI",),
        ("FCALL", "inc", 0),
        ("FUNCTION", "STATS"),
        ("FUNCTION", "KILL"),
        ("EXEC",),
        _replace("local r = redis redis.register_function('f', function() return r.call('x') end)"),
        redis_way("FCALL", "f", 0),
        _replace("local r = redis redis.register_function('f', function() return r.LOG_DEBUG end)"),
        ("FCALL", "f", 0),
        _replace("local r = redis redis.register_function('f', function() r.x = 1 end)"),
        redis_way("FCALL", "f", 0),
        _replace(
            "local r = redis.register_function "
            "r('f', function() return {pcall(r, 'x', function() end)} end)"
        ),
        redis_way("FCALL", "f", 0),
        _replace(
            "local r = redis.register_function r('f', function() return r('x', function() end) end)"
        ),
        redis_way("FCALL", "f", 0),
        ("FLUSHALL",),
        ("FUNCTION", "STATS"),
    ],
    "random numbers are one sequence": [
        _FLUSH,
        _load("redis.register_function('f', function() return math.random(1000) end)"),
        ("EVAL", "math.randomseed(1) return math.random(1000)", 0),
        ("FCALL", "f", 0),
        ("EVAL", "return math.random(1000)", 0),
        ("FCALL", "f", 0),
    ],
    "flags": [
        _FLUSH,
        _function("return redis.call('set', KEYS[1], 1)"),
        ("FCALL_RO", "f", 1, "k"),
        ("FCALL_RO", "f", 0),
        ("FCALL", "f", 1, "k"),
        _function("return redis.call('set', KEYS[1], 2)", ", flags={'no-writes'}"),
        redis_way("FCALL", "f", 1, "k"),
        redis_way("FCALL_RO", "f", 1, "k"),
        _function("return redis.call('get', KEYS[1])", ", flags={'no-writes'}"),
        ("FCALL", "f", 1, "k"),
        ("FCALL_RO", "f", 1, "k"),
        ("EVAL_RO", "#!lua\nreturn 1", 0),
        ("EVAL_RO", "#!lua flags=no-writes\nreturn 1", 0),
        ("EVAL", "#!lua flags=\nreturn 1", 0),
        ("EVAL", "#!lua flags=,no-writes\nreturn 1", 0),
        ("EVAL", "#!lua flags=no-writes, allow-oom\nreturn 1", 0),
        ("EVAL", '#!lua "flags=no-writes"\nreturn 1', 0),
        ("EVAL", '#!lua "flags\nreturn 1', 0),
        ("EVAL", "#!lua FLAGS=no-writes\nreturn 1", 0),
        ("EVAL", "#!lua flags=NO-WRITES\nreturn 1", 0),
    ],
    "words of FCALL": [
        _FLUSH,
        _load("redis.register_function('f', function(k, a) return {#k, #a} end)"),
        ("FCALL",),
        ("FCALL", "f"),
        ("FCALL", "f", 0),
        ("FCALL", "f", 2, "a", "b", "c"),
        ("FCALL", "f", "x"),
        ("FCALL", "f", 1),
        ("FCALL", "f", -1),
        ("FCALL", "f", "99999999999999999999"),
        ("FCALL", "none", 0),
        ("FCALL", "none", "x"),
        ("FCALL_RO", "none", 0),
        ("COMMAND", "GETKEYS", "FCALL", "f", 2, "a", "b", "c"),
        ("COMMAND", "GETKEYSANDFLAGS", "FCALL", "f", 1, "a"),
        ("COMMAND", "GETKEYSANDFLAGS", "FCALL_RO", "f", 1, "a"),
    ],
    "words of FUNCTION": [
        _FLUSH,
        _load("redis.register_function('f', function() end)"),
        ("FUNCTION",),
        ("FUNCTION", "NOPE"),
        ("FUNCTION", "LOAD"),
        ("FUNCTION", "LOAD", "REPLACE"),
        ("FUNCTION", "LOAD", "FOO", "x"),
        ("FUNCTION", "LOAD", "REPLACE", "REPLACE", "x"),
        ("FUNCTION", "LOAD", "REPLACE", "x", "y"),
        ("FUNCTION", "LIST", "LIBRARYNAME"),
        ("FUNCTION", "LIST", "LIBRARYNAME", "LI*"),
        ("FUNCTION", "LIST", "libraryname", "x*", "withcode"),
        ("FUNCTION", "LIST", "FOO"),
        ("FUNCTION", "LIST", "WITHCODE", "WITHCODE"),
        ("FUNCTION", "LIST", "LIBRARYNAME", "a", "LIBRARYNAME", "b"),
        ("FUNCTION", "DELETE"),
        ("FUNCTION", "DELETE", "LIB"),
        ("FUNCTION", "DELETE", "lib"),
        ("FUNCTION", "DELETE", "lib"),
        ("FUNCTION", "FLUSH", "X"),
        ("FUNCTION", "FLUSH", "ASYNC", "X"),
        ("FUNCTION", "FLUSH", "ASYNC"),
        ("FUNCTION", "FLUSH", "sync"),
        ("FUNCTION", "DUMP", "x"),
        ("FUNCTION", "KILL"),
        ("FUNCTION", "KILL", "x"),
        ("FUNCTION", "STATS"),
        ("FUNCTION", "STATS", "x"),
        ("FUNCTION", "RESTORE"),
        ("FUNCTION", "RESTORE", "x"),
        ("FUNCTION", "RESTORE", "x", "FOO"),
        ("FUNCTION", "RESTORE", "x", "FLUSH", "y"),
    ],
    "transactions": [
        _FLUSH,
        ("MULTI",),
        _function("return redis.call('incr', KEYS[1])"),
        ("FCALL", "f", 1, "n"),
        ("FUNCTION", "DELETE", "lib"),
        ("FCALL", "f", 1, "n"),
        ("EXEC",),
        ("MULTI",),
        ("FCALL", "f"),
        ("EXEC",),
        ("GET", "n"),
    ],
}
