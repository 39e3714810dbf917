-- What the code of a library of functions sees of `redis` while it is loaded. The second part of
-- `sandbox.lua`, which calls this chunk; the rules are written there.

local parts = ...

local known_flags, read_only, NONEXISTENT, api =
  parts.flags, parts.read_only, parts.nonexistent, parts.api
local error, next, rawget, select, tostring, type = error, next, rawget, select, tostring, type

local MOST_FLAGS = 1000

-- What the library that is loaded now has registered: what it says of each function, and by their
-- names the functions themselves. Nil at any other time.
local registered, callbacks

local function refuse(text)
  error({ err = "ERR " .. text }, 0)
end

-- As C does, Redis takes a number for a text.
local function as_text(value)
  if type(value) == "number" then
    return tostring(value)
  end
  return type(value) == "string" and value or nil
end

local function named_arguments(given)
  local name, callback, description, flags
  for key, value in next, given do
    key = as_text(key)
    if not key then
      refuse("named argument key given to redis.register_function is not a string")
    end
    key = key:lower()
    if key == "function_name" then
      name = as_text(value)
        or refuse("function_name argument given to redis.register_function must be a string")
    elseif key == "description" then
      description = as_text(value)
        or refuse("description argument given to redis.register_function must be a string")
    elseif key == "callback" then
      if type(value) ~= "function" then
        refuse("callback argument given to redis.register_function must be a function")
      end
      callback = value
    elseif key == "flags" then
      if type(value) ~= "table" then
        refuse("flags argument to redis.register_function must be a table representing function flags")
      end
      flags = value
    else
      refuse("unknown argument given to redis.register_function")
    end
  end
  if not name then
    refuse("redis.register_function must get a function name argument")
  elseif not callback then
    refuse("redis.register_function must get a callback argument")
  end
  return name, callback, description, flags
end

local function positional_arguments(name, callback)
  name = as_text(name) or refuse("first argument to redis.register_function must be a string")
  if type(callback) ~= "function" then
    refuse("second argument to redis.register_function must be a function")
  end
  return name, callback
end

local function chosen_flags(given)
  local chosen = {}
  local at = 1
  while rawget(given, at) ~= nil do
    -- Nothing stops the functions here, so they must not work for long.
    if at > MOST_FLAGS then
      refuse("too many flags given")
    end
    local flag = as_text(rawget(given, at))
    flag = flag and flag:lower()
    if not flag or not known_flags[flag] then
      refuse("unknown flag given")
    end
    chosen[flag] = true
    at = at + 1
  end
  return chosen
end

local function register_function(...)
  if not registered then
    refuse("redis.register_function can only be called on FUNCTION LOAD command")
  end
  local count, first = select("#", ...), (...)
  if count < 1 or count > 2 then
    refuse("wrong number of arguments to redis.register_function")
  end
  local name, callback, description, flags
  if count == 2 then
    name, callback = positional_arguments(...)
  elseif type(first) ~= "table" then
    refuse("calling redis.register_function with a single argument is only applicable to Lua "
      .. "table (representing named arguments).")
  else
    name, callback, description, flags = named_arguments(first)
  end
  flags = chosen_flags(flags or {})
  if name == "" or name:find("[^%w_]") then
    refuse("Library names can only contain letters, numbers, or underscores(_) and must be at "
      .. "least one character long")
  elseif callbacks[name] then
    refuse("Function already exists in the library")
  end
  callbacks[name] = callback
  registered[#registered + 1] = { name = name, description = description, flags = flags }
end

api.register_function = register_function

return {
  redis = read_only(api, function(_, name)
    local value = api[name]
    if value == nil then
      error(NONEXISTENT .. tostring(name) .. "'", 2)
    end
    return value
  end),
  -- A library is loaded from now on; the tables will have what it registers.
  begin = function()
    registered, callbacks = {}, {}
    return callbacks, registered
  end,
  finish = function()
    registered, callbacks = nil, nil
  end,
}
