-- What the tests need besides the shipped model.
local ffi = require('ffi')
local M = {}

local WORK, MODEL = vim.env.DIFFULM_WORK, vim.env.DIFFULM_MODEL

local function copy(names, folder)
  for _, name in ipairs(names) do
    assert(vim.loop.fs_copyfile(MODEL .. '/' .. name, folder .. '/' .. name))
  end
end

local declared = false

-- A model with fresh weights and the shipped tokenizer, in half precision, so that opening it takes time.
local function fresh_model(name, sizes)
  local folder = WORK .. '/' .. name
  if vim.fn.filereadable(folder .. '/tokenizer.json') == 1 then
    return folder
  end
  if not declared then
    declared = true
    ffi.cdef([[
      int32_t diffulm_model_create(const char *config, size_t length, const void *options, void **out);
      int32_t diffulm_model_save(const void *model, const char *folder, int32_t dtype);
      void diffulm_model_unref(void *model);
      const char *diffulm_error_message(void);
    ]])
  end
  local lib, model = ffi.load('libdiffulm.so.0.1'), ffi.new('void *[1]')
  local config = vim.tbl_extend('force', vim.fn.json_decode(vim.fn.readfile(MODEL .. '/config.json')), sizes)
  config.layer_types = {}
  for i = 1, sizes.num_hidden_layers do
    config.layer_types[i] = 'full_attention'
  end
  local text = vim.fn.json_encode(config)
  local function check(status)
    assert(status == 0, status ~= 0 and ffi.string(lib.diffulm_error_message()))
  end
  check(lib.diffulm_model_create(text, #text, nil, model))
  check(lib.diffulm_model_save(model[0], folder, 1))
  lib.diffulm_model_unref(model[0])
  copy({ 'tokenizer.json' }, folder)
  return folder
end

-- So large that a step lasts.
function M.large_model()
  return fresh_model('large', { hidden_size = 512, num_attention_heads = 8, intermediate_size = 1024, num_hidden_layers = 8, max_position_embeddings = 4096 })
end

-- So small that a step over as many tokens as models read does not.
function M.wide_model()
  return fresh_model('wide', { hidden_size = 32, num_attention_heads = 1, intermediate_size = 32, num_hidden_layers = 1, max_position_embeddings = 8192 })
end

-- The shipped model without its length head.
function M.headless_model()
  local folder = WORK .. '/headless'
  vim.fn.mkdir(folder, 'p')
  copy({ 'tokenizer.json', 'config.json', 'model.safetensors' }, folder)
  return folder
end

-- A text of many gaps.
function M.canvas(lines)
  local out = {}
  for i = 1, lines do
    out[i] = 'Der alte Mann [[2]] das Kind ' .. i .. ' im [[3]].'
  end
  return table.concat(out, '\n')
end

function M.library_folder()
  return vim.env.LD_LIBRARY_PATH:match('^[^:]+')
end

-- A folder of pkg-config's that says where the staged library is.
function M.pkg_config()
  local folder = WORK .. '/pkgconfig'
  vim.fn.mkdir(folder, 'p')
  vim.fn.writefile({ 'libdir=' .. M.library_folder(), 'Name: diffulm', 'Description: staged', 'Version: 0.1.0', 'Libs: -L${libdir} -ldiffulm' },
    folder .. '/diffulm.pc')
  return folder
end

-- The first fenced block of a language in a page.
function M.readme_block(path, language)
  local block
  for _, line in ipairs(vim.fn.readfile(path)) do
    if line == '```' .. language then
      block = {}
    elseif block and line == '```' then
      return table.concat(block, '\n')
    elseif block then
      block[#block + 1] = line
    end
  end
  error(path .. ' has no block of ' .. language)
end

return M
