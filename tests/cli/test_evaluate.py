"""`diffulm evaluate` as a user meets it: test_evaluate.py PROGRAM MODEL_FOLDER"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM, MODEL = sys.argv[1], sys.argv[2]
SVG = "{http://www.w3.org/2000/svg}"
COSINE = "reparam-uncond-deterministic-cosine"

ROWS = [("say", "Write 7 in English words.", "seven"), ("say", "Write 42 in English words.", "forty-two"),
        ("say", "Write 9 in English words.", "wrong"),
        ("de", "Translate into German: The dog sleeps.", "Der Hund schläft."),
        ("de", "Translate into German: The old man sees a small dog.", "Der alte Mann sieht einen kleinen Hund.")]
CHOICES = [{"task": "say", "source": "Write 7 in English words.", "choices": ["eight", "seven", "nine"], "answer": "seven"},
           {"task": "say", "source": "Write 42 in English words.", "choices": ["forty-two", "seven"], "answer": 0},
           {"task": "de", "source": "Translate into German: The dog sleeps.",
            "choices": ["Die Katze schläft.", "Der Hund singt.", "Der Hund schläft."], "answer": 2},
           {"task": "de", "source": "Translate into German: The cat sleeps.",
            "choices": ["Die Katze schläft.", "Der Hund schläft."], "answer": 1}]


def without_time(items):
    return [{k: v for k, v in item.items() if k not in ("seconds", "tokens_per_second")} for item in items]


class Evaluate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.rows = self.write("rows.jsonl", [{"task": t, "source": s, "target": a} for t, s, a in ROWS])
        self.choices = self.write("choices.jsonl", CHOICES)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, objects):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(o) + "\n" for o in objects)
        return self.path(name)

    def run_it(self, *arguments):
        return subprocess.run([PROGRAM, "evaluate", MODEL, *arguments], capture_output=True, text=True, timeout=120)

    def ok(self, *arguments):
        done = self.run_it(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, "--json"))

    def lines(self, *arguments):
        self.ok(*arguments, "--predictions", self.path("predictions.jsonl"))
        with open(self.path("predictions.jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_each_combination_has_the_figures_of_a_run_of_its_own_draws_included(self):
        drawn = ["--temperature", "2", "--mbr", "2"]
        together = self.json(self.rows, "--steps", "1,3", "--policy", f"{COSINE},cmlm", "--length-beam", "1,2", *drawn)
        alone = []
        for policy in (COSINE, "cmlm"):
            for beam in ("1", "2"):
                for steps in ("1", "3"):
                    alone += self.json(self.rows, "--steps", steps, "--policy", policy, "--length-beam", beam, *drawn)
        self.assertEqual(len(together), 8 * 3)
        self.assertEqual(without_time(together), without_time(alone))

    def test_json_has_an_object_for_each_combination_and_task_and_for_their_mean(self):
        items = self.json(self.rows, "--steps", "1,4", "--metrics", "exact,chrf", "--confidence", "50", "--seeds", "2")
        self.assertEqual([(i["task"], i["rows"], i["steps"]) for i in items],
                         [(t, n, k) for k in (1, 4) for t, n in (("say", 3), ("de", 2), (None, 5))])
        keys = {"task", "rows", "rows_left_out", "seeds", "policy", "length_beam", "steps", "seconds", "tokens_per_second",
                "exact_match", "exact_match_deviation", "exact_match_interval", "chrf", "chrf_deviation", "chrf_interval"}
        for item in items:
            self.assertEqual(set(item), keys)
            self.assertGreater(item["seconds"], 0)
            self.assertGreater(item["tokens_per_second"], 0)
        say, de, mean = items[3:]
        self.assertAlmostEqual(mean["exact_match"], (say["exact_match"] + de["exact_match"]) / 2, places=3)
        self.assertAlmostEqual(say["exact_match"], 200 / 3, places=3)
        low, high = mean["exact_match_interval"]
        self.assertTrue(50 <= low < mean["exact_match"] < high <= 100)

    def test_table_has_a_line_for_each_combination_and_task_and_its_time_on_the_last(self):
        lines = self.ok(self.rows, "--steps", "1,4", "--policy", f"{COSINE},ar").splitlines()
        self.assertEqual(lines[0].split(), "policy beam steps task rows exact BLEU seconds tokens/s".split())
        self.assertEqual(len(lines), 1 + 4 * 3 + 1)
        self.assertEqual([line.split()[:4] for line in lines[1:4]],
                         [[COSINE, "1", "1", "say"], [COSINE, "1", "1", "de"], [COSINE, "1", "1", "mean"]])
        self.assertEqual(len(lines[3].split()) - len("of tasks".split()), len(lines[1].split()) + 2)
        self.assertIn("BLEU: nrefs:1", lines[-1])

    def test_every_task_of_many_has_its_own_figures(self):
        rows = [{"task": f"task {n}", "source": ROWS[0][1], "target": "seven"} for n in range(80)]
        items = self.json(self.write("many.jsonl", rows), "--steps", "1", "--oracle")
        self.assertEqual([(i["task"], i["rows"]) for i in items], [(f"task {n}", 1) for n in range(80)] + [(None, 80)])

    def test_predictions_say_which_combination_they_belong_to(self):
        lines = self.lines(self.rows, "--steps", "1,2", "--policy", f"{COSINE},ar", "--length-beam", "1,2", "--seeds", "2",
                           "--seed", "5")
        found = {(p["row"], p["policy"], p["length_beam"], p["steps"], p["seed"]) for p in lines}
        self.assertEqual(len(lines), len(found))
        self.assertEqual(found, {(r, p, b, k, s) for r in range(1, 6) for p in (COSINE, "ar") for b in (1, 2)
                                 for k in (1, 2) for s in (5, 6)})
        self.assertEqual({(p["row"], p["target"]) for p in lines}, {(n + 1, row[2]) for n, row in enumerate(ROWS)})

    def test_seeds_give_mean_and_deviation_of_their_runs(self):
        drawn = [self.rows, "--steps", "2", "--temperature", "4", "--metrics", "chrf"]
        runs = [self.json(*drawn, "--seed", s)[0]["chrf"] for s in ("3", "4", "5")]
        item = self.json(*drawn, "--seed", "3", "--seeds", "3")[0]
        mean = sum(runs) / 3
        self.assertGreater(len(set(runs)), 1)
        self.assertAlmostEqual(item["chrf"], mean, places=3)
        self.assertAlmostEqual(item["chrf_deviation"], (sum((r - mean) ** 2 for r in runs) / 2) ** 0.5, places=3)

    def test_selection_by_score_keeps_the_answer_with_the_best_score_of_generate(self):
        for line in self.lines(self.rows, "--steps", "4", "--length-beam", "3"):
            prompt = ROWS[line["row"] - 1][1]
            done = subprocess.run([PROGRAM, "generate", MODEL, prompt, "--steps", "4", "--length-beam", "3"],
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(line["text"] + "\n", done.stdout)

    def test_selection_by_mbr_keeps_the_answer_most_like_the_others_of_generate(self):
        texts = []
        for line in self.lines(self.rows, "--steps", "4", "--length-beam", "4", "--select", "mbr"):
            prompt = ROWS[line["row"] - 1][1]
            done = subprocess.run([PROGRAM, "generate", MODEL, prompt, "--steps", "4", "--length-beam", "4", "--mbr"],
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(line["text"] + "\n", done.stdout)
            texts.append(line["text"])
        self.assertNotEqual(texts, [p["text"] for p in self.lines(self.rows, "--steps", "4", "--length-beam", "4")])

    def tokens(self, text):
        done = subprocess.run([PROGRAM, "tokenize", MODEL, "--json", "--no-special", text], capture_output=True, text=True)
        return len(json.loads(done.stdout))

    def test_fixed_length_masks_so_many_tokens_for_every_row(self):
        for line in self.lines(self.rows, "--steps", "4", "--length", "2"):
            self.assertLessEqual(self.tokens(line["text"]), 2)

    def test_trim_ends_the_answer_at_the_eos_that_the_model_places(self):
        # "forty-two" and its eos fill the canvas: what the model saw in training.
        row = self.write("row.jsonl", [{"source": ROWS[1][1], "target": "forty-two"}])
        n = self.tokens("forty-two")
        self.assertEqual(self.lines(row, "--steps", "4", "--trim", str(n + 1))[0]["text"], "forty-two")
        # Of 24 masks the second becomes an eos, those behind it words of all kinds.
        row = self.write("row.jsonl", [{"source": "Please say in English words: 141", "target": "one"}])
        self.assertEqual(self.lines(row, "--steps", "1", "--trim", "24")[0]["text"], "one")
        self.assertGreater(self.tokens(self.lines(row, "--steps", "1", "--length", "24")[0]["text"]), 12)

    def test_equal_rows_draw_apart_wherever_they_stand(self):
        rows = self.write("equal.jsonl", [{"source": ROWS[4][1], "target": ROWS[4][2]}] * 65)
        texts = [p["text"] for p in self.lines(rows, "--steps", "1", "--temperature", "4", "--oracle")]
        self.assertEqual(len(set(texts)), 65)

    def test_rows_answered_alone_get_the_answers_that_they_get_together(self):
        drawn = ["--steps", "3", "--temperature", "1", "--oracle", "--mbr", "2"]
        self.assertEqual(self.lines(self.rows, *drawn), self.lines(self.rows, *drawn, "--batch", "1"))

    def test_candidates_of_a_length_draw_as_hypotheses_of_their_own(self):
        """Hypothesis i of row r with n candidates draws as row r * n + i does with one."""
        drawn = ["--steps", "1", "--temperature", "4", "--oracle", "--seeds", "8"]
        row = {"source": ROWS[4][1], "target": ROWS[4][2]}
        single = {(p["seed"], p["row"]): p["text"] for p in self.lines(self.write("four.jsonl", [row] * 4), *drawn)}
        kept = {p["seed"]: p["text"] for p in self.lines(self.write("two.jsonl", [row] * 2), *drawn, "--mbr", "2") if p["row"] == 2}
        self.assertEqual({s: text in (single[s, 3], single[s, 4]) for s, text in kept.items()}, {s: True for s in range(8)})
        self.assertEqual({text == single[s, 3] for s, text in kept.items()}, {True, False})

    def test_lengths_cut_to_what_fits_are_tried_as_often_as_they_occur_or_once(self):
        with open(os.path.join(MODEL, "config.json"), encoding="utf-8") as file:
            room = json.load(file)["max_position_embeddings"] - 3
        words = room - 2 - 2  # bos and newline; two tokens are left for the answer
        source = "dog" + " dog" * (words - 1)
        self.assertEqual(self.tokens(source), words)
        row = self.write("long.jsonl", [{"source": source, "target": "dog"}])
        drawn = [row, "--steps", "1", "--temperature", "4", "--seeds", "8"]
        one, four, unique = ([p["text"] for p in self.lines(*drawn, *more)] for more in
                             ([], ["--length-beam", "4"], ["--length-beam", "4", "--unique-lengths"]))
        self.assertNotEqual(one, four)
        self.assertEqual(one, unique)

    def test_infill_keeps_what_the_reference_has_around_its_middle_third(self):
        for line, row in zip(self.lines(self.rows, "--infill", "--steps", "1", "--temperature", "50"), ROWS):
            if self.tokens(row[2]) >= 6:
                self.assertEqual(line["text"].split()[0], row[2].split()[0])
                self.assertEqual(line["text"][-1], row[2][-1])

    def test_likelihood_chooses_the_right_answer_and_accuracy_counts_it(self):
        by_likelihood = [self.choices, "--choose", "likelihood", "--draws", "16"]
        say, de, mean = self.json(*by_likelihood)
        self.assertEqual((say["accuracy"], de["accuracy"], mean["accuracy"]), (100, 50, 75))
        self.assertEqual((say["rows"], say["draws"], mean["task"]), (2, 16, None))
        low, high = mean["accuracy_interval"]
        self.assertTrue(50 <= low < 75 <= high <= 100)
        lines = self.lines(*by_likelihood)
        self.assertEqual([p["choice"] for p in lines], ["seven", "forty-two", "Der Hund schläft.", "Die Katze schläft."])
        self.assertEqual(lines, self.lines(*by_likelihood, "--threads", "1"))
        self.assertIn("accuracy", self.ok(*by_likelihood).splitlines()[0])

    def test_likelihood_of_a_choice_is_that_of_the_row_by_token_or_whole(self):
        pairs = self.write("pairs.jsonl", [{"source": CHOICES[0]["source"], "target": "eight"}])
        done = subprocess.run([PROGRAM, "score", MODEL, pairs, "--json", "--samples", "8"], capture_output=True, text=True)
        bound = json.loads(done.stdout)
        by_likelihood = [self.choices, "--choose", "likelihood", "--draws", "8"]
        whole = self.lines(*by_likelihood, "--normalise", "none")[0]["scores"][0]
        by_token = self.lines(*by_likelihood)[0]["scores"][0]
        self.assertAlmostEqual(whole, bound["log_probability"], places=5)
        self.assertAlmostEqual(by_token, bound["log_probability"] / bound["tokens"], places=5)

    def test_generation_chooses_what_the_answer_is_most_like(self):
        near = [dict(CHOICES[2], choices=["Der Hund schlief.", "Die Katze singt.", "xyz"], answer=0),
                dict(CHOICES[0], choices=["12", "34"], answer=0)]
        lines = self.lines(self.write("near.jsonl", near), "--choose", "generation", "--steps", "4")
        self.assertEqual([p["text"] for p in lines], ["Der Hund schläft.", "seven"])
        self.assertEqual([p["choice"] for p in lines], ["Der Hund schlief.", None])
        items = self.json(self.choices, "--choose", "generation", "--steps", "4", "--confidence", "0")
        self.assertEqual([i["accuracy"] for i in items], [100, 50, 75])
        self.assertEqual([i["exact_match"] for i in items], [100, 50, 75])

    def test_choices_may_be_given_once_for_rows_with_inputs_and_targets(self):
        data = self.write("flan.jsonl", [{"inputs": ROWS[0][1], "targets": "seven"}, {"inputs": ROWS[2][1], "targets": "nine"}])
        items = self.json(data, "--choose", "likelihood", "--choices", "nine,seven", "--draws", "8")
        self.assertEqual([(i["task"], i["accuracy"]) for i in items], [("", 100)])

    def test_damaged_choices_name_their_line(self):
        good = CHOICES[0]
        for bad, why in (({"source": "x"}, "choices: expected a list"), (dict(good, choices=["one"]), "at least two"),
                         (dict(good, choices=["seven", ""]), "not empty"),
                         (dict(good, choices=["seven", "one", "seven"]), "strings that differ"), (dict(good, answer=3), "answer: expected"),
                         (dict(good, answer="ten"), "answer: expected"), (dict(good, task=1), "task: expected"),
                         ({"choices": ["a", "b"], "answer": 0}, "source: a string"), ([], "expected an object")):
            done = self.run_it(self.write("bad.jsonl", [good, bad]), "--choose", "likelihood")
            self.assertEqual(done.returncode, 1, bad)
            self.assertIn("bad.jsonl:2: ", done.stderr)
            self.assertIn(why, done.stderr)
        with open(self.path("bad.jsonl"), "w", encoding="utf-8") as file:
            file.write('\n{"source": \n')
        self.assertIn("bad.jsonl:2: column", self.run_it(self.path("bad.jsonl"), "--choose", "likelihood").stderr)

    def test_rows_too_long_for_the_model_are_counted(self):
        long = {"task": "say", "source": "dog " * 2000, "target": "x", "choices": ["x", "y"], "answer": 0}
        for name, rows, more in (("a", [{"task": "say", "source": ROWS[0][1], "target": "seven"}, long], []),
                                 ("b", [CHOICES[0], long], ["--choose", "likelihood", "--draws", "2"])):
            done = self.run_it(self.write(name, rows), "--json", *more)
            self.assertIn("1 rows are too long", done.stderr)
            self.assertEqual([(i["rows"], i["rows_left_out"]) for i in json.loads(done.stdout)][0], (1, 1))

    def test_length_without_room_names_the_row(self):
        for option in ("--length", "--trim"):
            done = self.run_it(self.rows, option, "100000")
            self.assertEqual(done.returncode, 1)
            self.assertIn("rows.jsonl: row 1: a source of", done.stderr)
        full = self.write("full.jsonl", [{"source": ROWS[0][1], "target": "x"}, {"source": "dog" + " dog" * 250, "target": "dog"}])
        done = self.run_it(full)
        self.assertEqual(done.returncode, 1)
        self.assertIn("full.jsonl: row 2: a source of 253 tokens leaves no room", done.stderr)

    def picture(self, *arguments):
        self.ok(self.rows, "--picture", self.path("a.svg"), *arguments)
        return xml.etree.ElementTree.parse(self.path("a.svg")).getroot()

    def test_picture_has_a_line_for_each_policy_and_beam_with_its_legend(self):
        svg = self.picture("--steps", "1,2,4", "--policy", f"{COSINE},cmlm", "--length-beam", "1,2", "--confidence", "20")
        lines = svg.findall(SVG + "polyline")
        self.assertEqual(len(lines), 4)
        self.assertEqual(len({line.get("stroke") for line in lines}), 4)
        for line in lines:
            points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
            self.assertEqual(len(points), 3)
            self.assertEqual(sorted(points), points)
            self.assertTrue(all(48 <= y <= 348 for _, y in points))
        self.assertEqual(len(svg.findall(SVG + "polygon")), 4)
        texts = [t.text for t in svg.findall(SVG + "text")]
        for text in ("1", "2", "4", "exact, %", "denoising steps (logarithmic)", f"{COSINE}, length beam 1", "cmlm, length beam 2",
                     "rows.jsonl: 5 rows, mean of 2 tasks; shaded: 95 % interval"):
            self.assertIn(text, texts)

    def test_picture_of_equal_values_and_a_single_step_has_an_axis(self):
        data = self.write("a&b<c.jsonl", [{"source": ROWS[0][1], "target": t} for t in ("seven", "seven")])
        for target in (data, self.write("none.jsonl", [{"source": ROWS[0][1], "target": "xyz"}])):
            self.ok(target, "--picture", self.path("b.svg"), "--steps", "2", "--oracle")
            svg = xml.etree.ElementTree.parse(self.path("b.svg")).getroot()
            (x, y), = [map(float, p.split(",")) for p in svg.find(SVG + "polyline").get("points").split()]
            self.assertTrue(64 <= x <= 700 and 48 <= y <= 348)
            self.assertIn(os.path.basename(target), svg.find(SVG + "text").text)

    def test_wrong_options_exit_with_2_and_say_what_is_expected(self):
        for arguments, why in ((["--steps", "1,,4"], "--steps is 1,,4, expected numbers"), (["--steps", "0"], "from 1 to"),
                               (["--steps", "4,1,4"], "--steps has 4 twice"), (["--length-beam", "x"], "--length-beam is x"),
                               (["--policy", "cmlm,nonsense"], "nonsense"), (["--seeds", "0"], "--seeds"),
                               (["--mbr", "0"], "--mbr"), (["--batch", "-1"], "--batch is -1"), (["--select", "best"], "--select is best, expected score or mbr"),
                               (["--select", "mbr"], "needs several candidates"), (["--metrics", ""], "--metrics is wrong"),
                               (["--metrics", "accuracy"], "needs --choose"), (["--confidence", "-1"], "--confidence"),
                               (["--oracle", "--infill"], "expected one of --oracle"), (["--length", "0"], "--length is 0"),
                               (["--trim", "-3"], "--trim is -3"), (["--trim", "3", "--oracle"], "expected one of"),
                               (["--oracle", "--length-beam", "3"], "--length-beam"), (["--draws", "4"], "--choose likelihood"),
                               (["--choose", "guess"], "none, likelihood or generation"), (["--choices", "a,b"], "needs --choose"),
                               (["--choices", "a,", "--choose", "likelihood"], "at least two texts"),
                               (["--choose", "likelihood", "--draws", "3"], "and even"),
                               (["--choose", "likelihood", "--steps", "3"], "takes no --steps"),
                               (["--choose", "likelihood", "--batch", "1"], "takes no --batch"),
                               (["--choose", "likelihood", "--metrics", "bleu"], "accuracy alone"),
                               (["--choose", "likelihood", "--normalise", "words"], "tokens or none"),
                               (["--picture", "x.svg", "--length-beam", ",".join(map(str, range(1, 23)))], "at most 21")):
            done = self.run_it(self.rows, *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(why, done.stderr)
            self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
