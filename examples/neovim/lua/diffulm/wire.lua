-- Values as text, because a libuv worker has a Lua state of its own and is handed strings and numbers only. Strings, numbers,
-- booleans, and tables of them.

-- Interpreted: to compile, LuaJIT changes the protection of its memory, for which the main loop would wait whenever a thread that
-- computes is put off in a page fault.
jit.off(true, true)

local M = {}

local function write(value, out)
  local kind = type(value)
  if kind == 'string' then
    out[#out + 1] = 's' .. #value .. ':' .. value
  elseif kind == 'number' then
    out[#out + 1] = string.format('n%.17g:', value)
  elseif kind == 'boolean' then
    out[#out + 1] = value and 'y' or 'n:'
  elseif kind == 'table' then
    out[#out + 1] = '{'
    for key, item in pairs(value) do
      write(key, out)
      write(item, out)
    end
    out[#out + 1] = '}'
  else
    error('no ' .. kind .. ' goes over the wire')
  end
end

function M.encode(value)
  local out = {}
  write(value, out)
  return table.concat(out)
end

-- The value at a place, and the place behind it.
local function read(text, at)
  local kind = text:sub(at, at)
  if kind == 'y' then
    return true, at + 1
  elseif kind == '{' then
    local value, key = {}, nil
    at = at + 1
    while text:sub(at, at) ~= '}' do
      key, at = read(text, at)
      value[key], at = read(text, at)
    end
    return value, at + 1
  end
  local colon = text:find(':', at, true)
  local inside = text:sub(at + 1, colon - 1)
  if kind == 's' then
    local behind = colon + 1 + tonumber(inside)
    return text:sub(colon + 1, behind - 1), behind
  end
  if inside == '' then
    return false, colon + 1
  end
  return tonumber(inside), colon + 1
end

function M.decode(text)
  return (read(text, 1))
end

return M
