"""Training data on disk, larger than memory where need be; the order of rows; noise schedules."""
import collections
import ctypes

from . import _arrays as arrays
from . import _native as n

lib, check, options, sized = n.lib, n.check, n.options, n.sized

Record = collections.namedtuple("Record", "source target task dataset index row epoch")


class Dataset(n.Handle):
    """An index over JSONL, TSV or two parallel files, plain or gzip: Dataset("train.jsonl", few_shot=2, on_damage="skip")."""

    _release = "diffulm_dataset_unref"

    def __init__(self, *paths, progress=None, **values):
        wanted = options("diffulm_dataset_options", values)
        listed = (ctypes.c_char_p * len(paths))(*(str(path).encode() for path in paths))
        problem = []

        def tell(user, done, total):
            try:
                return int(bool(progress(done, total)))
            except BaseException as error:  # raised again by the caller
                problem.append(error)
                return 1

        if progress:
            wanted.progress = type(wanted.progress)(tell)
        try:
            address = n.make(lib.diffulm_dataset_open, listed, len(paths), wanted)
        except n.Cancelled:
            if problem:
                raise problem[0] from None
            raise
        super().__init__(address)

    def __len__(self):
        return lib.diffulm_dataset_count(self.address)

    @property
    def skipped(self):
        """(number of damaged records left out, messages of the first of them)."""
        out = sized("diffulm_dataset_info")
        check(lib.diffulm_dataset_get_info(self.address, out))
        messages = []
        while (message := lib.diffulm_dataset_message(self.address, len(messages))) is not None:
            messages.append(message.decode("utf-8", "replace"))
        return out.skipped, messages

    def __iter__(self):
        """The records in file order, once."""
        reader = Reader(self, order="file")
        for _ in range(len(self)):
            yield next(reader)


class Reader(n.Handle):
    """A walk through data sets without end, each epoch in its own order; rows are drawn by `weights`."""

    _release = "diffulm_reader_destroy"

    def __init__(self, *datasets, weights=None, order="shuffled", seed=0):
        wanted = options("diffulm_reader_options", {"order": order, "seed": seed}, order="DIFFULM_ORDER_")
        listed = (ctypes.c_void_p * len(datasets))(*(d.address for d in datasets))
        given = None if weights is None else (ctypes.c_double * len(datasets))(*weights)
        super().__init__(n.make(lib.diffulm_reader_create, listed, given, len(datasets), wanted))

    def __iter__(self):
        return self

    def __next__(self):
        out = sized("diffulm_record")
        check(lib.diffulm_reader_next(self.address, out))
        return self._record(out)

    @staticmethod
    def _record(out):
        # c_char_p fields stop at NUL, which the texts do not hold.
        return Record(out.source.decode(), out.target.decode(), out.task.decode(), out.dataset, out.index, out.row, out.epoch)

    def position(self):
        """Bytes from which seek() goes on."""
        return n.bytes_of(lambda *room: lib.diffulm_reader_position(self.address, *room))

    def seek(self, position):
        check(lib.diffulm_reader_seek(self.address, position, len(position)))


def shuffle(count, seed=0, epoch=0):
    """The order of `count` items in an epoch."""
    out = (ctypes.c_size_t * max(1, count))()
    check(lib.diffulm_shuffle(seed, epoch, count, out))
    return list(out[:count])


Loss = collections.namedtuple("Loss", "loss weighted_ce uniform cross_entropy")


class Schedule(n.Handle):
    """A noise schedule with its loss, for logits of any engine: Schedule("linear", timesteps=50, weight="linear")."""

    _release = "diffulm_schedule_unref"

    def __init__(self, name="linear", **values):
        super().__init__(n.make(lib.diffulm_schedule_create, name.encode(), options("diffulm_schedule_options", values)))

    def mask_rate(self, t):
        rate = ctypes.c_double()
        check(lib.diffulm_schedule_mask_rate(self.address, t, ctypes.byref(rate)))
        return rate.value

    def loss_weight(self, t):
        weight = ctypes.c_double()
        check(lib.diffulm_schedule_loss_weight(self.address, t, ctypes.byref(weight)))
        return weight.value

    def draw_timesteps(self, seed, step, row):
        t1, t2 = ctypes.c_int32(), ctypes.c_int32()
        check(lib.diffulm_schedule_draw_timesteps(self.address, seed, step, row, ctypes.byref(t1), ctypes.byref(t2)))
        return t1.value, t2.value

    def corrupt(self, tokens, t1, t2, mask_id, maskable=None, seed=0, step=0, row=0):
        """The two corrupted copies of a row, each as (tokens, masked): first the one at the larger timestep."""
        length = len(tokens)
        clean, keep, _ = arrays.given(tokens, ctypes.c_int32)
        may, keep_may, _ = arrays.given(maskable, ctypes.c_uint8)
        given = sized("diffulm_clean_row", length=length, tokens=clean, maskable=may, seed=seed, step=step, row=row, mask_id=mask_id)
        x = [(ctypes.c_int32 * length)() for _ in range(2)]
        masked = [(ctypes.c_uint8 * length)() for _ in range(2)]
        out = sized("diffulm_corrupted_pair", x_hi=ctypes.addressof(x[0]), x_lo=ctypes.addressof(x[1]),
                    masked_hi=ctypes.addressof(masked[0]), masked_lo=ctypes.addressof(masked[1]))
        check(lib.diffulm_schedule_corrupt(self.address, given, t1, t2, out))
        del keep, keep_may
        return [(list(a), list(b)) for a, b in zip(x, masked)]

    def loss(self, logits, rows, targets, t, maskable, label_smoothing=0.0, gradient=True):
        """Loss of logits [count, vocabulary] at masked positions: rows and targets [count], t and maskable [rows of the batch]. Returns
        (Loss, gradient or None)."""
        address, keep, size = arrays.given(logits, ctypes.c_float)
        row, keep_row, count = arrays.given(rows, ctypes.c_size_t)
        target, keep_target, _ = arrays.given(targets, ctypes.c_int32)
        times, keep_times, batch = arrays.given(t, ctypes.c_int32)
        free, keep_free, _ = arrays.given(maskable, ctypes.c_size_t)
        vocabulary = size // count if count else 1
        of_rows = sized("diffulm_loss_rows", rows=batch, t=times, maskable=free, label_smoothing=label_smoothing)
        of_logits = sized("diffulm_loss_logits", count=count, vocabulary=vocabulary, row=row, target=target, logits=address)
        out = sized("diffulm_loss")
        where, array = arrays.fresh(ctypes.c_float, count, vocabulary) if gradient else (None, None)
        check(lib.diffulm_schedule_loss(self.address, of_rows, of_logits, out, where))
        del keep, keep_row, keep_target, keep_times, keep_free
        return Loss(out.loss, out.weighted_ce, out.uniform, out.cross_entropy), arrays.shaped(array, count, vocabulary) if gradient else None
