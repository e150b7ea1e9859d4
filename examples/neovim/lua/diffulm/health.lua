-- :checkhealth diffulm
local M = {}

local function reports()
  local health = vim.health or require('health') -- 0.7 has the module alone
  return health.start or health.report_start, health.ok or health.report_ok, health.error or health.report_error,
    health.info or health.report_info
end

function M.check()
  local start, ok, err, info = reports()
  local config = require('diffulm.config').values
  local reply
  start('diffulm')
  require('diffulm.engine').inspect(config, function(found)
    reply = found
  end)
  if not vim.wait(60000, function()
    return reply ~= nil
  end, 10) then
    return err('the model is still being opened')
  elseif reply.failed then
    return err(reply.message)
  end
  ok(string.format('library: %s, version %s', reply.library, reply.version))
  if not config.model then
    return err("model: none is named", { "require('diffulm').setup{ model = '/path/to/model' }" })
  end
  ok(string.format('model: %s, %s, %d parameters, rows of at most %d tokens', reply.folder, reply.family, reply.parameters, reply.longest))
  info('computes with ' .. reply.described)
  if reply.mask then
    ok('mask token: ' .. reply.mask)
  else
    err('the tokenizer has no mask token: no :DiffulmInfill, no :DiffulmReplace')
  end
  if reply.head then
    ok('length head: found')
  else
    info('length head: none, so :DiffulmGenerate needs a number of tokens')
  end
end

return M
