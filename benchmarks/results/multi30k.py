"""The paper's claims about translation, in miniature: Multi30k German to English.

  multi30k.py PROGRAM DATA [--work FOLDER] [--updates N] [--rows N] [--jobs N] [--runs A,B] [--out FILE.json] [--figure FILE.svg]

PROGRAM is diffulm; DATA a folder with mt/multi30k (task 1, and task 2's captions) and models/me5-small-pruned. Everything is made
in --work: lower-cased data, the first six layers of the encoder, recipes, models. A run that is there already is not made again, one
that was stopped goes on from its last checkpoint. Test sentences are never trained on; nothing is chosen by them.
"""
import argparse
import concurrent.futures
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time

LAYERS = 6
STEPS = (1, 4, 10, 50)
BASE = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 16896, "max_position_embeddings": 512,
        "type_vocab_size": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "mask_token_id": 16895}
SIZES = {"128x4": (128, 4, 4), "256x6": (256, 6, 4), "384x6": (384, 6, 12)}
# name: what the weights start from, the objective, the share of the training pairs
RUNS = {
    "pretrained": ("384x6", "mlm", 1),
    "diffusion from the encoder": ("encoder", "diffusion", 1),
    "diffusion from our masked LM": ("pretrained", "diffusion", 1),
    "diffusion from nothing": ("384x6", "diffusion", 1),
    "causal from the encoder": ("encoder", "causal", 1),
    "causal from nothing": ("384x6", "causal", 1),
    "diffusion from nothing, 256x6": ("256x6", "diffusion", 1),
    "diffusion from nothing, 128x4": ("128x4", "diffusion", 1),
    "diffusion from the encoder, 1/4 of the pairs": ("encoder", "diffusion", 4),
    "diffusion from the encoder, 1/16 of the pairs": ("encoder", "diffusion", 16),
}


def lines(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [line.strip().lower() for line in file]


def write_jsonl(path, records):
    with open(path + ".part", "w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    os.replace(path + ".part", path)


def prepare_data(data, work, direction="de-en"):
    mt = os.path.join(data, "mt", "multi30k")
    for split, source in (("train", "train"), ("validation", "val"), ("test", "test_2016_flickr")):
        pairs = zip(*(lines(f"{mt}/{source}.{side}") for side in direction.split("-")))
        rows = [{"task": direction, "source": left, "target": right} for left, right in pairs if left and right]
        write_jsonl(f"{work}/{split}.jsonl", rows)
        if split == "train":
            for share in (4, 16):
                write_jsonl(f"{work}/train-{share}.jsonl", rows[::share])
    captions = [text for n in range(1, 6) for side in ("de", "en") for text in lines(f"{mt}/task2/train.{n}.{side}.gz")]
    write_jsonl(f"{work}/captions.jsonl", ({"text": text} for text in captions if text))


def first_layers(source, target, layers=LAYERS):
    """The encoder's first layers, by copying their bytes."""
    os.makedirs(target, exist_ok=True)
    with open(f"{source}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    with open(f"{source}/model.safetensors", "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        start, kept, blocks, at = 8 + size, {}, [], 0
        for name, entry in header.items():
            parts = name.split(".")
            if name == "__metadata__" or ("layer" in parts and int(parts[parts.index("layer") + 1]) >= layers):
                continue
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            blocks.append(file.read(end - begin))
            kept[name] = {**entry, "data_offsets": [at, at + end - begin]}
            at += end - begin
    text = json.dumps(kept).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{target}/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blocks))
    with open(f"{target}/config.json", "w", encoding="utf-8") as file:
        json.dump({**config, "num_hidden_layers": layers}, file)
    shutil.copy(f"{source}/tokenizer.json", target)


def folder_of(work, name):
    return os.path.join(work, "runs", name.replace(" ", "-").replace("/", "_").replace(",", ""))


def recipe(data, work, name, updates, seed):
    start, objective, share = RUNS[name]
    out = {"output": folder_of(work, name), "threads": 1, "seed": seed, "checkpoint_every": 200, "keep": 1, "samples": 4,
           "data": f"{work}/{'captions' if objective == 'mlm' else 'train' if share == 1 else f'train-{share}'}.jsonl"}
    if objective != "mlm":
        out["validation"] = f"{work}/validation.jsonl"
    if objective == "causal":
        out["attention"] = "causal"
    if start == "encoder":
        out["model"] = f"{work}/encoder"
    elif start in RUNS:
        out["model"] = folder_of(work, start)
    else:
        hidden, layers, heads = SIZES[start]
        out["architecture"], out["tokenizer"] = f"{work}/{start}.json", os.path.join(data, "models", "me5-small-pruned")
        with open(out["architecture"], "w", encoding="utf-8") as file:
            json.dump({**BASE, "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
                       "intermediate_size": 4 * hidden}, file)
    stage = {"name": objective, "objective": objective, "steps": updates, "tokens": 1024, "lr": 5e-4, "lr_schedule": "linear",
             "warmup": updates // 20, "validate_every": max(1, updates // 4)}
    if objective == "mlm":
        stage["mask_ratio"] = 0.3
    return {**out, "stages": [stage]}


locks = {name: threading.Lock() for name in RUNS}


def train(program, data, work, name, updates, seed):
    """Trains a run where it is not done, what it starts from before, and returns its report."""
    with locks[name]:
        return train_alone(program, data, work, name, updates, seed)


def finetune(program, folder, made):
    """Trains by a recipe into `folder`, from the last checkpoint of a run that was stopped: (seconds, validation cross entropies)."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/recipe.yaml", "w", encoding="utf-8") as file:
        json.dump(made, file, indent=1)  # JSON is YAML
    resume = ["--resume"] if os.path.isdir(f"{folder}/checkpoints") else []
    began = time.time()
    with open(f"{folder}/log.txt", "a", encoding="utf-8") as log:
        subprocess.run([program, "finetune", f"{folder}/recipe.yaml", *resume], check=True, stdout=log, stderr=log)
    with open(f"{folder}/metrics.jsonl", encoding="utf-8") as file:
        entropies = [m["validation_cross_entropy"] for m in map(json.loads, file) if "validation_cross_entropy" in m]
    return round(time.time() - began), entropies


def keep_report(folder, report):
    """The run is done: its report stays, its checkpoints go."""
    with open(f"{folder}/done.json", "w", encoding="utf-8") as file:
        json.dump(report, file)
    shutil.rmtree(f"{folder}/checkpoints", ignore_errors=True)


def kept_report(folder):
    """The report of a run that is done, else None."""
    if not os.path.exists(f"{folder}/done.json"):
        return None
    with open(f"{folder}/done.json", encoding="utf-8") as file:
        return json.load(file)


def write_results(path, results):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"command": " ".join(os.path.relpath(x) if os.path.isabs(x) else x for x in sys.argv), "commit": commit(),
                   "results": results}, file, indent=1)


def train_alone(program, data, work, name, updates, seed):
    folder = folder_of(work, name)
    report = kept_report(folder)
    if report:
        return report
    start = RUNS[name][0]
    if start in RUNS:
        train(program, data, work, start, updates, seed)
    seconds, entropies = finetune(program, folder, recipe(data, work, name, updates, seed))
    report = {"run": name, "updates": updates, "tokens": 1024, "seed": seed, "seconds": seconds, "validation_cross_entropy": entropies}
    keep_report(folder, report)
    return report


def evaluate(program, work, name, rows):
    folder = folder_of(work, name)
    test = f"{work}/test.jsonl"
    if rows:
        test = f"{work}/test-{rows}.jsonl"
    command = [program, "evaluate", folder, test, "--metrics", "bleu", "--json", "--threads", "1"]
    if RUNS[name][1] == "causal":
        command += ["--causal", "--trim", "64"]
    else:
        command += ["--oracle", "--steps", ",".join(map(str, STEPS))]
    began = time.time()
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    scores = {str(item["steps"]): round(item["bleu"], 2) for item in result}
    seconds = {str(item["steps"]): round(item["seconds"], 2) for item in result}
    return {"test_rows": rows or 1000, "bleu": scores, "decoding_seconds": seconds, "evaluation_seconds": round(time.time() - began, 1)}


def table(results):
    print("| run | validation cross entropy | " + " | ".join(f"K = {k}" for k in STEPS) + " | left to right |\n|---|---|" + "---|" * (len(STEPS) + 1))
    for r in results:
        if "bleu" not in r:
            continue
        scores = [f"{r['bleu'][str(k)]:.1f}" if str(k) in r["bleu"] else "" for k in STEPS]
        causal = [] if RUNS[r["run"]][1] != "causal" else [f"{score:.1f}" for score in r["bleu"].values()]
        print(f"| {r['run']} | {r['validation_cross_entropy'][-1]:.2f} | " + " | ".join(scores) + f" | {''.join(causal)} |")


def figure(results, path):
    """BLEU against steps, a line for each start; dashed: the causal model of the same start."""
    colors = {"the encoder": "#1667b8", "our masked LM": "#2b8a4b", "nothing": "#d2542c"}
    left, top, width, height, most = 60, 40, 420, 240, 35
    x = {k: left + width * i / (len(STEPS) - 1) for i, k in enumerate(STEPS)}

    def at(score):
        return round(top + height * (1 - score / most), 1)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 330" font-family="sans-serif" font-size="12">',
           '<rect width="680" height="330" fill="#fff"/>', f'<text x="{left}" y="24">BLEU of German to English at equal updates, from three starts</text>']
    for y in range(0, most + 1, 5):
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{at(y)}" y2="{at(y)}" stroke="#ddd"/><text x="{left - 8}" y="{at(y) + 4}" text-anchor="end">{y}</text>')
    for k, place in x.items():
        out.append(f'<text x="{place}" y="{top + height + 18}" text-anchor="middle">{k}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">denoising steps</text>')
    for r in results:
        kind, _, start = r["run"].partition(" from ")
        if start not in colors:
            continue
        if kind == "diffusion":
            points = " ".join(f"{x[k]:.1f},{at(r['bleu'][str(k)])}" for k in STEPS)
            out.append(f'<polyline points="{points}" fill="none" stroke="{colors[start]}" stroke-width="2"/>')
            last = at(r["bleu"][str(STEPS[-1])])
        else:
            last = at(next(iter(r["bleu"].values())))
            out.append(f'<line x1="{left}" x2="{left + width}" y1="{last}" y2="{last}" stroke="{colors[start]}" stroke-width="2" stroke-dasharray="6 4"/>')
        out.append(f'<text x="{left + width + 8}" y="{last + 4}" fill="{colors[start]}">{kind}, {start}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out + ["</svg>", ""]))


def commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()


def options(description, work, updates):
    """What the programs of all tables take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--work", default=work)
    parser.add_argument("--updates", type=int, default=updates)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out")
    return parser


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--work", default="build/multi30k")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=0, help="test sentences [all]")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", default=",".join(str(i) for i in range(len(RUNS))), help="numbers of runs, from 0 [all]")
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--figure")
    a = parser.parse_args()
    work = os.path.abspath(a.work)
    program = os.path.abspath(a.program)
    os.makedirs(work, exist_ok=True)
    if not os.path.exists(f"{work}/captions.jsonl"):
        prepare_data(a.data, work)
    if not os.path.exists(f"{work}/encoder/tokenizer.json"):
        first_layers(os.path.join(a.data, "models", "me5-small-pruned"), f"{work}/encoder")
    if a.rows:
        with open(f"{work}/test.jsonl", encoding="utf-8") as file:
            write_jsonl(f"{work}/test-{a.rows}.jsonl", [json.loads(line) for line in file][:a.rows])
    names = [list(RUNS)[int(i)] for i in a.runs.split(",")]
    results = []
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        waiting = {pool.submit(train, program, os.path.abspath(a.data), work, name, a.updates, a.seed): name for name in names}
        for future in concurrent.futures.as_completed(waiting):
            results.append(future.result())
            print(f"{time.strftime('%H:%M:%S')} {waiting[future]}: trained", file=sys.stderr, flush=True)
        if not a.train_only:
            scored = pool.map(lambda r: {**r, **evaluate(program, work, r["run"], a.rows)} if RUNS[r["run"]][1] != "mlm" else r, results)
            results = sorted(scored, key=lambda r: list(RUNS).index(r["run"]))
    if a.out:
        write_results(a.out, results)
    if a.figure:
        figure(results, a.figure)
    table(results)


if __name__ == "__main__":
    main()
