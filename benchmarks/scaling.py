"""How the time of a denoising step grows with tokens in a row, rows, vocabulary and layers, and that of a generation with its
steps: each varied alone around a default.

  scaling.py MEASURE [--threads 2] [--outer 3] [--rounds 3] [--out FILE.json] [--figure FILE.svg] [--short]

MEASURE is the built program. The points of all panels are measured one after another, --outer times, and the minimum of each
counts. The ideal is the default's time times the share of operations (benchmarks/counts.py): linear in rows and steps, linear with an
offset in vocabulary and layers, linear and quadratic in tokens. Where times grow faster than operations from the default on, by an
exponent more than 0.1 higher, it is said."""
import argparse
import json
import math
import shlex
import sys

import counts

DEFAULT = {"tokens": 64, "rows": 8, "vocabulary": 8000, "steps": 10, "layers": 6}
PANELS = {"tokens": (16, 32, 64, 128, 256, 512, 1024), "rows": (1, 2, 4, 8, 16, 32, 64), "vocabulary": (1000, 2000, 8000, 32000, 128000),
          "steps": (1, 2, 5, 10, 20, 50), "layers": (1, 3, 6, 12, 24)}
TITLES = {"tokens": "tokens in a row", "rows": "rows", "vocabulary": "vocabulary", "steps": "steps of a generation", "layers": "layers"}
WIDTH, HEADS, FFN, POSITIONS = 256, 4, 1024, 2050
TOLERATED = 0.1


def at(point):
    return counts.Geometry("", point["layers"], WIDTH, HEADS, FFN, point["vocabulary"], POSITIONS)


def operations(panel, point):
    tokens = point["rows"] * point["tokens"]
    return counts.flops(counts.forward(at(point), tokens, point["tokens"], tokens // 2)) * (point["steps"] if panel == "steps" else 1)


def measure(args, panel, point):
    """Milliseconds of a step, or of a generation as sessions run it by default."""
    g = at(point)
    line = counts.lines([args.measure, "--do", "generation" if panel == "steps" else "step", "--rows", point["rows"], "--tokens", point["tokens"],
                         "--steps", point["steps"], "--geometry", f"{g.layers}x{WIDTH}x{HEADS}x{FFN}x{g.vocabulary}x{POSITIONS}",
                         "--threads", args.threads, "--rounds", args.rounds])[0]
    return line["ms"]


def slope(xs, ys):
    """Exponent of a power fitted by least squares."""
    u, v = [math.log(x) for x in xs], [math.log(y) for y in ys]
    mu, mv = sum(u) / len(u), sum(v) / len(v)
    return sum((a - mu) * (b - mv) for a, b in zip(u, v)) / sum((a - mu) ** 2 for a in u)


def run(args, panels):
    best = {}
    for outer in range(args.outer):
        for panel, xs in panels.items():
            for x in xs:
                ms = measure(args, panel, {**DEFAULT, panel: x})
                best[panel, x] = min(ms, best.get((panel, x), ms))
        print(f"round {outer + 1} of {args.outer} is done", file=sys.stderr)
    found = {}
    for panel, xs in panels.items():
        middle = DEFAULT[panel] if DEFAULT[panel] in xs else xs[0]
        base = operations(panel, {**DEFAULT, panel: middle})
        points = [{"x": x, "ms": round(best[panel, x], 3),
                   "ideal_ms": round(best[panel, middle] * operations(panel, {**DEFAULT, panel: x}) / base, 3)} for x in xs]
        upper = [p for p in points if p["x"] >= middle]
        found[panel] = {"points": points}
        if len(upper) > 1:
            found[panel]["exponent"] = round(slope([p["x"] for p in upper], [p["ms"] for p in upper]), 3)
            found[panel]["exponent_of_operations"] = round(slope([p["x"] for p in upper], [p["ideal_ms"] for p in upper]), 3)
    return found


def table(found):
    print("| | from, ms | to, ms | times the operations' share | exponent from the default on | of the operations |\n|---|---|---|---|---|---|")
    for panel, part in found.items():
        first, last = part["points"][0], part["points"][-1]
        excess = part.get("exponent", 0) - part.get("exponent_of_operations", 0)
        print(f"| {TITLES[panel]}, {first['x']} to {last['x']} | {first['ms']} | {last['ms']} | {last['ms'] / last['ideal_ms']:.2f} | "
              f"{part.get('exponent', '')} | {part.get('exponent_of_operations', '')} |" + (" grows faster than its operations" if excess > TOLERATED else ""))


def ticks(low, high):
    """Powers of ten and their halves in between."""
    marks = [m * 10 ** e for e in range(-3, 7) for m in (1, 2, 5)]
    inside = [m for m in marks if low <= m <= high]
    return inside if len(inside) <= 5 else [m for m in inside if math.log10(m) % 1 < 1e-9]


def panel_svg(panel, part, left, top, width, height):
    xs = [p["x"] for p in part["points"]]
    ys = [p[key] for p in part["points"] for key in ("ms", "ideal_ms")]
    low, high = min(ys) * 0.8, max(ys) * 1.25

    def px(x):
        return left + width * (math.log(x / xs[0]) / math.log(xs[-1] / xs[0]) if xs[-1] > xs[0] else 0.5)

    def py(y):
        return top + height * (1 - math.log(y / low) / math.log(high / low))

    out = [f'<text x="{left}" y="{top - 10}" font-weight="bold">{TITLES[panel]}</text>',
           f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>']
    for y in ticks(low, high):
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{py(y):.1f}" y2="{py(y):.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 5}" y="{py(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in xs:
        shown = f"{x // 1000}k" if x >= 1000 and x % 1000 == 0 else x
        out.append(f'<text x="{px(x):.1f}" y="{top + height + 15}" text-anchor="middle">{shown}</text>')
    for key, style in (("ideal_ms", 'stroke="#888" stroke-dasharray="5 4"'), ("ms", 'stroke="#0b62a4" stroke-width="2"')):
        line = " ".join(f"{px(p['x']):.1f},{py(p[key]):.1f}" for p in part["points"])
        out.append(f'<polyline points="{line}" fill="none" {style}/>')
    out += [f'<circle cx="{px(p["x"]):.1f}" cy="{py(p["ms"]):.1f}" r="3" fill="#0b62a4"/>' for p in part["points"]]
    return out


def figure(result, path):
    width, height = 220, 170
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 530" font-family="sans-serif" font-size="11">',
           '<rect width="860" height="530" fill="#fff"/>',
           '<text x="50" y="22" font-size="13">Milliseconds of a denoising step, and of a generation (last panel), beside the share of operations</text>']
    order = [p for p in ("tokens", "rows", "vocabulary", "layers", "steps") if p in result["panels"]]
    for i, panel in enumerate(order):
        out += panel_svg(panel, result["panels"][panel], 50 + i % 3 * 275, 65 + i // 3 * 240, width, height)
    x, y = 610, 330
    d = result["default"]
    out += [f'<line x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}" stroke="#0b62a4" stroke-width="2"/><text x="{x + 38}" y="{y + 4}">measured</text>',
            f'<line x1="{x}" x2="{x + 30}" y1="{y + 20}" y2="{y + 20}" stroke="#888" stroke-dasharray="5 4"/>'
            f'<text x="{x + 38}" y="{y + 24}">the default\'s rate of operations</text>',
            f'<text x="{x}" y="{y + 50}">default: {d["rows"]} rows of {d["tokens"]} tokens,</text>',
            f'<text x="{x}" y="{y + 66}">{d["layers"]} layers of {WIDTH}, {d["vocabulary"]} pieces, {d["steps"]} steps</text>',
            f'<text x="{x}" y="{y + 82}">{result["threads"]} thread{"s" if result["threads"] > 1 else ""}; both axes logarithmic</text>']
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out + ["</svg>", ""]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--outer", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    parser.add_argument("--figure")
    parser.add_argument("--short", action="store_true", help="two points of each: whether it works")
    args = parser.parse_args()
    panels = {name: xs[:2] for name, xs in PANELS.items()} if args.short else PANELS
    result = {"command": shlex.join(["benchmarks/scaling.py", *sys.argv[1:]]), **counts.machine(), "threads": args.threads, "default": DEFAULT,
              "width": WIDTH, "panels": run(args, panels)}
    table(result["panels"])
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=1) + "\n")
    if args.figure:
        figure(result, args.figure)


if __name__ == "__main__":
    main()
