-- The world a script sees: the tables of Lua, `redis` and the libraries, which it cannot change.
--
-- Run once in each machine, with what the machine lends; returns what the machine needs: the
-- globals of scripts, the table behind them where KEYS and ARGV go, and two functions around the
-- loading of a library.  A script sees empty tables that lead to the real ones and refuse to be
-- changed; `frozen` knows which these are, so that `pairs` and `rawget` see through them.

-- What scripts leave behind is collected soon: their own memory is small, and so is the work.
collectgarbage("setpause", 110)
collectgarbage("setstepmul", 400)

local lend, libraries = ...

local error, type, tostring, setmetatable = error, type, tostring, setmetatable
local concat, format, pairs, select = table.concat, string.format, pairs, select
local frozen = lend.frozen

-- An error without a place in front, for the handler to add the script's line.
local function fail(why)
  error({err = 'ERR ' .. why}, 0)
end

local redis = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = lend.version, REDIS_VERSION_NUM = lend.version_number,
  call = lend.call, pcall = lend.try, acl_check_cmd = lend.acl_check_cmd,
}

function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return {err = 'ERR wrong number or type of arguments'}
  end
  text = text:match('^[^%z]*'):gsub('[\r\n]+$', '')
  if text:byte() == 45 then text = text:sub(2) end
  return {err = text:find(' ', 1, true) and text or 'ERR ' .. text}
end

function redis.status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return {err = 'ERR wrong number or type of arguments'}
  end
  return {ok = text}
end

function redis.sha1hex(...)
  if select('#', ...) ~= 1 then fail('wrong number of arguments') end
  local text = ...
  if type(text) == 'number' then text = tostring(text) end
  return lend.sha1hex(type(text) == 'string' and text or '')
end

function redis.setresp(...)
  if select('#', ...) ~= 1 then fail('redis.setresp() requires one argument.') end
  local version = tonumber((...))
  if version ~= 2 and version ~= 3 then fail('RESP version must be 2 or 3.') end
  lend.setresp(version)
end

function redis.log(...)
  local level, said = ..., {}
  if select('#', ...) < 2 then fail('redis.log() requires two arguments or more.') end
  if type(level) ~= 'number' then fail('First argument must be a number (log level).') end
  if level < 0 or level >= 4 then fail('Invalid debug level.') end
  for i = 2, select('#', ...) do
    local word = select(i, ...)
    if type(word) == 'string' or type(word) == 'number' then said[#said + 1] = word end
  end
  lend.log(level, concat(said, ' '))
end

function redis.set_repl(...)
  if select('#', ...) ~= 1 then fail('redis.set_repl() requires two arguments.') end
  local flags = tonumber((...)) or 0
  if flags < 0 or flags >= 4 then
    fail('Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.')
  end
  lend.set_repl(flags)
end

for _, name in pairs({'sha1hex', 'setresp', 'log', 'set_repl'}) do
  redis[name] = lend.native(redis[name])
end

function redis.replicate_commands() return true end
redis.breakpoint = lend.breakpoint or function() return false end
redis.debug = lend.debug or function() end

-- ------------------------------------------------------------------ what a script may see

local function refuse()
  error('Attempt to modify a readonly table', 2)
end

local function freeze(real, metatable)
  local shown = {}
  frozen[shown] = real
  return setmetatable(shown, {
    __index = real, __newindex = refuse, __metatable = metatable or false,
  })
end

local function missing(_, name)
  error('Script attempted to access nonexistent global variable \'' .. tostring(name) .. '\'', 2)
end
local strict = {__index = missing}

local globals = {
  _VERSION = _VERSION, assert = assert, collectgarbage = collectgarbage, error = error,
  gcinfo = gcinfo, getmetatable = getmetatable, ipairs = ipairs, next = lend.seeing(next),
  pcall = lend.pcall, rawequal = rawequal, rawget = lend.seeing(rawget),
  rawset = lend.guarding(rawset), select = select, setmetatable = lend.guarding(setmetatable),
  tonumber = tonumber, tostring = tostring, type = type, unpack = lend.unpack, xpcall = xpcall,
}
globals.pairs = lend.walking(pairs, globals.next)

-- Bytecode can do anything: only text is compiled.
local loadstring = loadstring
function globals.loadstring(code, name)
  if type(code) == 'string' and code:byte() == 27 then
    return nil, 'binary code is refused'
  end
  return loadstring(code, name)
end

function globals.load(read, name)
  if type(read) ~= 'function' then
    error(format('bad argument #1 to \'load\' (function expected, got %s)', type(read)), 2)
  end
  local parts = {}
  repeat
    local part = read()
    parts[#parts + 1] = part
  until part == nil or part == ''
  return globals.loadstring(concat(parts), name or '=(load)')
end

globals.load = lend.native(globals.load)

for name, library in pairs(libraries) do globals[name] = library end
for _, name in pairs({'coroutine', 'math', 'string', 'table'}) do
  local copy = {}
  for key, value in pairs(_G[name]) do copy[key] = value end
  globals[name] = copy
end
for _, name in pairs({'insert', 'remove', 'setn', 'sort'}) do
  globals.table[name] = lend.guarding(globals.table[name])
end
globals.redis = redis

for name, value in pairs(globals) do
  if type(value) == 'table' then globals[name] = freeze(value) end
end
local metatable = getmetatable('')
metatable.__index = globals.string
metatable.__metatable = freeze({__index = globals.string})

-- All a library finds while it is loaded: it registers functions, and does nothing else.
local registered
local loading = {redis = {log = redis.log}}
for name, value in pairs(redis) do
  if name:find('^LOG_') or name:find('^REDIS_') then loading.redis[name] = value end
end

setmetatable(globals, strict)
setmetatable(loading, strict)
local way = {__index = globals, __newindex = refuse, __metatable = freeze(strict)}
local env = setmetatable({}, way)
frozen[env] = globals
globals._G = env

-- ------------------------------------------------------------------ libraries of functions

-- What each named argument of register_function must be.
local ARGUMENTS = {
  function_name = 'string', description = 'string', callback = 'function', flags = 'table',
}

local function named_row(given)
  for key, value in pairs(given) do
    if type(key) ~= 'string' then
      fail('named argument key given to redis.register_function is not a string')
    end
    local wanted = ARGUMENTS[key]
    if not wanted then fail('unknown argument given to redis.register_function') end
    if type(value) ~= wanted then
      fail(wanted == 'table'
        and 'flags argument to redis.register_function must be a table representing function flags'
        or key .. ' argument given to redis.register_function must be a ' .. wanted)
    end
  end
  for _, flag in pairs(given.flags or {}) do
    if not lend.flags[flag] then fail('unknown flag given') end
  end
  if not given.function_name then
    fail('redis.register_function must get a function name argument')
  elseif not given.callback then
    fail('redis.register_function must get a callback argument')
  end
  return {name = given.function_name, callback = given.callback, flags = given.flags or {},
          description = given.description}
end

function loading.redis.register_function(...)
  local n, first, second = select('#', ...), ...
  local row
  if n < 1 or n > 2 then
    fail('wrong number of arguments to redis.register_function')
  elseif not registered then
    fail('redis.register_function can only be called on FUNCTION LOAD command')
  elseif n == 1 and type(first) ~= 'table' then
    fail('calling redis.register_function with a single argument is only applicable to Lua '
         .. 'table (representing named arguments).')
  elseif n == 1 then
    row = named_row(first)
  elseif type(first) ~= 'string' then
    fail('first argument to redis.register_function must be a string')
  elseif type(second) ~= 'function' then
    fail('second argument to redis.register_function must be a function')
  else
    row = {name = first, callback = second, flags = {}}
  end
  if row.name == '' or row.name:find('[^%w_]') then
    fail('Library names can only contain letters, numbers, or underscores(_) '
         .. 'and must be at least one character long')
  elseif registered[row.name] then
    fail('Function already exists in the library')
  end
  registered[row.name] = row
end
loading.redis = freeze(setmetatable(loading.redis, strict))

local function begin_loading()
  registered = {}
  way.__index, frozen[env] = loading, loading
end

-- What was registered: name -> {name, callback, flags, description}.
local function end_loading()
  local found = registered
  registered = nil
  way.__index, frozen[env] = globals, globals
  return found
end

return env, globals, begin_loading, end_loading
