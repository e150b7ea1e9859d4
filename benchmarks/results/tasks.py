"""Instruction finetuning on a growing number of tasks: the T0 (P3) sample, from the encoder of multi30k.py.

  tasks.py PROGRAM DATA [--work FOLDER] [--updates N] [--precision NAME] [--jobs N] [--out FILE.json]

Tasks are data sets, each with several wordings of its instruction. One wording of each task that is trained on and every wording of two tasks
(sentiment of Amazon reviews, paraphrases of MRPC) are kept for testing: rows with two to five possible answers, of which the model takes the
one of the highest likelihood. Two-shot rows have two others of the same wording, solved, in front. Every run has the same updates of 2,048
tokens; `none` is an encoder with a fresh head that was finetuned on nothing.
"""
import collections
import concurrent.futures
import csv
import json
import os
import random
import subprocess
import sys

from multi30k import commit, finetune, first_layers, keep_report, kept_report, options, write_jsonl

ORDER = ("ag_news", "glue_qqp", "wiki_qa", "app_reviews", "yelp_review_full", "paws_labeled_final", "qasc", "social_i_qa", "wiqa", "gigaword",
         "common_gen", "samsum", "sciq", "quartz", "commonsense_qa", "cosmos_qa")
UNSEEN = ("amazon_polarity", "glue_mrpc")
TESTED = 20  # rows of each wording
TESTS = ("unseen wording", "unseen task", "unseen task, two-shot")
LONGEST = 500  # characters of a prompt


def read(data):
    """{data set: {wording: rows}}"""
    folder = os.path.join(data, "instruct-train", "t0-p3")
    with open(f"{folder}/train.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    tasks = collections.defaultdict(dict)
    with open(f"{folder}/templates.tsv", encoding="utf-8") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            task = next((t for t in ORDER + UNSEEN if line["template"].startswith(t + "_")), None)
            if task:
                first = int(line["first_row"])
                tasks[task][line["template"]] = rows[first:first + int(line["rows"])]
    return tasks


def test_rows(wording, rows, shots):
    choices = sorted({row["targets"] for row in rows})
    if not 2 <= len(choices) <= 5:
        return []
    draws = random.Random(wording)
    short = [row for row in rows if len(row["inputs"]) <= LONGEST]
    out = []
    for row in draws.sample(short, min(TESTED, len(short))):
        examples = draws.sample([r for r in short if r is not row], shots)
        front = "".join(f"{e['inputs']}\n{e['targets']}\n\n" for e in examples)
        out.append({"task": wording, "source": front + row["inputs"], "choices": choices, "answer": row["targets"]})
    return out


def prepare(data, work, counts):
    tasks = read(data)
    tests = collections.defaultdict(list)
    kept = {}
    for task in ORDER:
        closed = [w for w, rows in tasks[task].items() if test_rows(w, rows, 0)]
        kept[task] = sorted(closed)[-1] if closed else None  # the wording that is not trained on
        if kept[task] and task in ORDER[:4]:
            tests["unseen wording"] += test_rows(kept[task], tasks[task][kept[task]], 0)
    for task in UNSEEN:
        for wording, rows in sorted(tasks[task].items()):
            tests["unseen task"] += test_rows(wording, rows, 0)
            tests["unseen task, two-shot"] += test_rows(wording, rows, 2)
    for name, rows in tests.items():
        write_jsonl(f"{work}/{name.replace(' ', '-').replace(',', '')}.jsonl", rows)
    for count in filter(None, counts):
        rows = [row for task in ORDER[:count] for wording, all_rows in tasks[task].items() if wording != kept[task]
                for row in all_rows if len(row["inputs"]) <= LONGEST]
        write_jsonl(f"{work}/tasks-{count}.jsonl", [{"source": r["inputs"], "target": r["targets"]} for r in rows])
    return {name: chance(rows) for name, rows in tests.items()}


def chance(rows):
    """Percent right of always taking each wording's most frequent answer."""
    by = collections.defaultdict(collections.Counter)
    for row in rows:
        by[row["task"]][row["answer"]] += 1
    return round(100 * sum(c.most_common(1)[0][1] for c in by.values()) / len(rows), 1)


def evaluate(program, folder, rows, precision):
    command = [program, "evaluate", folder, rows, "--choose", "likelihood", "--draws", "8", "--threads", "1", "--json"]
    command += ["--bfloat16"] if precision == "bfloat16" else []
    items = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return round(next(item["accuracy"] for item in items if item["task"] is None), 1)


def run(program, work, count, updates, precision):
    """Finetunes on `count` tasks and scores, or reads what it came to."""
    folder = f"{work}/run-{count}"
    report = kept_report(folder)
    if report:
        return report
    # A model that is to know nothing still needs a head: one update at a learning rate of nothing.
    stage = {"name": "instruct", "objective": "diffusion", "corruption": "single", "weight": "constant", "tokens": 2048, "lr_schedule": "linear",
             "steps": updates if count else 1, "lr": 5e-4 if count else 1e-12, "warmup": updates // 10 if count else 0}
    seconds, _ = finetune(program, folder, {
        "output": folder, "model": f"{work}/encoder", "data": f"{work}/tasks-{count or 1}.jsonl", "precision": precision, "threads": 1,
        "seed": 1, "max_length": 256, "checkpoint_every": 100, "keep": 1, "samples": 0, "stages": [stage]})
    report = {"tasks": count, "updates": updates if count else 0, "precision": precision, "seed": 1, "seconds": seconds}
    report["accuracy"] = {name: evaluate(program, folder, f"{work}/{name.replace(' ', '-').replace(',', '')}.jsonl", precision) for name in TESTS}
    keep_report(folder, report)
    return report


def main():
    parser = options(__doc__, "build/tasks", 300)
    parser.add_argument("--counts", default="0,1,4,16", help="numbers of tasks [0,1,4,16]")
    a = parser.parse_args()
    counts = [int(count) for count in a.counts.split(",")]
    work, program, data = os.path.abspath(a.work), os.path.abspath(a.program), os.path.abspath(a.data)
    os.makedirs(work, exist_ok=True)
    frequent = prepare(data, work, counts)
    if not os.path.exists(f"{work}/encoder/tokenizer.json"):
        first_layers(os.path.join(data, "models", "me5-small-pruned"), f"{work}/encoder")
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        results = list(pool.map(lambda count: run(program, work, count, a.updates, a.precision), counts))
    print("| tasks | " + " | ".join(frequent) + " |\n|---|" + "---|" * len(frequent))
    for r in results:
        print(f"| {r['tasks'] or 'none'} | " + " | ".join(f"{r['accuracy'][name]:.1f}" for name in frequent) + " |")
    print("| the most frequent answer | " + " | ".join(f"{x:.1f}" for x in frequent.values()) + " |")
    if a.out:
        with open(a.out, "w", encoding="utf-8") as file:
            json.dump({"command": " ".join(os.path.relpath(x) if os.path.isabs(x) else x for x in sys.argv), "commit": commit(),
                       "most_frequent_answer": frequent, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
