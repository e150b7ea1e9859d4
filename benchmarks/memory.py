"""Peak memory (VmHWM) of loading, a step, a generation and an update, each in a process of its own, beside what the formula of
docs/memory.md predicts.

  memory.py MEASURE [--geometry small,base] [--rows 8] [--tokens 64] [--threads 2] [--work build/sizes] [--only NAME,NAME] [--tolerance 0.1]

MEASURE is the built program. The models, random weights in three types, are made once in --work (base: 2 GB of files). Ends with
1 where a prediction is further off than --tolerance."""
import argparse
import mmap
import os
import sys

import counts

MIB = 1 << 20
FLOAT = 4
HEAD_ROWS, HEAD_TILE = 512, 1 << 19  # positions and logits of a tile of the vocabulary (arch/score.h)
APART, PART = 16384, 3  # pieces whose parts exist at a time, and words of a part (diffusion/choose.c)
LOGITS, LOGITS_ROWS, LOGITS_TILE = 32 << 20, 512, 2048  # numbers, rows and pieces of an update's logits (arch/head_loss.c)
BLOCK, INNER = 8 << 20, 16384  # of copies in bfloat16 (nn/bf16.c)
WIDE = 1 << 20  # numbers of a matrix in 16 bits that are widened at a time (nn/half.c)
AT_ONCE, TILE_ROWS, TILE_COLUMNS = 512, 64, 128  # of a product by packed matrices (nn/packed.c)
GIVEN = DENOISED = 0.5  # share of a row, as measure.c makes them
MASKED = 0.5  # of an update's targets, on average
LORA = 16

# name: what is done, the type of the file, the precision of the runtime, other options
CASES = {
    "load float32": ("load", "float32", "float32", {}),
    "load bfloat16": ("load", "bfloat16", "float32", {}),
    "load int8": ("load", "int8", "float32", {}),
    "step float32": ("step", "float32", "float32", {}),
    "step float32 packed": ("step", "float32", "float32", {"pack-weights": 1}),
    "step bfloat16": ("step", "float32", "bfloat16", {}),
    "step bfloat16 file": ("step", "bfloat16", "float32", {}),
    "step bfloat16, its file too": ("step", "bfloat16", "bfloat16", {}),
    "step bfloat16, its file too, packed": ("step", "bfloat16", "bfloat16", {"pack-weights": 1}),
    "step int8": ("step", "float32", "int8", {}),
    "step int8 file": ("step", "int8", "float32", {}),
    "generation float32": ("generation", "float32", "float32", {}),
    "generation bfloat16": ("generation", "float32", "bfloat16", {}),
    "generation int8": ("generation", "float32", "int8", {}),
    "generation float32 prefix_lm": ("generation", "float32", "float32", {"attention": "prefix_lm"}),
    "generation bfloat16 prefix_lm": ("generation", "float32", "bfloat16", {"attention": "prefix_lm"}),
    "generation int8 prefix_lm": ("generation", "float32", "int8", {"attention": "prefix_lm"}),
    "update float32": ("update", "float32", "float32", {}),
    "update float32 checkpointed": ("update", "float32", "float32", {"recompute": 1}),
    "update float32 LoRA": ("update", "float32", "float32", {"lora": LORA}),
    "update float32 LoRA checkpointed": ("update", "float32", "float32", {"lora": LORA, "recompute": 1}),
    "update bfloat16": ("update", "float32", "bfloat16", {}),
    "update bfloat16 LoRA": ("update", "float32", "bfloat16", {"lora": LORA}),
}


def words_touched(g, rows, tokens, window, value):
    """Bytes of the table of words, `value` bytes a number, in memory when only the rows of the given tokens are read: the kernel maps
    `window` bytes at each. The ids are those of measure.c."""
    row, table = value * g.hidden, value * g.hidden * g.vocabulary
    ids = {5 + (r * tokens + i) * 7919 % (g.vocabulary - 5) for r in range(rows) for i in range(int(GIVEN * tokens))}
    return min(table, len({i * row // window for i in ids}) * window)


def weights(g, thing, stored, precision, packed, words):
    """Bytes of weights in memory. Mapped floats count where they are read, and no longer once they were copied."""
    p, m, rows = counts.parameters(g), counts.matrix_values(g), counts.matrix_rows(g)
    bytes8 = m + 8 * rows  # with scale and sum of each row
    if packed and thing != "load" and precision != "int8":
        return (2 if precision == "bfloat16" else FLOAT) * m + FLOAT * (p - m) + words(2 if stored == "bfloat16" else FLOAT)
    if stored == "bfloat16":  # vectors and positions are widened on opening, matrices in tiles where they are multiplied so
        tile = max(max(1, min(WIDE // columns, count)) * columns for count, columns, _ in counts.matrices(g))
        return FLOAT * (p - m) + (2 * m if thing != "load" else 0) + (FLOAT * tile if thing != "load" and precision == "float32" else 0)
    if stored == "int8":  # the sums are made on loading; the file's own scales
        return bytes8 + 4 * rows + (FLOAT * (p - m) if thing != "load" else 0)
    if thing == "load":
        return 0
    if precision == "int8":
        return bytes8 + FLOAT * (p - m)
    return FLOAT * p


def packed_copies(products, precision, threads):
    """Bytes that products by packed matrices keep: rounded activations, and a tile of sums for each thread (nn/packed.c)."""
    size = {"float32": 0, "bfloat16": 2, "int8": 1}[precision]  # floats are used where they are
    longest = max((min(p.m, AT_ONCE) * (p.k * size + 8) for p in products if p.what != "attention"), default=0)
    return longest + threads * TILE_ROWS * TILE_COLUMNS * FLOAT


def copies(products, precision):
    """Bytes of the copies that products in bfloat16 keep: of the largest block (nn/bf16.c)."""
    if precision == "float32":
        return 0
    most = 0
    for p in products:
        if p.what == "attention":
            continue
        k = min(p.k, INNER)
        most = max(most, 2 * k * (min(p.m, BLOCK // k) + min(p.n, BLOCK // k)))
    return most


def scoring(g, rows, tokens, threads, precision, packed, kept):
    """A session's floats: activations of one layer, attention of a row and head for each thread, logits of a tile or, of packed matrices, what
    their parts leave behind; 150 bytes a position for canvases and candidates; kept keys and values of the source."""
    d, f, all_tokens = g.hidden, g.ffn, rows * tokens
    wide, head = max(f, 3 * d), min(HEAD_ROWS, int(DENOISED * all_tokens))
    floats = all_tokens * (5 * d + wide + max(f, d))
    features = d // g.heads
    if precision != "float32" and features % 32 == 0:  # a head of rounded factors (nn/head.h)
        floats += threads * (tokens * (features + 18) + 6 * features)
    else:
        floats += threads * 2 * tokens * tokens
    apart = packed or precision == "int8"
    logits = head * (1 + PART * -(-min(g.vocabulary, APART) // TILE_COLUMNS)) if apart else min(head * g.vocabulary, HEAD_TILE)
    floats += head * 2 * d + logits
    if kept:
        floats += 2 * g.layers * d * int(GIVEN * all_tokens)
    products = counts.forward(g, all_tokens, tokens, head)
    return FLOAT * floats + 150 * all_tokens + (packed_copies(products, precision, threads) if packed or precision != "float32" else 0)


def training(g, rows, tokens, threads, precision, lora, recompute):
    """Value, gradient and two moments of what is trained; the tape; the logits. LoRA reads the weights where they are."""
    d, f, all_tokens = g.hidden, g.ffn, rows * tokens
    state, wide = 9 * d + f - d + f, max(f, 3 * d)
    trained = 2 * g.layers * 2 * lora * d if lora else counts.parameters(g)
    targets = int(DENOISED * MASKED * all_tokens)
    shared = 2 * d + f if lora and not recompute else 0  # inputs of frozen maps, which no gradient needs: once for all layers
    tape = 3 * d + (g.layers * d + state if recompute else g.layers * (state - shared) + shared) + 4 * d + wide + max(f, d) + 2
    floats = 4 * trained + all_tokens * (tape + lora) + threads * 2 * tokens * tokens
    chunk = min(max(1, LOGITS // g.vocabulary), LOGITS_ROWS, targets)
    floats += chunk * (6 * d + 5 + g.vocabulary)
    if lora:
        floats += counts.parameters(g)
    tile = g._replace(vocabulary=min(g.vocabulary, LOGITS_TILE))  # of the products
    return FLOAT * floats + 80 * all_tokens + copies(counts.update(tile, all_tokens, tokens, chunk), precision)


def predict(g, case, args, constant, window):
    """Bytes. constant: of the process, by what it does and in which precision."""
    thing, stored, precision, options = CASES[case]
    if thing == "update":
        rows = 2 * args.rows
        return constant["gradients", precision] + training(g, rows, args.tokens, args.threads, precision, options.get("lora", 0), options.get("recompute", 0))
    packed = "pack-weights" in options or (stored, precision) == ("float32", "bfloat16")
    held = weights(g, thing, stored, precision, packed, lambda value: words_touched(g, args.rows, args.tokens, window, value))
    if thing == "load":
        return constant["packing" if stored == "int8" else "nothing",] + held
    multiplied = "int8" if stored == "int8" else precision
    kept = options.get("attention") == "prefix_lm"
    in_place = stored == precision == "bfloat16" and not packed
    made_of = "stored" if in_place else "packed" if packed and precision == "float32" else "products"
    return constant[made_of, multiplied] + held + scoring(g, args.rows, args.tokens, args.threads, multiplied, packed, kept)


def mapped_window(path):
    """Bytes that one read of a mapped file brings into memory, on average: 64 KiB by most kernels, up to 2 MiB by those that
    map large pages of their cache."""
    def mapped():
        with open("/proc/self/status", encoding="ascii") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("RssFile:"))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        before, places = mapped(), max(1, min(64, len(view) // (4 * MIB)))
        for i in range(places):
            _ = view[len(view) * i // places]
        return max(4096, (mapped() - before) // places)


def constants(args):
    """Bytes of the process with its libraries; and with the code and rooms that products need, by what is multiplied and in which
    precision: without result and copies of the largest of them."""
    def peak(rows, *options):
        line = counts.lines([args.measure, "--rounds", 0, "--threads", args.threads, "--rows", rows, "--tokens", args.tokens, *options])[0]
        return 1024 * line["peak_kib"]
    found = {("nothing",): peak(args.rows, "--do", "nothing"), ("packing",): peak(args.rows, "--do", "packing", "--precision", "int8")}
    for precision in args.precisions.split(","):
        for what in {"float32": ("products", "packed", "gradients"), "bfloat16": ("products", "stored", "gradients"), "int8": ("products",)}[precision]:
            rows = args.rows * (2 if what == "gradients" else 1)
            largest, result = counts.Product(rows * args.tokens, 1024, 1024, 1, "layers"), max(rows * args.tokens, 1024) if what == "gradients" else rows * args.tokens
            if what == "gradients" or (precision, what) == ("float32", "products"):
                kept = copies([largest], precision)
            else:
                kept = packed_copies([largest], precision, args.threads if what != "stored" else 0)
            done = ("products", "--pack-weights", 1) if what == "packed" else (what,)
            found[what, precision] = peak(rows, "--do", *done, "--precision", precision) - FLOAT * 1024 * result - kept
    return found


def measure(args, folder, case):
    thing, stored, precision, options = CASES[case]
    rows = 2 * args.rows if thing == "update" else args.rows
    more = [part for name, value in options.items() for part in (f"--{name}", value)]
    return counts.lines([args.measure, "--do", thing, "--model", os.path.join(folder, stored), "--precision", precision, "--rows", rows,
                         "--tokens", args.tokens, "--threads", args.threads, "--rounds", 0, *more])[0]["peak_kib"] * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure")
    parser.add_argument("--geometry", default="small,base")
    parser.add_argument("--rows", type=int, default=8, help="of a step and a generation; an update has twice as many [8]")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", default="build/sizes")
    parser.add_argument("--only", help="names of cases, by commas; a name stands for all that begin with it")
    parser.add_argument("--precisions", default="float32,bfloat16,int8", help="those that this CPU has")
    parser.add_argument("--tolerance", type=float, default=0.1)
    args = parser.parse_args()
    constant = constants(args)
    print("the process: " + "; ".join(f"{' '.join(key)} {value / MIB:.1f} MiB" for key, value in constant.items()))
    failed = 0
    for name in args.geometry.split(","):
        g, folder = counts.geometry(name), os.path.join(args.work, name)
        if not os.path.exists(os.path.join(folder, "int8", "config.json")):
            os.makedirs(folder, exist_ok=True)
            counts.lines([args.measure, "--make", folder, "--geometry", name])
        window = mapped_window(os.path.join(folder, "float32", "model.safetensors"))
        print(f"\n{name}: {counts.parameters(g) * FLOAT / MIB:.0f} MiB of weights in float32; a read of the file maps {window / 1024:.0f} KiB\n\n"
              "| | predicted, MiB | measured, MiB | ratio |\n|---|---|---|---|")
        for case in CASES:
            if CASES[case][2] not in args.precisions.split(",") or args.only and not any(case.startswith(o) for o in args.only.split(",")):
                continue
            seen, told = measure(args, folder, case), predict(g, case, args, constant, window)
            bad = abs(told / seen - 1) > args.tolerance
            failed += bad
            print(f"| {case} | {told / MIB:.1f} | {seen / MIB:.1f} | {told / seen:.3f}{' !' if bad else ''} |", flush=True)
    if failed:
        print(f"\n{failed} predictions are more than {100 * args.tolerance:.0f} % off")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
