"""Which options to choose, on Multi30k German to English from the encoder of multi30k.py: one option changed at a time, equal computed tokens.

  choices.py PROGRAM DATA [--work FOLDER] [--updates N] [--jobs N] [--precision NAME] [--runs A;B] [--out FILE.json] [--figure FILE.svg]

Every run reads 2,048 tokens an update, counted after corruption: a coupled pair takes two for one of its row. BLEU is that of the first
250 validation sentences; the test set is not looked at. A run that is there is not made again, one that was stopped goes on.
"""
import concurrent.futures
import json
import os
import subprocess

from multi30k import finetune, first_layers, keep_report, kept_report, options, prepare_data, write_jsonl, write_results

STEPS = (1, 4, 10)
BASE = {"corruption": "single", "weight": "constant", "tokens": 2048, "lr": 5e-4}
# name: keys of the stage or of the recipe that differ from BASE, and the encoder's layers
RUNS = {
    "single, constant": {},
    "single, linear": {"weight": "linear"},
    "single, mdlm": {"weight": "mdlm"},
    "coupled, constant": {"corruption": "coupled", "tokens": 1024},
    "coupled, linear": {"corruption": "coupled", "weight": "linear", "tokens": 1024},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "learning rate 1e-3": {"lr": 1e-3},
    "prefix_lm attention": {"attention": "prefix_lm"},
    "LoRA 16, all linear maps": {"lora_rank": 16, "lora_targets": "all-linear", "lr": 2e-3},
    "LoRA 16, query and value": {"lora_rank": 16, "lr": 2e-3},
    "3 layers": {"layers": 3},
    "12 layers": {"layers": 12},
    "1/4 of the pairs": {"share": 4},
    "1/16 of the pairs": {"share": 16},
}


def folder_of(work, name):
    return os.path.join(work, "choices", name.replace(" ", "-").replace(",", "").replace("/", "_"))


def encoder(work, data, layers):
    folder = f"{work}/encoder" if layers == 6 else f"{work}/encoder-{layers}"
    if not os.path.exists(f"{folder}/tokenizer.json"):
        first_layers(os.path.join(data, "models", "me5-small-pruned"), folder, layers)
    return folder


def recipe(work, data, name, updates, precision):
    stage = {**BASE, **RUNS[name]}
    share, layers = stage.pop("share", 1), stage.pop("layers", 6)
    attention = stage.pop("attention", "full")
    stage.update(name="diffusion", objective="diffusion", steps=updates, lr_schedule="linear", warmup=updates // 10, validate_every=updates // 2)
    return {"output": folder_of(work, name), "model": encoder(work, data, layers), "precision": precision, "threads": 1, "seed": 1,
            "data": f"{work}/train{'' if share == 1 else f'-{share}'}.jsonl", "validation": f"{work}/validation-250.jsonl",
            "attention": attention, "checkpoint_every": 100, "keep": 1, "samples": 0, "stages": [stage]}


def run(program, work, data, name, updates, precision):
    """Trains and scores one run, or reads what it came to."""
    folder = folder_of(work, name)
    report = kept_report(folder)
    if report:
        return report
    made = recipe(work, data, name, updates, precision)
    seconds, entropies = finetune(program, folder, made)
    command = [program, "evaluate", folder, made["validation"], "--metrics", "bleu", "--oracle", "--steps", ",".join(map(str, STEPS)),
               "--attention", made["attention"], "--threads", "1", "--json"]
    scores = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    report = {"run": name, "updates": updates, "precision": precision, "seed": 1, "seconds": seconds, "validation_cross_entropy": entropies,
              "bleu": {str(item["steps"]): round(item["bleu"], 2) for item in scores if item["task"]}}
    keep_report(folder, report)
    return report


SCALES = {"layers": {"3": "3 layers", "6": "single, constant", "12": "12 layers"},
          "share of the pairs": {"1/16": "1/16 of the pairs", "1/4": "1/4 of the pairs", "1": "single, constant"}}


def figure(results, path):
    """BLEU with each number of steps, and the validation cross entropy, by size and by data."""
    found, width, height, top = {r["run"]: r for r in results}, 200, 180, 50
    curves = {"BLEU": (20, {f"K = {k}": lambda r, k=k: r["bleu"][str(k)] for k in STEPS}),
              "cross entropy": (4, {"": lambda r: r["validation_cross_entropy"][-1]})}
    colors = ["#d2542c", "#2b8a4b", "#1667b8"]
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1120 290" font-family="sans-serif" font-size="12">', '<rect width="1120" height="290" fill="#fff"/>']
    panels = [(scale, measure) for scale in SCALES for measure in curves]
    for i, (scale, measure) in enumerate(panels):
        left, (most, lines) = 45 + i * 270, curves[measure]
        out.append(f'<text x="{left}" y="28">{measure} by {scale}</text>')
        for y in range(5):
            at = top + height * (1 - y / 4)
            out.append(f'<line x1="{left}" x2="{left + width}" y1="{at}" y2="{at}" stroke="#ddd"/><text x="{left - 6}" y="{at + 4}" text-anchor="end">{most * y / 4:g}</text>')
        places = [left + width * j / 2 for j in range(3)]
        out += [f'<text x="{x}" y="{top + height + 18}" text-anchor="middle">{name}</text>' for x, name in zip(places, SCALES[scale])]
        for color, (name, value) in zip(colors, lines.items()):
            points = [(x, top + height * (1 - value(found[run]) / most)) for x, run in zip(places, SCALES[scale].values())]
            out.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{color}" stroke-width="2"/>')
            out.append(f'<text x="{left + width + 4}" y="{points[-1][1] + 4:.1f}" fill="{color}">{name}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out + ["</svg>", ""]))


def main():
    parser = options(__doc__, "build/multi30k", 250)
    parser.add_argument("--runs", default=";".join(RUNS), help="names, between semicolons [all]")
    parser.add_argument("--figure", help="curves of sizes and shares of the data, whose runs --runs has to have")
    a = parser.parse_args()
    work, program, data = os.path.abspath(a.work), os.path.abspath(a.program), os.path.abspath(a.data)
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(f"{work}/captions.jsonl"):
        prepare_data(data, work)
    if not os.path.exists(f"{work}/validation-250.jsonl"):
        with open(f"{work}/validation.jsonl", encoding="utf-8") as file:
            write_jsonl(f"{work}/validation-250.jsonl", [json.loads(line) for line in file][:250])
    for layers in (3, 6, 12):
        encoder(work, data, layers)
    print("| | " + " | ".join(f"K = {k}" for k in STEPS) + " |\n|---|" + "---|" * len(STEPS))
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        results = []
        for result in pool.map(lambda name: run(program, work, data, name, a.updates, a.precision), a.runs.split(";")):
            results.append(result)
            print(f"| {result['run']} | " + " | ".join(f"{result['bleu'][str(k)]:.1f}" for k in STEPS) + " |", flush=True)
    if a.out:
        write_results(a.out, results)
    if a.figure:
        figure(results, a.figure)


if __name__ == "__main__":
    main()
