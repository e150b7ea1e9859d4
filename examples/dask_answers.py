#!/usr/bin/env python3
"""Answers the prompts of a JSONL file, large or small, on this machine or on many, with Dask (pip install "dask[distributed]"):
    python3 dask_answers.py MODEL prompts.jsonl answers.jsonl --workers 2
or on many machines, where MODEL must be at the same path and diffulm installed:
    dask scheduler                                                   # on one
    dask worker tcp://HOST:8786 --nworkers 1 --nthreads 1            # on each
    python3 dask_answers.py MODEL prompts.jsonl answers.jsonl --scheduler tcp://HOST:8786
Each line of the result is the line's object with "answer", or with "error" where a prompt could not be taken; in the file's order.
Threads: a worker is one process that Dask spawns (a forked one would compute on one thread), opens the model once and runs one
session at a time (--nthreads 1); the library uses the cores, --threads of them in each worker."""
import argparse
import collections
import contextlib
import itertools
import json
import os
import sys

import diffulm
from distributed import Client, LocalCluster, WorkerPlugin, get_worker


class Opened(WorkerPlugin):
    """What a worker opens when it starts, or starts again."""
    name = "diffulm"

    def __init__(self, folder, threads, steps):
        self.folder, self.threads, self.steps = folder, threads, steps

    def setup(self, worker):
        model = diffulm.Model(self.folder, runtime=diffulm.Runtime(threads=self.threads))
        worker.diffulm = model, diffulm.Tokenizer(self.folder), diffulm.LengthHead(model, self.folder), diffulm.Sampler(steps=self.steps)


def answers(first, prompts):
    model, tokenizer, head, sampler = get_worker().diffulm
    session, rows = diffulm.Session(model, sampler, tokenizer), []
    for number, prompt in enumerate(prompts, first):
        try:  # the line's number names its random draws: they depend on neither batches nor workers
            rows.append(session.add_text(prompt, length_head=head, row_number=number))
        except diffulm.Error as error:
            rows.append(error)
    if len(session):
        session.run()
    return [{"error": str(row)} if isinstance(row, diffulm.Error) else {"answer": session.text(row)} for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model"), parser.add_argument("prompts"), parser.add_argument("answers")
    parser.add_argument("--key", default="source", help="of the prompt in a line's object")
    parser.add_argument("--rows", type=int, default=32, help="prompts in a session")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--scheduler", help="address of Dask's scheduler; without it, workers are started here")
    parser.add_argument("--workers", type=int, default=1, help="to start here")
    parser.add_argument("--threads", type=int, default=0, help="of the library in each worker; 0: the cores that there are")
    o = parser.parse_args()
    cores = 0 if o.scheduler else max(1, len(os.sched_getaffinity(0)) // o.workers)
    local = None if o.scheduler else LocalCluster(n_workers=o.workers, threads_per_worker=1, processes=True, dashboard_address=None)
    with local or contextlib.nullcontext(o.scheduler) as cluster, Client(cluster) as client, open(o.prompts, encoding="utf-8") as lines, \
            open(o.answers, "w", encoding="utf-8") as out:
        client.register_plugin(Opened(os.path.abspath(o.model), o.threads or cores, o.steps))
        batches = iter(lambda: [json.loads(line) for line in itertools.islice(lines, o.rows)], [])
        waiting, sent, done = collections.deque(), 0, 0
        while True:
            room = 4 * max(1, len(client.ncores())) - len(waiting)  # so that no worker waits, and no more: the file may be larger than memory
            for records in itertools.islice(batches, max(0, room)):
                waiting.append((records, client.submit(answers, sent + 1, [record[o.key] for record in records], pure=False)))
                sent += len(records)
            if not waiting:
                break
            records, future = waiting.popleft()
            out.writelines(json.dumps({**record, **found}, ensure_ascii=False) + "\n" for record, found in zip(records, future.result()))
            done += len(records)
            print(f"{done} answered, {sent - done} under way, {len(client.ncores())} workers", file=sys.stderr)


if __name__ == "__main__":
    main()
