"""examples/dask_answers.py: the answers of two worker processes are those of a plain loop."""
import json
import os
import pathlib
import re
import subprocess
import sys

import diffulm
import pytest

pytest.importorskip("distributed")
EXAMPLES = os.environ.get("DIFFULM_EXAMPLES", os.path.join(os.path.dirname(__file__), "..", "..", "..", "examples"))
PROMPTS = [f"Write {n} in English words." for n in range(11, 99, 3)] + ["Translate into English: Der Hund schläft im Garten."]


def test_two_workers_give_the_answers_of_a_loop(model, tokenizer, length_head, folder, tmp_path):
    prompts = [*PROMPTS[:7], "too long " * 2000, *PROMPTS[7:]]
    expected = []
    for prompt in prompts:
        session = diffulm.Session(model, diffulm.Sampler(steps=10), tokenizer)
        try:
            session.add_text(prompt, length_head=length_head)
        except diffulm.Error as error:
            expected.append({"error": str(error)})
            continue
        session.run()
        expected.append({"answer": session.text()})
    lines = [{"id": i, "source": prompt} for i, prompt in enumerate(prompts)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = subprocess.run([sys.executable, str(pathlib.Path(EXAMPLES, "dask_answers.py").resolve()), folder, "prompts.jsonl", "answers.jsonl",
                           "--workers", "2", "--threads", "1", "--rows", "4"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert found == [{**line, **answer} for line, answer in zip(lines, expected)]
    assert [i for i, line in enumerate(found) if "error" in line] == [7]
    progress = re.findall(r"^(\d+) answered, (\d+) under way, 2 workers$", done.stderr, re.M)
    assert len(progress) == -(-len(prompts) // 4) and progress[-1] == (str(len(prompts)), "0")
