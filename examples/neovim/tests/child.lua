-- A Neovim of its own for each test, driven as an editor's window would: by keys and requests over its RPC channel.
local M = {}
M.__index = M

local ROOT = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')

-- setup: the text of an init.lua, which a user would write.
function M.new(setup, env)
  local config = vim.fn.tempname()
  vim.fn.mkdir(config .. '/nvim', 'p')
  vim.fn.writefile(vim.split('dofile(' .. vim.inspect(ROOT .. '/measure.lua') .. ')\n' .. (setup or ''), '\n'), config .. '/nvim/init.lua')
  local self = setmetatable({ code = nil }, M)
  self.channel = vim.fn.jobstart({ vim.v.progpath, '--embed', '--headless', '-n', '-i', 'NONE' }, {
    rpc = true,
    env = vim.tbl_extend('force', { XDG_CONFIG_HOME = config, XDG_CACHE_HOME = config, XDG_STATE_HOME = config }, env or {}),
    on_exit = function(_, code)
      self.code = code
    end })
  assert(self.channel > 0, 'nvim does not start')
  return self
end

function M:lua(code, ...)
  return vim.fn.rpcrequest(self.channel, 'nvim_exec_lua', code, { ... })
end

function M:keys(keys)
  vim.fn.rpcrequest(self.channel, 'nvim_input', keys)
end

function M:command(command)
  vim.fn.rpcrequest(self.channel, 'nvim_command', command)
end

-- Waits for an expression of Lua to be true.
function M:wait(expression, milliseconds)
  local fine = vim.wait(milliseconds or 60000, function()
    return self:lua('return (' .. expression .. ') and true or false')
  end, 5)
  if not fine then
    error('waited in vain for ' .. expression .. '; messages: ' .. vim.inspect(self:lua('return measured.notes')), 2)
  end
end

function M:set(text)
  self:lua('vim.api.nvim_buf_set_lines(0, 0, -1, true, ...)', vim.split(text, '\n', { plain = true }))
end

function M:text()
  return table.concat(self:lua('return vim.api.nvim_buf_get_lines(0, 0, -1, true)'), '\n')
end

-- All virtual text of the buffer as it stands.
function M:virtual()
  return self:lua([[
    local out = {}
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_create_namespace('diffulm'), 0, -1, { details = true })) do
      for _, line in ipairs(mark[4].virt_lines or { mark[4].virt_text or {} }) do
        local text = {}
        for _, chunk in ipairs(line) do
          text[#text + 1] = chunk[1]
        end
        out[#out + 1] = table.concat(text)
      end
    end
    return out]])
end

function M:done()
  self:wait("require('diffulm').state() == 'done'")
end

-- Nothing is left in workers, and no session lives.
function M:idle()
  self:wait("(function() local c = require('diffulm.engine').counts(); return c.jobs + c.pending + c.sessions == 0 end)()")
end

function M:note()
  local notes = self:lua('local n = measured.notes; measured.notes = {}; return n')
  return table.concat(notes, ' | ')
end

-- The exit status after :qa!, nil when it hangs.
function M:quit(milliseconds)
  vim.fn.rpcnotify(self.channel, 'nvim_command', 'qa!')
  vim.wait(milliseconds or 20000, function()
    return self.code ~= nil
  end, 5)
  return self.code
end

return M
