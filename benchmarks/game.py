"""How many frames the game keeps: game.py GAME PAK [FRAMES [BUDGET...]], under xvfb-run or on a screen.

Plays it with the steps in a thread and within each budget in microseconds [4000], and prints a line of JSON for each: the share of
frames that were ready within 1/60 second and the median and the longest as ratios to it; the share that came less than a frame and a
half after the last; and the same ratio for the CPU time that the model took in the frame loop. SDL draws in software if the
machine has nothing else, and its drawing is in these numbers.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

FRAME = 1e6 / 60


def main(game, pak, frames="600", *budgets):
    with tempfile.TemporaryDirectory() as folder:
        for budget in ("0", *(budgets or ["4000"])):
            histogram = pathlib.Path(folder) / "frames.json"
            subprocess.run([game, pak, "--frames", frames, "--budget", budget, "--histogram", histogram], check=True,
                           stdout=subprocess.DEVNULL)
            report = json.loads(histogram.read_text())
            writer, busy, apart = report["writer"], report["busy"], report["apart"]
            print(json.dumps({"budget_us": int(budget), "frames": report["frames"], "threaded": writer["threaded"],
                              "within": busy["good"], "median": busy["median"], "max": busy["max"], "in_time": apart["good"],
                              "model_max": round(writer["longest_frame_us"] / FRAME, 3),
                              "step_max": round(writer["longest_piece_us"] / FRAME, 3)}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
