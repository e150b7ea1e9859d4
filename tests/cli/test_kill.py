"""Training runs that are killed, stopped and damaged: what goes on is the uninterrupted run, bit for bit."""
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, MODEL = sys.argv[1], sys.argv[2]
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 6
STAGES = ("[{name: 'd \"1\"', objective: diffusion, steps: %d, tokens: 24, lr: 1e-3, dropout: true, validate_every: 7},"
          " {name: a, objective: diffusion, steps: %d, tokens: 24, lr: 1e-3, lora_rank: 2},"
          " {name: l, objective: length, steps: %d, tokens: 24}]")
ARCHITECTURE = {"model_type": "xlm-roberta", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 32, "max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
                "hidden_act": "gelu", "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
                "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def prepare(folder, steps, changes=None):
    with open(os.path.join(MODEL, "config.json"), encoding="utf-8") as file:
        shipped = json.load(file)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({**ARCHITECTURE, "vocab_size": shipped["vocab_size"]}, file)
    with open(os.path.join(folder, "data.jsonl"), "w", encoding="utf-8") as file:
        for k in range(7):
            file.write(json.dumps({"source": f"Spell {k}.", "target": "yes no " * (k % 3 + 1)}) + "\n")
    path = os.path.join(folder, "recipe.yaml")
    text = (f"architecture: config.json\ntokenizer: {os.path.abspath(MODEL)}\ndata: data.jsonl\n"
            f"validation: data.jsonl\nsamples: 1\noutput: out\nthreads: 1\nlog_every: 3\ncheckpoint_every: 5\n"
            f"stages: {STAGES % (steps, steps, steps)}\n")
    for old, new in (changes or {}).items():
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def finetune(recipe, *arguments, **options):
    return subprocess.run([PROGRAM, "finetune", recipe, *arguments], capture_output=True, text=True, check=False, **options)


def digest(folder):
    """The weights, and the metrics and samples without what a clock wrote."""
    out = {}
    for name in ("model.safetensors", "length_head.safetensors"):
        with open(os.path.join(folder, "out", name), "rb") as file:
            out[name] = hashlib.sha256(file.read()).hexdigest()
    for name in ("metrics.jsonl", "samples.jsonl"):
        path = os.path.join(folder, "out", name)
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            out[name] = [{k: v for k, v in json.loads(line).items() if k not in ("seconds", "tokens_per_second")}
                         for line in file]
    return out


class Kill(unittest.TestCase):
    maxDiff = 3000
    def test_killed_and_resumed_run_equals_the_uninterrupted_one(self):
        steps = 100 * KILLS
        draw = random.Random(1)
        with tempfile.TemporaryDirectory() as straight, tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            done = finetune(prepare(straight, steps))
            self.assertEqual(done.returncode, 0, done.stderr)
            whole = time.monotonic() - begun
            recipe, kills, runs = prepare(folder, steps), 0, 0
            while True:
                runs += 1
                self.assertLess(runs, 20 * KILLS + 100, "it does not get on")
                process = subprocess.Popen([PROGRAM, "finetune", recipe, "--resume"], stdout=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE, text=True)
                try:
                    if kills < KILLS:
                        # At least one checkpoint further, on average: the run's own length over the kills.
                        time.sleep(draw.uniform(0, 2 * whole / KILLS + 0.05))
                        process.send_signal(signal.SIGKILL)
                    _, errors = process.communicate(timeout=300)
                finally:
                    process.kill()
                if process.returncode == -signal.SIGKILL:
                    kills += 1
                    continue
                self.assertEqual(process.returncode, 0, errors)
                break
            print(f"{kills} kills in {runs} runs of {3 * steps} updates", file=sys.stderr)
            self.assertEqual(digest(folder), digest(straight))

    def test_run_stopped_by_a_signal_says_how_to_go_on_and_does(self):
        with tempfile.TemporaryDirectory() as straight, tempfile.TemporaryDirectory() as folder:
            # Large updates with a validation after each: the signal comes within one, before its validation.
            changes = {"validate_every: 7": "validate_every: 1", "tokens: 24": "tokens: 400", "samples: 1": "samples: 0",
                       "log_every: 3": "log_every: 1", "checkpoint_every: 5": "checkpoint_every: 1000"}
            self.assertEqual(finetune(prepare(straight, 40, changes)).returncode, 0)
            recipe = prepare(folder, 40, changes)
            process = subprocess.Popen([PROGRAM, "finetune", recipe], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            metrics = os.path.join(folder, "out", "metrics.jsonl")
            while process.poll() is None and not (os.path.exists(metrics) and os.path.getsize(metrics)):
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn("--resume goes on", errors)
            refused = finetune(recipe)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("holds checkpoints of an earlier run: go on with --resume", refused.stderr)
            self.assertEqual(finetune(recipe, "--resume").returncode, 0)
            self.assertEqual(digest(folder), digest(straight))

    def test_damaged_checkpoint_is_named_and_without_it_the_older_one_serves(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 12)
            self.assertEqual(finetune(recipe).returncode, 0)
            first = digest(folder)
            kept = sorted(os.listdir(os.path.join(folder, "out", "checkpoints")))
            self.assertEqual(kept, [f"{s}-{k:09d}.safetensors" for s in (1, 2, 3) for k in (10, 12)])
            newest = os.path.join(folder, "out", "checkpoints", kept[-1])
            size = os.path.getsize(newest)
            with open(newest, "r+b") as file:
                file.seek(size // 2)
                byte = file.read(1)[0]
                file.seek(size // 2)
                file.write(bytes([byte ^ 4]))
            done = finetune(recipe, "--resume")
            self.assertEqual(done.returncode, 1)
            self.assertIn(kept[-1], done.stderr)
            self.assertIn("remove it to go on from an older one", done.stderr)
            os.unlink(newest)
            done = finetune(recipe, "--resume")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(digest(folder), first)

    def test_changed_recipe_or_data_is_refused_by_the_name_of_what_changed(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 6)
            self.assertEqual(finetune(recipe).returncode, 0)
            with open(recipe, encoding="utf-8") as file:
                text = file.read()
            for old, new, why in (("lr: 1e-3", "lr: 2e-3", "lr was 0.001 in this checkpoint, now it is 0.002"),
                                  ("tokens: 24", "tokens: 25", "tokens was 24 in this checkpoint, now it is 25"),
                                  ("threads: 1", "threads: 1\nseed: 3", "seed was 0 in this checkpoint, now it is 3"),
                                  ("steps: 6", "steps: 4", "the recipe ends at 4")):
                with open(recipe, "w", encoding="utf-8") as file:
                    file.write(text.replace(old, new))
                done = finetune(recipe, "--resume")
                self.assertEqual(done.returncode, 1)
                self.assertIn(why, done.stderr)
            with open(recipe, "w", encoding="utf-8") as file:
                file.write(text)
            data = os.path.join(folder, "data.jsonl")
            with open(data, encoding="utf-8") as file:
                rows = file.read()
            with open(data, "w", encoding="utf-8") as file:
                file.write(rows.replace("Spell 1", "Spell 2"))
            self.assertIn("checksum of data was", finetune(recipe, "--resume").stderr)
            with open(data, "w", encoding="utf-8") as file:
                file.write(rows)
            with open(data, "a", encoding="utf-8") as file:
                file.write('{"source": "one", "target": "more"}\n')
            self.assertIn("number of rows in data was 7 in this checkpoint, now it is 8", finetune(recipe, "--resume").stderr)

    def test_full_disk_is_an_error_that_names_the_file_and_the_older_checkpoint_serves(self):
        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))  # writes past it fail, as on a full disk

        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 12)
            self.assertEqual(finetune(recipe).returncode, 0)
            first = digest(folder)
            checkpoints = os.path.join(folder, "out", "checkpoints")
            for name in os.listdir(checkpoints):
                if name != "1-000000010.safetensors":
                    os.unlink(os.path.join(checkpoints, name))
            done = finetune(recipe, "--resume", preexec_fn=small)
            self.assertEqual(done.returncode, 1)
            self.assertIn("checkpoints/1-000000012.safetensors: cannot be written", done.stderr)
            self.assertEqual(os.listdir(checkpoints), ["1-000000010.safetensors"])
            self.assertEqual(finetune(recipe, "--resume").returncode, 0)
            self.assertEqual(digest(folder), first)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
