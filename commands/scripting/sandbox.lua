-- What scripts and functions see, and how they are run. The chunk gets the functions of
-- `sandbox.py` in one table and returns the functions that Python calls.
--
-- Two rules keep scripts inside:
--
-- * No Python object is ever a value of a script. The functions of Python are functions of Lua
--   for it (`as_function`); they take and return nil, booleans, numbers, strings and tables only.
--   Where one has raised an exception, an object of Python is the error value: whatever can catch
--   an error is replaced here, and turns that object into a table first.
-- * Whatever outlives a script cannot be changed by one. Tables that all scripts share are
--   proxies whose contents are in `contents`; every function that writes into a table without
--   asking its metatable is replaced by one that refuses proxies. The functions of a library
--   share its local variables, and nothing else.

local host = ...

local assert, error, getmetatable, ipairs, loadstring, next, pairs, pcall, rawget, rawset, select,
  setfenv, setmetatable, tostring, type, unpack, xpcall =
  assert, error, getmetatable, ipairs, loadstring, next, pairs, pcall, rawget, rawset, select,
  setfenv, setmetatable, tostring, type, unpack, xpcall
local collectgarbage, rawequal, tonumber = collectgarbage, rawequal, tonumber
local math, string, table, coroutine, os = math, string, table, coroutine, os
local as_function = python.as_function
local getinfo, sethook = debug.getinfo, debug.sethook
local byte, concat, insert, sub = string.byte, table.concat, table.insert, string.sub
local max = math.max

local READ_ONLY = "Attempt to modify a readonly table"
local NONEXISTENT = "Script attempted to access nonexistent global variable '"
-- The hook runs after so many instructions: a fraction of a millisecond of ordinary code.
local INSTRUCTIONS = 10000
-- The most values that a function can return.
local MOST_RESULTS = 7900
-- The level of a function of Python, seen from a function here that it calls.
local CALLED = 2

-- --- tables that scripts cannot change -------------------------------------------------------

-- Proxy to what it shows.
local contents = setmetatable({}, { __mode = "k" })

local function refuse_change()
  error(READ_ONLY, 2)
end

local function read_only(real, missing)
  local proxy = {}
  contents[proxy] = real
  return setmetatable(proxy, { __index = missing or real, __newindex = refuse_change })
end

local function check_writable(value)
  if contents[value] then
    error(READ_ONLY, 0)
  end
end

-- The coroutine that runs, nil for the script itself.
local running

-- Where the function of Python that asks has been called in a script, and as what. Nothing is known
-- of it if it has been called by a function of Lua, such as pcall.
local function caller()
  local called, from
  if running then
    called, from = getinfo(running, 0, "n"), getinfo(running, 1, "Sl")
  else
    called, from = getinfo(CALLED, "n"), getinfo(CALLED + 1, "Sl")
  end
  local where = ""
  if from and from.source ~= "=sandbox" and from.currentline > 0 then
    where = from.short_src .. ":" .. from.currentline .. ": "
  end
  return where, called and called.name or "?"
end

-- Where the script is that called the function of ours that asks.
local function place()
  for level = 2, 20 do
    local info = getinfo(level, "Sl")
    if not info then
      break
    end
    if info.source ~= "=[C]" and info.source ~= "=sandbox" and info.currentline > 0 then
      return info.short_src .. ":" .. info.currentline .. ": "
    end
  end
  return ""
end

-- --- globals -----------------------------------------------------------------------------------

local globals = {}
-- What the code of a library sees while it is loaded, in place of the globals.
local load_globals = {}
local seen = globals
local environment = read_only(globals, function(_, name)
  local value = seen[name]
  if value == nil then
    error(NONEXISTENT .. tostring(name) .. "'", 2)
  end
  return value
end)

local string_metatable = getmetatable("")

local function script_next(...)
  local target, key = ...
  local real = contents[target]
  if real then
    return next(real, key)
  end
  return next(...)
end

local function script_pairs(...)
  local real = contents[(...)]
  if not real then
    return pairs(...)
  end
  -- The table itself must stay out of reach.
  return function(_, key)
    return next(real, key)
  end, target, nil
end

local null, failed = host.null, host.failed
local take_failure = as_function(host.take_failure)

-- The error value that a script may see. The place in a message of the functions here is not one
-- of the script.
local function visible(failure, where)
  if type(failure) == "string" then
    return (failure:gsub("^sandbox:%d+: ", where or ""))
  end
  if type(failure) ~= "userdata" or rawequal(failure, null) then
    return failure
  end
  if not rawequal(failure, failed) then
    return "ERR internal error"
  end
  local has_code, text = take_failure()
  return has_code and { err = text } or text
end

-- A failed command is a text for a script that catches it with pcall, as in Redis.
local function finish_pcall(succeeded, ...)
  if succeeded then
    return true, ...
  end
  local failure = visible((...))
  if type(failure) == "table" and not contents[failure] and rawget(failure, "err") then
    return false, failure.err
  end
  return false, failure
end

local function finish_resume(outer, succeeded, ...)
  running = outer
  if succeeded then
    return true, ...
  end
  return false, visible((...))
end

local function load_text(text, name)
  -- Bytecode is not checked when it is loaded, and can read and write any memory.
  if byte(text, 1) == 27 then
    return nil, '[string "' .. sub(text, 1, 5) .. '"]:1: unexpected symbol near \'char(27)\''
  end
  local loaded, failure = loadstring(text, name)
  if not loaded then
    return nil, failure
  end
  return setfenv(loaded, environment)
end

local tick = as_function(host.tick)

local function hook()
  -- The functions here have to finish their work: ask again after the next instruction.
  if getinfo(2, "S").source == "=sandbox" then
    sethook(hook, "", 1)
    return
  end
  local stopped = tick()
  if stopped then
    -- From now on after every instruction, or a script could catch this error and go on.
    sethook(hook, "", 1)
    error({ err = stopped }, 0)
  end
  sethook(hook, "", INSTRUCTIONS)
end

local new_coroutine, resume = coroutine.create, coroutine.resume

local function resume_tracked(made, ...)
  local outer = running
  if type(made) == "thread" then
    running = made
  end
  return finish_resume(outer, resume(made, ...))
end

local function create_coroutine(body)
  -- A hook belongs to one coroutine.
  local made = new_coroutine(body)
  sethook(made, hook, "", INSTRUCTIONS)
  return made
end

local function finish_wrapped(succeeded, ...)
  if succeeded then
    return ...
  end
  local failure = ...
  if type(failure) == "string" then
    failure = place() .. failure
  end
  error(failure, 0)
end

local function copied(source, names)
  local copy = {}
  for name in names:gmatch("%S+") do
    copy[name] = source[name]
  end
  return copy
end

for name in ("assert error ipairs rawequal select tonumber tostring type gcinfo _VERSION"):gmatch("%S+") do
  globals[name] = _G[name]
end
globals._G = environment
globals.next = script_next
globals.pairs = script_pairs
globals.pcall = function(...)
  return finish_pcall(pcall(...))
end
globals.xpcall = function(body, handler)
  return xpcall(body, function(failure)
    return handler(visible(failure))
  end)
end
globals.rawget = function(...)
  local target, key = ...
  local real = contents[target]
  if real then
    return rawget(real, key)
  end
  return rawget(...)
end
globals.tostring = function(...)
  -- As in Redis; it would show an address of this process.
  return rawequal((...), null) and "userdata: (nil)" or tostring(...)
end
-- The messages of Lua contain the names of the local variables below.
globals.rawset = function(...)
  check_writable((...))
  return rawset(...)
end
globals.setmetatable = function(...)
  check_writable((...))
  return setmetatable(...)
end
globals.getmetatable = function(...)
  if contents[(...)] or type((...)) == "userdata" then
    return nil
  end
  return getmetatable(...)
end
-- The one of Lua 5.1 calculates the length with an integer that overflows, and then reads and
-- writes outside of the stack.
globals.unpack = function(list, first, last)
  first, last = tonumber(first) or 1, tonumber(last) or #list
  if last - first >= MOST_RESULTS then
    error(place() .. "too many results to unpack", 0)
  end
  return unpack(list, first, last)
end
globals.loadstring = function(text, name)
  if type(text) == "number" then
    text = tostring(text)
  elseif type(text) ~= "string" then
    error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2)
  end
  return load_text(text, name)
end
globals.load = function(produce, name)
  local pieces = {}
  while true do
    local piece = produce()
    if piece == nil or piece == "" then
      break
    end
    if type(piece) ~= "string" then
      return nil, "reader function must return a string"
    end
    pieces[#pieces + 1] = piece
  end
  return load_text(concat(pieces), name or "=(load)")
end
globals.collectgarbage = function(option, argument)
  -- A script must not stop or slow down the collection for others.
  if option == nil or option == "collect" or option == "count" or option == "step" then
    return collectgarbage(option, argument)
  end
  if type(option) == "string" and ("stop restart setpause setstepmul "):find(option .. " ", 1, true) then
    return 0
  end
  return collectgarbage(option, argument)
end

globals.math = read_only(copied(math, "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod "
  .. "frexp huge ldexp log log10 max min mod modf pi pow rad sin sinh sqrt tan tanh"))
globals.string = read_only(copied(string, "byte char dump find format gfind gmatch gsub len lower "
  .. "match rep reverse sub upper"))
local tables = copied(table, "concat foreach foreachi getn maxn sort")
local remove, setn = table.remove, table.setn
tables.insert = function(...)
  check_writable((...))
  return insert(...)
end
tables.remove = function(...)
  check_writable((...))
  return remove(...)
end
tables.setn = function(...)
  check_writable((...))
  return setn(...)
end
globals.table = read_only(tables)
globals.os = read_only(copied(os, "clock"))
globals.coroutine = read_only({
  create = create_coroutine,
  resume = function(...)
    return resume_tracked(...)
  end,
  running = coroutine.running,
  status = coroutine.status,
  yield = coroutine.yield,
  wrap = function(body)
    local made = create_coroutine(body)
    return function(...)
      return finish_wrapped(resume_tracked(made, ...))
    end
  end,
})

-- Methods of strings are looked up here: it must show the functions above, and nothing else.
string_metatable.__index = globals.string
string_metatable.__metatable = read_only({ __index = globals.string })

-- --- the functions of `redis` --------------------------------------------------------------------

local redis = {
  call = as_function(host.call),
  pcall = as_function(host.pcall),
  error_reply = function(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
      return { err = "ERR wrong number or type of arguments" }
    end
    if sub(text, 1, 1) == "-" then
      text = sub(text, 2)
    end
    return { err = text:find(" ", 1, true) and text or "ERR " .. text }
  end,
  status_reply = function(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
      return { err = "ERR wrong number or type of arguments" }
    end
    return { ok = text }
  end,
  REPL_NONE = 0,
  REPL_AOF = 1,
  REPL_SLAVE = 2,
  REPL_REPLICA = 2,
  REPL_ALL = 3,
}
local function from_python(values, made)
  for name, value in pairs(values) do
    made[name] = type(value) == "userdata" and as_function(value) or value
  end
  return made
end

from_python(host.redis, redis)
if not host.for_functions then
  redis.replicate_commands = function()
    return true
  end
  redis.breakpoint = function()
    return false
  end
  redis.debug = function() end
end
globals.redis = read_only(redis)
globals.server = globals.redis

from_python(host.random, contents[globals.math])
for name, values in pairs(host.libraries) do
  globals[name] = read_only(from_python(values, {}))
end
local new_cjson = as_function(host.new_cjson)

local cjson = contents[globals.cjson]
cjson.null = null
cjson.new = function()
  return from_python(new_cjson(), { null = null, new = cjson.new })
end

-- --- libraries of functions --------------------------------------------------------------------

-- `registering.lua`, the other part of this chunk.
local registering = host.registering({
  api = from_python(host.constants, { log = redis.log }),
  flags = host.function_flags,
  read_only = read_only,
  nonexistent = NONEXISTENT,
})
load_globals.redis = registering.redis
load_globals.server = registering.redis

-- --- running -------------------------------------------------------------------------------------

-- What runs now: a script, the code of a library, or a function.
local body

local function describe(failure)
  failure = visible(failure, (place():gsub("%%", "%%%%")))
  if type(failure) ~= "table" then
    failure = { err = "ERR " .. tostring(failure) }
  elseif contents[failure] or type(rawget(failure, "err")) ~= "string" then
    failure = { err = "ERR unknown error" }
  end
  -- The innermost function of the script.
  for level = 2, 20 do
    local info = getinfo(level, "Sl")
    if not info then
      break
    end
    if info.source ~= "=[C]" and info.source ~= "=sandbox" and info.currentline > 0 then
      return { failure.err, info.source, info.currentline }
    end
  end
  local info = getinfo(body, "S")
  if info.source == "=[C]" then
    return { failure.err, "", 0 }
  end
  -- A tail call of a function here has replaced the one of the script.
  return { failure.err, info.source, max(info.linedefined, 1) }
end

local limit_memory, lift_limit = as_function(host.limit_memory), as_function(host.lift_limit)

local function compile(text)
  limit_memory()
  local loaded, failure = load_text(text, "@user_script")
  lift_limit()
  return loaded, failure
end

-- Run code of a client: what `pcall` returns, but an error is a table with its place.
local function protected(code, call)
  body, running = code, nil
  sethook(hook, "", INSTRUCTIONS)
  local succeeded, value = xpcall(call or code, describe)
  sethook()
  return succeeded, value
end

local function run(script, keys, arguments)
  globals.KEYS, globals.ARGV = keys, arguments
  return protected(script)
end

local function load_library(code)
  limit_memory()
  local loaded, failure = load_text(code, "@user_function")
  lift_limit()
  if not loaded then
    return nil, failure
  end
  local functions, list = registering.begin()
  seen = load_globals
  limit_memory()
  local succeeded, value = protected(loaded)
  lift_limit()
  seen = globals
  registering.finish()
  if not succeeded then
    return false, value
  end
  return functions, list
end

local function run_function(functions, name, keys, arguments)
  local callback = functions[name]
  return protected(callback, function()
    return callback(keys, arguments)
  end)
end

return compile, run, load_library, run_function, caller
