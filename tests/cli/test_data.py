"""The data of a recipe: mixtures, few-shot examples, too long rows, and rows that are read as they are needed."""
import json
import os
import resource
import shutil
import sys
import tempfile
import unittest

from recipes import MODEL, digest, measures_memory, metrics, run, write, write_pairs, write_recipe

PAIRS = [(f"Spell {k}.", "yes no " * (k % 3 + 1)) for k in range(7)]


class Data(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        write_pairs(self.folder, "data.jsonl", PAIRS)

    def train(self, *arguments, **changes):
        if "--resume" not in arguments:
            shutil.rmtree(os.path.join(self.folder, "out"), ignore_errors=True)
        done = run("finetune", write_recipe(self.folder, **changes), *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, code, *arguments, **changes):
        done = run("finetune", write_recipe(self.folder, **changes), *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr

    def test_list_of_one_data_set_trains_the_model_of_its_path(self):
        self.train()
        alone = digest(self.folder)
        self.train(data="[{path: data.jsonl}]")
        self.assertEqual(digest(self.folder), alone)

    def test_weights_decide_which_data_set_a_row_comes_from(self):
        write_pairs(self.folder, "other.jsonl", [("Say no.", "no")] * 50)
        self.train()
        alone = digest(self.folder)
        for weights, same in (((1, 0), True), ((1, 1), False)):
            self.train(data="[{path: data.jsonl, weight: %g}, {path: other.jsonl, weight: %g}]" % weights)
            self.assertEqual(digest(self.folder) == alone, same, weights)
        self.train(data="[{path: data.jsonl}, {path: other.jsonl}]")
        by_count = digest(self.folder)
        self.train(data="[{path: data.jsonl, weight: 7}, {path: other.jsonl, weight: 50}]")
        self.assertEqual(digest(self.folder), by_count)

    def test_template_and_columns_make_the_rows_of_plain_pairs(self):
        self.train()
        alone = digest(self.folder)
        write(self.folder, "instructions.jsonl",
              "".join(json.dumps({"instruction": s[6:-1], "output": t}) + "\n" for s, t in PAIRS))
        write(self.folder, "columns.tsv", "answer\tquestion\n" + "".join(f"{t}\t{s}\n" for s, t in PAIRS))
        for data in ("[{path: instructions.jsonl, form: instruction, instruction_template: 'Spell {instruction}.'}]",
                     "[{path: columns.tsv, form: tsv, source_column: question, target_column: answer}]"):
            self.train(data=data)
            self.assertEqual(digest(self.folder), alone, data)

    def test_few_shot_examples_stand_in_front_of_sources(self):
        write_pairs(self.folder, "two.jsonl", [("a", "b"), ("a", "b")])  # the one other record is the example
        write_pairs(self.folder, "spelled.jsonl", [("a=b;a", "b")] * 2)
        self.train(data="spelled.jsonl")
        spelled = digest(self.folder)
        self.train(data="[{path: two.jsonl, few_shot: 1, few_shot_template: '{source}={target};'}]")
        self.assertEqual(digest(self.folder), spelled)

    def test_damaged_records_are_left_out_where_asked_and_told(self):
        self.train()
        alone = digest(self.folder)
        with open(os.path.join(self.folder, "data.jsonl"), "a", encoding="utf-8") as file:
            file.write('{"source": 3}\n')
        self.assertIn("data.jsonl:8:", self.refused(1))
        done = self.train(data="[{path: data.jsonl, on_damage: skip}]")
        self.assertIn("data.jsonl: 1 damaged records left out; the first: ", done.stderr)
        self.assertEqual(digest(self.folder), alone)

    def test_order_file_reads_the_records_as_they_stand(self):
        write_pairs(self.folder, "data.jsonl", PAIRS[:1] * 3 + PAIRS[1:2] * 3)
        stage = "[{objective: diffusion, steps: 1, tokens: 21, lr: 1e-3}]"  # three rows of the first kind
        self.train(order="file", stages=stage)
        in_order = digest(self.folder)
        write_pairs(self.folder, "data.jsonl", PAIRS[:1] * 3)
        self.train(order="file", stages=stage)
        self.assertEqual(digest(self.folder), in_order)

    def test_too_long_rows_are_left_out_and_counted_unless_they_are_to_be_cut(self):
        write_pairs(self.folder, "short.jsonl", [("a", "b")])
        self.train(data="short.jsonl")
        short = digest(self.folder)
        write_pairs(self.folder, "data.jsonl", [("a", "b"), ("long " * 20, "b")])
        done = self.train(max_length=8)
        self.assertRegex(done.stdout, r"[0-9]+ rows drawn were longer than 8 tokens and left out")
        self.assertEqual(digest(self.folder), short)
        done = self.train(max_length=8, too_long="cut")
        self.assertRegex(done.stdout, r"[0-9]+ rows drawn were longer than 8 tokens and cut")
        self.assertNotEqual(digest(self.folder), short)

    def test_cut_row_keeps_its_last_tokens(self):
        """A plain text cut by its bos and a pair cut by all of its source are the same row: target and eos."""
        write_pairs(self.folder, "data.jsonl", [("", "yes no yes no")])
        write_pairs(self.folder, "longer.jsonl", [("Spell", "yes no yes no")])
        with_bos = len(json.loads(run("tokenize", MODEL, "yes no yes no", "--json").stdout))
        models = []
        for data, most in (("data.jsonl", with_bos), ("data.jsonl", with_bos - 1), ("longer.jsonl", with_bos - 1)):
            self.train(data=data, max_length=most, too_long="cut")
            models.append(digest(self.folder))
        self.assertNotEqual(models[0], models[1])
        self.assertEqual(models[1], models[2])

    def test_data_set_whose_every_row_is_too_long_is_named(self):
        write_pairs(self.folder, "data.jsonl", [("a", "b")])
        write_pairs(self.folder, "long.jsonl", [("long " * 20, "b")] * 3)
        self.assertIn("long.jsonl: no rows of at most 8 tokens",
                      self.refused(1, max_length=8, data="[{path: data.jsonl}, {path: long.jsonl}]"))

    def test_validation_of_a_list_reads_every_record_once(self):
        write_pairs(self.folder, "other.jsonl", [("Say no.", "no")])
        write_pairs(self.folder, "both.jsonl", PAIRS + [("Say no.", "no")])
        self.train(validation="both.jsonl", samples=0)
        both = metrics(self.folder)
        self.train(validation="[{path: data.jsonl}, {path: other.jsonl}]", samples=0)
        self.assertEqual(metrics(self.folder), both)

    def test_resuming_refuses_other_settings_of_data_by_name(self):
        data = "[{path: data.jsonl, few_shot: 1}]"
        self.train(data=data, checkpoint_every=2)
        for changes, why in (({"data": data.replace("few_shot: 1", "few_shot: 2")}, "checksum of the settings of data was"),
                             ({"data": data, "max_length": 30}, "max_length was 64 in this checkpoint, now it is 30"),
                             ({"data": data, "order": "file"}, "order (0 shuffled, 1 file) was 0"),
                             ({"data": data, "too_long": "cut"}, "too_long (0 skip, 1 cut) was 0")):
            shown = self.refused(1, "--resume", checkpoint_every=2, **changes)
            self.assertIn(why, shown)
            self.assertIn("checkpoints/1-000000004.safetensors", shown)
        self.train("--resume", data=data, checkpoint_every=2)

    def test_resuming_refuses_another_tokenizer(self):
        shutil.copy(os.path.join(MODEL, "tokenizer.json"), self.folder)
        self.train(tokenizer="tokenizer.json", checkpoint_every=2)
        with open(os.path.join(self.folder, "tokenizer.json"), "a", encoding="utf-8") as file:
            file.write("\n")
        self.assertIn("checksum of the tokenizer was", self.refused(1, "--resume", tokenizer="tokenizer.json", checkpoint_every=2))

    def test_mixture_stopped_between_updates_goes_on_bit_for_bit(self):
        write_pairs(self.folder, "other.jsonl", [("Say no.", "no"), ("Say yes.", "yes")])
        stage = "[{objective: diffusion, steps: %d, tokens: 24, lr: 1e-3, dropout: true}]"
        changes = {"data": "[{path: data.jsonl, weight: 2, few_shot: 1}, {path: other.jsonl, weight: 1}]", "checkpoint_every": 5}
        self.train(stages=stage % 40, **changes)
        whole = digest(self.folder)
        self.train(stages=stage % 15, **changes)
        self.train("--resume", stages=stage % 40, **changes)
        self.assertEqual(digest(self.folder), whole)

    def test_update_that_diverges_names_its_records(self):
        shown = self.refused(1, stages="[{objective: diffusion, steps: 400, tokens: 24, lr: 10, clip: -1, weight_decay: 10}]")
        self.assertIn("not finite", shown)
        self.assertRegex(shown, r"row 0: .*data.jsonl, record [1-7]\n")

    def peak(self, name, records):
        """KiB that a run held at most, of a process of its own."""
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            for k in range(records):
                file.write(json.dumps({"source": f"Spell {k}.", "target": "yes no", "passed over": "x" * 1000}) + "\n")
        read, end = os.pipe()
        child = os.fork()
        if child == 0:
            done = run("finetune", write_recipe(self.folder, data=name, output=name + ".out"))
            used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            os.write(end, json.dumps([done.returncode, used]).encode())
            os._exit(0)
        os.close(end)
        with os.fdopen(read) as pipe:
            code, used = json.load(pipe)
        os.waitpid(child, 0)
        self.assertEqual(code, 0)
        return used

    @measures_memory
    def test_memory_of_a_run_does_not_grow_with_the_text(self):
        small, large = self.peak("small.jsonl", 1000), self.peak("large.jsonl", 30000)
        self.assertGreater(os.path.getsize(os.path.join(self.folder, "large.jsonl")), 30e6)
        self.assertLess(large - small, 4096, "KiB more for 30 MB of text; its index takes 240")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
