"""How many masked residues a real masked language model finds again, by denoising steps.

  antibodies.py PROGRAM MODELS OUT.json [FIGURE.svg]

PROGRAM is diffulm, MODELS a folder with sapiens-vh and sapiens-vl (antibody models, with golden/fill_cases.json for the
chains). The models are used as they are: no finetuning. Masks are drawn by seed; the default policy; argmax, and drawn at
temperature 1. Prints the table of docs/results.md.
"""
import json
import os
import random
import statistics
import subprocess
import sys
import time

RATES, STEPS, SEEDS = (0.15, 0.5, 0.8), (1, 4, 10, 50), (1, 2, 3)
MASK = "<mask>"


def chains(folder):
    with open(os.path.join(folder, "golden", "fill_cases.json"), encoding="utf-8") as file:
        return sorted({case["truth"] for case in json.load(file)["cases"]})


def masked(chain, rate, seed):
    places = random.Random(f"{seed} {rate} {chain}").sample(range(len(chain)), round(rate * len(chain)))
    return sorted(places), "".join(MASK if i in set(places) else c for i, c in enumerate(chain))


def fill(program, folder, text, steps, temperature, seed):
    command = [program, "infill", folder, text, "--steps", str(steps), "--seed", str(seed), "--threads", "1"]
    if temperature:
        command += ["--temperature", str(temperature)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n")


def recovery(program, folder, rate, steps, temperature, seed):
    found = total = 0
    for number, chain in enumerate(chains(folder)):
        places, text = masked(chain, rate, seed)
        # Draws depend on the seed and the position alone: another seed for each chain keeps them apart.
        filled = fill(program, folder, text, steps, temperature, 1000 * seed + number)
        total += len(places)
        found += sum(filled[i:i + 1] == chain[i] for i in places)
    return 100 * found / total


def measure(program, models):
    rows = []
    for name, chain in (("sapiens-vl", "light"), ("sapiens-vh", "heavy")):
        for rate in RATES:
            for temperature in (0, 1):
                for steps in STEPS:
                    values = [recovery(program, os.path.join(models, name), rate, steps, temperature, seed) for seed in SEEDS]
                    rows.append({"chain": chain, "masked": rate, "temperature": temperature, "steps": steps,
                                 "mean": round(statistics.mean(values), 2), "deviation": round(statistics.stdev(values), 2)})
            print(f"{chain} chains, {rate:.0%} masked: done", file=sys.stderr)
    return rows


def table(rows):
    print("| chain | masked | tokens | " + " | ".join(f"K = {k}" for k in STEPS) + " |\n|---|---|---|" + "---|" * len(STEPS))
    for i in range(0, len(rows), len(STEPS)):
        r = rows[i]
        cells = " | ".join(f"{x['mean']:.1f} ± {x['deviation']:.1f}" for x in rows[i:i + len(STEPS)])
        print(f"| {r['chain']} | {r['masked']:.0%} | {'drawn' if r['temperature'] else 'argmax'} | {cells} |")


def figure(rows, path):
    colors = {0.15: "#2b8a4b", 0.5: "#1667b8", 0.8: "#d2542c"}
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 330" font-family="sans-serif" font-size="12">',
           '<rect width="760" height="330" fill="#fff"/>']
    for panel, chain in enumerate(("light", "heavy")):
        left, top, width, height = 60 + 370 * panel, 40, 290, 230
        x = {k: left + width * i / (len(STEPS) - 1) for i, k in enumerate(STEPS)}
        out.append(f'<text x="{left}" y="24">{chain} chains: masked residues recovered, %</text>')
        for y in range(20, 101, 20):
            at = top + height * (1 - (y - 20) / 80)
            out.append(f'<line x1="{left}" x2="{left + width}" y1="{at}" y2="{at}" stroke="#ddd"/><text x="{left - 8}" y="{at + 4}" text-anchor="end">{y}</text>')
        for k in STEPS:
            out.append(f'<text x="{x[k]}" y="{top + height + 20}" text-anchor="middle">{k}</text>')
        out.append(f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle">denoising steps</text>')
        for rate in RATES:
            for temperature in (0, 1):
                line = [r for r in rows if (r["chain"], r["masked"], r["temperature"]) == (chain, rate, temperature)]
                points = " ".join(f"{x[r['steps']]:.1f},{top + height * (1 - (r['mean'] - 20) / 80):.1f}" for r in line)
                out.append(f'<polyline points="{points}" fill="none" stroke="{colors[rate]}" stroke-width="2"{" stroke-dasharray=" + chr(34) + "5 4" + chr(34) if temperature else ""}/>')
    for i, rate in enumerate(RATES):
        out.append(f'<text x="{60 + 130 * i}" y="326" fill="{colors[rate]}">{rate:.0%} masked</text>')
    out.append('<text x="470" y="326" fill="#444">solid: argmax, dashed: drawn</text></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


def main():
    program, models, target = sys.argv[1:4]
    started = time.time()
    rows = measure(program, models)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    with open(target, "w", encoding="utf-8") as file:
        json.dump({"command": "benchmarks/results/antibodies.py", "commit": commit, "seconds": round(time.time() - started), "seeds": SEEDS,
                   "rows": rows}, file, indent=1)
        file.write("\n")
    table(rows)
    if len(sys.argv) > 4:
        figure(rows, sys.argv[4])


if __name__ == "__main__":
    main()
