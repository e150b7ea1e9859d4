-- One suggestion a buffer: what it would change, how far it is, its keys, and its end. The buffer's text changes in accept() alone.

-- Interpreted, see wire.lua.
jit.off(true, true)

local engine = require('diffulm.engine')
local preview = require('diffulm.preview')
local uv = vim.loop

local M = {}

local SLICE = 3e6 -- nanoseconds of drawing before the main loop turns

local shown = {} -- by buffer

function M.notify(message, level)
  vim.notify('diffulm: ' .. message, level or vim.log.levels.ERROR)
end

local function typed(key)
  return vim.api.nvim_replace_termcodes(key, true, true, true)
end

-- A map of the buffer that ours hides, to be put back.
local function hidden_map(buffer, key)
  for _, map in ipairs(vim.api.nvim_buf_get_keymap(buffer, 'n')) do
    if typed(map.lhs) == typed(key) then
      return map
    end
  end
end

local function add_keys(s)
  for action, keys in pairs(s.config.keys) do
    for _, key in ipairs(keys) do
      table.insert(s.maps, { key = key, hidden = hidden_map(s.buffer, key) })
      vim.api.nvim_buf_set_keymap(s.buffer, 'n', key, '', {
        noremap = true, nowait = true, silent = true, desc = 'diffulm: ' .. action,
        callback = function()
          M[action](s.buffer)
        end })
    end
  end
end

local function remove_keys(s)
  for i = #s.maps, 1, -1 do
    local key, map = s.maps[i].key, s.maps[i].hidden
    pcall(vim.api.nvim_buf_del_keymap, s.buffer, 'n', key)
    if map then
      vim.api.nvim_buf_set_keymap(s.buffer, 'n', key, map.rhs or '', {
        callback = map.callback, expr = map.expr == 1, noremap = map.noremap == 1, nowait = map.nowait == 1,
        script = map.script == 1, silent = map.silent == 1, desc = map.desc })
    end
  end
end

-- Ends a suggestion, however far it is.
local function stop(s)
  if s.over then
    return
  end
  s.over = true
  if shown[s.buffer] == s then
    shown[s.buffer] = nil
  end
  engine.cancel(s.job)
  if vim.api.nvim_buf_is_loaded(s.buffer) then
    preview.clear(s.buffer)
    remove_keys(s)
  end
end

local function draw(s)
  local start = uv.hrtime()
  s.drawing = false
  while not s.over and #s.dirty > 0 do
    if uv.hrtime() - start > SLICE then
      s.drawing = true
      vim.defer_fn(function()
        draw(s)
      end, 1)
      return
    end
    local block = table.remove(s.dirty)
    block.dirty = false
    preview.draw(s.buffer, s.first, block, s.lines, s.config.placeholder)
  end
end

local function redraw(s, block)
  if not block.dirty then
    block.dirty = true
    table.insert(s.dirty, block)
  end
end

-- Row and column in the suggestion's lines of a byte of their text.
local function place(s, byte)
  local low, high = 1, #s.starts
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if s.starts[middle] <= byte then
      low = middle
    else
      high = middle - 1
    end
  end
  return low - 1, byte - s.starts[low]
end

-- A run is new the first time, and comes in the order of the text. Blocks are what is drawn as one: the runs of a line, or of lines
-- that a run joins.
local function show(s, news)
  local run = s.runs[news.index]
  if not run then
    run = {}
    run.row, run.column = place(s, news.from)
    run.end_row, run.end_column = place(s, news.to)
    if not s.block or run.row > s.block.last then
      s.block = { first = run.row, runs = {}, below = s.kind == 'generate' }
    end
    s.block.last = run.end_row
    table.insert(s.block.runs, run)
    run.block = s.block
    s.runs[news.index] = run
  end
  run.chunks, run.text = news.chunks, news.text
  redraw(s, run.block)
end

local function stepped(s, steps, done)
  s.steps, s.done = steps, done
  if s.note then
    preview.erase(s.buffer, s.note)
    s.note = nil
  end
  if not s.drawing then
    draw(s)
  end
end

local function changed(s, first, last, new_last)
  if s.over then
    return true -- detaches
  elseif last <= s.first then
    s.first = s.first + new_last - last
  elseif first < s.first + #s.lines then
    s.stale = true
    vim.schedule(function()
      if not s.over then
        stop(s)
        M.notify('the text has changed, the suggestion is gone', vim.log.levels.WARN)
      end
    end)
  end
end

local function attach(s)
  vim.api.nvim_buf_attach(s.buffer, false, {
    on_lines = function(_, _, _, first, last, new_last)
      return changed(s, first, last, new_last)
    end,
    on_reload = function()
      changed(s, 0, math.huge, math.huge)
    end,
    on_detach = function()
      stop(s)
    end })
end

-- request: as engine.start takes it; lines: those of its text, from row `first` (from 0) of the buffer.
function M.start(buffer, first, lines, request, config)
  if shown[buffer] then
    stop(shown[buffer])
  end
  local s = { buffer = buffer, first = first, lines = lines, kind = request.kind, config = config, runs = {}, dirty = {}, maps = {}, starts = { 0 }, steps = 0 }
  for i = 1, #lines - 1 do
    s.starts[i + 1] = s.starts[i] + #lines[i] + 1
  end
  shown[buffer] = s
  preview.highlights()
  s.note = preview.note(buffer, first + #lines - 1, 'opening the model')
  s.job = engine.start(config, request, {
    shown = function(runs)
      for _, news in ipairs(runs) do
        show(s, news)
      end
    end,
    stepped = function(steps, done)
      stepped(s, steps, done)
    end,
    failed = function(message)
      stop(s)
      M.notify(message)
    end })
  attach(s)
  add_keys(s)
end

local function apply(s)
  -- Ends the undo step before: what was typed in Insert mode stays when this is undone (:help undo-blocks).
  vim.cmd('let &g:undolevels = &g:undolevels')
  if s.kind == 'generate' then
    local row = s.first + #s.lines
    vim.api.nvim_buf_set_lines(s.buffer, row, row, true, vim.split(s.runs[1].text, '\n', { plain = true }))
    return
  end
  for i = #s.runs, 1, -1 do
    local run = s.runs[i]
    vim.api.nvim_buf_set_text(s.buffer, s.first + run.row, run.column, s.first + run.end_row, run.end_column,
      vim.split(run.text, '\n', { plain = true }))
  end
end

function M.accept(buffer)
  local s = shown[buffer]
  if not s then
    M.notify('there is no suggestion in this buffer', vim.log.levels.WARN)
  elseif not s.done then
    M.notify('not finished yet: ' .. s.steps .. ' of ' .. s.config.steps .. ' steps', vim.log.levels.WARN)
  elseif not vim.bo[buffer].modifiable then
    M.notify("this buffer is not 'modifiable'")
  elseif not s.stale then
    stop(s)
    apply(s)
  end
end

function M.cancel(buffer)
  if shown[buffer] then
    stop(shown[buffer])
  else
    M.notify('there is no suggestion in this buffer', vim.log.levels.WARN)
  end
end

-- 'none', 'running' or 'done', and the steps so far: for status lines.
function M.state(buffer)
  local s = shown[buffer]
  return s and (s.done and 'done' or 'running') or 'none', s and s.steps or 0
end

return M
