"""Metrics of runs as event files: test_tensorboard.py SCRIPT
Skipped (77) where tensorboard is not installed; what the script says then is tested everywhere."""
import json
import os
import subprocess
import sys
import tempfile

SCRIPT = sys.argv[1]


def convert(*arguments, **options):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False, **options)


def check_absent_package_is_named():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "tensorboard.py"), "w", encoding="utf-8") as file:
            file.write("raise ImportError('none here')\n")
        done = convert("run", env={**os.environ, "PYTHONPATH": folder})
        assert done.returncode == 1 and "pip install tensorboard (none here)" in done.stderr, done


check_absent_package_is_named()
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

LINES = [{"stage": "a", "step": 5, "cross_entropy": 4.5, "lr": 1e-3, "seconds": 1.0},
         {"stage": "a", "step": 10, "cross_entropy": 3.5, "lr": 1e-3, "seconds": 2.0},
         {"stage": "a", "step": 10, "validation_cross_entropy": 3.75, "validation_bleu": 12.5, "best": True, "seconds": 2.5},
         {"stage": "b", "step": 5, "cross_entropy": 2.5, "lr": 5e-4, "seconds": 0.5}]


def write(folder, lines):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
        file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def scalars(folder):
    events = EventAccumulator(folder)
    events.Reload()
    return {tag: [(e.step, round(e.value, 6)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}, events


with tempfile.TemporaryDirectory() as folder:
    run, logs = os.path.join(folder, "run"), os.path.join(folder, "logs")
    write(run, LINES)
    for _ in range(2):  # again: replaced, not added
        done = convert(run, "--logdir", logs)
        assert done.returncode == 0, done.stderr
        found, events = scalars(os.path.join(logs, "run"))
        assert found == {"cross_entropy": [(5, 4.5), (10, 3.5), (15, 2.5)], "lr": [(5, 1e-3), (10, 1e-3), (15, 5e-4)],
                         "validation_cross_entropy": [(10, 3.75)], "validation_bleu": [(10, 12.5)]}, found
        times = [e.wall_time for e in events.Scalars("cross_entropy")]
        assert [round(t - times[0], 3) for t in times] == [0, 1.0, 2.0], "the resumed run's seconds follow on"
        assert len(os.listdir(os.path.join(logs, "run"))) == 1
    write(run, LINES[:1] + ["{}"])
    done = convert(os.path.join(run, "metrics.jsonl"), "--logdir", logs)
    assert done.returncode == 1 and "metrics.jsonl:2: expected an object with stage, step and seconds" in done.stderr, done
    done = convert(os.path.join(folder, "none"), "--logdir", logs)
    assert done.returncode == 1 and "none" in done.stderr and "Traceback" not in done.stderr, done
    write(os.path.join(folder, "other", "run"), LINES)
    write(run, LINES)
    done = convert(run, os.path.join(folder, "other", "run"), "--logdir", logs)
    assert done.returncode == 1 and "would both be" in done.stderr, done
print("event files hold what metrics.jsonl holds")
