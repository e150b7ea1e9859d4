-- Models, sessions and their work, as the main loop sees them. What takes time goes to libuv's threads, one call at a time for each
-- session, and comes back as a scheduled callback; the main loop itself calls nothing of the library but diffulm_session_cancel.
-- A handle is freed by a work item too, after the last one that uses it.
local ffi = require('diffulm.ffi')
local wire = require('diffulm.wire')
local uv = vim.loop

local M = {}

local ROOT = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h:h')

-- Stays loaded in this state: OpenMP's threads must never run in a library that the end of a worker's state unloads.
local libraries = {}

local waiting = {} -- callbacks of work items by number
local last_number = 0
local pending = 0
local jobs = {}
local bundle -- the one that new jobs use
local closing = false
local sessions, models, broken_off = 0, 0, 0

local function returned(number, ok, reply)
  local callback = waiting[number]
  waiting[number] = nil
  pending = pending - 1
  callback(ok and wire.decode(reply) or { failed = true, message = 'in a worker: ' .. tostring(reply) })
end

-- The first function becomes bytecode in another Lua state: it has no upvalues.
local work = uv.new_work(function(root, number, operation, request)
  local ok, reply = pcall(function()
    if not package.loaded['diffulm.worker'] then
      package.path = root .. '/?.lua;' .. package.path
    end
    return require('diffulm.worker').run(operation, request)
  end)
  return number, ok, ok and reply or tostring(reply)
end, vim.schedule_wrap(returned))

local function submit(operation, request, callback)
  last_number = last_number + 1
  waiting[last_number] = callback
  pending = pending + 1
  work:queue(ROOT, last_number, operation, type(request) == 'string' and request or wire.encode(request))
end

local function close_unused(old)
  if old.users == 0 and old.stale and old.handles and not old.closed then
    old.closed = true
    submit('close', old.handles, function()
      models = models - 1
    end)
  end
end

local function key_of(config)
  return table.concat({ config.library or '', config.model, config.threads }, '\n')
end

local function retire()
  if bundle then
    bundle.stale = true
    close_unused(bundle)
    bundle = nil
  end
end

local function opened(new, reply)
  if reply.failed then
    bundle = bundle ~= new and bundle or nil
  else
    libraries[reply.library] = ffi.load(reply.library)
    new.handles = reply
    models = models + 1
  end
  local waiters = new.waiters
  new.waiters = nil
  for _, waiter in ipairs(waiters) do
    waiter(reply.failed and reply.message or nil)
  end
  close_unused(new)
end

-- Calls back with an error, or when the bundle has its handles; either way the caller is one of its users until leave().
local function enter(config, callback)
  local key = key_of(config)
  if bundle and bundle.key ~= key then
    retire()
  end
  if not bundle then
    local new = { key = key, users = 0, waiters = {} }
    bundle = new
    submit('open', { library = config.library, model = config.model, threads = config.threads }, function(reply)
      opened(new, reply)
    end)
  end
  local used = bundle
  used.users = used.users + 1
  if used.waiters then
    table.insert(used.waiters, callback)
  else
    callback(nil)
  end
  return used
end

local function leave(job)
  if job.bundle then
    job.bundle.users = job.bundle.users - 1
    close_unused(job.bundle)
    job.bundle = nil
  end
end

-- Frees what the job holds; nothing of it may be in a worker.
local function finish(job)
  jobs[job] = nil
  if job.plan then
    submit('release', job.plan, function()
      sessions = sessions - 1
    end)
    job.plan, job.session = nil, nil
  end
  leave(job)
end

local function stopped(job, reply)
  job.busy = false
  broken_off = broken_off + (reply.cancelled and 1 or 0)
  if job.cancelled or reply.failed then
    finish(job)
    if not job.cancelled then
      job.on.failed(reply.message)
    end
    return true
  end
end

-- Tells of the runs of a reply, fetches those that it left out, and goes on with after().
local function tell(job, reply, after)
  job.on.shown(reply.runs)
  if job.cancelled then
    finish(job)
  elseif not reply.rest then
    after()
  else
    job.busy = true
    submit('look', { plan = job.plan, rest = reply.rest }, function(more)
      if not stopped(job, more) then
        tell(job, more, after)
      end
    end)
  end
end

local function step(job)
  job.busy = true
  submit('step', job.plan, function(reply)
    if stopped(job, reply) then
      return
    end
    tell(job, reply, function()
      if reply.done then
        finish(job)
      else
        step(job)
      end
      job.on.stepped(reply.steps, reply.done)
    end)
  end)
end

local function begin(job, config, request)
  local handles = job.bundle.handles
  local r = vim.tbl_extend('force', request, {
    steps = config.steps, policy = config.policy, seed = config.seed, temperature = config.temperature })
  for _, name in ipairs({ 'library', 'folder', 'tokenizer', 'model', 'head', 'head_problem', 'bos', 'eos', 'mask', 'mask_id', 'newline' }) do
    r[name] = handles[name]
  end
  job.busy = true
  submit('begin', r, function(reply)
    job.plan, job.session, job.library = reply.plan, reply.session, handles.library
    sessions = sessions + (job.session and 1 or 0)
    if stopped(job, reply) then
      return
    end
    tell(job, reply, function()
      step(job)
      job.on.stepped(0, false)
    end)
  end)
end

-- Starts to denoise. request: kind, text, and selection or count, as worker.lua takes them. Called on the main loop, and not after
-- cancel(): on.shown(runs), as often as it takes, and on.stepped(steps, done) when a step has been told, first with 0; on.failed(message).
function M.start(config, request, on)
  local job = { on = on }
  if closing then
    return job
  end
  jobs[job] = true
  job.bundle = enter(config, function(problem)
    -- Later in any case, so that the caller has the job before it hears of it.
    vim.schedule(function()
      if job.cancelled or problem then
        finish(job)
        if not job.cancelled then
          on.failed(problem)
        end
        return
      end
      begin(job, config, request)
    end)
  end)
  return job
end

function M.cancel(job)
  if job.cancelled or not jobs[job] then
    return
  end
  job.cancelled = true
  if job.session and job.busy then
    -- The session lives: it is released by the callback of the step in progress, which comes later on this thread.
    libraries[job.library].diffulm_session_cancel(ffi.cast('diffulm_session *', ffi.cast('uintptr_t', job.session)))
  end
end

-- Calls back with what `open` replies (handles, for a look at their description), or an error. For the health check.
function M.inspect(config, callback)
  local user = {}
  if not config.model then
    submit('find', { library = config.library }, callback)
    return
  end
  user.bundle = enter(config, function(problem)
    vim.schedule(function()
      callback(problem and { failed = true, message = problem } or user.bundle.handles)
      leave(user)
    end)
  end)
end

-- Before Neovim ends: every step is told to stop, and what they use is freed once they have. A worker that does not come back in
-- time (it opens a large model) keeps its handles; they end with the process.
function M.shutdown(milliseconds)
  closing = true
  for job in pairs(jobs) do
    M.cancel(job)
  end
  retire()
  return vim.wait(milliseconds, function()
    return pending == 0 and next(jobs) == nil
  end, 2)
end

-- What is alive, and how many steps were broken off: for tests.
function M.counts()
  local n = { jobs = 0, pending = pending, sessions = sessions, models = models, stopped = broken_off }
  for _ in pairs(jobs) do
    n.jobs = n.jobs + 1
  end
  return n
end

return M
