"""Sessions, samplers, threads, processes and interrupts."""
import math
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time

import diffulm
import pytest

PROMPTS = {"Write 7 in English words.": "seven", "Write 42 in English words.": "forty-two", "Write 19 in English words.": "nineteen"}


def answer(model, tokenizer, head, prompt, **values):
    session = diffulm.Session(model, diffulm.Sampler(steps=10), tokenizer, **values)
    session.add_text(prompt, length_head=head)
    session.run()
    return session.text()


def test_answers_of_the_shipped_model(model, tokenizer, length_head):
    for prompt, expected in PROMPTS.items():
        assert answer(model, tokenizer, length_head, prompt) == expected


def test_the_answer_is_that_of_every_language(folder, tokenizer, same_answer):
    model = diffulm.Model(folder, runtime=diffulm.Runtime(backend="reference", threads=1))
    session = diffulm.Session(model, diffulm.Sampler(steps=6, sampling="categorical", temperature=4), tokenizer, seed=7)
    session.add_text(same_answer[0], length=9)
    session.run()
    assert session.tokens() == same_answer[1]


def test_iterating_steps_tells_every_change(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler(steps=4), tokenizer)
    session.add_text("Write 42 in English words.", length=4)
    before = session.tokens()
    steps = list(session)
    tokens = list(before)
    for step in steps:
        for change in step.changes:
            tokens[change.position] = change.token
    assert len(steps) == 4 and tokens == session.tokens()
    assert steps[-1].active_rows == 0 and steps[-1].steps_done == 4
    assert math.isfinite(session.row_score()) and session.row_score() <= 0


def test_infilling_keeps_what_was_given(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler(steps=4), tokenizer)
    mask = tokenizer.piece(tokenizer.special.mask)
    session.add_text(f"The {mask} sleeps.", infill=True)
    session.run()
    assert session.text(whole=True).startswith("The") and session.text(whole=True).endswith("sleeps.")


def test_edit_pin_forbid_and_snapshot(model, tokenizer, length_head):
    session = diffulm.Session(model, diffulm.Sampler(steps=3), tokenizer)
    session.add_text("Write 42 in English words.", length_head=length_head)
    state = session.snapshot()
    session.run()
    first = session.tokens()
    session.restore(state)
    session.run()
    assert session.tokens() == first
    place = next(i for i, (a, b) in enumerate(zip(session.tokens(), first)) if a == b and i > 5)
    session.forbid(0, first[place])
    session.edit(0, place, place + 1)
    session.run()
    assert session.tokens()[place] != first[place]
    session.pin(0, place, first[place])
    assert session.tokens()[place] == first[place]


def test_products_in_bfloat16_give_nearly_the_same_logits(model, folder):
    runtime = diffulm.Runtime(precision="bf16", backend="reference")
    assert "bfloat16" in str(runtime)
    half, single = (m.logits([[0, 5, 6, 2]]).tolist()[3] for m in (diffulm.Model(folder, runtime=runtime), model))
    assert half != single and half == pytest.approx(single, abs=0.05 * max(map(abs, single)))


def test_own_logits_give_the_session_s_tokens(model, tokenizer):
    """The sampler alone, on logits that the caller computes."""
    session = diffulm.Session(model, diffulm.Sampler(steps=5), tokenizer)
    session.add_text("Write 42 in English words.", length=3)
    start = session.tokens()
    mask = tokenizer.special.mask
    row = diffulm.Row(diffulm.Sampler(steps=5), start, [t == mask for t in start], mask)
    for k in range(1, 6):
        assert k > 1 or row.needs(k) == [i for i, t in enumerate(start) if t == mask]
        row.step(k, model.logits([row.tokens]))
    session.run()
    assert row.tokens == session.tokens()


def test_torch_logits_are_taken_as_they_are(model, tokenizer):
    torch = pytest.importorskip("torch")
    row = diffulm.Row(diffulm.Sampler(steps=1), [0, 5, 5, 2], [0, 1, 1, 0], tokenizer.special.mask)
    logits = torch.zeros(4, len(tokenizer))
    logits[1, 7], logits[2, 8] = 5.0, 5.0
    row.step(1, logits)
    assert row.tokens == [0, 7, 8, 2]


def test_eight_threads_share_one_model_and_agree(model, tokenizer, length_head):
    found, problems = [], []

    def work():
        try:
            for prompt, expected in PROMPTS.items():
                found.append(answer(model, tokenizer, length_head, prompt) == expected)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems and found == [True] * 24


def child(folder, queue):
    model, tokenizer = diffulm.Model(folder), diffulm.Tokenizer(folder)
    queue.put(answer(model, tokenizer, diffulm.LengthHead(model, folder), "Write 7 in English words."))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_started_by_fork_and_spawn_compute(method, folder, model, tokenizer, length_head):
    list(diffulm.Session(model, None, tokenizer))  # a computation of the parent's main thread
    answer(model, tokenizer, length_head, "Write 7 in English words.")
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(folder, queue))
    process.start()
    try:
        assert queue.get(timeout=120) == "seven"
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()


def test_a_forked_child_goes_on_with_its_parent_s_handles(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler(steps=3), tokenizer)
    session.add_text("Write 7 in English words.", length=2)
    session.step()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        list(session)
        os.write(writer, ",".join(map(str, session.tokens())).encode())
        os._exit(0)
    list(session)
    try:
        assert select.select([reader], [], [], 60)[0], "the child waits for threads that it does not have"
        assert os.read(reader, 4096).decode() == ",".join(map(str, session.tokens()))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_ctrl_c_stops_a_run_and_the_session_can_go_on(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler("cmlm", steps=4000), tokenizer)
    for _ in range(40):
        session.add_text("Write 7 in English words.", length=150)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
    try:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            session.run()
    finally:
        signal.signal(signal.SIGINT, before)
    report, more = session.step()
    assert more and report.steps_done >= 1


def test_cancel_from_another_thread(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler("cmlm", steps=4000), tokenizer)
    for _ in range(40):
        session.add_text("Write 7 in English words.", length=150)
    threading.Timer(0.2, session.cancel).start()
    with pytest.raises(diffulm.Cancelled):
        session.run()


def test_run_for_returns_in_the_middle(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler("cmlm", steps=4000), tokenizer)
    session.add_text("Write 7 in English words.", length=150)
    assert session.run_for(0.0) is True


def test_denoising_shows_as_text_and_as_html(model, tokenizer):
    session = diffulm.Session(model, diffulm.Sampler(steps=3), tokenizer)
    session.add_text("Write <7> in English words.", length=2)
    shown = session.watch()
    assert len(str(shown).splitlines()) >= 4
    page = shown._repr_html_()
    assert page.count("<div") == 4 and "&lt;" in page and "<7>" not in page


def test_handles_close_and_say_so(folder, tokenizer):
    with diffulm.Model(folder) as model:
        session = diffulm.Session(model, None, tokenizer)
        session.close()
    with pytest.raises(ValueError, match="Session is closed"):
        session.step()
    with pytest.raises(ValueError, match="Model is closed"):
        model.info
    model.close()


def test_wrong_options_name_the_nearest(model):
    with pytest.raises(TypeError, match="nearest is steps"):
        diffulm.Sampler("cmlm", stpes=3)
    with pytest.raises(ValueError, match="expected one of full, prefix_lm, causal, blockwise"):
        diffulm.Session(model, attention="fulll")
    with pytest.raises(diffulm.InvalidArgument, match="unknown policy"):
        diffulm.Sampler("nonsense")
    with pytest.raises(OSError, match="/nonexistent/config.json"):
        diffulm.Model("/nonexistent")


def test_works_without_numpy(folder):
    code = ("import sys; sys.modules['numpy'] = None\nimport diffulm\n"
            f"m = diffulm.Model({folder!r}); rows = m.logits([[0, 5, 2]])\n"
            "assert isinstance(rows, list) and len(rows) == 3 and len(rows[0]) == m.info.vocabulary\n"
            "row = diffulm.Row(diffulm.Sampler(steps=1), [0, 5, 2], [0, 1, 0], m.info.mask_id)\n"
            "row.step(1, [x for line in rows for x in line]); assert row.tokens[1] != m.info.mask_id\n")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_calls_release_the_interpreter_s_lock(model, tokenizer):
    """Another thread runs while a call computes: it counts far more than the calls that could have let it in between."""
    session = diffulm.Session(model, diffulm.Sampler("cmlm", steps=4000), tokenizer)
    for _ in range(40):
        session.add_text("Write 7 in English words.", length=150)
    counted = [0]
    stop = threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    while counted[0] == 0:
        time.sleep(0.001)
    before = counted[0]
    session.step()
    during = counted[0] - before
    stop.set()
    thread.join()
    assert during > 10
