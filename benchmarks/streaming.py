#!/usr/bin/env python3
"""Peak resident memory of `diffulm finetune` on JSONL of several gigabytes, beside a run on a small file: prints one JSON
object a run. usage: streaming.py PROGRAM MODEL [GIGABYTES [FOLDER]]; the data are written below FOLDER and removed again."""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

RECIPE = """model: {model}
data: {data}
output: {output}
stages: [{{name: stream, objective: diffusion, steps: 20, tokens: 2048, lr: 1e-5}}]
"""


def write_data(path, size):
    """Records of about 1 KB, much of it in the target, so that rows have some 300 tokens or are left out as too long."""
    draw, words, records = random.Random(1), ["yes", "no", "red", "small", "house", "sleeps", "tree"], 0
    blocks = [" ".join(draw.choice(words) for _ in range(draw.randint(20, 300))) for _ in range(1000)]
    with open(path, "w", encoding="utf-8") as file:
        while file.tell() < size:
            lines = []
            for _ in range(10000):
                lines.append(f'{{"source": "Spell {records}.", "target": "{blocks[records % 1000]}"}}\n')
                records += 1
            file.write("".join(lines))
    return records


def peak(program, arguments):
    """KiB: VmHWM of the process."""
    started = time.monotonic()
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        process = subprocess.Popen([program, *arguments], stdout=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{program} {' '.join(arguments)}: exit code {process.returncode}")
    return usage.ru_maxrss, time.monotonic() - started


def main():
    program, model = sys.argv[1:3]
    size = float(sys.argv[3]) * 1e9 if len(sys.argv) > 3 else 4e9
    with tempfile.TemporaryDirectory(dir=sys.argv[4] if len(sys.argv) > 4 else None) as folder:
        first = None
        for name, wanted in (("small", 1e6), ("large", size)):
            data, recipe = os.path.join(folder, name + ".jsonl"), os.path.join(folder, name + ".yaml")
            records = write_data(data, wanted)
            with open(recipe, "w", encoding="utf-8") as file:
                file.write(RECIPE.format(model=os.path.abspath(model), data=data, output=os.path.join(folder, name)))
            kib, seconds = peak(program, ["finetune", recipe])
            first = first or kib
            print(json.dumps({"data": name, "bytes": os.path.getsize(data), "records": records, "peak_mib": round(kib / 1024, 1),
                              "more_than_small_mib": round((kib - first) / 1024, 1), "seconds": round(seconds, 1)}), flush=True)


if __name__ == "__main__":
    main()
