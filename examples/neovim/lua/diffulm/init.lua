-- Suggestions of a diffusion language model in Neovim, by libdiffulm. :help diffulm

-- Interpreted, see wire.lua.
jit.off(true, true)

local config = require('diffulm.config')
local suggestion = require('diffulm.suggestion')

local M = {}

-- More than any model reads; what the main loop may copy at one go.
local MOST_LINES = 4096
local MOST_BYTES = 262144

function M.setup(options)
  local problem = config.set(options)
  if problem then
    suggestion.notify(problem)
  end
end

-- Lines first … last (from 0, inclusive), or nil and what is wrong.
local function take(buffer, first, last)
  local from, to = vim.api.nvim_buf_get_offset(buffer, first), vim.api.nvim_buf_get_offset(buffer, last + 1)
  if last - first >= MOST_LINES or to - from > MOST_BYTES then
    return nil, string.format('the text has %d lines and %d bytes, at most %d and %d are taken', last - first + 1, to - from, MOST_LINES, MOST_BYTES)
  end
  return vim.api.nvim_buf_get_lines(buffer, first, last + 1, false)
end

-- The number of lines with text from a row on, in one direction (1 or -1). No further than take() refuses, a few lines at a time.
local function extent(buffer, row, direction)
  local count, found = vim.api.nvim_buf_line_count(buffer), 0
  while found <= MOST_LINES do
    local near = row + direction * found
    local from, to = math.max(0, math.min(near, near + 63 * direction)), math.min(count - 1, math.max(near, near + 63 * direction))
    local lines = near >= 0 and near < count and take(buffer, from, to) or {}
    for i = 1, #lines do
      if not lines[direction > 0 and i or #lines + 1 - i]:find('%S') then
        return found
      end
      found = found + 1
    end
    if #lines == 0 then
      return found
    end
  end
  return found
end

-- The rows of the paragraph around a row.
local function paragraph(buffer, row)
  local first, last = row - extent(buffer, row - 1, -1), row + extent(buffer, row + 1, 1)
  return first, last
end

local function start(buffer, first, last, request)
  local values = config.values
  if not values.model then
    return suggestion.notify("no model is named: require('diffulm').setup{ model = '/path/to/model' }")
  elseif not vim.bo[buffer].modifiable then
    return suggestion.notify("this buffer is not 'modifiable'")
  end
  local lines, problem = take(buffer, first, last)
  if not lines then
    return suggestion.notify(problem)
  end
  request.text = table.concat(lines, '\n')
  if not request.text:find('%S') then
    return suggestion.notify('there is no text here')
  end
  suggestion.start(buffer, first, lines, request, values)
end

-- range: {first, last} line numbers, or nil for the paragraph around the cursor.
function M.infill(range)
  local first, last = paragraph(0, vim.api.nvim_win_get_cursor(0)[1] - 1)
  if range then
    first, last = range[1] - 1, range[2] - 1
  end
  start(vim.api.nvim_get_current_buf(), first, last, { kind = 'infill' })
end

-- Answers the lines of the range, or the cursor's line. count: tokens, nil for as many as the model predicts.
function M.generate(range, count)
  local row = vim.api.nvim_win_get_cursor(0)[1]
  range = range or { row, row }
  start(vim.api.nvim_get_current_buf(), range[1] - 1, range[2] - 1, { kind = 'generate', count = count })
end

-- The bytes [from, to) of the last visual selection in its line, without the spaces around; nil and what is wrong.
local function selected(line_number)
  local open, close = vim.api.nvim_buf_get_mark(0, '<'), vim.api.nvim_buf_get_mark(0, '>')
  if open[1] ~= line_number or close[1] ~= line_number then
    return nil, 'select characters of one line first'
  end
  local line = vim.api.nvim_buf_get_lines(0, line_number - 1, line_number, false)[1]
  local from, to = open[2], #line
  if vim.fn.visualmode() == 'V' then
    from = 0
  elseif close[2] < #line then
    local exclusive = vim.o.selection == 'exclusive' and close[2] > from
    to = exclusive and close[2] or close[2] + #vim.fn.matchstr(line:sub(close[2] + 1), '.')
  end
  local inside = line:sub(from + 1, to)
  from, to = from + #inside:match('^%s*'), to - #inside:match('%s*$')
  if from >= to then
    return nil, 'only spaces are selected'
  end
  return from, to
end

-- Replaces the characters that were last selected, in the context of their paragraph. count: tokens, nil for as many as they are now.
function M.replace(range, count)
  local from, to
  if not range or range[1] ~= range[2] then
    return suggestion.notify('select characters of one line first')
  end
  from, to = selected(range[1])
  if not from then
    return suggestion.notify(to)
  end
  local first, last = paragraph(0, range[1] - 1)
  local before = vim.api.nvim_buf_get_offset(0, range[1] - 1) - vim.api.nvim_buf_get_offset(0, first)
  start(vim.api.nvim_get_current_buf(), first, last, { kind = 'replace', selection = { from = before + from, to = before + to, count = count } })
end

function M.accept()
  suggestion.accept(vim.api.nvim_get_current_buf())
end

function M.cancel()
  suggestion.cancel(vim.api.nvim_get_current_buf())
end

-- Of the current buffer: 'none', 'running' or 'done', and the number of steps done.
function M.state()
  return suggestion.state(vim.api.nvim_get_current_buf())
end

-- What the commands call: their range and their number.
function M.command(name, command)
  local range = command.range > 0 and { command.line1, command.line2 } or nil
  local count = tonumber(command.args)
  if command.args ~= '' and not (command.args:match('^%d+$') and count >= 1 and count < 4096) then
    return suggestion.notify(string.format('%s is no number of tokens, expected 1 to 4095', command.args))
  end
  M[name](range, count)
end

return M
