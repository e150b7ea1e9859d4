"""The diffulm program as a user meets it: test_cli.py PROGRAM MODEL_FOLDER"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, MODEL = sys.argv[1], sys.argv[2]


def run(*arguments, text=""):
    return subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, text=True, timeout=120)


class Program(unittest.TestCase):
    def ok(self, *arguments, text=""):
        done = run(*arguments, text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_help_lists_every_command_and_every_command_has_help(self):
        text = self.ok("--help")
        for command in ("generate", "infill", "evaluate", "finetune", "recipe", "tokenize", "detokenize", "inspect"):
            self.assertIn(command, text)
            self.assertIn("--help", self.ok(command, "--help"))

    def test_wrong_command_lines_exit_with_2_and_say_why(self):
        for arguments, why in ((["generat"], "unknown command"), (["generate"], "expected MODEL"),
                               (["generate", MODEL, "x", "--stepps", "3"], "nearest is --steps"),
                               (["generate", MODEL, "x", "--steps", "many"], "whole number"),
                               (["generate", MODEL, "x", "--steps", "0"], "expected 1 to"),
                               (["generate", MODEL, "x", "--policy", "nonsense"], "nonsense"),
                               (["infill", MODEL, "no gap"], "no gap"),
                               (["detokenize", MODEL, "x7"], "not a token id")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(why, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_missing_model_exits_with_1_and_names_the_folder(self):
        done = run("generate", "/nonexistent", "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent", done.stderr)

    def test_generate_reads_argument_standard_input_and_file_alike(self):
        prompt = "Write 42 in English words."
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(prompt + "\n")
            file.flush()
            answers = {self.ok("generate", MODEL, prompt), self.ok("generate", MODEL, text=prompt + "\n"),
                       self.ok("generate", MODEL, "--file", file.name)}
        self.assertEqual(len(answers), 1)

    def test_generate_json_tells_every_change_of_every_step(self):
        answer = json.loads(self.ok("generate", MODEL, "Write 42 in English words.", "--json", "--steps", "4"))
        self.assertEqual(len(answer["steps"]), 4)
        revealed = {c["position"] for step in answer["steps"] for c in step if c["kind"] == "revealed"}
        self.assertGreaterEqual(len(revealed), len(answer["tokens"]))
        self.assertEqual(answer["text"] + "\n", self.ok("generate", MODEL, "Write 42 in English words.", "--steps", "4"))

    def test_length_sets_the_number_of_tokens(self):
        answer = json.loads(self.ok("generate", MODEL, "Say 7 in English.", "--json", "--length", "5"))
        self.assertLessEqual(len(answer["tokens"]), 5)

    def test_same_seed_same_answer_other_thread_count_too(self):
        arguments = ["generate", MODEL, "Translate into German: The dog sleeps.", "--temperature", "1", "--seed", "3"]
        self.assertEqual(self.ok(*arguments, "--threads", "1"), self.ok(*arguments, "--threads", "2"))

    def test_bfloat16_answers_or_names_what_the_cpu_lacks(self):
        result = run("generate", MODEL, "Say 7 in English.", "--bfloat16")
        if result.returncode == 0:
            self.assertEqual(result.stdout, self.ok("generate", MODEL, "Say 7 in English."))
        else:
            self.assertIn("AVX512_BF16", result.stderr)

    def test_deterministic_answers_and_is_refused_in_bfloat16_with_onednn(self):
        arguments = ["generate", MODEL, "Say 7 in English.", "--deterministic"]
        self.assertEqual(self.ok(*arguments), self.ok(*arguments[:-1]))
        both = run(*arguments, "--bfloat16")
        if both.returncode or "oneDNN" in self.ok("inspect", MODEL):
            self.assertRegex(both.stderr, "deterministic computing in bfloat16|AVX512_BF16")

    def test_packed_weights_answer_the_same_and_are_refused_with_deterministic(self):
        arguments = ["generate", MODEL, "Say 7 in English.", "--pack-weights"]
        self.assertEqual(self.ok(*arguments), self.ok(*arguments[:-1]))
        both = run(*arguments, "--deterministic")
        if both.returncode or "oneDNN" in self.ok("inspect", MODEL):
            self.assertIn("packed weights in float32 are not deterministic", both.stderr)

    def test_int8_computed_or_stored_answers_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            small = os.path.join(folder, "small")
            self.assertRegex(self.ok("quantize", MODEL, small), r"small: 1\.2 MB of weights in int8")
            prompt = "Translate into German: The old man sees a small dog."
            answer = self.ok("generate", MODEL, prompt)
            self.assertEqual(answer, self.ok("generate", MODEL, prompt, "--int8"))
            self.assertEqual(answer, self.ok("generate", small, prompt))
            self.assertIn("int8", self.ok("inspect", small))
            exact, computed, stored = (json.loads(self.ok("generate", *given, "--json"))["score"]
                                       for given in ((MODEL, prompt), (MODEL, prompt, "--int8"), (small, prompt)))
            self.assertNotEqual(exact, computed)  # the words would be the same without 8 bits, too
            self.assertAlmostEqual(computed, stored, places=6)
            self.assertIn("another folder", run("quantize", MODEL, MODEL).stderr)
            self.assertIn("exclude each other", run("generate", small, prompt, "--int8", "--bfloat16").stderr)

    def test_source_refresh_changes_scores_after_the_first_step_and_needs_full_attention(self):
        arguments = ["generate", MODEL, "Write 4721 in German words.", "--json", "--steps", "6", "--length", "9"]
        exact, kept = (json.loads(self.ok(*arguments, "--source-refresh", n))["steps"] for n in ("1", "6"))
        self.assertEqual(exact[0], kept[0])
        self.assertNotEqual(exact, kept)
        self.assertEqual(exact, json.loads(self.ok(*arguments))["steps"])
        self.assertIn("full attention", run(*arguments, "--source-refresh", "2", "--attention", "prefix_lm").stderr)
        self.assertIn("--source-refresh must be", run(*arguments, "--source-refresh", "-1").stderr)

    def test_infill_keeps_what_is_given(self):
        text = self.ok("infill", MODEL, "Translate into German: The dog sleeps.\nDer [[1]] schläft.", "--steps", "3")
        self.assertRegex(text, r"\ATranslate into German: The dog sleeps\.\nDer \S+ schläft\.\n\Z")

    def test_trace_is_one_page_without_outside_links_and_with_text_escaped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.html")
            self.ok("generate", MODEL, "Say </script><b>7</b> in English.", "--length", "3", "--trace", path)
            with open(path, encoding="utf-8") as file:
                page = file.read()
        self.assertNotIn("http", page)
        self.assertEqual(page.count("</script>"), 1)
        self.assertIn("range", page)

    def test_evaluate_prints_the_metrics_asked_for_with_intervals(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                for n, word in ((7, "seven"), (42, "forty-two"), (7, "wrong"), (9, "nine")):
                    file.write(json.dumps({"task": "say", "source": f"Write {n} in English words.", "target": word}) + "\n")
            command = ["evaluate", MODEL, path, "--oracle", "--steps", "4", "--metrics", "exact,chrf", "--confidence", "50"]
            item = json.loads(self.ok(*command, "--json"))[0]
            self.assertIn("chrF", self.ok(*command))
            wrong = run("evaluate", MODEL, path, "--metrics", "exact,meteor")
        self.assertEqual((item["task"], item["rows"], item["steps"]), ("say", 4, 4))
        self.assertEqual(item["exact_match"], 75)
        low, high = item["exact_match_interval"]
        self.assertTrue(0 <= low < 75 < high <= 100)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("meteor", wrong.stderr)

    def test_report_names_the_file_and_line_that_is_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("metrics.jsonl", run("report", folder).stderr)
            with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
                file.write('{"stage": "a", "step": 1, "cross_entropy": 2}\n{"stage": "a"}\n')
            done = run("report", folder, "--output", os.path.join(folder, "page.html"))
            self.assertEqual(done.returncode, 1)
            self.assertIn("metrics.jsonl:2: step", done.stderr)
            self.assertFalse(os.path.exists(os.path.join(folder, "page.html")))

    def test_pruned_model_answers_as_before(self):
        prompt = "Write 42 in English words."
        with tempfile.TemporaryDirectory() as folder:
            texts, small = os.path.join(folder, "texts.txt"), os.path.join(folder, "small")
            with open(texts, "w", encoding="utf-8") as file:
                file.write(prompt + "\n" + json.dumps({"source": prompt, "target": "forty-two"}) + "\n")
            self.assertIn("ids kept", self.ok("prune", MODEL, small, texts))
            self.assertEqual(self.ok("generate", small, prompt, "--length", "3"), "forty-two\n")
            self.assertLess(len(json.load(open(os.path.join(small, "kept_ids.json")))), 300)
            self.assertIn("expected MODEL", run("prune", MODEL, small).stderr)

    def test_score_of_every_row_adds_up_to_the_summary(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                for n, word in ((7, "seven"), (42, "forty-two"), (7, "eight")):
                    file.write(json.dumps({"source": f"Write {n} in English words.", "target": word}) + "\n")
            rows = [json.loads(line) for line in self.ok("score", MODEL, path, "--json").splitlines()]
            summary = self.ok("score", MODEL, path)
            pseudo = self.ok("score", MODEL, path, "--pseudo")
        self.assertEqual([r["row"] for r in rows], [1, 2, 3])
        nats = -sum(r["log_probability"] for r in rows) / sum(r["tokens"] for r in rows)
        self.assertIn(f"at most {nats:.4f} nats a token", summary)
        self.assertGreater(rows[0]["log_probability"], rows[2]["log_probability"])
        self.assertIn("pseudo-perplexity", pseudo)

    def test_tokens_turn_back_into_their_text(self):
        text = "The old man sees 17 dogs."
        tokens = json.loads(self.ok("tokenize", MODEL, text, "--json", "--no-special"))
        self.assertEqual(tokens[0]["begin"], 0)
        self.assertEqual(tokens[-1]["end"], len(text.encode()))
        ids = [str(t["id"]) for t in tokens]
        self.assertEqual(self.ok("detokenize", MODEL, *ids), text + "\n")
        self.assertEqual(self.ok("detokenize", MODEL, text=" ".join(ids)), text + "\n")

    def test_invalid_utf8_is_refused_with_its_byte(self):
        done = subprocess.run([PROGRAM, "tokenize", MODEL], input=b"ab\xff", capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"2", done.stderr)

    def test_inspect_tells_family_and_tensors(self):
        model = json.loads(self.ok("inspect", MODEL, "--json", "--tensors"))
        self.assertEqual(model["family"], "modernbert")
        self.assertTrue(model["length_head"])
        self.assertEqual(sum(a * b for a, b in model["tensors"].values()), model["parameters"])

    def recipe(self, folder, **changes):
        with open(os.path.join(folder, "data.jsonl"), "w", encoding="utf-8") as file:
            for source, target in (("Say yes.", "yes"), ("Say no.", "no")):
                file.write(json.dumps({"task": "say", "source": source, "target": target}) + "\n")
        lines = {"model": os.path.abspath(MODEL), "data": "data.jsonl", "output": "out", "threads": "1",
                 "stages": "[{name: d, objective: diffusion, steps: 3, tokens: 32, lr: 1e-4}, {name: l, objective: length, steps: 2, tokens: 32}]"}
        lines.update(changes)
        path = os.path.join(folder, "recipe.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{k}: {v}\n" for k, v in lines.items() if v is not None)
        return path

    def test_finetune_leaves_a_model_that_answers_and_can_be_scored(self):
        with tempfile.TemporaryDirectory() as folder:
            self.ok("finetune", self.recipe(folder))
            out = os.path.join(folder, "out")
            self.ok("generate", out, "Say yes.")
            with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as file:
                self.assertEqual([json.loads(line)["step"] for line in file], [3, 2])
            scores = json.loads(self.ok("evaluate", out, os.path.join(folder, "data.jsonl"), "--steps", "1", "--json"))
            self.assertEqual(scores[0]["rows"], 2)

    def test_finetune_in_bfloat16_trains_or_names_the_line(self):
        with tempfile.TemporaryDirectory() as folder:
            losses = []
            for changes in ({}, {"precision": "bfloat16"}):
                result = run("finetune", self.recipe(folder, output="out" + changes.get("precision", ""), **changes))
                if result.returncode:
                    self.assertRegex(result.stderr, r"recipe.yaml:6:12: .*AVX512_BF16")
                    return
                with open(os.path.join(folder, "out" + changes.get("precision", ""), "metrics.jsonl"), encoding="utf-8") as file:
                    losses.append(json.loads(file.readline())["cross_entropy"])
            self.assertNotEqual(losses[0], losses[1])
            self.assertLess(abs(losses[0] - losses[1]), 0.05)

    def test_finetune_deterministic_writes_the_same_weights_with_any_threads(self):
        with tempfile.TemporaryDirectory() as folder:
            weights = []
            for threads in ("1", "2"):
                self.ok("finetune", self.recipe(folder, output="out" + threads, threads=threads, deterministic="true"))
                with open(os.path.join(folder, "out" + threads, "model.safetensors"), "rb") as file:
                    weights.append(file.read())
            self.assertEqual(*weights)
            both = run("finetune", self.recipe(folder, output="both", precision="bfloat16", deterministic="true"))
            if both.returncode or "oneDNN" in self.ok("inspect", MODEL):
                self.assertRegex(both.stderr, r"recipe.yaml:6:12: .*(deterministic|AVX512_BF16)")

    def test_wrong_recipes_name_file_line_and_column(self):
        for changes, why in (({"sead": "1"}, "recipe.yaml:6:1: sead: expected a known key; nearest is seed"),
                             ({"zzzzzzzzzz": "1"}, "recipe.yaml:6:1: zzzzzzzzzz: expected one of model"),
                             ({"stages": "[{steps: 1, stpes: 2}]"}, "stpes: expected a known key; nearest is steps"),
                             ({"stages": "[{steps: 1, lr: 1, lr: 2}]"}, "lr: expected each key once"),
                             ({"stages": "[{steps: 1, save_adapter: maybe}]"}, "save_adapter: expected false|true"),
                             ({"stages": "[]"}, "expected stages"), ({"stages": "many"}, "stages: expected a list"),
                             ({"model": None}, "expected model or architecture"),
                             ({"seed": "x"}, "seed: expected a whole number"),
                             ({"data": None}, "expected data"),
                             ({"stages": "[{steps: 1, weight: heavy}]"}, "weight: expected linear|constant|mdlm"),
                             ({"output": "[1"}, "recipe.yaml:")):
            with tempfile.TemporaryDirectory() as folder:
                done = run("finetune", self.recipe(folder, **changes))
                self.assertEqual(done.returncode, 2, changes)
                self.assertIn(why, done.stderr)

    def test_lora_stage_leaves_an_adapter_that_answers_on_the_model_it_started_from(self):
        stage = ("[{name: l, objective: diffusion, steps: 4, tokens: 32, lr: 1e-2, lora_rank: 2, lora_targets: all-linear,"
                 " save_adapter: true, checkpoint_activations: true, validate_every: 2}]")
        with tempfile.TemporaryDirectory() as folder:
            self.ok("finetune", self.recipe(folder, stages=stage, validation="data.jsonl", dtype="float32"))
            out, adapter = os.path.join(folder, "out"), os.path.join(folder, "out", "adapter")
            with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual([line["step"] for line in lines if "validation_cross_entropy" in line], [2, 4])
            with open(os.path.join(out, "samples.jsonl"), encoding="utf-8") as file:
                samples = [json.loads(line) for line in file]
            self.assertEqual([(s["step"], s["reference"], len(s["frames"])) for s in samples],
                             [(2, "yes", 11), (2, "no", 11), (4, "yes", 11), (4, "no", 11)])
            self.ok("report", out, "--output", os.path.join(folder, "report.html"))
            prompt = ["Say yes.", "--length", "2", "--steps", "2", "--json"]
            merged = json.loads(self.ok("generate", out, *prompt))
            attached = json.loads(self.ok("generate", MODEL, *prompt, "--adapter", adapter))
            self.assertEqual(merged["tokens"], attached["tokens"])
            self.assertAlmostEqual(merged["score"], attached["score"], places=3)
            self.assertIn("adapter_config.json", run("generate", MODEL, *prompt, "--adapter", out).stderr)

    def test_damaged_data_names_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = self.recipe(folder)
            with open(os.path.join(folder, "data.jsonl"), "a", encoding="utf-8") as file:
                file.write('{"source": 3}\n')
            done = run("finetune", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn("data.jsonl:3:", done.stderr)

    def forms(self, folder):
        """The two rows of recipe() in every form, as what `data` is set to."""
        rows = (("Say yes.", "yes"), ("Say no.", "no"))
        lines = {"tsv": [f"{s}\t{t}" for s, t in rows],
                 "instruction.jsonl": [json.dumps({"instruction": s, "input": "", "output": t}) for s, t in rows],
                 "en": [s for s, _ in rows], "de": [t for _, t in rows]}
        for name, text in lines.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("\n".join(text) + "\n")
        with gzip.open(os.path.join(folder, "packed"), "wt", encoding="utf-8") as file:
            file.write("\n".join(lines["tsv"]))
        return "tsv", "instruction.jsonl", "en,de", "packed"

    def test_every_form_of_data_trains_the_same_model(self):
        with tempfile.TemporaryDirectory() as folder:
            models = []
            for data in ("data.jsonl", *self.forms(folder)):
                self.ok("finetune", self.recipe(folder, data=data, stages="[{objective: diffusion, steps: 2, tokens: 16}]"))
                with open(os.path.join(folder, "out", "model.safetensors"), "rb") as file:
                    models.append(file.read())
            self.assertEqual([model == models[0] for model in models], [True] * 5)

    def test_evaluate_reads_every_form_and_keeps_tasks_of_jsonl(self):
        with tempfile.TemporaryDirectory() as folder:
            self.recipe(folder)
            for data in ("data.jsonl", *self.forms(folder)):
                scores = json.loads(self.ok("evaluate", MODEL, os.path.join(folder, data), "--steps", "1", "--json"))
                self.assertEqual([(s["task"], s["rows"]) for s in scores], [("say" if data == "data.jsonl" else "", 2)])

    def test_parallel_files_of_different_lengths_are_refused_with_both_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            self.forms(folder)
            with open(os.path.join(folder, "de"), "a", encoding="utf-8") as file:
                file.write("vielleicht\n")
            done = run("evaluate", MODEL, os.path.join(folder, "en,de"))
            self.assertEqual(done.returncode, 1)
            self.assertIn("en has 2 lines", done.stderr)
            self.assertIn("de has 3", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
