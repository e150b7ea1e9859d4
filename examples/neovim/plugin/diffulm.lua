-- Commands; the modules are loaded by the first of them.
if vim.g.loaded_diffulm then
  return
end
vim.g.loaded_diffulm = true

local function define(name, call, nargs, range, desc)
  vim.api.nvim_create_user_command(name, function(command)
    require('diffulm').command(call, command)
  end, { nargs = nargs, range = range, bar = true, desc = desc })
end

define('DiffulmInfill', 'infill', 0, true, 'Fill the gaps [[N]] of the range or paragraph')
define('DiffulmReplace', 'replace', '?', true, 'Replace the selected characters by new text')
define('DiffulmGenerate', 'generate', '?', true, 'Answer the selected lines or the current one')
define('DiffulmAccept', 'accept', 0, false, 'Put the suggestion into the text')
define('DiffulmCancel', 'cancel', 0, false, 'Stop and drop the suggestion')

vim.api.nvim_create_autocmd('VimLeavePre', {
  group = vim.api.nvim_create_augroup('diffulm', {}),
  callback = function()
    if package.loaded['diffulm.engine'] then
      -- As long as it takes, within reason: libuv waits for its threads at the end in any case.
      require('diffulm.engine').shutdown(10000)
    end
  end })
