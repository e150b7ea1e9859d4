#!/usr/bin/env python3
"""Turns the metrics of training runs into event files for TensorBoard.

    python3 examples/tensorboard_events.py RUN... [--logdir FOLDER]
    tensorboard --logdir FOLDER

RUN is a run's output folder or a metrics.jsonl (docs/formats.md). Each becomes FOLDER/NAME, NAME being the folder's; updates
count on over the stages. What this script wrote there before is replaced."""
import argparse
import glob
import json
import os
import sys

SUFFIX = ".diffulm"


def fail(message):
    sys.exit(f"tensorboard_events.py: {message}")


try:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    fail(f"needs the package tensorboard: pip install tensorboard ({error})")


def read(path):
    """Yields the update over all stages, the seconds of training and the numbers of each line."""
    stage, first, last, before, seconds = None, 0, 0, 0.0, 0.0
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
                name, step, now = line["stage"], int(line["step"]), float(line["seconds"])
            except (ValueError, TypeError, KeyError) as error:
                fail(f"{path}:{number}: expected an object with stage, step and seconds ({error!r})")
            if name != stage:
                stage, first, last = name, first + last, 0
            if now < seconds:  # a resumed run counts from its own start
                before += seconds
            last, seconds = step, now
            yield first + step, before + now, {key: value for key, value in line.items() if key not in ("step", "seconds") and
                                               isinstance(value, (int, float)) and not isinstance(value, bool)}


def convert(path, folder):
    lines = list(read(path))
    begun = os.path.getmtime(path) - (lines[-1][1] if lines else 0)
    for old in glob.glob(os.path.join(glob.escape(folder), "events.out.tfevents.*" + SUFFIX)):
        os.unlink(old)
    writer = EventFileWriter(folder, filename_suffix=SUFFIX)
    for step, seconds, values in lines:
        summary = Summary(value=[Summary.Value(tag=key, simple_value=value) for key, value in values.items()])
        writer.add_event(Event(wall_time=begun + seconds, step=step, summary=summary))
    writer.close()
    print(f"{path}: {len(lines)} lines into {folder}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--logdir", default="tensorboard", metavar="FOLDER", help="where event files go [%(default)s]")
    arguments = parser.parse_args()
    taken = {}
    for run in arguments.runs:
        path = os.path.join(run, "metrics.jsonl") if os.path.isdir(run) else run
        name = os.path.basename(os.path.dirname(os.path.abspath(path)))
        if taken.setdefault(name, path) != path:
            fail(f"{taken[name]} and {path} would both be {os.path.join(arguments.logdir, name)}")
        try:
            convert(path, os.path.join(arguments.logdir, name))
        except OSError as error:
            fail(error)


if __name__ == "__main__":
    main()
