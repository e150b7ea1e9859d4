-- What runs in libuv's threads: every call of libdiffulm but diffulm_session_cancel. Each of these threads has a Lua state of its
-- own, and the steps of one session come to any of them, so nothing is kept here from call to call: handles travel as addresses,
-- and what is to be remembered of a canvas as its plan.
local ffi = require('diffulm.ffi')
local gaps = require('diffulm.gaps')
local wire = require('diffulm.wire')

local M = {}

-- So many runs are told at a time: the main loop takes them in well under a millisecond.
local PART = 64

-- Twice as many take the main loop about 10 ms to draw in one line, or to accept.
local MOST_GAPS = 512

-- Before 1.0 a minor version may break the ABI, so it is part of the library's name.
local ABI = '0.1'
local SONAME = 'libdiffulm.so.' .. ABI

local function fail(message, ...)
  error({ message = string.format(message, ...) }, 0)
end

-- ffi.load by its name, else where pkg-config has it: a library in /usr/local is there before ldconfig has seen it.
local function find_library(asked)
  local name = asked or SONAME
  local found, library = pcall(ffi.load, name)
  local problem = library
  if not found and not asked then
    local pipe = io.popen('pkg-config --variable=libdir diffulm 2>/dev/null')
    local folder = pipe and pipe:read('*l')
    if pipe then
      pipe:close()
    end
    if folder and folder ~= '' then
      name = folder .. '/' .. SONAME
      found, library = pcall(ffi.load, name)
    end
  end
  if not found then
    fail('cannot load libdiffulm: %s; install it, or name the file in setup{ library = … }', tostring(problem))
  end
  local versioned, version = pcall(function()
    return ffi.string(library.diffulm_version())
  end)
  if not versioned then
    fail('%s is not libdiffulm', name)
  end
  if version:match('^%d+%.%d+') ~= ABI then
    fail('%s is version %s, the plugin needs %s', name, version, ABI)
  end
  return name, library, version
end

local function check(lib, status)
  if status < 0 then
    error({ message = ffi.string(lib.diffulm_error_message()), cancelled = status == lib.DIFFULM_E_CANCELLED }, 0)
  end
  return status
end

local function address(pointer)
  return tonumber(ffi.cast('uintptr_t', pointer))
end

local function handle(kind, number)
  return ffi.cast(kind .. ' *', ffi.cast('uintptr_t', number or 0))
end

local function sized(kind)
  local struct = ffi.new('struct ' .. kind)
  struct.struct_size = ffi.sizeof(struct)
  return struct
end

local function close_handles(lib, handles)
  lib.diffulm_length_head_unref(handle('diffulm_length_head', handles.head))
  lib.diffulm_model_unref(handle('diffulm_model', handles.model))
  lib.diffulm_tokenizer_unref(handle('diffulm_tokenizer', handles.tokenizer))
  lib.diffulm_runtime_unref(handle('diffulm_runtime', handles.runtime))
end

-- Opens into `out` what it can, so that the caller can close that much when it fails.
local function open_handles(lib, r, out)
  local runtime, tokenizer = ffi.new('diffulm_runtime *[1]'), ffi.new('diffulm_tokenizer *[1]')
  local model, head = ffi.new('diffulm_model *[1]'), ffi.new('diffulm_length_head *[1]')
  local runtime_options, model_options = sized('diffulm_runtime_options'), sized('diffulm_model_options')
  runtime_options.threads = r.threads
  check(lib, lib.diffulm_runtime_create(runtime_options, runtime))
  out.runtime = address(runtime[0])
  check(lib, lib.diffulm_tokenizer_open(r.model, nil, tokenizer))
  out.tokenizer = address(tokenizer[0])
  model_options.runtime = runtime[0]
  check(lib, lib.diffulm_model_open(r.model, model_options, model))
  out.model = address(model[0])
  if lib.diffulm_length_head_open(model[0], r.model, head) == lib.DIFFULM_OK then
    out.head = address(head[0])
  else
    out.head_problem = ffi.string(lib.diffulm_error_message())
  end
end

local function describe(lib, out)
  local text, ids, info = ffi.new('char[128]'), sized('diffulm_special_ids'), sized('diffulm_model_info')
  local tokenizer = handle('diffulm_tokenizer', out.tokenizer)
  lib.diffulm_runtime_describe(handle('diffulm_runtime', out.runtime), text, 128)
  check(lib, lib.diffulm_tokenizer_special_ids(tokenizer, ids))
  check(lib, lib.diffulm_model_get_info(handle('diffulm_model', out.model), info))
  out.described = ffi.string(text)
  out.family = ffi.string(info.family)
  out.parameters = tonumber(info.parameters)
  out.longest = tonumber(info.longest_row)
  out.bos, out.eos, out.mask_id = ids.bos, ids.eos, ids.mask >= 0 and ids.mask or info.mask_id
  out.newline = lib.diffulm_tokenizer_id(tokenizer, '\n', 1)
  if ids.mask >= 0 then
    out.mask = ffi.string(lib.diffulm_tokenizer_piece(tokenizer, ids.mask, nil))
  end
end

local function encode(lib, tokenizer, text)
  local options, encoding = sized('diffulm_encode_options'), sized('diffulm_encoding')
  options.no_special = 1
  check(lib, lib.diffulm_tokenizer_encode(tokenizer, text, #text, nil, 0, options, encoding))
  return tonumber(encoding.count)
end

local function decode(lib, tokenizer, tokens, count)
  local length = ffi.new('size_t[1]')
  local capacity = 16 * count + 64
  while true do
    local buffer = ffi.new('char[?]', capacity)
    if check(lib, lib.diffulm_tokenizer_decode(tokenizer, tokens, count, 1, buffer, capacity, length)) == lib.DIFFULM_OK then
      return ffi.string(buffer, length[0])
    end
    capacity = tonumber(length[0]) + 1
  end
end

-- What tokens [from, to) add to the text of those of their line before them: decoders strip what begins a text.
local function added_text(lib, tokenizer, tokens, line, from, to)
  local before = decode(lib, tokenizer, tokens + line, from - line)
  local all = decode(lib, tokenizer, tokens + line, to - line)
  if all:sub(1, #before) == before then
    return all:sub(#before + 1)
  end
  return decode(lib, tokenizer, tokens + from, to - from)
end

local function canvas_tokens(lib, session)
  local length = ffi.new('size_t[1]')
  check(lib, lib.diffulm_session_tokens(session, 0, nil, 0, length))
  local tokens = ffi.new('int32_t[?]', length[0])
  check(lib, lib.diffulm_session_tokens(session, 0, tokens, length[0], length))
  return tokens, tonumber(length[0])
end

-- A run of generated tokens as it is seen: texts, and numbers of tokens still masked.
local function chunks_of(lib, plan, tokens, run)
  local tokenizer, chunks, at = handle('diffulm_tokenizer', plan.tokenizer), {}, run.begins
  while at < run.ends do
    local masked, first = tokens[at] == plan.mask_id, at
    while at < run.ends and (tokens[at] == plan.mask_id) == masked do
      at = at + 1
    end
    chunks[#chunks + 1] = masked and at - first or added_text(lib, tokenizer, tokens, run.line, first, at)
  end
  return chunks
end

-- How the runs `wanted` (indexes) look: the first of them, and as `rest` what `look` is to be asked for the others. places: with what
-- they replace; done: with their text.
local function part(lib, plan, tokens, wanted, places, done)
  local runs, rest = {}, {}
  for n, index in ipairs(wanted) do
    if n > PART then
      rest[#rest + 1] = index
    else
      local run = plan.runs[index]
      local text = done and added_text(lib, handle('diffulm_tokenizer', plan.tokenizer), tokens, run.line, run.begins, run.ends)
      runs[n] = {
        index = index, text = text or nil, chunks = done and { text } or chunks_of(lib, plan, tokens, run),
        from = places and run.from or nil, to = places and run.to or nil }
    end
  end
  return { runs = runs, rest = #rest > 0 and wire.encode({ wanted = rest, places = places, done = done }) or nil }
end

-- The runs of mask tokens, each with the bytes of the text that it replaces. Tokens of a gap stand together, and gaps between which
-- the tokenizer sees nothing are one run: what stands between them goes with them.
local function gap_runs(r, tokens, length, units)
  local runs, line, unit = {}, r.bos >= 0 and 1 or 0, 1
  local at, ends = line, r.eos >= 0 and length - 1 or length
  while at < ends do
    local first = at
    while at < ends and tokens[at] == r.mask_id do
      at = at + 1
    end
    if at > first then
      local last = units[unit + at - first - 1]
      if not last then
        fail('the tokenizer finds more mask tokens than the text has')
      end
      runs[#runs + 1] = { begins = first, ends = at, line = line, from = units[unit].from, to = last.to }
      unit = unit + at - first
    else
      line = tokens[at] == r.newline and at + 1 or line
      at = at + 1
    end
  end
  if #runs > MOST_GAPS then
    fail('%d gaps, at most %d are taken', #runs, MOST_GAPS)
  elseif unit <= #units then
    fail('the tokenizer finds fewer mask tokens than the text has')
  end
  return runs
end

local function answer_run(lib, r, length)
  local prompt = encode(lib, handle('diffulm_tokenizer', r.tokenizer), r.text)
  local begins = prompt + (r.bos >= 0 and 1 or 0) + (r.newline >= 0 and #r.text > 0 and 1 or 0)
  return { begins = begins, ends = r.eos >= 0 and length - 1 or length, line = begins, from = #r.text, to = #r.text }
end

local function create_session(lib, r)
  local sampler, session = ffi.new('diffulm_sampler *[1]'), ffi.new('diffulm_session *[1]')
  local sampling, options = sized('diffulm_sampler_options'), sized('diffulm_session_options')
  sampling.steps, sampling.temperature = r.steps, r.temperature
  sampling.sampling = r.temperature > 0 and lib.DIFFULM_SAMPLING_CATEGORICAL or 0
  options.mask_id, options.newline_id, options.stop_id, options.seed = r.mask_id, r.newline, -1, r.seed
  check(lib, lib.diffulm_sampler_create(r.policy, sampling, sampler))
  local status = lib.diffulm_session_create(handle('diffulm_model', r.model), sampler[0], options, session)
  lib.diffulm_sampler_unref(sampler[0])
  check(lib, status)
  return session[0]
end

-- The text to infill, as tokens are made of it.
local function gapped(lib, r)
  local selection = r.selection
  if not r.mask then
    fail('%s: the tokenizer has no mask token', r.folder)
  end
  if selection and not selection.count then
    selection.count = math.max(1, encode(lib, handle('diffulm_tokenizer', r.tokenizer), r.text:sub(selection.from + 1, selection.to)))
  end
  local text, units = gaps.expand(r.text, r.mask, selection)
  if #units == 0 then
    fail('no gap in the text; [[3]] stands for three tokens')
  end
  return text, units
end

local function add_canvas(lib, r, session)
  local options, row, units = sized('diffulm_text_options'), ffi.new('size_t[1]'), nil
  local text = r.text
  if r.kind == 'generate' then
    if not r.count and not r.head then
      fail('this model predicts no length (%s); give one: :DiffulmGenerate N', r.head_problem or 'it has no length head')
    end
    options.length, options.length_head = r.count or 0, handle('diffulm_length_head', r.head)
  else
    text, units = gapped(lib, r)
    options.infill = 1
  end
  check(lib, lib.diffulm_session_add_text(session, handle('diffulm_tokenizer', r.tokenizer), text, #text, options, row))
  local tokens, length = canvas_tokens(lib, session)
  local runs = units and gap_runs(r, tokens, length, units) or { answer_run(lib, r, length) }
  local plan = { library = r.library, tokenizer = r.tokenizer, mask_id = r.mask_id, session = address(session), runs = runs }
  local all = {}
  for i = 1, #runs do
    all[i] = i
  end
  local out = part(lib, plan, tokens, all, true, false)
  out.session, out.plan = plan.session, wire.encode(plan)
  return out
end

local operations = {}

function operations.open(r)
  local name, lib, version = find_library(r.library)
  local out = { library = name, version = version, folder = r.model }
  local ok, problem = pcall(function()
    open_handles(lib, r, out)
    describe(lib, out)
  end)
  if not ok then
    close_handles(lib, out)
    error(problem, 0)
  end
  return out
end

function operations.close(r)
  close_handles(ffi.load(r.library), r)
  return {}
end

function operations.find(r)
  local name, _, version = find_library(r.library)
  return { library = name, version = version }
end

function operations.begin(r)
  local lib = ffi.load(r.library)
  local session = create_session(lib, r)
  local ok, out = pcall(add_canvas, lib, r, session)
  if not ok then
    lib.diffulm_session_destroy(session)
    error(out, 0)
  end
  return out
end

-- One denoising step, and how the runs look that it changed; after the last, the text of all.
function operations.step(plan)
  local lib = ffi.load(plan.library)
  local session, report = handle('diffulm_session', plan.session), sized('diffulm_step_report')
  local done = check(lib, lib.diffulm_session_step(session, report)) == lib.DIFFULM_DONE
  local changed, wanted = {}, {}
  for i = 0, tonumber(report.change_count) - 1 do
    changed[tonumber(report.changes[i].position)] = true
  end
  local steps = tonumber(report.steps_done)
  for i, run in ipairs(plan.runs) do
    local touched = done
    for at = run.begins, run.ends - 1 do
      touched = touched or changed[at] or false
    end
    if touched then
      wanted[#wanted + 1] = i
    end
  end
  local out = part(lib, plan, (canvas_tokens(lib, session)), wanted, false, done)
  out.done, out.steps = done, steps
  return out
end

function operations.look(r)
  local plan, rest = wire.decode(r.plan), wire.decode(r.rest)
  local lib = ffi.load(plan.library)
  local tokens = canvas_tokens(lib, handle('diffulm_session', plan.session))
  return part(lib, plan, tokens, rest.wanted, rest.places, rest.done)
end

function operations.release(plan)
  ffi.load(plan.library).diffulm_session_destroy(handle('diffulm_session', plan.session))
  return {}
end

-- Request and reply as wire.lua writes them; a failure is a reply too.
function M.run(operation, request)
  local ok, reply = pcall(function()
    return operations[operation](wire.decode(request))
  end)
  if not ok then
    reply = type(reply) == 'table' and reply or { message = 'in a worker: ' .. tostring(reply) }
    reply.failed = true
  end
  return wire.encode(reply)
end

return M
