"""Step-by-step answers to generated word problems, in GSM8K's format (steps, then "#### N"), from the encoder of multi30k.py.

  reasoning.py PROGRAM DATA [--work FOLDER] [--updates N] [--precision NAME] [--jobs N] [--out FILE.json]

Two models with equal updates: one is taught the steps, one the result alone. Test problems have numbers that no training problem of their
kind has. Accuracy: the last number of the answer is right; by policy and by number of steps, at the reference's length, and once with a
canvas that is longer than any answer, cut at eos.
"""
import concurrent.futures
import json
import os
import random
import subprocess

from multi30k import finetune, first_layers, keep_report, kept_report, options, write_jsonl, write_results

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas")
THINGS = ("apples", "books", "coins", "eggs", "pens", "stamps", "cards", "shells")
POLICIES = ("reparam-uncond-deterministic-linear", "llada-low_confidence", "cmlm", "ar")
STEPS = (1, 4, 10, 20)
TEST = 200


def bags(a, b, c):
    return "{n} has {a} {t}. {n} buys {b} bags with {c} {t} each. How many {t} does {n} have now?", [(b, "*", c), (a, "+", b * c)]


def shared(a, b, c):
    return "{n} and {m} collect {t}. {n} finds {a} and {m} finds {b}. They give away {c}. How many {t} are left?", [(a, "+", b), (a + b, "-", c)]


def eaten(a, b, c):
    return "{n} has {a} boxes with {b} {t} each. {c} {t} are lost. How many {t} are left?", [(a, "*", b), (a * b, "-", c)]


def twice(a, b, c):
    return "{n} has {a} {t}. {m} has {b} more than {n}. {n} finds {c} more. How many {t} do both have?", [(a, "+", b), (a, "+", c), (a + b, "+", a + c)]


def days(a, b, c):
    return "{n} collects {a} {t} a day for {b} days and {c} on the last day. How many {t} does {n} have?", [(a, "*", b), (a * b, "+", c)]


KINDS = (bags, shared, eaten, twice, days)


def value(step):
    left, sign, right = step
    return left + right if sign == "+" else left - right if sign == "-" else left * right


def problem(draws):
    while True:
        kind = draws.choice(KINDS)
        numbers = tuple(draws.randint(2, 12) for _ in range(3))
        text, steps = kind(*numbers)
        if min(value(step) for step in steps) >= 0:
            break
    n, m = draws.sample(NAMES, 2)
    source = text.format(n=n, m=m, t=draws.choice(THINGS), a=numbers[0], b=numbers[1], c=numbers[2])
    result = value(steps[-1])
    worked = " ".join(f"{left} {sign} {right} = {value((left, sign, right))} ." for left, sign, right in steps)
    return (kind.__name__, numbers), source, f"{worked} #### {result}", f"#### {result}"


def prepare(work):
    draws = random.Random(1)
    problems = [problem(draws) for _ in range(24000)]
    kept = set(random.Random(2).sample(sorted({key for key, *_ in problems}), 400))  # number triples that are only tested
    seen = set()
    test = [p for p in problems if p[0] in kept and not (p[0] in seen or seen.add(p[0]))][:TEST]
    train = [p for p in problems if p[0] not in kept]
    for name, at in (("steps", 2), ("result", 3)):
        write_jsonl(f"{work}/train-{name}.jsonl", [{"source": p[1], "target": p[at]} for p in train])
        write_jsonl(f"{work}/test-{name}.jsonl", [{"task": p[0][0], "source": p[1], "target": p[at]} for p in test])
    return len(train), len(test)


def evaluate(program, folder, rows, precision, *options):
    command = [program, "evaluate", folder, rows, "--metrics", "last-number", "--threads", "1", "--json", *options]
    command += ["--bfloat16"] if precision == "bfloat16" else []
    items = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [{"policy": i["policy"], "steps": i["steps"], "accuracy": round(i["last-number"], 1)} for i in items if i["task"] is None]


def run(program, work, name, updates, precision):
    folder = f"{work}/{name}"
    report = kept_report(folder)
    if report:
        return report
    stage = {"name": "solve", "objective": "diffusion", "corruption": "single", "weight": "constant", "tokens": 2048, "lr": 5e-4,
             "lr_schedule": "linear", "steps": updates, "warmup": updates // 10}
    seconds, _ = finetune(program, folder, {
        "output": folder, "model": f"{work}/encoder", "data": f"{work}/train-{name}.jsonl", "precision": precision, "threads": 1, "seed": 1,
        "checkpoint_every": 100, "keep": 1, "samples": 0, "stages": [stage]})
    test = f"{work}/test-{name}.jsonl"
    report = {"taught": name, "updates": updates, "precision": precision, "seed": 1, "seconds": seconds}
    report["at the reference's length"] = evaluate(program, folder, test, precision, "--oracle", "--policy", ",".join(POLICIES),
                                                   "--steps", ",".join(map(str, STEPS)))
    report["in 48 masks, cut at eos"] = evaluate(program, folder, test, precision, "--trim", "48", "--policy", ",".join(POLICIES),
                                                 "--steps", str(STEPS[-1]))
    keep_report(folder, report)
    return report


def main():
    a = options(__doc__, "build/reasoning", 500).parse_args()
    work, program, data = os.path.abspath(a.work), os.path.abspath(a.program), os.path.abspath(a.data)
    os.makedirs(work, exist_ok=True)
    prepare(work)
    if not os.path.exists(f"{work}/encoder/tokenizer.json"):
        first_layers(os.path.join(data, "models", "me5-small-pruned"), f"{work}/encoder")
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        results = list(pool.map(lambda name: run(program, work, name, a.updates, a.precision), ("steps", "result")))
    for r in results:
        print(f"taught the {r['taught']}:\n| policy | " + " | ".join(f"K = {k}" for k in STEPS) + " | 48 masks |\n|---|" + "---|" * (len(STEPS) + 1))
        for policy in POLICIES:
            cells = [i["accuracy"] for key in ("at the reference's length", "in 48 masks, cut at eos") for i in r[key] if i["policy"] == policy]
            print(f"| `{policy}` | " + " | ".join(f"{x:.1f}" for x in cells) + " |")
    if a.out:
        write_results(a.out, results)


if __name__ == "__main__":
    main()
