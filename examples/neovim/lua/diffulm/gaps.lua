-- Gaps in text, marked as `diffulm infill` marks them: [[3]] stands for three tokens, [[]] for two, the model's own mask token for one.
-- Spaces in front of a gap belong to it, because tokens bring their own.
local M = {}

-- The number of tokens and the length of a gap that begins at a byte of the text; nil where none does.
local function gap_at(text, at, mask, marks)
  if text:sub(at, at + #mask - 1) == mask then
    return 1, #mask
  end
  if not marks or text:sub(at, at + 1) ~= '[[' then
    return nil
  end
  if text:sub(at + 2, at + 3) == ']]' then
    return 2, 4
  end
  local whole, count = text:match('^(%[%[%s*%+?(%d+)%]%])', at)
  count = tonumber(count)
  if count and count > 0 and count < 4096 then
    return count, #whole
  end
end

local function next_gap(text, from, mask, marks)
  local at = from
  while true do
    local bracket = marks and text:find('[[', at, true) or nil
    local literal = text:find(mask, at, true)
    local found = math.min(bracket or math.huge, literal or math.huge)
    if found == math.huge then
      return nil
    end
    local count, length = gap_at(text, found, mask, marks)
    if count then
      return found, count, length
    end
    at = found + 1
  end
end

-- The text with its gaps written as mask tokens, and for each mask token the bytes [from, to) of the text that it stands in for.
-- A selection {from, to, count} is the only gap besides literal mask tokens; without one [[N]] marks them.
function M.expand(text, mask, selection)
  local out, units, at = {}, {}, 1
  local function put(from, count, length)
    local before = text:sub(at, from - 1)
    local kept = before:gsub(' +$', '')
    out[#out + 1] = kept
    out[#out + 1] = mask:rep(count)
    for _ = 1, count do
      units[#units + 1] = { from = at - 1 + #kept, to = from - 1 + length }
    end
    at = from + length
  end
  local limit = selection and selection.from or #text
  local function scan(to)
    while true do
      local from, count, length = next_gap(text, at, mask, not selection)
      if not from or from > to then
        return
      end
      put(from, count, length)
    end
  end
  scan(limit)
  if selection then
    put(selection.from + 1, selection.count, selection.to - selection.from)
    scan(#text)
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out), units
end

return M
