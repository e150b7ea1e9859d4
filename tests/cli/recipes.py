"""What the tests of recipes share: a tiny model over the shipped tokenizer, files of data, runs of the program."""
import hashlib
import json
import os
import subprocess
import sys
import unittest

PROGRAM, MODEL = sys.argv[1], sys.argv[2]
# Resident memory says nothing under a sanitizer, which holds what is freed.
measures_memory = unittest.skipIf(os.environ.get("SANITIZER", "none") != "none", "a sanitizer holds freed memory")
ARCHITECTURE = {"model_type": "xlm-roberta", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 32, "max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
                "hidden_act": "gelu", "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
                "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def write_pairs(folder, name, pairs):
    return write(folder, name, "".join(json.dumps({"source": s, "target": t}) + "\n" for s, t in pairs))


def write_architecture(folder):
    with open(os.path.join(MODEL, "config.json"), encoding="utf-8") as file:
        vocabulary = json.load(file)["vocab_size"]
    return write(folder, "config.json", json.dumps({**ARCHITECTURE, "vocab_size": vocabulary}))


def write_recipe(folder, **changes):
    """Keys in this order, None: left out; text after a newline belongs to the value."""
    write_architecture(folder)
    keys = {"architecture": "config.json", "tokenizer": os.path.abspath(MODEL), "data": "data.jsonl", "output": "out",
            "threads": "1", "log_every": "1", "stages": "[{name: d, objective: diffusion, steps: 4, tokens: 24, lr: 1e-3}]"}
    keys.update(changes)
    return write(folder, "recipe.yaml", "".join(f"{k}: {v}\n" for k, v in keys.items() if v is not None))


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, **options)


def digest(folder, name="model.safetensors"):
    with open(os.path.join(folder, "out", name), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def metrics(folder):
    """The lines of metrics.jsonl without what a clock wrote."""
    with open(os.path.join(folder, "out", "metrics.jsonl"), encoding="utf-8") as file:
        return [{k: v for k, v in json.loads(line).items() if k not in ("seconds", "tokens_per_second")} for line in file]
