-- The tests of the plugin, run by `./dev test-nvim` in a Neovim that drives others:
--   DIFFULM_PROGRAM=… DIFFULM_MODEL=… DIFFULM_WORK=FOLDER nvim --headless -u NONE -i NONE -c 'luafile tests/run.lua' [-c 'let only = …']
local HERE = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local Child = dofile(HERE .. '/child.lua')
local fixtures = dofile(HERE .. '/fixtures.lua')
local MODEL, PROGRAM = vim.env.DIFFULM_MODEL, vim.env.DIFFULM_PROGRAM
local tests, child = {}, nil

local function say(line)
  io.stdout:write(line, '\n')
  io.stdout:flush()
end

local function test(name, run)
  table.insert(tests, { name = name, run = run })
end

local function equal(got, expected, what)
  if not vim.deep_equal(got, expected) then
    error((what or 'differs') .. '\n  got      ' .. vim.inspect(got) .. '\n  expected ' .. vim.inspect(expected), 2)
  end
end

local function contains(text, part)
  if not text:find(part, 1, true) then
    error(vim.inspect(text) .. ' does not contain ' .. vim.inspect(part), 2)
  end
end

local function setup(options)
  return "require('diffulm').setup(" .. vim.inspect(vim.tbl_extend('force', { model = MODEL }, options or {})) .. ')'
end

-- What the C program prints.
local function program(command, text, options)
  local call = { PROGRAM, command, MODEL, text, '--quiet' }
  for name, value in pairs(options or {}) do
    vim.list_extend(call, { '--' .. name, tostring(value) })
  end
  local out = vim.fn.system(call)
  assert(vim.v.shell_error == 0, out)
  return (out:gsub('\n$', ''))
end

local function start(options, env)
  child = Child.new(setup(options), env)
  return child
end

local function large(options, env)
  return start(vim.tbl_extend('force', { model = fixtures.large_model(), steps = 6 }, options or {}), env)
end

test('infill gives the text of diffulm infill', function()
  local texts = {
    'Translate into German: The dog sleeps.\nDer [[1]] schläft.',
    'Der alte [[1]] sieht [[2]].',
    'Der [[]] liebt[[3]]',
    '[[2]][[1]] [[1]] schläft im <mask>.',
    'Schrödinger sagt: [[x]] und [[0]] und [[2]] — «ja».',
    'Translate into German: The old man loves the child.\n  [[2]] liebt\n[[2]]\n\nNoch eine Zeile [[ +2]].',
  }
  local settings = { {}, { steps = 3, policy = 'cmlm' }, { steps = 7, temperature = 1.5, seed = 11 }, { steps = 4, policy = 'ar' } }
  for _, options in ipairs(settings) do
    start(options)
    for _, text in ipairs(texts) do
      child:set(text)
      child:command('%DiffulmInfill')
      child:done()
      child:command('DiffulmAccept')
      equal(child:text(), program('infill', text, options), 'infill of ' .. text)
    end
    equal(child:note(), '')
    child:idle()
    equal(child:quit(), 0)
  end
end)

test('generate gives the text of diffulm generate', function()
  local options = { steps = 5 }
  start(options)
  for _, prompt in ipairs({ 'Translate into German: The old man sees a small dog.', 'Write 4721 in German words.' }) do
    for _, length in ipairs({ 0, 6 }) do
      child:set('before\n' .. prompt .. '\nbehind')
      child:command('2DiffulmGenerate' .. (length > 0 and ' ' .. length or ''))
      child:done()
      equal(child:text(), 'before\n' .. prompt .. '\nbehind')
      local answer = program('generate', prompt, length > 0 and { steps = 5, length = length } or options)
      equal(table.concat(child:virtual()), answer)
      child:command('DiffulmAccept')
      equal(child:text(), 'before\n' .. prompt .. '\n' .. answer .. '\nbehind')
      child:command('undo')
      equal(child:text(), 'before\n' .. prompt .. '\nbehind')
    end
  end
end)

test('text appears step by step as virtual text, a key accepts it, one undo takes it back', function()
  local text = 'Translate into German: The old man loves the child.\nDer [[2]] liebt [[2]].'
  start({ steps = 4 })
  child:set('first\n\n' .. text .. '\n\nlast')
  child:keys('4Gix<BS><Esc>')
  local before = child:text()
  local tick = child:lua('return vim.b.changedtick')
  child:lua("measured.drawn = {}")
  child:keys(':DiffulmInfill<CR>')
  child:done()
  equal(child:text(), before)
  equal(child:lua('return vim.b.changedtick'), tick)
  local drawn = child:lua('return measured.drawn')
  equal(drawn[1], 'opening the model')
  contains(drawn[2], '░░ liebt░░.')
  equal(#drawn, 6) -- the note, the masks, four steps
  local masks = {}
  for i = 2, #drawn do
    masks[#masks + 1] = select(2, drawn[i]:gsub('░', ''))
  end
  equal(masks[1], 4)
  equal(masks[#masks], 0)
  assert(masks[3] > 0, 'the third drawing has no masks: ' .. vim.inspect(drawn))
  local filled = program('infill', text, { steps = 4 })
  child:command('redraw!')
  local line = child:lua([[
    local cells = {}
    for column = 1, 30 do
      cells[column] = vim.fn.screenstring(vim.fn.screenpos(0, 4, 1).row, column)
    end
    return table.concat(cells)]])
  equal(vim.trim(line), filled:match('\n(.*)'))
  child:keys('<CR>')
  child:wait("require('diffulm').state() == 'none'")
  equal(child:text(), 'first\n\n' .. filled .. '\n\nlast')
  equal(child:virtual(), {})
  child:keys('u')
  child:wait('vim.b.changedtick > ' .. child:lua('return vim.b.changedtick') .. ' - 1')
  equal(child:text(), before)
  child:keys('<C-r>')
  child:wait("vim.api.nvim_buf_get_lines(0, 3, 4, true)[1]:find('%[%[') == nil")
  equal(child:text(), 'first\n\n' .. filled .. '\n\nlast')
end)

test('accepting while text is inserted is an undo step of its own', function()
  start()
  child:command("inoremap <C-g> <Cmd>DiffulmAccept<CR>")
  child:set('Der [[1]] schläft.\n')
  child:command('1DiffulmInfill')
  child:done()
  child:keys('Gitext<C-g> more<Esc>')
  child:wait("vim.api.nvim_get_current_line() == 'text more'")
  local filled = program('infill', 'Der [[1]] schläft.')
  equal(child:text(), filled .. '\ntext more')
  child:keys('u')
  child:wait("vim.api.nvim_buf_get_lines(0, 0, 1, true)[1]:find('[[1]]', 1, true)")
  equal(child:text(), 'Der [[1]] schläft.\ntext more')
end)

test('the preview of a line covers what it replaces, and tabs stay tabs', function()
  start()
  child:command('set tabstop=4')
  child:set('\tDer\t[[1]]\tschläft.\t[[1]] und ein langer Rest')
  child:command('DiffulmInfill')
  child:done()
  child:command('redraw!')
  local filled = program('infill', child:text())
  local row = child:lua([[
    local cells = {}
    for column = 1, 79 do
      cells[column] = vim.fn.screenstring(1, column)
    end
    return table.concat(cells)]])
  local expected = child:lua([[
    local text, at = ..., 0
    return (text:gsub('[^\t]*\t?', function(part)
      local tab = part:sub(-1) == '\t'
      part = tab and part:sub(1, -2) or part
      at = at + vim.fn.strdisplaywidth(part)
      local pad = tab and 4 - at % 4 or 0
      at = at + pad
      return part .. (' '):rep(pad)
    end))]], filled)
  equal(vim.trim(row), vim.trim(expected))
  child:command('DiffulmAccept')
  equal(child:text(), filled)
end)

test('keys are there while a suggestion is, and give back what they hid', function()
  start({ keys = { accept = { '<C-y>', '<CR>' } } })
  child:command("nnoremap <buffer> <silent> <CR> :let g:own = 1<CR>")
  child:command("lua vim.keymap.set('n', '<c-Y>', function() vim.g.mine = 1 end, { buffer = true })")
  child:set('Der [[1]] schläft.')
  child:command('DiffulmInfill')
  child:done()
  equal(child:lua([[return #vim.api.nvim_buf_get_keymap(0, 'n')]]), 3)
  child:keys('<Esc>')
  child:wait("require('diffulm').state() == 'none'")
  equal(child:text(), 'Der [[1]] schläft.')
  child:keys('<CR><C-y>')
  child:wait('vim.g.own == 1 and vim.g.mine == 1')
  equal(child:lua([[return #vim.api.nvim_buf_get_keymap(0, 'n')]]), 2)
end)

test('replace fills the selected characters with as many tokens as they are', function()
  start()
  local text = 'Translate into German: The dog sleeps.\nDer blaue Vogel schläft.'
  local function replaced(keys, gap, options)
    child:set(text)
    child:keys('gg' .. keys)
    child:wait("require('diffulm').state() == 'done'")
    equal(child:text(), text)
    child:keys('<Tab>')
    child:wait("require('diffulm').state() == 'none'")
    equal(child:text(), program('infill', 'Translate into German: The dog sleeps.\n' .. gap, options))
  end
  replaced('j0wvee:DiffulmReplace 1<CR>', 'Der [[1]] schläft.')
  replaced('j0wvee:DiffulmReplace 3<CR>', 'Der [[3]] schläft.')
  replaced('j0fsvt.:DiffulmReplace 1<CR>', 'Der blaue Vogel [[1]].')
  local count = #vim.fn.json_decode(vim.fn.system({ PROGRAM, 'tokenize', MODEL, 'blaue Vogel', '--json', '--no-special' }))
  assert(count > 1)
  replaced('j0wvee:DiffulmReplace<CR>', 'Der [[' .. count .. ']] schläft.')
  replaced('j0whveel:DiffulmReplace 2<CR>', 'Der [[2]] schläft.') -- with the spaces around
  child:set(text)
  child:keys('ggvj:DiffulmReplace<CR>')
  child:wait('#measured.notes > 0')
  contains(child:note(), 'select characters of one line first')
end)

test('cancelling a running step leaves the text as it was and frees the session', function()
  large()
  local text = fixtures.canvas(150)
  child:set(text)
  for _, way in ipairs({ 'key', 'command' }) do
    child:command('%DiffulmInfill')
    child:wait("select(2, require('diffulm').state()) >= 1")
    equal(child:lua("return require('diffulm').state()"), 'running')
    equal(#child:virtual() > 0, true)
    child:command('DiffulmAccept')
    contains(child:note(), 'not finished yet')
    equal(child:text(), text)
    if way == 'key' then
      child:keys('<Esc>')
    else
      child:command('DiffulmCancel')
    end
    child:wait("require('diffulm').state() == 'none'")
    equal(child:virtual(), {})
    child:idle()
    equal(child:text(), text)
    equal(child:note(), '')
    equal(child:lua([[return #vim.api.nvim_buf_get_keymap(0, 'n')]]), 0)
  end
  -- Not both: the last of a step can no longer be stopped.
  assert(child:lua("return require('diffulm.engine').counts().stopped") >= 1, 'the step went on to its end')
end)

test('editing the lines drops the suggestion, editing above moves it', function()
  start()
  local filled = program('infill', 'Der [[1]] schläft.')
  child:set('above\n\nDer [[1]] schläft.\n\nbelow')
  child:command('3DiffulmInfill')
  child:done()
  child:keys('ggOnew<Esc>Goend<Esc>')
  child:wait('vim.api.nvim_buf_line_count(0) == 7')
  child:command('DiffulmAccept')
  equal(child:text(), 'new\nabove\n\n' .. filled .. '\n\nbelow\nend')
  child:set('Der [[1]] schläft.')
  child:command('DiffulmInfill')
  child:done()
  child:keys('Ax<Esc>')
  child:wait('#measured.notes > 0')
  contains(child:note(), 'the text has changed')
  equal(child:virtual(), {})
  equal(child:text(), 'Der [[1]] schläft.x')
end)

test('deleting the buffer during a step frees what it held', function()
  large()
  for _, command in ipairs({ 'bwipeout!', 'bdelete!', 'bunload!' }) do
    child:command('new')
    child:set(fixtures.canvas(60))
    child:command('%DiffulmInfill')
    child:wait("select(2, require('diffulm').state()) >= 1")
    child:command(command)
    child:idle()
    equal(child:note(), '')
    equal(child:lua('return vim.v.errmsg'), '')
  end
end)

test('two buffers denoise at the same time, and a second suggestion in one replaces the first', function()
  large()
  child:set(fixtures.canvas(60))
  child:command('%DiffulmInfill')
  child:command('new')
  child:set(fixtures.canvas(10))
  child:command('%DiffulmInfill')
  equal(child:lua("return require('diffulm.engine').counts().jobs"), 2)
  child:wait("select(2, require('diffulm').state()) >= 1")
  child:command('%DiffulmInfill')
  child:done()
  child:command('wincmd p')
  child:done()
  child:idle()
  equal(child:note(), '')
end)

test('another model in setup closes the first when nothing uses it', function()
  large()
  child:set('Der [[2]] schläft.')
  child:command('DiffulmInfill')
  child:done()
  child:idle()
  child:lua(setup())
  child:command('DiffulmInfill')
  child:done()
  child:command('DiffulmAccept')
  equal(child:text(), program('infill', 'Der [[2]] schläft.'))
  child:idle()
  equal(child:lua("return require('diffulm.engine').counts().models"), 1)
end)

test('errors are messages', function()
  child = Child.new('')
  child:set('Der [[1]] schläft.')
  local function says(part, command)
    child:command(command or '%DiffulmInfill')
    child:wait('#measured.notes > 0')
    local note = child:note()
    contains(note, part)
    assert(not note:find('traceback') and not note:find('%.lua:%d'), note)
    equal(child:lua('return vim.v.errmsg'), '')
    equal(child:virtual(), {})
    child:idle()
  end
  says("no model is named: require('diffulm').setup")
  says('there is no suggestion in this buffer', 'DiffulmAccept')
  says('there is no suggestion in this buffer', 'DiffulmCancel')
  says('setup does not know modle; it knows keys, library, model', "lua require('diffulm').setup{ modle = '/x' }")
  says('setup: steps is "ten", expected a whole number from 1 to 100000', "lua require('diffulm').setup{ steps = 'ten' }")
  says('setup: steps is 0, expected', "lua require('diffulm').setup{ steps = 0 }")
  says('setup: keys is another table, expected', "lua require('diffulm').setup{ keys = { acept = { 'x' } } }")
  says('setup: threads is 1.5, expected', "lua require('diffulm').setup{ threads = 1.5 }")
  says('setup takes a table, not a string', "lua require('diffulm').setup('x')")
  child:lua(setup({ model = '/nowhere/model' }))
  says('/nowhere/model')
  child:lua(setup({ library = '/nowhere/libdiffulm.so' }))
  says('cannot load libdiffulm: /nowhere/libdiffulm.so: cannot open shared object file')
  child:lua(setup({ policy = 'best' }))
  says('best')
  child:lua(setup())
  for _, text in ipairs({ 'Der Hund schläft.', 'Der [[x]] schläft.', 'Der [[-1]] schläft.', 'Der [[4096]] schläft.', 'Der [[ ]] schläft.' }) do
    child:set(text)
    says('no gap in the text; [[3]] stands for three tokens')
  end
  child:set('Der [[300]] schläft.')
  says('tokens, expected 1 to 256')
  child:set(('Der alte Hund schläft. '):rep(200))
  says('at most 256', 'DiffulmGenerate')
  child:set('')
  says('there is no text here', 'DiffulmGenerate')
  child:set('Der Hund schläft.')
  says('zwei is no number of tokens, expected 1 to 4095', 'DiffulmGenerate zwei')
  says('0 is no number of tokens', 'DiffulmReplace 0')
  says('select characters of one line first', 'DiffulmReplace')
  child:set(('[[1]] a\n'):rep(513))
  child:lua(setup({ model = fixtures.wide_model() }))
  says('513 gaps, at most 512 are taken')
  child:lua(setup())
  child:set(('x\n'):rep(5000))
  says('at most 4096', '%DiffulmInfill')
  child:set('Der [[1]] schläft.')
  child:command('set nomodifiable')
  says("this buffer is not 'modifiable'")
  child:command('set modifiable')
  child:lua('vim.api.nvim_buf_set_lines(0, 0, -1, true, { "Der [[1]] schl\\xe4ft." })')
  says('UTF-8')
  child:lua(setup({ model = fixtures.headless_model() }))
  child:set('Write 42 in English words.')
  says('this model predicts no length', 'DiffulmGenerate')
  child:command('DiffulmGenerate 3')
  child:done()
end)

test('the library is found through pkg-config, and health names it', function()
  local folder = fixtures.pkg_config()
  start({}, { LD_LIBRARY_PATH = '/nowhere', PKG_CONFIG_PATH = folder, PKG_CONFIG_SYSROOT_DIR = '' })
  child:command('checkhealth diffulm')
  local report = child:text()
  contains(report, 'OK: library: ' .. fixtures.library_folder() .. '/libdiffulm.so.0.1, version 0.1.')
  contains(report, 'OK: model: ' .. MODEL)
  contains(report, 'OK: length head: found')
  child:command('enew')
  child:set('Der [[1]] schläft.')
  child:command('DiffulmInfill')
  child:done()
  equal(child:quit(), 0)
  start({}, { LD_LIBRARY_PATH = '/nowhere', PKG_CONFIG_PATH = '/nowhere' })
  child:command('checkhealth diffulm')
  contains(child:text(), 'ERROR: cannot load libdiffulm')
  equal(child:quit(), 0)
  child = Child.new('')
  child:command('checkhealth diffulm')
  contains(child:text(), 'ERROR: model: none is named')
end)

test('a line too long for the window is previewed below it', function()
  start()
  child:command('set columns=60')
  local text = ('Der Hund schläft. '):rep(8) .. 'Der [[1]] schläft.'
  child:set(text)
  child:command('DiffulmInfill')
  child:done()
  local lines = child:virtual()
  equal(#lines, 3)
  equal(table.concat(lines), program('infill', text))
  equal(vim.fn.strdisplaywidth(lines[1]), 60)
  child:keys('<Esc>')
  child:wait("require('diffulm').state() == 'none'")
  child:lua(setup({ model = fixtures.wide_model() }))
  text = ('Der schöne Hund schläft. '):rep(200) .. '[[1]] Ende.'
  child:set(text)
  child:command('DiffulmInfill')
  child:done()
  lines = child:virtual()
  assert(#lines < 12, #lines .. ' lines')
  contains(table.concat(lines), ' … ')
  contains(table.concat(lines), 'Ende.')
end)

test('no callback of ours takes 10 ms of CPU time', function()
  local many = fixtures.canvas(256)
  for _, case in ipairs({
    { 'large model', fixtures.large_model(), fixtures.canvas(100) },
    { 'many gaps', fixtures.wide_model(), many },
    { 'many gaps in one line', fixtures.wide_model(), (many:gsub('\n', ' ')) },
  }) do
    start({ model = case[2], steps = 6 })
    vim.fn.rpcrequest(child.channel, 'nvim_ui_attach', 120, 40, vim.empty_dict())
    child:set(case[3])
    child:lua('measured.restart()')
    local began = vim.loop.hrtime()
    child:command('%DiffulmInfill')
    child:done()
    local seconds = (vim.loop.hrtime() - began) / 1e9
    child:command('DiffulmAccept')
    child:idle()
    local m = child:lua('local m = measured; return { longest = m.longest, where = m.where, calls = m.calls, gap = m.gap, held = m.held, turn = m.turn }')
    say(string.format('  %s: %d callbacks in %.1f s, the longest %.2f ms (%s)', case[1], m.calls, seconds, m.longest, m.where))
    say(string.format('  turns of the loop: at most %.1f ms apart, %.1f ms without the wait for a core; %.2f ms of CPU time', m.gap, m.held, m.turn))
    assert(m.calls > 8 and not child:text():find('[[', 1, true))
    assert(m.longest < 10, 'a callback took ' .. m.longest .. ' ms: ' .. m.where)
    equal(child:quit(), 0)
  end
end)

test('Neovim can be left while the model is opened and while a step runs', function()
  local longest, left = 0, vim.fn.tempname()
  local function leave()
    -- After VimLeavePre.
    child:lua([[
      vim.api.nvim_create_autocmd('VimLeave', { callback = function()
        local c = require('diffulm.engine').counts()
        vim.fn.writefile({ c.jobs .. ' ' .. c.pending .. ' ' .. c.sessions .. ' ' .. c.models }, _G.left)
      end })
      _G.left = ...]], left)
    local began = vim.loop.hrtime()
    equal(child:quit(), 0, 'exit status')
    equal(vim.fn.readfile(left), { '0 0 0 0' }, 'jobs, calls, sessions and models left')
    longest = math.max(longest, (vim.loop.hrtime() - began) / 1e9)
  end
  for _, milliseconds in ipairs({ 0, 20, 100, 300 }) do
    large()
    child:set(fixtures.canvas(150))
    child:command('%DiffulmInfill')
    vim.wait(milliseconds)
    leave()
  end
  for _ = 1, 4 do
    large()
    child:set(fixtures.canvas(150))
    child:command('%DiffulmInfill')
    child:wait("select(2, require('diffulm').state()) >= 1")
    leave()
  end
  say(string.format('  longest way out %.2f s', longest))
end)

test("the README's lines are a configuration", function()
  child = Child.new(fixtures.readme_block(vim.env.DIFFULM_README, 'lua'))
  child:set('Translate into German: The dog sleeps.\nDer [[1]] schläft.')
  child:command('DiffulmInfill')
  child:done()
  child:command('help DiffulmInfill')
  equal(child:lua('return vim.bo.filetype'), 'help')
end)

local failed = 0
for _, each in ipairs(tests) do
  if not vim.g.only or each.name:find(vim.g.only, 1, true) then
    local ok, problem = xpcall(each.run, function(message)
      return debug.traceback(message, 2)
    end)
    if ok and child and child.code == nil then
      ok, problem = pcall(equal, child:quit(), 0, 'exit status')
    end
    say((ok and 'ok      ' or 'FAILED  ') .. each.name .. (ok and '' or '\n' .. tostring(problem)))
    failed = failed + (ok and 0 or 1)
    if child and child.code == nil then
      vim.fn.jobstop(child.channel)
    end
    child = nil
  end
end
say(failed == 0 and 'all passed' or failed .. ' failed')
vim.cmd(failed == 0 and 'qa!' or 'cquit!')
