-- What a script finds: the table `redis`, the libraries, and no way out.
--
-- Called once with the functions that Python lends; they stay in closures, so that a script never
-- holds a Python object.  Returns what Python calls.

local lend = ...

local concat, format, type, error = table.concat, string.format, type, error
local getmetatable, setmetatable = getmetatable, setmetatable
local rawget, rawset, select = rawget, rawset, select
local loadstring, setfenv = loadstring, setfenv

local redis = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = lend.version, REDIS_VERSION_NUM = lend.version_number,
}

local invoke_engine = lend.call

-- The words of a command, numbers written out.
local function words(n, ...)
  local made = {...}
  for i = 1, n do
    local word = made[i]
    if type(word) == 'number' then
      made[i] = format('%.17g', word)
    elseif type(word) ~= 'string' then
      return nil, 'ERR Lua redis lib command arguments must be strings or integers'
    end
  end
  return made
end

function redis.pcall(...)
  local n = select('#', ...)
  local a, b, c = ...
  if n <= 3 and type(a) == 'string' and (n < 2 or type(b) == 'string')
      and (n < 3 or type(c) == 'string') then
    return invoke_engine(...)
  end
  if n == 0 then
    return {err = 'ERR Please specify at least one argument for this redis.call() call'}
  end
  local made, why = words(n, ...)
  if not made then return {err = why} end
  return invoke_engine(unpack(made, 1, n))
end

local pcall_engine = redis.pcall
function redis.call(...)
  local reply = pcall_engine(...)
  if type(reply) == 'table' and reply.err then error(reply, 0) end
  return reply
end

function redis.error_reply(text)
  if type(text) ~= 'string' then error({err = 'ERR wrong number or type of arguments'}, 0) end
  if text:sub(1, 1) == '-' then text = text:sub(2) end
  return {err = text:find('^%u+ ') and text or 'ERR ' .. text}
end

function redis.status_reply(text)
  if type(text) ~= 'string' then error({err = 'ERR wrong number or type of arguments'}, 0) end
  return {ok = text}
end

function redis.sha1hex(...)
  local text = ...
  if select('#', ...) ~= 1 then error({err = 'ERR wrong number of arguments'}, 0) end
  return lend.sha1hex(tostring(text))
end
function redis.setresp(version)
  if version ~= 2 and version ~= 3 then error({err = 'ERR RESP version must be 2 or 3.'}, 0) end
  lend.setresp(version)
end
function redis.log(level, ...)
  local said = {...}
  for i = 1, select('#', ...) do said[i] = tostring(said[i]) end
  lend.log(level, concat(said, ' '))
end
function redis.set_repl() end
function redis.replicate_commands() return true end
function redis.breakpoint() return false end
function redis.debug() end

-- A script that takes long is looked at from time to time; one that was killed stops at its next
-- line, and at every line of what would catch that.
local sethook, getinfo, TICK = debug.sethook, debug.getinfo, 100000
local killed, guard = false

local function look(event)
  local why = lend.tick()
  if why then
    sethook(look, 'l')
    killed = true
    if getinfo(2, 'f').func ~= guard then error({err = why}, 0) end
  end
end

sethook(look, '', TICK)

-- What each named argument of register_function must be.
local ARGUMENTS = {
  function_name = 'string', description = 'string', callback = 'function', flags = 'table',
}

local function refuse_row(why)
  error({err = 'ERR ' .. why}, 0)
end

local function named_row(given)
  for key, value in pairs(given) do
    if type(key) ~= 'string' then
      refuse_row('named argument key given to redis.register_function is not a string')
    end
    local wanted = ARGUMENTS[key]
    if not wanted then refuse_row('unknown argument given to redis.register_function') end
    if type(value) ~= wanted then
      refuse_row(wanted == 'table'
        and 'flags argument to redis.register_function must be a table representing function flags'
        or key .. ' argument given to redis.register_function must be a ' .. wanted)
    end
  end
  for _, flag in pairs(given.flags or {}) do
    if not lend.flags[flag] then refuse_row('unknown flag given') end
  end
  if not given.function_name then
    refuse_row('redis.register_function must get a function name argument')
  elseif not given.callback then
    refuse_row('redis.register_function must get a callback argument')
  end
  return {name = given.function_name, callback = given.callback, flags = given.flags or {},
          description = given.description}
end

local registered
function redis.register_function(...)
  local n, first, second = select('#', ...), ...
  local row
  if n < 1 or n > 2 then
    refuse_row('wrong number of arguments to redis.register_function')
  elseif not registered then
    refuse_row('redis.register_function can only be called on FUNCTION LOAD command')
  elseif n == 1 and type(first) ~= 'table' then
    refuse_row('calling redis.register_function with a single argument is only applicable to Lua '
               .. 'table (representing named arguments).')
  elseif n == 1 then
    row = named_row(first)
  elseif type(first) ~= 'string' then
    refuse_row('first argument to redis.register_function must be a string')
  elseif type(second) ~= 'function' then
    refuse_row('second argument to redis.register_function must be a function')
  else
    row = {name = first, callback = second, flags = {}}
  end
  if row.name == '' or row.name:find('[^%w_]') then
    refuse_row('Library names can only contain letters, numbers, or underscores(_) '
               .. 'and must be at least one character long')
  elseif registered[row.name] then
    refuse_row('Function already exists in the library')
  end
  registered[row.name] = row
end

-- The globals of all scripts.  What they see are empty tables that lead here and refuse to be
-- changed, by whatever way; the state's own globals stay out of their reach.
local globals = {
  os = {clock = os.clock},
  _VERSION = _VERSION, assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs,
  pcall = pcall, rawequal = rawequal, rawget = rawget, select = select, tonumber = tonumber,
  tostring = tostring, type = type, unpack = unpack, xpcall = xpcall,
}
local frozen = {}

local function refuse()
  error('Attempt to modify a readonly table', 2)
end

local function freeze(real, index)
  local shown = setmetatable({}, {__index = index or real, __newindex = refuse})
  frozen[shown] = true
  return shown
end

function globals.setmetatable(of, meta)
  if frozen[of] then refuse() end
  return setmetatable(of, meta)
end

function globals.getmetatable(of)
  local meta = getmetatable(of)
  return meta and (frozen[of] or type(of) == 'string') and freeze(meta) or meta
end

function globals.rawset(of, key, value)
  if frozen[of] then refuse() end
  return rawset(of, key, value)
end

for _, library in ipairs({'cjson', 'cmsgpack', 'struct', 'bit'}) do
  local functions = {}
  for name, lent in pairs(lend.libraries[library]) do
    functions[name] = function(...)
      local ok, values = lend.guarded(lent, select('#', ...), {...})
      if not ok then error({err = 'ERR ' .. values}, 0) end
      return unpack(values, 1, values.n)
    end
  end
  globals[library] = functions
end
globals.cjson.null = lend.null

for _, name in ipairs({'cjson', 'cmsgpack', 'struct', 'bit', 'os'}) do
  globals[name] = freeze(globals[name])
end
for _, name in ipairs({'math', 'string', 'table'}) do
  globals[name] = freeze(_G[name])
end
local coroutines = {}
for name, function_ in pairs(coroutine) do coroutines[name] = function_ end
function coroutines.create(body)
  local made = coroutine.create(body)
  sethook(made, look, '', TICK)
  return made
end
function coroutines.wrap(body)
  local made = coroutines.create(body)
  return function(...)
    local results = {coroutine.resume(made, ...)}
    if not results[1] then error(results[2], 0) end
    return unpack(results, 2)
  end
end
globals.coroutine = freeze(coroutines)
globals.redis = freeze(redis)

local function missing(name)
  error('Script attempted to access nonexistent global variable \'' .. tostring(name) .. '\'', 3)
end

-- All a library finds of `redis` while it is loaded; it runs no command, and takes no chances.
local loaded = {log = redis.log, register_function = redis.register_function}
for name, value in pairs(redis) do
  if type(value) ~= 'function' then loaded[name] = value end
end
local redis_while_loading = freeze(loaded, function(_, name)
  local value = loaded[name]
  if value == nil then missing(name) end
  return value
end)

local env = freeze(globals, function(_, name)
  local value = globals[name]
  if registered and name == 'redis' then value = redis_while_loading end
  if value == nil or (registered and name == 'math') then missing(name) end
  return value
end)
globals._G = env

function globals.loadstring(code, name)
  if type(code) == 'string' and code:byte() == 27 then return nil, 'binary code is refused' end
  local made, why = loadstring(code, name)
  return made and setfenv(made, env), why
end

-- An error is a table with `err`, or a text with its place in front.
function guard(run, ...)
  local ok, value = pcall(run, ...)
  if killed then
    killed = false
    sethook(look, '', TICK)
  end
  if ok then return true, value end
  return false, type(value) == 'table' and value.err or tostring(value)
end

local function compile(code, name)
  return globals.loadstring(code, name)
end

-- KEYS and ARGV: two tables, or how many keys there are and then all words.
local function split(n, ...)
  if type(n) == 'table' then return n, ... end
  local words, keys, argv = {...}, {}, {}
  for i = 1, n do keys[i] = words[i] end
  for i = n + 1, #words do argv[i - n] = words[i] end
  return keys, argv
end

local function run(code, ...)
  globals.KEYS, globals.ARGV = split(...)
  return guard(code)
end

local function invoke(callback, ...)
  return guard(callback, split(...))
end

-- Run a library's code; what it registers, by name.
local function collect(code)
  registered = {}
  local ok, why = guard(code)
  local found = registered
  registered = nil
  return ok, ok and found or why
end

return compile, run, invoke, collect, rawget
