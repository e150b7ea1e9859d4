"""The programs behind docs/results.md, each in miniature: two updates of the real encoder on a few rows, scored on fewer. What they print and
write is looked at, not how good it is.

  test_results.py PROGRAM DATA [Results.test_…]"""
import contextlib
import gzip
import io
import json
import os
import sys
import tempfile
import unittest

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks", "results")
sys.path.insert(0, RESULTS)

import against_causal  # noqa: E402
import antibodies  # noqa: E402
import choices  # noqa: E402
import multi30k  # noqa: E402
import reasoning  # noqa: E402
import tasks  # noqa: E402

PAIRS, TESTED = 60, 6


def head(source, target, count):
    opener = gzip.open if source.endswith(".gz") else open
    with opener(source, "rt", encoding="utf-8") as file, opener(target, "wt", encoding="utf-8") as out:
        for _, line in zip(range(count), file):
            out.write(line)


class Results(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.folder.name, "data")
        mt, small = os.path.join(DATA, "mt", "multi30k"), os.path.join(cls.data, "mt", "multi30k")
        os.makedirs(os.path.join(small, "task2"))
        for split, count in (("train", PAIRS), ("val", TESTED), ("test_2016_flickr", TESTED)):
            for side in ("de", "en"):
                head(f"{mt}/{split}.{side}", f"{small}/{split}.{side}", count)
        for n in range(1, 6):
            for side in ("de", "en"):
                head(f"{mt}/task2/train.{n}.{side}.gz", f"{small}/task2/train.{n}.{side}.gz", TESTED)
        for name in ("models", "instruct-train"):
            os.symlink(os.path.abspath(os.path.join(DATA, name)), os.path.join(cls.data, name))
        cls.work = os.path.join(cls.folder.name, "work")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_program(self, module, *options, work="work"):
        """(what it prints, its results)"""
        out = os.path.join(self.folder.name, "out.json")
        printed = io.StringIO()
        sys.argv = [module.__file__, PROGRAM, self.data, "--work", os.path.join(self.folder.name, work), "--out", out, *options]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            module.main()
        with open(out, encoding="utf-8") as file:
            return printed.getvalue(), json.load(file)["results"]

    def test_multi30k_trains_scores_and_draws(self):
        multi30k.STEPS = (1, 2)
        picture = os.path.join(self.folder.name, "picture.svg")
        printed, results = self.run_program(multi30k, "--updates", "2", "--rows", str(TESTED), "--runs", "2,5", "--figure", picture)
        self.assertIn("| diffusion from our masked LM |", printed)
        self.assertIn("| causal from nothing |", printed)
        self.assertEqual([sorted(r["bleu"]) for r in results], [["1", "2"], ["64"]])  # 64: the longest answer
        with open(picture, encoding="utf-8") as file:
            self.assertIn("polyline", file.read())

    def test_against_causal_distils_and_predicts_lengths_in_both_directions(self):
        against_causal.STEPS = against_causal.WAITED = {"causal": [], "diffusion": ["--steps", "1,2"], "length": ["--steps", "1"]}
        for direction in ("de-en", "en-de"):
            printed, results = self.run_program(against_causal, "--updates", "2", "--direction", direction, work=direction)
            self.assertEqual([r["run"] for r in results], list(against_causal.RUNS))
            self.assertIn("| diffusion, distilled, lengths predicted |  | 1, best of 5 |", printed)
            self.assertTrue(all(set(r["ms_alone"]) == set(r["bleu"]) for r in results))
            with open(os.path.join(self.folder.name, direction, "test.jsonl"), encoding="utf-8") as file:
                self.assertEqual(json.loads(file.readline())["task"], direction)

    def test_choices_has_a_row_for_each_run(self):
        choices.STEPS = (1, 2)
        printed, results = self.run_program(choices, "--updates", "2", "--runs", "single, constant;prefix_lm attention;3 layers;1/16 of the pairs")
        self.assertEqual(len(results), 4)
        self.assertIn("| prefix_lm attention | ", printed)

    def test_tasks_scores_unseen_wordings_and_tasks(self):
        tasks.TESTED = 1
        printed, results = self.run_program(tasks, "--updates", "2", "--counts", "0,1", work="tasks")
        self.assertEqual([sorted(r["accuracy"]) for r in results], [sorted(tasks.TESTS)] * 2)
        self.assertIn("| the most frequent answer | ", printed)

    def test_reasoning_scores_by_policy_steps_and_canvas(self):
        reasoning.TEST, reasoning.STEPS = TESTED, (1, 2)
        printed, results = self.run_program(reasoning, "--updates", "2", work="reasoning")
        self.assertEqual([r["taught"] for r in results], ["steps", "result"])
        self.assertIn("| policy | K = 1 | K = 2 | 48 masks |", printed)

    def test_antibodies_recover_masked_residues(self):
        antibodies.SEEDS, antibodies.STEPS, antibodies.RATES = (1, 2), (1, 2), (0.5,)
        out, picture = (os.path.join(self.folder.name, name) for name in ("antibodies.json", "antibodies.svg"))
        sys.argv = [antibodies.__file__, PROGRAM, os.path.join(DATA, "models"), out, picture]
        with contextlib.redirect_stdout(io.StringIO()):
            antibodies.main()
        with open(out, encoding="utf-8") as file:
            rows = json.load(file)["rows"]
        self.assertEqual(len(rows), 2 * 2 * 2)  # chains, tokens, steps
        self.assertTrue(all(30 < r["mean"] < 100 for r in rows if not r["temperature"]))


if __name__ == "__main__":
    PROGRAM, DATA = sys.argv[1:3]
    if not os.path.isdir(DATA):
        print(f"skipped: {DATA} is absent")
        sys.exit(0)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
