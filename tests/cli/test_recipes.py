"""Wrong recipes and damaged data: each message names the file, the line, the key and what was expected instead."""
import gzip
import json
import os
import shutil
import sys
import tempfile
import unittest

from recipes import MODEL, PROGRAM, measures_memory, run, write, write_architecture, write_pairs, write_recipe

# recipe() writes architecture, tokenizer, data, output, threads, log_every, stages: one line each; others follow.
WRONG = (
    ({"dta": "x"}, "recipe.yaml:8:1: dta: expected a known key; nearest is data"),
    ({"data": "[]"}, "recipe.yaml:3:7: data: expected a path, or a list of data sets"),
    ({"data": "{path: data.jsonl}"}, "recipe.yaml:3:7: data: expected a path, or a list of data sets"),
    ({"data": "[data.jsonl]"}, "recipe.yaml:3:8: entry of a list: expected keys and values"),
    ({"data": "[{weight: 1}]"}, "recipe.yaml:3:8: path: expected the file of this data set"),
    ({"data": "[{path: data.jsonl, wieght: 1}]"}, "recipe.yaml:3:27: wieght: expected a known key; nearest is weight"),
    ({"data": "[{path: data.jsonl, weight: -1}]"}, "recipe.yaml:3:35: weight: expected a number from 0 to 1e+12"),
    ({"data": "[{path: data.jsonl, weight: 0}]"}, "recipe.yaml:3:7: weight: expected one above 0"),
    ({"data": "[{path: data.jsonl, weight: 1}, {path: data.jsonl}]"},
     "recipe.yaml:3:39: weight: expected one in every data set of the list, or in none"),
    ({"data": "[{path: data.jsonl, path: data.jsonl}]"}, "recipe.yaml:3:27: path: expected each key once"),
    ({"data": "[{path: data.jsonl, form: jsonl}]"},
     "recipe.yaml:3:33: form: expected auto|pair|instruction|text|chat|tsv|parallel"),
    ({"data": "[{path: data.jsonl, on_damage: ignore}]"}, "recipe.yaml:3:38: on_damage: expected fatal|skip"),
    ({"data": "[{path: data.jsonl, few_shot: 65}]"}, "recipe.yaml:3:37: few_shot: expected a whole number from 0 to 64"),
    ({"data": "\n  - path: data.jsonl\n    few_shot: [1]"}, "recipe.yaml:5:15: few_shot: expected one value"),
    ({"validation": "[{path: data.jsonl, weight: 1}]"},
     "recipe.yaml:8:14: weight: expected none: validation reads every record once"),
    ({"order": "random"}, "recipe.yaml:8:8: order: expected shuffled|file"),
    ({"too_long": "keep"}, "recipe.yaml:8:11: too_long: expected skip|cut"),
    ({"max_length": "2"}, "recipe.yaml:8:13: max_length: expected a whole number from 3 to"),
    ({"stages": "[{objective: diffusion}]"}, "recipe.yaml:7:10: steps: expected a number of updates"),
    ({"stages": "[{steps: 1, objective: causal}]"}, "recipe.yaml: expected attention: causal (for objective: causal)"),
    ({"stages": "[{steps: 1, lr: fast}]"}, "recipe.yaml:7:25: lr: expected a number from"),
    ({"seed": "1.5"}, "recipe.yaml:8:7: seed: expected a whole number"),
    ({"seed": "[1"}, "recipe.yaml:9:1: "),
)
# What only opening the files tells: the place in the recipe, then the library's message.
DAMAGED = (
    ({"data": "nowhere.jsonl"}, "recipe.yaml:3:7: ", "nowhere.jsonl: "),
    ({"data": "[{path: data.jsonl, few_shot: 3}]"}, "recipe.yaml:3:8: ", "few_shot is 3, expected less than 3 records"),
    ({"data": "[{path: data.jsonl, source_column: a}]"}, "recipe.yaml:3:8: ", "expected source_column and target_column, or neither"),
    ({"data": "[{path: data.jsonl, few_shot: 1, few_shot_template: '{sorce}'}]"}, "recipe.yaml:3:8: ",
     "few_shot_template: byte 0: unknown placeholder {sorce}; expected {source}"),
    ({"data": "[{path: data.jsonl, form: chat}]"}, "data.jsonl:1: ", "expected"),
    ({"data": "[{path: data.jsonl}, {path: wrong.jsonl}]"}, "recipe.yaml:3:28: ", "wrong.jsonl:2: "),
    ({"data": "[{path: utf8.jsonl}]"}, "recipe.yaml:3:8: ", "utf8.jsonl:2: "),
    ({"data": "empty.jsonl"}, "recipe.yaml:3:7: ", "empty.jsonl: no records"),
    ({"data": "[{path: columns.tsv, source_column: question, target_column: answer}]"}, "recipe.yaml:3:8: ", "columns.tsv:1: "),
    ({"data": "[{path: large.gz, gzip_buffer: 100}]"}, "recipe.yaml:3:8: ", "read in file order"),
    ({"data": "data.jsonl,short"}, "recipe.yaml:3:7: ", "has 1, expected as many"),
    ({"validation": "wrong.jsonl"}, "recipe.yaml:8:13: ", "wrong.jsonl:2: "),
    ({"tokenizer": "nowhere"}, "recipe.yaml:2:12: ", "nowhere"),
    ({"architecture": "nowhere.json"}, "recipe.yaml:1:15: ", "nowhere.json"),
    ({"architecture": "data.jsonl"}, "recipe.yaml:1:15: ", "config"),
)


class Recipes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        write_pairs(self.folder, "data.jsonl", [("Say yes.", "yes"), ("Say no.", "no"), ("Say it.", "it")])
        write(self.folder, "wrong.jsonl", '{"source": "a", "target": "b"}\n{"source": 3}\n')
        with open(os.path.join(self.folder, "utf8.jsonl"), "wb") as file:
            file.write(b'{"source": "a", "target": "b"}\n{"source": "a\xff", "target": "b"}\n')
        write(self.folder, "empty.jsonl", "")
        write(self.folder, "short", "one line\n")
        write(self.folder, "columns.tsv", "prompt\tanswer\na\tb\n")
        with gzip.open(os.path.join(self.folder, "large.gz"), "wt", encoding="utf-8") as file:
            file.write('{"source": "a", "target": "b"}\n' * 100)

    def check(self, *arguments, **changes):
        return run("recipe", "check", write_recipe(self.folder, **changes), *arguments)

    def test_wrong_recipe_names_line_column_key_and_what_was_expected(self):
        for changes, why in WRONG:
            for command in (("recipe", "check"), ("finetune",)):
                with self.subTest(changes=changes, command=command):
                    done = run(*command, write_recipe(self.folder, **changes))
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(why, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "out")))

    def test_damaged_files_are_named_after_their_place_in_the_recipe(self):
        for changes, place, why in DAMAGED:
            with self.subTest(changes=changes):
                done = self.check("--no-time", **changes)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertIn(place, done.stderr)
                self.assertIn(why, done.stderr)

    def test_stage_that_cannot_be_made_is_named_by_its_place(self):
        for stage, arguments, why in (
                ("[{steps: 1}, {steps: 1, lora_rank: 2, lora_targets: quary}]", ["--no-time"], "recipe.yaml:7:22: LoRA: no linear map"),
                ("[{steps: 1}, {steps: 1, lora_rank: 2, lora_targets: 'query,quary'}]", ["--no-time"], "recipe.yaml:7:22: LoRA: no linear map")):
            done = self.check(*arguments, stages=stage)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(why, done.stderr)

    def test_check_tells_rows_updates_tokens_epochs_and_memory_of_every_stage(self):
        write_pairs(self.folder, "data.jsonl", [("Say yes.", "yes")] * 10)  # [bos] 3 + 1 [newline] 2 [eos]
        row = len(json.loads(run("tokenize", MODEL, "Say yes.", "--no-special", "--json").stdout)) + \
            len(json.loads(run("tokenize", MODEL, "yes", "--no-special", "--json").stdout)) + 3
        done = self.check("--no-time", stages="[{name: a, steps: 100, tokens: %d}, {objective: length, steps: 7, tokens: 1}]" % (3 * row))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("data: 10 records in 1 data set, 0 rows of validation", done.stdout)
        self.assertIn(f"rows: {row}.0 tokens on average, at most {row} (of the first 2000); 0 longer than 64 left out", done.stdout)
        self.assertIn(f"stage 1, a: 100 updates of {3 * row} tokens in 3.0 rows; 300 rows, {300 * row} tokens in all", done.stdout)
        self.assertIn("epochs: 30.00 of ", done.stdout)
        self.assertIn(f"stage 2, length: 7 updates of {row} tokens in 1.0 rows; 7 rows, {7 * row} tokens in all", done.stdout)
        self.assertEqual(done.stdout.count("memory: "), 2)
        self.assertNotIn("time: ", done.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "out")), "a check writes nothing")

    def test_check_measures_the_time_of_every_stage(self):
        done = self.check(stages="[{steps: 3, tokens: 30}, {steps: 3, tokens: 30, lora_rank: 2}, {objective: length, steps: 3, tokens: 30}]")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("s an update, of 2 measured"), 3)
        self.assertIn("time of all stages: ", done.stdout)

    def test_epochs_follow_the_weights_and_the_rows_left_out(self):
        write_pairs(self.folder, "data.jsonl", [("a", "b"), ("long " * 20, "b")] * 5)
        write_pairs(self.folder, "other.jsonl", [("a", "b")] * 100)
        done = self.check("--no-time", max_length=8, stages="[{steps: 1000, tokens: 1}]",
                          data="[{path: data.jsonl, weight: 1}, {path: other.jsonl, weight: 1}]")
        found = [float(part.split()[0]) for part in done.stdout.split("epochs: ")[1].split("\n")[0].split(", ")]
        # 1,000 rows take 4/3 draws each, half of them from each data set.
        self.assertAlmostEqual(found[0], 1000 * 4 / 3 / 2 / 10, delta=4)
        self.assertAlmostEqual(found[1], 1000 * 4 / 3 / 2 / 100, delta=0.4)

    @measures_memory
    def test_memory_expected_is_what_a_run_takes(self):
        with open(write_architecture(self.folder), "r+", encoding="utf-8") as file:
            config = json.load(file)
        config.update(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024, vocab_size=40000)
        write_pairs(self.folder, "data.jsonl", [("Say " * 10, "yes " * 10)] * 10)
        for stage in ("tokens: 2000", "tokens: 4000, lora_rank: 4", "tokens: 2000, lora_rank: 4, checkpoint_activations: true", "tokens: 1000, objective: length",
                      "tokens: 2000, objective: diffusion, corruption: single"):
            recipe = write_recipe(self.folder, architecture="large.json", stages="[{steps: 2, %s}]" % stage)
            write(self.folder, "large.json", json.dumps(config))
            done = run("recipe", "check", recipe, "--no-time")
            self.assertEqual(done.returncode, 0, done.stderr)
            expected = float(done.stdout.split("memory: ")[1].split()[0])
            pid = os.posix_spawn(PROGRAM, [PROGRAM, "finetune", recipe], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
            _, status, usage = os.wait4(pid, 0)
            self.assertEqual(status, 0)
            measured = usage.ru_maxrss / 1024
            # 50 MiB: the program, its libraries, the tokenizer, oneDNN's buffers.
            self.assertLess(abs(measured - expected), 0.08 * expected + 50, (stage, measured, expected))

    def test_every_metric_that_can_be_watched_is_written_and_the_page_of_the_run_too(self):
        write_pairs(self.folder, "data.jsonl", [("Say yes.", "yes"), ("Say no.", "no")])
        for metric in ("exact", "squad", "last-number", "rouge-l", "bleu", "chrf"):
            recipe = write_recipe(self.folder, validation="data.jsonl", output=metric,
                                  stages="[{name: d, objective: diffusion, steps: 1, tokens: 24, stop_metric: %s}]" % metric)
            done = run("finetune", recipe)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(self.folder, metric, "metrics.jsonl"), encoding="utf-8") as file:
                keys = {key for line in file for key in json.loads(line) if key.startswith("validation_")}
            self.assertEqual(keys, {"validation_cross_entropy", "validation_" + metric})
            with open(os.path.join(self.folder, metric, "report.html"), encoding="utf-8") as file:
                page = file.read()
            self.assertTrue(page.startswith("<!doctype html>") and page.rstrip().endswith("</html>"), page[:40])
            self.assertTrue(done.stdout.endswith(f"{metric}/report.html\n"), done.stdout)

    def test_reference_of_recipes_is_what_the_tables_say(self):
        done = run("recipe", "keys", "--markdown")
        self.assertEqual(done.returncode, 0)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "recipes.md"), encoding="utf-8") as file:
            self.assertEqual(file.read(), done.stdout, "diffulm recipe keys --markdown > docs/recipes.md")

    def test_keys_are_those_of_finetune(self):
        listed = run("recipe", "keys").stdout
        self.assertEqual(listed, run("finetune", "--keys").stdout)
        for key in ("too_long", "few_shot_template", "lora_targets"):
            self.assertIn(key, listed)

    def test_wrong_command_lines_say_what_was_expected(self):
        for arguments in ((), ("check",), ("keys", "x"), ("look", "x")):
            done = run("recipe", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("expected check RECIPE.yaml, or keys; see diffulm recipe --help", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
