"""Writes the demo model's data: generate.py FOLDER [ROWS]

train.jsonl (ROWS lines [800000]; 0: not written; no held-out combination or wording), test.jsonl (100 lines a task, held-out
combinations, known wordings), wordings.jsonl (50 lines a task, held-out wordings, known combinations),
seen.jsonl (the same with known wordings).
The same arguments give the same bytes.
"""
import json
import os
import random
import sys

from tasks import NAMES, example


def write(path, rows):
    with open(path + ".part", "w", encoding="utf-8") as f:
        for n, (task, source, target) in enumerate(rows):
            if n % 50000 == 49999:
                print(f"\r{path}: {n + 1} rows", end="", file=sys.stderr, flush=True)
            f.write(json.dumps({"task": task, "source": source, "target": target}, ensure_ascii=False) + "\n")
    os.replace(path + ".part", path)
    print(f"\r{path}" + " " * 16)


def train(count, seed=1):
    r = random.Random(seed)
    return (example(r) for _ in range(count))


def per_task(count, split, wording, seed):
    r = random.Random(seed)
    return (example(r, split, wording, task) for task in NAMES for _ in range(count))


if __name__ == "__main__":
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "test.jsonl"), per_task(100, "test", "train", 2))
    write(os.path.join(folder, "wordings.jsonl"), per_task(50, "train", "held", 3))
    write(os.path.join(folder, "seen.jsonl"), per_task(50, "train", "train", 4))
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 800000
    if rows:
        write(os.path.join(folder, "train.jsonl"), train(rows))
