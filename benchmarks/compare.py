"""Our denoising and training steps, generations and first steps beside PyTorch's and other engines', and beside what the machine allows,
interleaved in one run.

  compare.py BENCH [--geometry small|base|base20k] [--threads 2] [--outer 2] [--rounds 3] [--ours float32,packed,bfloat16,int8]
             [--what denoise,train,generate,start] [--peers onnxruntime:f32,ctranslate2:int8,…] [--limit PROGRAM] [--isa avx2] [--out FILE.json]

BENCH is the built bench program (measure beside it), PROGRAM the built limit.c. Prints JSON lines of all, then tables of ratios of the minima and of the
medians to PyTorch's (below 1: faster; compare_table.py). PyTorch runs the same random-weight XLM-R through transformers, f32, eager, without padding where the rows
are of one length and padded where they are ragged; training is AdamW fused, clip 1, 261 masked positions on average, without dropout.
The limit is the sum of the fastest oneDNN products and passes over memory that a step needs, in single precision, on packed rows.
generate: 8 rows, 32 tokens of source, 32 masks and an eos, K steps without length prediction; PyTorch's is K times its fastest step as the reference
does it (generate_torch.py), another of its columns computes the logits of generated positions alone; ours the whole, 33 masks.
--isa avx2: as on a CPU that has no wider instructions; left out are ONNX Runtime, which cannot be told so, OpenVINO with
weights alone in 8 bits, which then fails, and bfloat16.
start: milliseconds from the start of a process to its first step of 64 tokens, all logits, files in the page cache; ours until the process has ended.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from compare_table import table

GEOMETRIES = {"small": (6, 256, 4, 1024, 8000), "base": (12, 768, 12, 3072, 250002), "base20k": (12, 768, 12, 3072, 20000)}
CASES = {"a": [64], "b": [64] * 8, "c": [16, 32, 48, 64, 80, 96, 112, 128], "d": [512]}


def timed(work, rounds):
    """The shortest and the median time, after one that is not counted."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return {"ms": min(times[1:]), "median_ms": statistics.median(times[1:])}


def emit(args, **values):
    print(json.dumps({"geometry": args.geometry, "threads": args.threads, **values}), flush=True)


def torch_model(args):
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layers, hidden, heads, ffn, vocabulary = GEOMETRIES[args.geometry]
    return torch, vocabulary, XLMRobertaForMaskedLM(XLMRobertaConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=ffn,
        max_position_embeddings=514, type_vocab_size=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)).eval()


def torch_denoises(args):
    torch, vocabulary, model = torch_model(args)
    with torch.inference_mode():
        for case, lengths in CASES.items():
            longest = max(lengths)
            ids = torch.randint(5, vocabulary, (len(lengths), longest))
            mask = None
            if min(lengths) < longest:
                mask = torch.tensor([[1] * n + [0] * (longest - n) for n in lengths])
                ids[mask == 0] = 1
            emit(args, bench="encode", case=case, part="encoder", **timed(lambda: model.roberta(input_ids=ids, attention_mask=mask), args.rounds))
            emit(args, bench="encode", case=case, part="step", **timed(lambda: model(input_ids=ids, attention_mask=mask).logits, args.rounds))


def torch_trains(args):
    torch, vocabulary, model = torch_model(args)
    if args.lora:
        class Adapted(torch.nn.Module):
            def __init__(self, frozen):
                super().__init__()
                self.frozen = frozen
                self.a = torch.nn.Linear(frozen.in_features, args.lora, bias=False)
                self.b = torch.nn.Linear(args.lora, frozen.out_features, bias=False)

            def forward(self, x):
                return self.frozen(x) + self.b(self.a(x))

        model.requires_grad_(False)
        for layer in model.roberta.encoder.layer:
            for name in ("query", "value"):
                setattr(layer.attention.self, name, Adapted(getattr(layer.attention.self, name)))
    if args.recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, betas=(0.9, 0.98), fused=True)
    ids = torch.randint(5, vocabulary, (16, 64))
    wanted = torch.zeros(16, 64, dtype=torch.bool)
    wanted[:, 32:] = torch.rand(16, 32) < 0.51

    def train():
        states = model.roberta(input_ids=ids).last_hidden_state[wanted]
        loss = torch.nn.functional.cross_entropy(model.lm_head(states), ids[wanted])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    emit(args, bench="train", lora=args.lora, recompute=args.recompute, **timed(train, args.rounds))


def lines(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


# lora, recompute
TRAININGS = [[], ["--recompute", "1"], ["--lora", "16"], ["--lora", "16", "--recompute", "1"]]


def commands(args):
    """(column, command) of everything that a round runs."""
    here = ["--geometry", args.geometry, "--threads", str(args.threads)]
    common = here + ["--rounds", str(args.rounds)]
    ours = [(f"ours {name}", OURS[name]) for name in args.ours.split(",")]
    peers = [peer.split(":") for peer in filter(None, args.peers.split(","))]
    scripts = bool(peers) and args.peer_scripts
    if "denoise" in args.what:
        yield "torch", [sys.executable, __file__, args.bench, "--torch", "denoise"] + common
        for column, options in ours:
            yield column, [args.bench, "--only", "denoise", *options["bench"]] + common
        for script, variant in peers:
            yield f"{script}:{variant}", [sys.executable, f"{scripts}/encode_{script}.py", "--variant", variant, "--folder", args.peer_models] + common
    if "train" in args.what:
        for kind in TRAININGS:
            yield "torch", [sys.executable, __file__, args.bench, "--torch", "train", *kind] + common
            for column, options in ours:
                if options["trains"]:
                    yield column, [args.bench, "--only", "train", *kind, *options["bench"]] + common
    if args.limit and {"denoise", "train"} & set(args.what):
        yield "limit", [args.limit, *here, "--what", "step,head,train"]
    if "generate" in args.what:
        yield from generations(args, here, ours, scripts)
    if "start" in args.what:
        yield from starts(args, here, ours, scripts)


def generations(args, here, ours, scripts):
    for drawn in (False, True):
        if scripts:
            script = [sys.executable, f"{scripts}/generate_torch.py", *here, "--steps", "10", "--measure-steps", str(args.rounds + 1)]
            yield "torch", script + ["--sample"] * drawn
            yield "torch, generated", script + ["--head", "generated"] + ["--sample"] * drawn
        for steps, rounds in ((10, args.rounds),) if drawn else ((10, args.rounds), (50, 1)):
            for column, options in ours:
                yield column, [beside(args.bench, "measure"), "--do", "generation", "--tokens", "65", "--source", "32", "--rounds", str(rounds),
                               "--steps", str(steps), "--draw", str(int(drawn)), *options["measure"], *here]


def starts(args, here, ours, scripts):
    """Our models are made once; PyTorch's script makes its own."""
    folder = os.path.join(args.peer_models, "ours-" + args.geometry)
    measure = beside(args.bench, "measure")
    if not os.path.exists(folder):
        os.makedirs(folder)
        lines([measure, "--make", folder, "--geometry", args.geometry])
    for column, options in ours:
        yield column, [measure, "--do", "step", "--model", f"{folder}/{options['file']}", "--rows", "1", "--tokens", "64", "--source", "0", "--rounds", "0",
                       "--threads", str(args.threads), *options["measure"]]
    if scripts and not os.path.exists(os.path.join(args.peer_models, "hf-" + args.geometry)):
        lines([sys.executable, f"{scripts}/first_step.py", "--prepare-only", "--folder", args.peer_models, *here])
    kinds = [("torch", "torch", ""), ("onnxruntime:f32", "onnxruntime", "f32"), ("onnxruntime:int8", "onnxruntime", "int8"),
             ("openvino:f32", "openvino", "f32"), ("openvino:int8", "openvino", "int8")]
    for column, peer, variant in kinds:
        if scripts and (column == "torch" or column in args.peers.split(",")):
            yield column, [sys.executable, f"{scripts}/first_step.py", "--peer", peer, "--variant", variant, "--folder", args.peer_models, *here]


# Options of bench and of measure, the stored type that a host would take, and whether it trains.
OURS = {
    "float32": {"bench": [], "measure": [], "file": "float32", "trains": True},
    "packed": {"bench": ["--pack-weights", "1"], "measure": ["--pack-weights", "1"], "file": "float32", "trains": False},
    "bfloat16": {"bench": ["--bfloat16", "1"], "measure": ["--precision", "bfloat16"], "file": "bfloat16", "trains": True},
    "int8": {"bench": ["--int8", "1"], "measure": ["--precision", "int8"], "file": "int8", "trains": False},
}


# What keeps oneDNN (OpenVINO's and PyTorch's, too), PyTorch, MKL and CTranslate2 from wider instructions.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "CT2_FORCE_CPU_ISA": "AVX2"}


def narrow(args):
    """Everything that is run from here on as on a CPU with AVX2 alone."""
    os.environ.update(AVX2)
    for kind in OURS.values():
        kind["bench"] += ["--isa", "avx2"]
        kind["measure"] += ["--isa", "avx2"]
    args.ours = ",".join(name for name in args.ours.split(",") if name != "bfloat16")
    left_out = {"onnxruntime:f32", "onnxruntime:int8", "openvino:weights8"}
    args.peers = ",".join(peer for peer in args.peers.split(",") if peer not in left_out)


def beside(program, name):
    return os.path.join(os.path.dirname(program), name)


def entries(column, found, seconds):
    """(row of the table, its ms and perhaps median_ms) of what a command printed, which took so long."""
    for line in limits(found) if column == "limit" else found:
        if line.get("bench") == "first_step":
            yield "first step of a process", {"ms": 1e3 * line["first_step_s"]}
        elif line.get("do") == "step":
            yield "first step of a process", {"ms": 1e3 * seconds}
        elif line.get("do") == "generation":
            yield f"generation, K = {line['steps']}" + ", drawn" * line["draw"], line
        elif line.get("bench") == "generate":
            for steps in (10,) if line["sample"] else (10, 50):
                yield f"generation, K = {steps}" + ", drawn" * line["sample"], {"ms": steps * line["ms_per_step"]}
        elif line.get("bench") == "train":
            kind = ["LoRA"] * bool(line.get("lora")) + ["checkpointed"] * bool(line.get("recompute"))
            yield f"train {' '.join(kind) or 'train'} step", line
        elif line.get("bench") == "encode":
            yield f"encode {line['case']} {line['part']}", line


def limits(lines_of_limit):
    """What limit.c measured by part, put together as our own lines are."""
    encoder, head = {}, {}
    for line in lines_of_limit:
        if line["what"] == "train" and line["part"] == "total":
            yield {"bench": "train", "ms": line["ms"]}
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
    parser.add_argument("--out", help="minima and medians, as JSON")
    parser.add_argument("--what", default="denoise,train,generate,start", type=lambda text: text.split(","), help="parts, of denoise,train,generate,start [all]")
    parser.add_argument("--isa", choices=["avx2"], help="the widest instructions that may be used [those of the CPU]")
    parser.add_argument("--torch", choices=["denoise", "train"], help=argparse.SUPPRESS)
    parser.add_argument("--lora", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--recompute", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        (torch_denoises if args.torch == "denoise" else torch_trains)(args)
        return
    os.makedirs(args.peer_models, exist_ok=True)
    if args.isa:
        narrow(args)
    seen = {}
    for _ in range(args.outer):
        for column, command in commands(args):
            print(" ".join(os.path.basename(word) for word in command), file=sys.stderr, flush=True)
            start = time.perf_counter()
            found = lines(command)
            for row, line in entries(column, found, time.perf_counter() - start):
                both = line["ms"], line.get("median_ms", line["ms"])
                emit(args, column=column, row=row, ms=round(both[0], 3), median_ms=round(both[1], 3))
                seen.setdefault(column, {}).setdefault(row, []).append(both)
    times = {"minima": {}, "medians": {}}
    for column, rows in seen.items():
        times["minima"][column] = {row: min(ms for ms, _ in all_of) for row, all_of in rows.items()}
        times["medians"][column] = {row: statistics.median(median for _, median in all_of) for row, all_of in rows.items()}
    for of, values in times.items():
        print(f"\n{of}:")
        table(values)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump({"geometry": args.geometry, "threads": args.threads, "cpu": args.isa or cpu(), **times}, file, indent=1)


def cpu():
    """The widest instructions, by which docs/performance.md tells machines apart."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return ", ".join(name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if name in flags)


main()
