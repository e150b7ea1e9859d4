-- Before the plugin is loaded: takes the CPU time that this thread spends in each callback that is given to Neovim, and the longest time
-- between two turns of the main loop, as the clock has it, without the wait for a core, and as
-- CPU time. CPU time of the thread, because wall time on a shared machine says little of a callback.
local ffi = require('ffi')
ffi.cdef([[
struct test_timespec { int64_t seconds, nanoseconds; };
int clock_gettime(int clock, struct test_timespec *time);
]])
local THREAD_CPU = 3
local time = ffi.new('struct test_timespec')

local M = { longest = 0, where = 'nowhere', calls = 0, gap = 0, turn = 0, held = 0, notes = {}, drawn = {} }
_G.measured = M

local function now()
  ffi.C.clock_gettime(THREAD_CPU, time)
  return tonumber(time.seconds) * 1e3 + tonumber(time.nanoseconds) / 1e6
end

local function taken(call, start, ...)
  local spent = now() - start
  M.calls = M.calls + 1
  if spent > M.longest then
    local info = debug.getinfo(call, 'S')
    M.longest, M.where = spent, info.source:match('[^/]*$') .. ':' .. info.linedefined
  end
  return ...
end

local function timed(call)
  return type(call) == 'function' and function(...)
    return taken(call, now(), call(...))
  end or call
end

local function wrap(owner, name, position, fields)
  local real = owner[name]
  owner[name] = function(...)
    local arguments, count = { ... }, select('#', ...)
    if fields then
      local options = vim.tbl_extend('force', {}, arguments[position])
      for _, field in ipairs(fields) do
        options[field] = timed(options[field])
      end
      arguments[position] = options
    else
      arguments[position] = timed(arguments[position])
    end
    return real(unpack(arguments, 1, count))
  end
end

wrap(vim, 'schedule', 1)
wrap(vim.api, 'nvim_create_user_command', 2)
wrap(vim.api, 'nvim_buf_attach', 3, { 'on_lines', 'on_reload', 'on_detach' })
wrap(vim.api, 'nvim_buf_set_keymap', 5, { 'callback' })

-- Every virtual text in the order in which it was drawn.
local set_extmark = vim.api.nvim_buf_set_extmark
vim.api.nvim_buf_set_extmark = function(buffer, namespace, row, column, options)
  local text = {}
  for _, line in ipairs(options.virt_lines or { options.virt_text or {} }) do
    for _, chunk in ipairs(line) do
      text[#text + 1] = chunk[1]
    end
  end
  M.drawn[#M.drawn + 1] = table.concat(text)
  return set_extmark(buffer, namespace, row, column, options)
end

vim.notify = function(message)
  M.notes[#M.notes + 1] = message
end

function M.restart()
  M.longest, M.where, M.calls, M.gap, M.turn, M.held, M.last = 0, 'nowhere', 0, 0, 0, 0, nil
end

-- Milliseconds that this thread was ready and had no core.
local schedstat = vim.loop.fs_open('/proc/self/schedstat', 'r', 0)
local function kept_waiting()
  return schedstat and tonumber(vim.loop.fs_read(schedstat, 100, 0):match('^%d+ (%d+)')) / 1e6 or 0
end

local timer = vim.loop.new_timer()
timer:start(0, 1, function()
  local turn, spent, waited = vim.loop.hrtime() / 1e6, now(), kept_waiting()
  local last = M.last or { turn, spent, waited }
  M.gap = math.max(M.gap, turn - last[1])
  M.turn = math.max(M.turn, spent - last[2])
  M.held = math.max(M.held, turn - last[1] - (waited - last[3]))
  M.last = { turn, spent, waited }
end)
