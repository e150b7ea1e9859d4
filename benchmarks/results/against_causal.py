"""Diffusion against autoregression: Multi30k German to English (or back), same encoder, rows, tokens and updates; then both once more as long, the
diffusion model on the causal one's translations of the training sentences (sequence-level distillation, Kim & Rush 2016).

  against_causal.py PROGRAM DATA [--direction en-de] [--work FOLDER] [--updates N] [--precision NAME] [--runs A;B] [--seeds 1,2,3] [--train-only]
                    [--no-waits] [--jobs N] [--out FILE.json]

PROGRAM, DATA and --work are those of multi30k.py; each direction needs a --work of its own. A run that is there is not made again, one that was stopped goes on; scores that are in
--out stay, waits are measured anew (of the first seed). Nothing is chosen by the test sentences.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import statistics
import subprocess
import sys

from multi30k import finetune, first_layers, keep_report, kept_report, prepare_data, write_jsonl, write_results

TOKENS = 2048
# name: start, objective, data
RUNS = {
    "causal": ("encoder", "causal", "train"),
    "diffusion": ("encoder", "diffusion", "train"),
    "causal, twice as long": ("causal", "causal", "train"),
    "diffusion, distilled": ("diffusion", "diffusion", "distilled"),
    "diffusion, distilled, lengths predicted": ("diffusion, distilled", "length", "train"),
    "diffusion, distilled twice as long": ("diffusion, distilled", "diffusion", "distilled"),
    "diffusion, distilled twice as long, lengths predicted": ("diffusion, distilled twice as long", "length", "train"),
}


def folder_of(work, name, seed):
    return os.path.join(work, "against", name.replace(" ", "-").replace(",", "") + of_seed(seed))


def of_seed(seed):
    return "" if seed == 1 else f"-seed-{seed}"


def recipe(work, name, seed, updates, precision):
    start, objective, data = RUNS[name]
    stage = {"name": objective, "objective": objective, "steps": updates, "tokens": TOKENS, "lr": 5e-4, "lr_schedule": "linear",
             "warmup": updates // 20, "validate_every": max(1, updates // 4), "keep_best": True}
    if objective == "diffusion":
        stage.update(corruption="single", weight="constant")
    if objective == "length":
        steps = min(500, updates)
        stage = {"objective": "length", "steps": steps, "tokens": TOKENS, "lr": 1e-3, "lr_schedule": "linear", "warmup": steps // 20}
    rows = distilled_by(work, seed) if data == "distilled" else f"{work}/{data}.jsonl"
    return {"output": folder_of(work, name, seed), "model": f"{work}/encoder" if start == "encoder" else folder_of(work, start, seed),
            "data": rows, "validation": f"{work}/validation.jsonl", "threads": 1, "seed": seed, "precision": precision,
            "attention": "causal" if objective == "causal" else "full", "checkpoint_every": 100, "keep": 1, "samples": 4,
            "stages": [stage]}


def distilled_by(work, seed):
    return f"{work}/distilled{of_seed(seed)}.jsonl"


def distill(program, work, seed):
    """The causal model's translations of the training sentences, by two processes."""
    halves = []
    with open(f"{work}/train.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for half in (0, 1):
        write_jsonl(f"{work}/half-{half}.jsonl", rows[half::2])
        halves.append(subprocess.Popen([program, "evaluate", folder_of(work, "causal", seed), f"{work}/half-{half}.jsonl", "--causal", "--trim", "64",
                                        "--threads", "1", "--predictions", f"{work}/half-{half}.out.jsonl"], stdout=subprocess.DEVNULL))
    if any([process.wait() for process in halves]):
        raise RuntimeError("the teacher's translations failed")
    texts = {}
    for half in (0, 1):
        with open(f"{work}/half-{half}.out.jsonl", encoding="utf-8") as file:
            texts.update({2 * (item["row"] - 1) + half: item["text"] for item in map(json.loads, file)})
    write_jsonl(distilled_by(work, seed), [{**row, "target": texts[i]} for i, row in enumerate(rows) if texts.get(i, "").strip()])


def train(program, work, name, seed, updates, precision):
    folder = folder_of(work, name, seed)
    report = kept_report(folder)
    if report:
        return report
    if RUNS[name][2] == "distilled" and not os.path.exists(distilled_by(work, seed)):
        distill(program, work, seed)
    seconds, entropies = finetune(program, folder, recipe(work, name, seed, updates, precision))
    report = {"run": name, "updates": updates, "tokens": TOKENS, "seed": seed, "precision": precision, "seconds": seconds,
              "validation_cross_entropy": entropies}
    keep_report(folder, report)
    return report


POLICY = ["--policy", "reparam-uncond-deterministic-linear"]  # of eight the best on 250 validation sentences, with 4 steps and with 10
HOW = {"causal": ["--causal", "--trim", "64"], "diffusion": ["--oracle", *POLICY], "length": ["--length-beam", "1,5", *POLICY]}
STEPS = {"causal": [], "diffusion": ["--steps", "1,4,10,50"], "length": ["--steps", "4,10"]}
WAITED = {"causal": [], "diffusion": ["--steps", "1,4,10"], "length": ["--steps", "4,10"]}


def evaluate(program, work, report, rows, *more):
    """{what was tried: its figures}"""
    objective = RUNS[report["run"]][1]
    command = [program, "evaluate", folder_of(work, report["run"], report["seed"]), rows, "--metrics", "bleu", "--threads", "1", "--json", *HOW[objective], *more]
    items = [i for i in json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) if i["task"]]
    beam = "{steps}, best of {length_beam}" if objective == "length" else "{steps}"
    return {"left to right" if objective == "causal" else beam.format(**i): i for i in items}


def score(program, work, report):
    """BLEU of all test sentences with its 95 % interval, in the precision of training."""
    fast = ["--bfloat16"] if report["precision"] == "bfloat16" else []
    found = evaluate(program, work, report, f"{work}/test.jsonl", "--confidence", "1000", *fast, *STEPS[RUNS[report["run"]][1]])
    return {**report, "bleu": {k: [round(x, 2) for x in (i["bleu"], *i["bleu_interval"])] for k, i in found.items()}}


def wait(program, work, report):
    """Milliseconds that one of the first 100 test sentences waits for its translation alone, in single precision on one thread."""
    with open(f"{work}/test.jsonl", encoding="utf-8") as file:
        write_jsonl(f"{work}/test-100.jsonl", [json.loads(line) for line in file][:100])
    found = evaluate(program, work, report, f"{work}/test-100.jsonl", "--batch", "1", *WAITED[RUNS[report["run"]][1]])
    return {**report, "ms_alone": {k: round(10 * i["seconds"], 1) for k, i in found.items()}}


def known_bleu(known, report):
    found = known.get((report["run"], report["seed"]))
    return found and {**report, "bleu": found["bleu"]}


def table(results):
    print("| run | validation cross entropy | K | BLEU | over seeds | ms for one sentence |\n|---|---|---|---|---|---|")
    for r in (r for r in results if r["seed"] == results[0]["seed"]):
        seeds = [other["bleu"] for other in results if other["run"] == r["run"]]
        for k, (bleu, low, high) in r["bleu"].items():
            wait_for = f"{r['ms_alone'][k]:.0f}" if k in r.get("ms_alone", {}) else ""
            entropy = min(r["validation_cross_entropy"], default=0)
            found = [s[k][0] for s in seeds]
            spread = f"{statistics.mean(found):.1f} ± {statistics.stdev(found):.1f} ({len(found)})" if len(found) > 1 else ""
            print(f"| {r['run']} | {f'{entropy:.2f}' if entropy else ''} | {k} | {bleu:.1f} [{low:.1f}, {high:.1f}] | {spread} | {wait_for} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--direction", default="de-en", choices=("de-en", "en-de"))
    parser.add_argument("--work", default="build/multi30k")
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--runs", default=";".join(RUNS), help="names, between semicolons [all]")
    parser.add_argument("--seeds", default="1", help="by commas [1]")
    parser.add_argument("--jobs", type=int, default=2, help="evaluations at a time")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--no-waits", action="store_true", help="on a machine with other work")
    parser.add_argument("--out")
    a = parser.parse_args()
    work, program = os.path.abspath(a.work), os.path.abspath(a.program)
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(f"{work}/captions.jsonl"):
        prepare_data(a.data, work, a.direction)
    if not os.path.exists(f"{work}/encoder/tokenizer.json"):
        first_layers(os.path.join(a.data, "models", "me5-small-pruned"), f"{work}/encoder")
    reports = []
    for seed, name in itertools.product(map(int, a.seeds.split(",")), a.runs.split(";")):
        reports.append(train(program, work, name, seed, a.updates, a.precision))
        print(f"{name}, seed {seed}: {reports[-1]['seconds']} s, validation cross entropy {reports[-1]['validation_cross_entropy']}", file=sys.stderr, flush=True)
    if a.train_only:
        return
    known = {}
    if a.out and os.path.exists(a.out):
        with open(a.out, encoding="utf-8") as file:
            known = {(r["run"], r["seed"]): r for r in json.load(file)["results"]}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        results = list(pool.map(lambda r: known_bleu(known, r) or score(program, work, r), reports))
    if not a.no_waits:
        results = [wait(program, work, report) if report["seed"] == reports[0]["seed"] else report for report in results]  # nothing beside it
    table(results)
    if a.out:
        write_results(a.out, results)


if __name__ == "__main__":
    main()
