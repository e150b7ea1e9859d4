"""What a denoising step and an update should take by their operations and bytes: beside measured times here, and on larger machines.

  predict.py BUILD [--geometry small,base] [--threads 1,2] [--outer 2] [--rounds 2] [--bandwidth 16:150,64:300] [--precisions float32,bfloat16,int8]

BUILD is the folder of the built benchmarks. Measured here: the rate of products, of those of an attention head, and the bandwidth
of a triad, at one and two threads. Each operation takes the longer of its operations at that rate and its bytes at that bandwidth. Cores:
the speed of two threads gives the serial share of Amdahl's law; bandwidth of the larger machines is a parameter, in GB/s."""
import argparse
import os

import counts

ROWS, TOKENS, SCORED = 8, 64, 0.5  # a step; an update has twice the rows and a quarter of its tokens masked
SIZE = {"float32": 4, "bfloat16": 2, "int8": 1}
MOST_SERIAL = 0.05  # where two threads are hardly faster than one the machine was busy, and says nothing about many cores


def least(best, key, value):
    best[key] = min(value, best.get(key, value))


def rates(args):
    """{(kind, precision, threads): operations or bytes a second}, the best of all rounds."""
    best = {}
    for _ in range(args.outer):
        for threads in (1, 2):
            common = ["--threads", threads, "--rounds", max(args.rounds, 3)]
            for line in counts.lines([args.bench, "--only", "memory", *common]):
                best["memory", "", threads] = max(1e9 * line["gb_per_s"], best.get(("memory", "", threads), 0))
            for precision in args.precisions.split(","):
                option = [] if precision == "float32" else [f"--{precision}", "1"]
                for line in counts.lines([args.bench, "--only", "kernels", *option, *common]):
                    kind = "attention" if line["m"] == line["n"] == line["k"] else "products"
                    key = (kind, precision, threads)
                    best[key] = max(1e9 * line["gflops"], best.get(key, 0))
    return best


def serial_share(found):
    """Of the precision that two threads help most: that of the others is the noise of a shared machine."""
    speed = max(rate / found[kind, precision, 1] for (kind, precision, threads), rate in found.items() if kind == "products" and threads == 2)
    return min(max(2 / speed - 1, 0), MOST_SERIAL)


def machine_of(found, precision, threads, bandwidth=None):
    """Rates of products and of attention, and bandwidth. Attention's small products run a thread each, in float32."""
    serial = serial_share(found)
    speed = threads / (1 + serial * (threads - 1))
    if bandwidth is None:
        return found["products", precision, threads], threads * found["attention", "float32", 1], found["memory", "", threads]
    return speed * found["products", precision, 1], speed * found["attention", "float32", 1], bandwidth


def passes(g, tokens, longest, scored):
    """Bytes of the passes over activations between products: biases, sums, norms, GELU; softmax of attention; of the logits their
    bias, a copy, the greatest and the sum of exponentials."""
    d, f = g.hidden, g.ffn
    layer = 4 * (5 * d + f) + 24 * d + 16 * d + 8 * f
    return tokens * (g.layers * layer + 20 * d) + 16 * g.layers * g.heads * tokens * longest + 24 * scored * g.vocabulary


def products_time(products, precision, machine):
    rate, attention, bandwidth = machine
    seconds = 0
    for p in products:
        size = SIZE[precision]
        bytes_each = 4 * p.m * p.k + size * p.n * p.k + 8 * p.m * p.n
        if p.what == "attention":
            seconds += p.times * 2 * p.m * p.n * p.k / attention
        else:
            seconds += p.times * max(2 * p.m * p.n * p.k / rate, bytes_each / bandwidth)
    return seconds


def step_time(g, precision, machine):
    tokens = ROWS * TOKENS
    scored = int(SCORED * tokens)
    return products_time(counts.forward(g, tokens, TOKENS, scored), precision, machine) + passes(g, tokens, TOKENS, scored) / machine[2]


def update_time(g, precision, machine):
    """AdamW reads value, gradient and two moments, writes three and zeros the gradient; clipping reads it once more."""
    tokens = 2 * ROWS * TOKENS
    masked = tokens // 4
    seconds = products_time(counts.update(g, tokens, TOKENS, masked), precision, machine)
    return seconds + (3 * passes(g, tokens, TOKENS, masked) + 36 * counts.parameters(g)) / machine[2]


def check(args, found):
    print("\n| here | threads | predicted, ms | measured, ms | predicted / measured |\n|---|---|---|---|---|")
    best, cases = {}, []
    for name in args.geometry.split(","):
        for precision in args.precisions.split(","):
            cases += [(name, precision, what, n) for n in map(int, args.threads.split(",")) for what in ("step", "update") if (what, precision) != ("update", "int8")]
    for _ in range(args.outer):
        for name, precision, what, n in cases:
            line = counts.lines([args.measure, "--do", what, "--geometry", name, "--precision", precision, "--threads", n, "--rounds", args.rounds,
                                 "--rows", ROWS * (2 if what == "update" else 1), "--tokens", TOKENS])[0]
            least(best, (name, precision, what, n), line["ms"])
    for (name, precision, what, n), ms in best.items():
        told = 1e3 * (step_time if what == "step" else update_time)(counts.geometry(name), precision, machine_of(found, precision, n))
        print(f"| {name}, {what}, {precision} | {n} | {told:.1f} | {ms:.1f} | {told / ms:.2f} |")


def larger(args, found):
    machines = [(int(cores), 1e9 * float(bandwidth)) for cores, bandwidth in (m.split(":") for m in args.bandwidth.split(","))]
    heads = " | ".join(f"step, {c} cores, ms | tokens/s | update, {c} cores, ms" for c, _ in machines)
    print(f"\nPredicted, not measured: {', '.join(f'{c} cores at {b / 1e9:g} GB/s' for c, b in machines)}\n\n| | {heads} |\n|---|" + "---|---|---|" * len(machines))
    for name in ("base", "large", "xl"):
        g = counts.geometry(name)
        for precision in args.precisions.split(","):
            cells = []
            for cores, bandwidth in machines:
                machine = machine_of(found, precision, cores, bandwidth)
                step = step_time(g, precision, machine)
                cells += [f"{1e3 * step:.0f}", f"{ROWS * TOKENS * SCORED / (10 * step):.0f}",
                          "" if precision == "int8" else f"{1e3 * update_time(g, precision, machine):.0f}"]
            print(f"| {name}, {counts.parameters(g) / 1e6:.0f} M, {precision} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--geometry", default="small,base")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--outer", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--bandwidth", default="16:150,64:300", help="machines: cores and GB/s")
    parser.add_argument("--precisions", default="float32,bfloat16,int8", help="those that this CPU has")
    args = parser.parse_args()
    args.bench, args.measure = os.path.join(args.build, "bench"), os.path.join(args.build, "measure")
    found = rates(args)
    here = counts.machine()
    print(f"{here['cpu']}, {here['commit']}\n\n| rates, a second | 1 thread | 2 threads |\n|---|---|---|")
    for kind, precision in dict.fromkeys(key[:2] for key in found):
        unit = "GB" if kind == "memory" else "GFLOP"
        print(f"| {kind} {precision}, {unit} | {found[kind, precision, 1] / 1e9:.1f} | {found[kind, precision, 2] / 1e9:.1f} |")
    print(f"\nserial share: {serial_share(found):.3f}")
    check(args, found)
    larger(args, found)


if __name__ == "__main__":
    main()
