"""Tables of what compare.py measured: ratios to PyTorch's milliseconds, the fastest in single precision and in 8 bits in bold.

  compare_table.py FILE.json [--of minima|medians]

FILE.json is compare.py's --out. Rows of a step's halves and quarters are beside PyTorch's step with all logits, which it computes. An empty cell was not
measured, or cannot be done there.
"""
import argparse
import json
import sys

COLUMNS = {"ours float32": "float32", "ours packed": "packed", "ours bfloat16": "bfloat16", "ours int8": "int8", "torch, generated": "PyTorch, generated rows",
           "onnxruntime:f32": "ONNX R. f32", "onnxruntime:int8": "int8", "openvino:f32": "OpenVINO f32", "openvino:int8": "int8",
           "openvino:weights8": "weights int8", "ctranslate2:float32": "CTranslate2 f32", "ctranslate2:int8": "int8", "limit": "limit"}
# Compared with each other. bfloat16 has no peer.
SINGLE = {"ours float32", "ours packed", "torch, generated", "onnxruntime:f32", "openvino:f32", "ctranslate2:float32"}
EIGHT = {"ours int8", "onnxruntime:int8", "openvino:int8", "openvino:weights8", "ctranslate2:int8"}


def rows_of(times):
    """(name, the rows of the measurement that share a line)."""
    for part, name in (("encoder", "encoder"), ("step", "step")):
        for case in "abcd":
            yield f"{name} {case}", [f"encode {case} {part}"]
    for case in "abcd":
        yield f"step {case}, half / quarter", [f"encode {case} step half", f"encode {case} step quarter"]
    for kind in ("train", "checkpointed", "LoRA", "LoRA checkpointed"):
        yield "training step" + f", {kind}" * (kind != "train"), [f"train {kind} step"]
    for row in times["torch"]:
        if row.startswith(("generation", "first step")):
            yield row, [row]


def reference(times, row):
    known = times["torch"]
    return known.get(row) or known.get(row.removesuffix(" half").removesuffix(" quarter"))


def line_of(times, names, label, rows):
    """The cells of one line, or None where PyTorch or all others have none of it."""
    if not all(reference(times, row) for row in rows):
        return None
    ratios = {name: [times[name].get(row, 0) / reference(times, row) for row in rows] for name in names}
    cells = {name: " / ".join(f"{ratio:.2f}" for ratio in all_of) if all(all_of) else "" for name, all_of in ratios.items()}
    for group in (SINGLE, EIGHT):
        measured = [cells[name] for name in names if name in group and cells[name]]
        for name in names:
            if len(rows) == 1 and name in group and len(measured) > 1 and cells[name] == min(measured, key=float):
                cells[name] = f"**{cells[name]}**"
    if not any(cells.values()):
        return None
    here = [times["torch"][row] for row in rows if row in times["torch"]]
    far = [times["ours float32"][row] / times["limit"][row] for row in rows
           if row in times.get("limit", {}) and row in times.get("ours float32", {})]
    return [label, f"{here[0]:,.0f}" if here and here[0] >= 100 else f"{here[0]:.1f}" if here else "", *cells.values(),
            " / ".join(f"{ratio:.2f}" for ratio in far)]


def table(times, out=sys.stdout):
    """times: {column: {row: milliseconds}}."""
    names = [name for name in COLUMNS if name in times]
    head = ["", "PyTorch, ms", *(COLUMNS[name] for name in names), "float32 / limit"]
    lines = [line for label, rows in rows_of(times) if (line := line_of(times, names, label, rows))]
    kept = [i for i in range(len(head)) if i < 2 or any(line[i] for line in lines)]
    for line in [head, ["---"] * len(head)] + lines:
        print("| " + " | ".join(line[i] for i in kept) + " |", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--of", default="minima", choices=["minima", "medians"])
    args = parser.parse_args()
    with open(args.file, encoding="utf-8") as file:
        table(json.load(file)[args.of])


if __name__ == "__main__":
    main()
