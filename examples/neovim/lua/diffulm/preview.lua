-- How a suggestion looks: virtual text over one line where the new line fits into the window, else virtual lines below it.

-- Interpreted, see wire.lua.
jit.off(true, true)

local M = {}

M.namespace = vim.api.nvim_create_namespace('diffulm')

function M.highlights()
  vim.cmd('highlight default link DiffulmToken DiffAdd')
  vim.cmd('highlight default link DiffulmMask NonText')
  vim.cmd('highlight default link DiffulmText Normal')
end

-- Text for cells, from a column on: virtual text shows neither tabs nor control characters as lines do.
local function visible(text, column, tabstop)
  if not text:find('%c') then
    return text
  end
  local out = {}
  for before, control in (text .. '\0'):gmatch('(%C*)(%c)') do
    out[#out + 1] = before
    column = column + vim.api.nvim_strwidth(before)
    if control == '\t' then
      control = (' '):rep(tabstop - column % tabstop)
    elseif control == '\n' then
      control = '↵'
    else
      control = '^' .. (control == '\127' and '?' or string.char(control:byte() + 64))
    end
    out[#out + 1] = control
    column = column + vim.api.nvim_strwidth(control)
  end
  out[#out] = nil -- the end mark of the loop
  return table.concat(out)
end

-- Pieces {text, highlight}: a run of tokens.
local function add_run(pieces, run, placeholder)
  for _, chunk in ipairs(run.chunks) do
    if type(chunk) == 'number' then
      pieces[#pieces + 1] = { placeholder:rep(chunk), 'DiffulmMask' }
    elseif chunk ~= '' then
      pieces[#pieces + 1] = { chunk, 'DiffulmToken' }
    end
  end
end

-- The new text of a block from a column of its first row on.
local function pieces_of(block, lines, from, placeholder)
  local pieces, row, column = {}, block.first, from
  local function literal(to_row, to_column)
    while row < to_row do
      pieces[#pieces + 1] = { lines[row + 1]:sub(column + 1) .. '\n', 'DiffulmText' }
      row, column = row + 1, 0
    end
    if to_column > column then
      pieces[#pieces + 1] = { lines[row + 1]:sub(column + 1, to_column), 'DiffulmText' }
    end
  end
  for _, run in ipairs(block.runs) do
    literal(run.row, run.column)
    add_run(pieces, run, placeholder)
    row, column = run.end_row, run.end_column
  end
  literal(block.last, #lines[block.last + 1])
  return pieces
end

local function overlay(block, lines, placeholder, room, tabstop)
  local line, column = lines[block.first + 1], block.runs[1].column
  local at = vim.api.nvim_strwidth(visible(line:sub(1, column), 0, tabstop))
  local old = at + vim.api.nvim_strwidth(visible(line:sub(column + 1), at, tabstop))
  local chunks = {}
  if old > room then
    return nil
  end
  for _, piece in ipairs(pieces_of(block, lines, column, placeholder)) do
    local text = visible(piece[1], at, tabstop)
    at = at + vim.api.nvim_strwidth(text)
    chunks[#chunks + 1] = { text, piece[2] }
  end
  if at > room then
    return nil
  end
  if at < old then
    chunks[#chunks + 1] = { (' '):rep(old - at), 'DiffulmText' }
  end
  if #chunks == 0 then
    chunks[1] = { '', 'DiffulmText' }
  end
  return chunks, column
end

-- Of a long text around gaps its ends: virtual lines cannot be scrolled, and the time to make them is bounded.
local function shortened(text, room)
  if #text <= 4 * room then
    return text
  end
  local head = text:sub(1, room):gsub('[\192-\255][\128-\191]*$', '')
  local tail = text:sub(-room):gsub('^[\128-\191]+', '')
  return head .. ' … ' .. tail
end

-- Virtual lines do not wrap by themselves.
local function wrapped(pieces, room, tabstop)
  local rows, row, at = {}, {}, 0
  local function finish()
    rows[#rows + 1] = #row > 0 and row or { { '', 'DiffulmText' } }
    row, at = {}, 0
  end
  local function put(text, highlight)
    text = visible(text, at, tabstop)
    local width = vim.api.nvim_strwidth(text)
    if at + width <= room then
      row[#row + 1] = { text, highlight }
      at = at + width
      return
    end
    local part = {}
    for character in text:gmatch('[%z\1-\127\192-\255][\128-\191]*') do
      width = #character == 1 and 1 or vim.api.nvim_strwidth(character)
      if at + width > room and at > 0 then
        row[#row + 1] = { table.concat(part), highlight }
        part = {}
        finish()
      end
      part[#part + 1] = character
      at = at + width
    end
    row[#row + 1] = { table.concat(part), highlight }
  end
  for _, piece in ipairs(pieces) do
    local first = true
    local text = piece[2] == 'DiffulmText' and shortened(piece[1], room) or piece[1]
    for part in (text .. '\n'):gmatch('([^\n]*)\n') do
      if not first then
        finish()
      end
      first = false
      if part ~= '' then
        put(part, piece[2])
      end
    end
  end
  finish()
  return rows
end

local function room_of(buffer)
  local window = vim.fn.bufwinid(buffer)
  local info = window ~= -1 and vim.fn.getwininfo(window)[1]
  return math.max(10, info and info.width - (info.textoff or 0) or vim.o.columns)
end

-- Draws a block of a suggestion; `first` is the row of the buffer that the block's rows count from.
function M.draw(buffer, first, block, lines, placeholder)
  local room, tabstop = room_of(buffer), vim.bo[buffer].tabstop
  local options = { id = block.mark, priority = 200 }
  local row, column = first + block.last, 0
  if block.below then
    local pieces = {}
    add_run(pieces, block.runs[1], placeholder)
    options.virt_lines = wrapped(pieces, room, tabstop)
  else
    local chunks, at
    if block.first == block.last then
      chunks, at = overlay(block, lines, placeholder, room, tabstop)
    end
    if chunks then
      options.virt_text, options.virt_text_pos, column = chunks, 'overlay', at
    else
      options.virt_lines = wrapped(pieces_of(block, lines, 0, placeholder), room, tabstop)
    end
  end
  block.mark = vim.api.nvim_buf_set_extmark(buffer, M.namespace, row, column, options)
end

function M.note(buffer, row, text)
  return vim.api.nvim_buf_set_extmark(buffer, M.namespace, row, 0, { virt_text = { { text, 'DiffulmMask' } }, virt_text_pos = 'eol' })
end

function M.erase(buffer, mark)
  vim.api.nvim_buf_del_extmark(buffer, M.namespace, mark)
end

function M.clear(buffer)
  vim.api.nvim_buf_clear_namespace(buffer, M.namespace, 0, -1)
end

return M
