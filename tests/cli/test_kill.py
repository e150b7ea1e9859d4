"""Training runs that are killed, stopped and damaged: what goes on is the uninterrupted run, bit for bit."""
import fcntl
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
# Averages, early stopping by two metrics, the best weights; the length head after them.
WATCHED = ("[{name: d, objective: diffusion, steps: 600, tokens: 24, lr: 3e-3, dropout: true, ema_decay: 0.9, validate_every: 7,"
           " patience: 10, keep_best: true, save_last: true},"
           " {name: a, objective: diffusion, steps: 300, tokens: 24, lr: 3e-3, lora_rank: 2, ema_decay: 0.8, validate_every: 9,"
           " patience: 6, stop_metric: bleu, keep_best: true, save_adapter: true},"
           " {name: l, objective: length, steps: 50, tokens: 24}]")
ARCHITECTURE = {"model_type": "xlm-roberta", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 32, "max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
                "hidden_act": "gelu", "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
                "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def prepare(folder, steps, changes=None, stages=None):
    with open(os.path.join(MODEL, "config.json"), encoding="utf-8") as file:
        shipped = json.load(file)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({**ARCHITECTURE, "vocab_size": shipped["vocab_size"]}, file)
    with open(os.path.join(folder, "data.jsonl"), "w", encoding="utf-8") as file:
        for k in range(7):
            file.write(json.dumps({"source": f"Spell {k}.", "target": "yes no " * (k % 3 + 1)}) + "\n")
    with open(os.path.join(folder, "other.jsonl"), "w", encoding="utf-8") as file:
        for k in range(5):
            file.write(json.dumps({"source": f"Spell {k}.", "target": "yes no " * (k % 3) + "yes yes"}) + "\n")
    path = os.path.join(folder, "recipe.yaml")
    text = (f"architecture: config.json\ntokenizer: {os.path.abspath(MODEL)}\ndata: data.jsonl\n"
            f"validation: data.jsonl\nsamples: 1\noutput: out\nthreads: 1\nlog_every: 3\ncheckpoint_every: 5\n"
            f"stages: {stages or STAGES % (steps, steps, steps)}\n")
    for old, new in (changes or {}).items():
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def finetune(recipe, *arguments, **options):
    return subprocess.run([PROGRAM, "finetune", recipe, *arguments], capture_output=True, text=True, check=False, **options)


WEIGHTS = ("model.safetensors", "last/model.safetensors", "adapter/adapter_model.safetensors", "length_head.safetensors")


def flip(path, share=0.5):
    """Damages a file by one bit."""
    with open(path, "r+b") as file:
        at = int(os.path.getsize(path) * share)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def lines(folder, name="metrics.jsonl"):
    with open(os.path.join(folder, "out", name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def unprivileged():
    """Files' permissions do not bind root."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


def digest(folder):
    """The weights, and the metrics and samples without what a clock wrote."""
    out = {}
    for name in WEIGHTS:
        path = os.path.join(folder, "out", name)
        if not os.path.exists(path):
            continue
        with open(path, "rb") as file:
            out[name] = hashlib.sha256(file.read()).hexdigest()
    for name in ("metrics.jsonl", "samples.jsonl"):
        path = os.path.join(folder, "out", name)
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            out[name] = [{k: v for k, v in json.loads(line).items() if k not in ("seconds", "tokens_per_second")}
                         for line in file]
    return out


def on_small_disk(most=20000):
    """Writes past so many bytes of a file fail, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


class Kill(unittest.TestCase):
    maxDiff = 3000

    def check_killed(self, steps, changes=None, stages=None):
        """A run that is killed at random moments ends as one that is not; returns the folders' digest."""
        draw = random.Random(1)
        with tempfile.TemporaryDirectory() as straight, tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            done = finetune(prepare(straight, steps, changes, stages))
            self.assertEqual(done.returncode, 0, done.stderr)
            whole = time.monotonic() - begun
            recipe, kills, runs = prepare(folder, steps, changes, stages), 0, 0
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
            print(f"{kills} kills in {runs} runs", file=sys.stderr)
            left = [name for _, _, names in os.walk(folder) for name in names if ".partial." in name]
            self.assertEqual(left, [])
            self.assertEqual(digest(folder), digest(straight))
            return digest(folder)

    def test_killed_and_resumed_run_equals_the_uninterrupted_one(self):
        self.check_killed(100 * KILLS)

    def test_killed_run_with_averages_and_early_stopping_equals_the_uninterrupted_one(self):
        found = self.check_killed(0, {"validation: data.jsonl": "validation: other.jsonl"}, WATCHED)
        self.assertEqual({name for name in found if "/" in name or name.endswith("safetensors")}, set(WEIGHTS))
        self.assertGreater(len({found[name] for name in WEIGHTS}), 3)

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

    def test_second_process_in_the_same_folder_is_refused_and_changes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 10, {})
            self.assertEqual(finetune(recipe).returncode, 0)
            output = os.path.join(folder, "out")
            partial = os.path.join(output, "model.safetensors.partial.abcdef")  # of the first, on its way
            with open(partial, "w"):
                pass
            before = digest(folder)
            held = os.open(output, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX)
                refused = finetune(recipe, "--resume")
            finally:
                os.close(held)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"{output}: another process is training into this folder", refused.stderr)
            self.assertTrue(os.path.exists(partial))
            self.assertEqual(digest(folder), before)
            self.assertEqual(finetune(recipe, "--resume").returncode, 0)
            self.assertFalse(os.path.exists(partial))

    def test_stage_stops_after_its_patience_and_keeps_the_weights_of_the_best_validation(self):
        stage = ("[{name: d, objective: diffusion, steps: %d, tokens: 24, lr: 3e-3, validate_every: 7%s}]")
        other = {"validation: data.jsonl": "validation: other.jsonl", "samples: 1": "samples: 0"}
        with tempfile.TemporaryDirectory() as watched, tempfile.TemporaryDirectory() as short:
            keys = ", ema_decay: 0.9, patience: 4, keep_best: true, save_last: true"
            done = finetune(prepare(watched, 0, other, stage % (600, keys)))
            self.assertEqual(done.returncode, 0, done.stderr)
            seen = [(line["validation_cross_entropy"], line["step"], line.get("best", False))
                    for line in lines(watched) if "validation_cross_entropy" in line]
            best = min(seen)[1]
            self.assertEqual([step for _, step, _ in seen], list(range(7, best + 5 * 7, 7)), "4 more than the best, no more")
            self.assertLess(best + 4 * 7, 600)
            least = float("inf")
            for value, step, marked in seen:
                self.assertEqual(marked, value < least, step)
                least = min(least, value)
            self.assertIn(f"d: the weights after {best} updates are kept", done.stdout)
            self.assertIn("4 validations brought nothing better", done.stdout)
            kept = digest(watched)
            # The same run cut short at the best, and one without averages up to where it stopped.
            for steps, keys, name, equal in ((best, ", ema_decay: 0.9", "model.safetensors", True), (best, "", "model.safetensors", False),
                                             (best + 28, "", "last/model.safetensors", True)):
                shutil.rmtree(os.path.join(short, "out"), ignore_errors=True)
                self.assertEqual(finetune(prepare(short, 0, other, stage % (steps, keys))).returncode, 0)
                self.assertEqual(digest(short)["model.safetensors"] == kept[name], equal, name + keys)
            self.assertTrue(os.path.exists(os.path.join(watched, "out", "last", "tokenizer.json")))

    def test_text_metric_is_reported_and_tells_the_best(self):
        with tempfile.TemporaryDirectory() as folder:
            stage = "[{name: d, objective: diffusion, steps: 120, tokens: 48, lr: 3e-3, validate_every: 20, stop_metric: chrf, keep_best: true}]"
            self.assertEqual(finetune(prepare(folder, 0, None, stage)).returncode, 0)
            seen = [line for line in lines(folder) if "validation_chrf" in line]
            self.assertEqual(len(seen), 6)
            most = -1.0
            for line in seen:
                self.assertEqual(line.get("best", False), line["validation_chrf"] > most)
                most = max(most, line["validation_chrf"])
            self.assertGreater(most, 50, "seven rows are learned by heart")

    def test_what_cannot_be_watched_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for stages, changes, why in (
                    ("[{objective: length, steps: 1, ema_decay: 0.5}]", {}, "objective: length: expected none of ema_decay"),
                    ("[{objective: length, steps: 1, patience: 1}]", {}, "objective: length: expected none of ema_decay"),
                    ("[{steps: 1, keep_best: true}]", {"validation: data.jsonl\n": ""}, "expected validation (for stop_metric"),
                    ("[{steps: 1, ema_decay: 1}]", {}, "ema_decay: expected a number from 0 to 0.999999"),
                    ("[{steps: 1, stop_metric: loss}]", {}, "stop_metric: expected validation_cross_entropy|exact")):
                done = finetune(prepare(folder, 0, changes, stages))
                self.assertEqual(done.returncode, 2)
                self.assertIn(why, done.stderr)

    def test_damaged_checkpoints_are_named_and_the_newest_whole_one_serves(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 12)
            self.assertEqual(finetune(recipe).returncode, 0)
            first = digest(folder)
            checkpoints = os.path.join(folder, "out", "checkpoints")
            kept = sorted(os.listdir(checkpoints))
            self.assertEqual(kept, [f"{s}-{k:09d}.safetensors" for s in (1, 2, 3) for k in (10, 12)])
            # The newest of the last stage; all of it; the end and all of the first stage, whose successors stand; everything.
            for damaged, said in ((kept[-1:], "l: going on after update 10"), (kept[-2:], "l: no whole checkpoint: it begins again"),
                                  (kept[1:2], 'd "1": going on after update 10'),
                                  (kept[:2], 'd "1": no whole checkpoint: it begins again'), (kept, 'd "1": no whole checkpoint: it begins again')):
                for name in damaged:
                    flip(os.path.join(checkpoints, name))
                done = finetune(recipe, "--resume")
                self.assertEqual(done.returncode, 0, done.stderr)
                for name in damaged:
                    self.assertIn(f"{name}: no checkpoint, or a damaged one: its checksum does not fit", done.stderr)
                self.assertIn(said, done.stdout)
                now = digest(folder)
                if damaged is kept:  # nothing knows any more what of the metrics was whose
                    now = {name: now[name] for name in WEIGHTS if name in now}
                self.assertEqual(now, {name: first[name] for name in now}, said)
                self.assertIn("length_head.safetensors", now)
                self.assertEqual(sorted(os.listdir(checkpoints)), kept)

    def test_checkpoint_saved_before_a_damaged_newer_one_is_not_pruned_for_it(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 30, {"checkpoint_every: 5": "checkpoint_every: 30\nkeep: 1"})
            self.assertEqual(finetune(recipe).returncode, 0)
            first = digest(folder)
            newest = os.path.join(folder, "out", "checkpoints", "1-000000030.safetensors")
            flip(newest)
            recipe = prepare(folder, 30, {"checkpoint_every: 5": "checkpoint_every: 4\nkeep: 1"})
            process = subprocess.Popen([PROGRAM, "finetune", recipe, "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and os.path.exists(newest):
                time.sleep(0.001)
            process.kill()
            process.wait()
            left = [name for name in os.listdir(os.path.dirname(newest)) if name.startswith("1-") and ".partial." not in name]
            self.assertEqual(len(left), 1)
            done = finetune(recipe, "--resume")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("damaged", done.stderr)
            self.assertEqual(digest(folder), first)

    def test_missing_or_foreign_best_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            stage = "[{name: d, objective: diffusion, steps: 6, tokens: 24, lr: 1e-3, validate_every: 2, keep_best: true}]"
            recipe = prepare(folder, 0, None, stage)
            self.assertEqual(finetune(recipe).returncode, 0)
            checkpoints = os.path.join(folder, "out", "checkpoints")
            best = os.path.join(checkpoints, "1-best.safetensors")
            with tempfile.TemporaryDirectory() as other:
                self.assertEqual(finetune(prepare(other, 0, None, stage.replace("steps: 6", "steps: 4"))).returncode, 0)
                shutil.copy(os.path.join(other, "out", "checkpoints", "1-best.safetensors"), best)
            self.assertIn("1-best.safetensors: not the best of this run, which is of update 6", finetune(recipe, "--resume").stderr)
            os.unlink(best)
            done = finetune(recipe, "--resume")
            self.assertEqual(done.returncode, 1)
            self.assertIn("1-best.safetensors: cannot be opened", done.stderr)
            prepare(folder, 0, None, stage.replace(", keep_best: true", ""))
            self.assertEqual(finetune(recipe, "--resume").returncode, 0)

    def test_halves_of_files_that_a_kill_left_are_removed_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe, out = prepare(folder, 5), os.path.join(folder, "out")
            for name in ("checkpoints", "adapter", "last"):
                os.makedirs(os.path.join(out, name))
            halves = ("model.safetensors.partial.aZ09bc", "config.json.partial.000000", "adapter/adapter_config.json.partial.abcdef",
                      "last/model.safetensors.partial.abcdef", "checkpoints/1-best.safetensors.partial.abcdef",
                      "checkpoints/1-000000005.safetensors.partial.abcdef")
            others = ("model.safetensors.backup", "notes.partial.abcdef", "model.safetensors.partial.abcdefg", ".json.partial.abcdef",
                      "model.safetensors.partial.", "checkpoints/notes.txt")
            for name in halves + others:
                with open(os.path.join(out, name), "w", encoding="utf-8") as file:
                    file.write("half")
            os.mkdir(os.path.join(out, "folder.json.partial.abcdef"))
            os.symlink("model.safetensors.backup", os.path.join(out, "link.json.partial.abcdef"))
            self.assertEqual(finetune(recipe).returncode, 0)
            self.assertEqual([name for name in halves if os.path.lexists(os.path.join(out, name))], [])
            stay = others + ("folder.json.partial.abcdef", "link.json.partial.abcdef")
            self.assertEqual([name for name in stay if not os.path.lexists(os.path.join(out, name))], [])

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

    def test_changed_validation_is_refused_where_the_best_is_watched(self):
        stage = "[{name: d, objective: diffusion, steps: 6, tokens: 24, lr: 1e-3, validate_every: 2, patience: 2}]"
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 0, None, stage)
            self.assertEqual(finetune(recipe).returncode, 0)
            for changes, stages, why in (
                    ({"validation: data.jsonl": "validation: other.jsonl"}, stage, "checksum of validation was"),
                    ({}, stage.replace("validate_every: 2", "validate_every: 3"), "validate_every was 2 in this checkpoint, now it is 3"),
                    ({}, stage.replace("patience", "stop_metric: exact, patience"), "metric that is watched (0: none) was 1"),
                    ({}, stage.replace("lr:", "ema_decay: 0.5, lr:"), "ema_decay was 0.0 in this checkpoint, now it is 0.5")):
                prepare(folder, 0, changes, stages)
                done = finetune(recipe, "--resume")
                self.assertEqual(done.returncode, 1)
                self.assertIn(why, done.stderr)
            prepare(folder, 0, {"validation: data.jsonl": "validation: other.jsonl"}, stage.replace(", patience: 2", ""))
            self.assertEqual(finetune(recipe, "--resume").returncode, 0, "nothing is watched any more")

    def stopped_after_update_10(self, folder):
        """A run of 12 updates of which that checkpoint is left; the digest of its weights, the folder of checkpoints."""
        recipe = prepare(folder, 12)
        self.assertEqual(finetune(recipe).returncode, 0)
        checkpoints = os.path.join(folder, "out", "checkpoints")
        for name in os.listdir(checkpoints):
            if name != "1-000000010.safetensors":
                os.unlink(os.path.join(checkpoints, name))
        return recipe, digest(folder), checkpoints

    def test_folder_that_cannot_be_written_is_named_and_the_older_checkpoint_serves(self):
        if os.geteuid() == 0 and subprocess.run([PROGRAM, "--help"], preexec_fn=unprivileged, check=False,
                                                capture_output=True).returncode != 0:
            self.skipTest("the program is not for other users")
        with tempfile.TemporaryDirectory() as folder:
            recipe, first, checkpoints = self.stopped_after_update_10(folder)
            for path, _, names in os.walk(folder):
                os.chmod(path, 0o777)
                for name in names:
                    os.chmod(os.path.join(path, name), 0o666)
            os.chmod(checkpoints, 0o555)
            done = finetune(recipe, "--resume", preexec_fn=unprivileged)
            self.assertEqual(done.returncode, 1)
            self.assertIn("checkpoints/1-000000012.safetensors: cannot be created: Permission denied", done.stderr)
            os.chmod(checkpoints, 0o755)
            self.assertEqual(os.listdir(checkpoints), ["1-000000010.safetensors"])
            self.assertEqual(finetune(recipe, "--resume").returncode, 0)
            self.assertEqual(digest(folder), first)

    def test_metrics_on_a_full_disk_are_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("/dev/full is absent")
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepare(folder, 5)
            os.mkdir(os.path.join(folder, "out"))
            os.symlink("/dev/full", os.path.join(folder, "out", "metrics.jsonl"))
            done = finetune(recipe)
            self.assertEqual(done.returncode, 1)
            self.assertIn("out/metrics.jsonl: cannot be written: No space left on device", done.stderr)

    def test_full_disk_is_an_error_that_names_the_file_and_the_older_checkpoint_serves(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe, first, checkpoints = self.stopped_after_update_10(folder)
            done = finetune(recipe, "--resume", preexec_fn=on_small_disk)
            self.assertEqual(done.returncode, 1)
            self.assertIn("checkpoints/1-000000012.safetensors: cannot be written", done.stderr)
            self.assertEqual(os.listdir(checkpoints), ["1-000000010.safetensors"])
            self.assertEqual(finetune(recipe, "--resume").returncode, 0)
            self.assertEqual(digest(folder), first)

    def test_model_or_best_that_the_disk_has_no_room_for_is_named_and_the_older_one_stays(self):
        for keys, name in (("", "model.safetensors"), (", keep_best: true", "checkpoints/1-best.safetensors"),
                           (", save_last: true", "last/model.safetensors")):
            with tempfile.TemporaryDirectory() as folder:
                stage = f"[{{name: d, objective: diffusion, steps: 6, tokens: 24, lr: 1e-3{keys}}}]"
                recipe = prepare(folder, 0, {"checkpoint_every: 5": "checkpoint_every: 0"}, stage)
                self.assertEqual(finetune(recipe).returncode, 0)
                first, path = digest(folder), os.path.join(folder, "out", name)
                size = os.path.getsize(path)
                # Room for all but the last tensors, and for the tokenizer.
                done = finetune(recipe, preexec_fn=lambda most=size - 1000: on_small_disk(most))
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"out/{name}: cannot be written: File too large", done.stderr)
                self.assertEqual(os.path.getsize(path), size)
                self.assertEqual({k: v for k, v in digest(folder).items() if k in WEIGHTS}, {k: v for k, v in first.items() if k in WEIGHTS})
                left = [name for _, _, names in os.walk(folder) for name in names if ".partial." in name]
                self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
