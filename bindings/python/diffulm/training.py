"""Finetuning: rows of tokens, the trainer, the length head's trainer, averages and checkpoints."""
import collections
import ctypes
import random
import sys
import time

from . import _arrays as arrays
from . import _native as n
from .models import Adapter, LengthHead, Model

lib, check, options, sized = n.lib, n.check, n.options, n.sized

Report = collections.namedtuple("Report", "step loss cross_entropy grad_norm lr tokens masked")


def encode_row(tokenizer, source, target):
    """(tokens, source_length) of a pair of texts: [bos] source [newline] target [eos], as the program's rows are."""
    special = tokenizer.special
    newline = tokenizer.id("\n")
    ids = [] if special.bos is None else [special.bos]
    if source:
        ids += tokenizer.encode(source, special=False).ids
        ids += [] if newline is None else [newline]
    length = len(ids)
    ids += tokenizer.encode(target, special=False).ids
    ids += [] if special.eos is None else [special.eos]
    return ids, length


def _rows(rows):
    """struct diffulm_rows of (tokens, source_length) pairs, with what must stay alive."""
    packed = arrays.Packed(tokens for tokens, _ in rows)
    sources = (ctypes.c_size_t * max(1, packed.rows))(*(length for _, length in rows))
    return sized("diffulm_rows", rows=packed.rows, offsets=packed.offset_address(), tokens=packed.token_address(),
                 source_lengths=ctypes.addressof(sources)), (packed, sources)


def _reported(function, *arguments):
    """Calls a function whose last argument is a report."""
    report = sized("diffulm_trainer_report")
    check(function(*arguments, report))
    return Report(*(getattr(report, name) for name in Report._fields))


def _reported_rows(function, address, rows, *arguments):
    given, keep = _rows(rows)
    result = _reported(function, address, given, *arguments)
    del keep
    return result


class _Saved(n.Handle):
    """What both trainers do with checkpoints."""

    _save = _restore = ""

    def save(self, path, note=b""):
        """A checkpoint with `note`, bytes of the caller's own: complete or absent."""
        check(getattr(lib, self._save)(self.address, str(path).encode(), note, len(note)))

    def restore(self, path):
        """Goes back to a checkpoint, bit for bit; returns its note."""
        restore = getattr(lib, self._restore)
        return n.bytes_of(lambda *room: restore(self.address, str(path).encode(), *room))


class Trainer(_Saved):
    """Diffusive adaptation of a model: Trainer(model, lr=5e-5, lr_schedule="linear", steps=1000, warmup=50, ...); every option of
    struct diffulm_trainer_options is a keyword."""

    _release, _save, _restore = "diffulm_trainer_destroy", "diffulm_trainer_save", "diffulm_trainer_restore"

    def __init__(self, model, **values):
        if "mask_id" not in values and model.info.mask_id is not None:
            values["mask_id"] = model.info.mask_id
        self.steps = values.get("steps", 0)
        super().__init__(n.make(lib.diffulm_trainer_create, model.address, options("diffulm_trainer_options", values)))

    @property
    def parameters(self):
        """How many values it trains."""
        return lib.diffulm_trainer_parameters(self.address)

    def accumulate(self, rows):
        """Adds the gradient of rows, (tokens, source_length) each, to what was accumulated."""
        return _reported_rows(lib.diffulm_trainer_accumulate, self.address, rows)

    def apply(self):
        """One update with the mean of what was accumulated."""
        return _reported(lib.diffulm_trainer_apply, self.address)

    def discard(self):
        lib.diffulm_trainer_discard(self.address)

    def step(self, rows):
        """accumulate and apply."""
        loss = self.accumulate(rows)
        return self.apply()._replace(loss=loss.loss, cross_entropy=loss.cross_entropy, tokens=loss.tokens, masked=loss.masked)

    def evaluate(self, rows, seed=0):
        """The loss of rows without gradients or dropout."""
        return _reported_rows(lib.diffulm_trainer_evaluate, self.address, rows, seed)

    def fit(self, pairs, tokenizer, steps=None, tokens=2048, shuffle=10000, seed=0, progress=True):
        """Trains on any iterable of (source, target) texts, or of dicts with `source` and `target`: a list, a Hugging Face data set, the
        records of a pandas frame, a torch DataLoader of such. An update takes rows until they have `tokens` tokens; `shuffle` items are
        mixed at a time; an iterable that ends starts again (one that cannot, such as a generator, ends the training). Yields a
        Report after each update; with tqdm installed and progress on, shows a bar."""
        steps = self.steps if steps is None else steps
        bar = _bar(steps) if progress else None
        batches = _batches(pairs, tokenizer, tokens, shuffle, random.Random(seed))
        for number, batch in zip(range(steps) if steps else _count(), batches):
            report = self.step(batch)
            if bar:
                bar(number + 1, report)
            yield report
        if bar:
            bar(None, None)

    def export(self, averages=False):
        """A frozen model of the present weights, or of their averages (ema_decay)."""
        return Model._of(n.make(lib.diffulm_trainer_export_ema if averages else lib.diffulm_trainer_export, self.address))

    def export_adapter(self, averages=False):
        function = lib.diffulm_trainer_export_adapter_ema if averages else lib.diffulm_trainer_export_adapter
        return Adapter._of(n.make(function, self.address))


class LengthTrainer(_Saved):
    """Trains a length head over a frozen encoder."""

    _release, _save, _restore = "diffulm_length_trainer_destroy", "diffulm_length_trainer_save", "diffulm_length_trainer_restore"

    def __init__(self, head, **values):
        super().__init__(n.make(lib.diffulm_length_trainer_create, head.address, options("diffulm_trainer_options", values)))

    def step(self, rows):
        return _reported_rows(lib.diffulm_length_trainer_step, self.address, rows)

    def export(self):
        return LengthHead._of(n.make(lib.diffulm_length_trainer_export, self.address))


def _count():
    number = 0
    while True:
        yield number
        number += 1


def _pair(item):
    if isinstance(item, dict):
        return item["source"], item["target"]
    source, target = item
    return source, target


def _spread(item):
    """The pairs of an item: one, or those of a collated batch (lists of sources and targets)."""
    source, target = _pair(item)
    return [(source, target)] if isinstance(target, str) else list(zip(source, target))


def _batches(pairs, tokenizer, tokens, shuffle, draws):
    batch, size = [], 0
    again = True
    while again:
        waiting, seen = [], False
        for item in pairs:
            for pair in _spread(item):
                seen = True
                waiting.append(pair)
                if len(waiting) < max(1, shuffle):
                    continue
                row = encode_row(tokenizer, *waiting.pop(draws.randrange(len(waiting))))
                batch.append(row)
                size += len(row[0])
                if size >= tokens:
                    yield batch
                    batch, size = [], 0
        draws.shuffle(waiting)
        for pair in waiting:
            row = encode_row(tokenizer, *pair)
            batch.append(row)
            size += len(row[0])
            if size >= tokens:
                yield batch
                batch, size = [], 0
        again = seen and not hasattr(pairs, "__next__")
    if batch:
        yield batch


def _bar(steps):
    """tqdm where it is installed, else a line on standard error every two seconds."""
    try:
        import tqdm  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return _line(steps)
    bar = tqdm.tqdm(total=steps or None, unit="update")

    def show(number, report):
        if report is None:
            bar.close()
            return
        bar.set_postfix(cross_entropy=f"{report.cross_entropy:.4f}", lr=f"{report.lr:.2g}", refresh=False)
        bar.update(1)

    return show


def _line(steps):
    shown = [time.monotonic()]

    def show(number, report):
        if report is not None and time.monotonic() - shown[0] > 2:
            shown[0] = time.monotonic()
            print(f"update {number}{f'/{steps}' if steps else ''}  cross entropy {report.cross_entropy:.4f}", file=sys.stderr)

    return show
