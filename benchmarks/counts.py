"""Dimensions of an XLM-R model, and what follows from them: parameters, and the products of a step and an update.

A geometry is small, base, large, xl, or LAYERSxHIDDENxHEADSxFFNxVOCABULARY[xPOSITIONS], as the benchmarks' C programs read it."""
import json
import subprocess
import sys
from collections import namedtuple

KNOWN = {"small": "6x256x4x1024x8000", "base": "12x768x12x3072x250002", "large": "24x1024x16x4096x250002", "xl": "36x2560x32x10240x250880"}

Geometry = namedtuple("Geometry", "name layers hidden heads ffn vocabulary positions")
Product = namedtuple("Product", "m n k times what")  # [m, k] by [k, n]; what: of the layers, the head or attention


def geometry(text):
    numbers = [int(n) for n in KNOWN.get(text, text).split("x")]
    return Geometry(text, *numbers, *([514] if len(numbers) == 5 else []))


def matrices(g):
    """(rows, columns, count) of what is multiplied by; the head's is the table of words."""
    d, f = g.hidden, g.ffn
    return [(d, d, 4 * g.layers), (f, d, g.layers), (d, f, g.layers), (d, d, 1), (g.vocabulary, d, 1)]


def matrix_values(g):
    return sum(rows * columns * count for rows, columns, count in matrices(g))


def matrix_rows(g):
    return sum(rows * count for rows, _, count in matrices(g))


def parameters(g):
    """All matrices; the tables of positions and of the one type; biases and norms."""
    d, f = g.hidden, g.ffn
    return matrix_values(g) + (g.positions + 1) * d + g.layers * (9 * d + f) + 5 * d + g.vocabulary


def forward(g, tokens, longest, scored):
    """The products of a pass over `tokens` in rows of `longest` with logits of `scored`. The last layer goes on with those alone."""
    d, f, full = g.hidden, g.ffn, g.layers - 1
    return [Product(tokens, d, d, 3 * g.layers, "layers"),
            Product(tokens, d, d, full, "layers"), Product(tokens, f, d, full, "layers"), Product(tokens, d, f, full, "layers"),
            Product(scored, d, d, 1, "layers"), Product(scored, f, d, 1, "layers"), Product(scored, d, f, 1, "layers"),
            Product(longest, longest, d // g.heads, 2 * g.layers * g.heads * tokens / longest, "attention"),
            Product(scored, d, d, 1, "head"), Product(scored, g.vocabulary, d, 1, "head")]


def update(g, tokens, longest, scored):
    """Forward, gradients of inputs and of weights; attention computes its probabilities again (5 products instead of 2)."""
    products = []
    for p in forward(g, tokens, longest, tokens):
        if p.what == "attention":
            products.append(p._replace(times=p.times * 3.5))
            continue
        m = scored if p.what == "head" else p.m
        products += [Product(m, p.n, p.k, p.times, p.what), Product(m, p.k, p.n, p.times, p.what), Product(p.n, p.k, m, p.times, p.what)]
    return products


def flops(products):
    return sum(2 * p.m * p.n * p.k * p.times for p in products)


def lines(command):
    """The JSON lines of a program."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def machine():
    """Model and instruction sets of the CPU, as far as they matter here, and the commit."""
    name, flags = "unknown CPU", set()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    name = value.strip()
                elif key.strip() == "flags":
                    flags = set(value.split())
    except OSError:
        pass
    sets = [shown for flag, shown in (("avx2", "AVX2"), ("avx512f", "AVX-512"), ("avx512_bf16", "BF16"), ("avx512_vnni", "VNNI")) if flag in flags]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": " ".join([name, *sets]), "commit": commit}
