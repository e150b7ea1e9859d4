"""Our denoising and training steps beside PyTorch's and other engines', and beside what the machine allows, interleaved in one run.

  compare.py BENCH [--geometry small|base] [--threads 2] [--outer 2] [--rounds 3] [--ours float32,packed,bfloat16,int8]
             [--peers onnxruntime:f32,ctranslate2:int8,…] [--limit PROGRAM] [--out FILE.json]

BENCH is the built bench program, PROGRAM the built limit.c. Prints JSON lines of all, then a table of ratios of the minima to PyTorch's
(below 1: faster). PyTorch runs the same random-weight XLM-R through transformers, f32, eager, without padding where the rows
are of one length and padded where they are ragged; training is AdamW fused, clip 1, 261 masked positions on average.
The limit is the sum of the fastest oneDNN products and passes over memory that a step needs, in single precision, on packed rows.
"""
import argparse
import json
import os
import subprocess
import sys
import time

GEOMETRIES = {"small": (6, 256, 4, 1024, 8000), "base": (12, 768, 12, 3072, 250002)}
CASES = {"a": [64], "b": [64] * 8, "c": [16, 32, 48, 64, 80, 96, 112, 128], "d": [512]}


def best_of(work, rounds):
    times = []
    for i in range(rounds + 1):
        start = time.perf_counter()
        work()
        if i:
            times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def torch_round(args):
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layers, hidden, heads, ffn, vocabulary = GEOMETRIES[args.geometry]
    model = XLMRobertaForMaskedLM(XLMRobertaConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=ffn,
        max_position_embeddings=514, type_vocab_size=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)).eval()

    def emit(**values):
        print(json.dumps({"peer": "torch " + torch.__version__, "geometry": args.geometry, "threads": args.threads, **values}), flush=True)

    with torch.inference_mode():
        for case, lengths in CASES.items():
            longest = max(lengths)
            ids = torch.randint(5, vocabulary, (len(lengths), longest))
            mask = None
            if min(lengths) < longest:
                mask = torch.tensor([[1] * n + [0] * (longest - n) for n in lengths])
                ids[mask == 0] = 1
            emit(bench="encode", case=case, part="encoder", ms=best_of(lambda: model.roberta(input_ids=ids, attention_mask=mask), args.rounds))
            emit(bench="encode", case=case, part="step", ms=best_of(lambda: model(input_ids=ids, attention_mask=mask).logits, args.rounds))

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, betas=(0.9, 0.98), fused=True)
    ids = torch.randint(5, vocabulary, (16, 64))
    wanted = torch.zeros(16, 64, dtype=torch.bool)
    wanted[:, 32:] = torch.rand(16, 32) < 0.51

    def train():
        states = model.roberta(input_ids=ids).last_hidden_state[wanted]
        loss = torch.nn.functional.cross_entropy(model.lm_head(states), ids[wanted])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    emit(bench="train", case="train", part="step", ms=best_of(train, args.rounds))


def lines(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def commands(args):
    """(column, command) of everything that a round runs."""
    common = ["--geometry", args.geometry, "--threads", str(args.threads), "--rounds", str(args.rounds)]
    yield "torch", [sys.executable, __file__, args.bench, "--torch"] + common
    for name in args.ours.split(","):
        option = [] if name == "float32" else ["--pack-weights" if name == "packed" else f"--{name}", "1"]
        yield f"ours {name}", [args.bench, "--only", "denoise", *option] + common
        if name not in ("packed", "int8"):  # they do not train
            yield f"ours {name}", [args.bench, "--only", "train", *option] + common
    for peer in filter(None, args.peers.split(",")):
        script, variant = peer.split(":")
        yield peer, [sys.executable, f"{args.peer_scripts}/encode_{script}.py", "--variant", variant, "--folder", args.peer_models] + common
    if args.limit:
        yield "limit", [args.limit, "--geometry", args.geometry, "--threads", str(args.threads), "--what", "step,head,train"]


def limits(lines_of_limit):
    """What limit.c measured by part, put together as our own lines are."""
    encoder, head = {}, {}
    for line in lines_of_limit:
        if line["what"] == "train" and line["part"] == "total":
            yield {"bench": "train", "case": "train", "part": "step", "ms": line["ms"]}
        if line["case"] not in CASES:
            continue
        if line["what"] == "step" and line["part"] == "encoder":
            encoder[line["case"]] = line["ms"]
        if line["what"] == "head" and line["part"] != "product_only":
            way = "transform" if line["part"] == "transform" else "head"
            ways = head.setdefault((line["case"], line["rows"]), {})
            ways[way] = min(ways.get(way, 1e18), line["ms"])
    for case, ms in encoder.items():
        yield {"bench": "encode", "case": case, "part": "encoder", "ms": ms}
        tokens = sum(CASES[case])
        for part, rows in (("step", tokens), ("step half", tokens // 2), ("step quarter", tokens // 4)):
            if (case, rows) in head:
                yield {"bench": "encode", "case": case, "part": part, "ms": ms + sum(head[case, rows].values())}


def table(columns):
    """Milliseconds of PyTorch, then every other's ratio to it; where there is a limit, how far our float32 is from it."""
    keys = list(dict.fromkeys(key for column in columns.values() for key in column))
    names = [name for name in columns if name != "torch"]
    far = "limit" in columns and "ours float32" in columns
    print("| | torch, ms | " + " | ".join(names) + (" | float32 / limit" if far else "") + " |\n|---|" + "---|" * (len(names) + 1 + far))
    for key in keys:
        reference = columns["torch"].get(key) or columns["torch"].get((key[0], key[1], "step"))
        cells = [f"{columns[name][key] / reference:.2f}" if key in columns[name] else "" for name in names]
        if far:
            both = key in columns["limit"] and key in columns["ours float32"]
            cells.append(f"{columns['ours float32'][key] / columns['limit'][key]:.2f}" if both else "")
        print(f"| {' '.join(key)} | {reference:.1f} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--geometry", default="small", choices=GEOMETRIES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--outer", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default="float32", help="of ours: float32, packed (float32 with pack_weights), bfloat16, int8 [float32]")
    parser.add_argument("--peers", default="", help="other engines and their kinds: onnxruntime:f32,onnxruntime:int8,openvino:int8 …")
    parser.add_argument("--peer-scripts", default="../shared/peers", help="where encode_onnxruntime.py and the like are")
    parser.add_argument("--peer-models", default="build/peers", help="where they keep their models")
    parser.add_argument("--limit", help="the limit.c of the peers' scripts, built")
    parser.add_argument("--out", help="the minima, as JSON")
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        torch_round(args)
        return
    if args.peers:
        os.makedirs(args.peer_models, exist_ok=True)
    columns = {}
    for _ in range(args.outer):
        for column, command in commands(args):
            print(" ".join(os.path.basename(word) for word in command), file=sys.stderr, flush=True)
            found = lines(command)
            for line in limits(found) if column == "limit" else found:
                print(json.dumps(line), flush=True)
                key = line["bench"], line.get("case", "train"), line.get("part", "step")
                seen = columns.setdefault(column, {})
                seen[key] = min(seen.get(key, 1e18), line["ms"])
    table(columns)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump({"geometry": args.geometry, "threads": args.threads, "cpu": cpu(), "ms": {
                name: {" ".join(key): ms for key, ms in column.items()} for name, column in columns.items()}}, file, indent=1)


def cpu():
    """The widest instructions, by which docs/performance.md tells machines apart."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return ", ".join(name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if name in flags)


main()
