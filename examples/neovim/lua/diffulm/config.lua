-- The options of setup(): their defaults, and what may stand in them.
local M = {}

local function whole(least, most)
  return function(value)
    return type(value) == 'number' and value % 1 == 0 and value >= least and value <= most,
      string.format('a whole number from %d to %.0f', least, most)
  end
end

local function text(value)
  return type(value) == 'string' and value ~= '' and not value:find('%z'), 'a text'
end

local function keys(value)
  local fine = type(value) == 'table'
  for name, list in pairs(fine and value or {}) do
    fine = fine and (name == 'accept' or name == 'cancel') and type(list) == 'table'
    for _, key in ipairs(fine and list or {}) do
      fine = fine and type(key) == 'string' and key ~= ''
    end
  end
  return fine, "a table like { accept = { '<CR>' }, cancel = { '<Esc>' } }"
end

local CHECKS = {
  model = text,
  library = text,
  steps = whole(1, 100000),
  policy = text,
  seed = whole(0, 2 ^ 53),
  temperature = function(value)
    return type(value) == 'number' and value >= 0 and value < math.huge, 'a number from 0'
  end,
  threads = whole(0, 4096),
  placeholder = function(value)
    return type(value) == 'string' and not value:find('%c') and vim.fn.strdisplaywidth(value) == 1, 'one character of one cell'
  end,
  keys = keys,
}

local function defaults()
  return {
    steps = 10,
    policy = 'reparam-uncond-deterministic-cosine',
    seed = 0,
    temperature = 0,
    threads = 0,
    placeholder = '░',
    keys = { accept = { '<CR>', '<Tab>' }, cancel = { '<Esc>' } },
  }
end

M.values = defaults()

-- ~ and paths relative to the folder of now; names of libraries stay names.
local function full_path(path)
  local full = vim.fn.fnamemodify(path, ':p')
  return #full > 1 and full:gsub('/$', '') or full
end

-- Takes the options, or returns what is wrong with them and takes none.
function M.set(options)
  if options ~= nil and type(options) ~= 'table' then
    return 'setup takes a table, not a ' .. type(options)
  end
  local values = defaults()
  for name, value in pairs(options or {}) do
    local check = CHECKS[name]
    if not check then
      local known = vim.tbl_keys(CHECKS)
      table.sort(known)
      return string.format('setup does not know %s; it knows %s', tostring(name), table.concat(known, ', '))
    end
    local fine, expected = check(value)
    if not fine then
      return string.format('setup: %s is %s, expected %s', name, type(value) == 'table' and 'another table' or vim.inspect(value), expected)
    end
    values[name] = value
  end
  values.keys = vim.tbl_extend('force', defaults().keys, values.keys)
  values.model = values.model and full_path(values.model)
  values.library = values.library and (values.library:find('/') and full_path(values.library) or values.library)
  M.values = values
end

return M
