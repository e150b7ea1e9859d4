"""The autoregressive baseline from recipe to answer: test_causal.py PROGRAM MODEL_FOLDER"""
import json
import os
import tempfile
import unittest

from recipes import metrics, run, write_pairs, write_recipe

PAIRS = [("one", "1 2 3 4"), ("two", "5 6"), ("three", "7 8 9")]


class Causal(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.data = write_pairs(self.folder.name, "data.jsonl", PAIRS)

    def out(self, name=""):
        return os.path.join(self.folder.name, "out", name)

    def train(self, steps, **changes):
        stage = "[{name: next, objective: causal, steps: %d, tokens: 30, lr: 1e-2, stop_metric: exact, validate_every: 40}]" % steps
        done = run("finetune", write_recipe(self.folder.name, attention="causal", validation="data.jsonl", stages=stage, **changes))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_model_trained_to_predict_the_next_token_answers_until_eos(self):
        self.train(120)
        for source, target in PAIRS:
            done = run("generate", self.out(), source, "--causal")
            self.assertEqual(done.stdout.strip(), target, done.stderr)
        done = run("evaluate", self.out(), self.data, "--causal", "--trim", "20", "--metrics", "exact", "--json")
        self.assertEqual([item["exact_match"] for item in json.loads(done.stdout)], [100.0])
        self.assertEqual([m["validation_exact"] for m in metrics(self.folder.name) if "validation_exact" in m][-1], 100.0)
        with open(self.out("samples.jsonl"), encoding="utf-8") as file:
            last = [json.loads(line) for line in file][-1]
        self.assertEqual(last["text"].strip(), last["reference"])
        # One token a frame, none taken back.
        masks = [sum(kind == "mask" for _, kind, _ in frame) for frame in last["frames"]]
        self.assertEqual(masks, list(range(masks[0], masks[0] - len(masks), -1)))

    def test_causal_answers_need_a_limit_and_take_no_steps(self):
        self.train(1)
        for arguments in ((), ("--trim", "9", "--steps", "3")):
            done = run("evaluate", self.out(), self.data, "--causal", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("expected --trim N", done.stderr)
        done = run("generate", self.out(), "one " * 80, "--causal")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the prompt has", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[__file__])
