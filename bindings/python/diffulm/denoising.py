"""Samplers and sessions: denoising step by step."""
import collections
import ctypes
import html

from . import _arrays as arrays
from . import _native as n

lib, check, options, sized = n.lib, n.check, n.options, n.sized

GIVEN, MASKED, EDITABLE = (n.CONSTANTS["DIFFULM_ROLE_" + name] for name in ("GIVEN", "MASKED", "EDITABLE"))
KINDS = {n.CONSTANTS["DIFFULM_CHANGE_" + name.upper()]: name for name in ("revealed", "remasked", "revised")}

Change = collections.namedtuple("Change", "row position token kind score")
Step = collections.namedtuple("Step", "changes active_rows scored steps_done")


def policies():
    """The name patterns of the unmasking policies."""
    index, out = 0, []
    while (name := lib.diffulm_sampler_policy(index)) is not None:
        out.append(name.decode())
        index += 1
    return out


class Sampler(n.Handle):
    """An unmasking policy with its options: Sampler("cmlm", steps=4, sampling="categorical", temperature=0.8)."""

    _release = "diffulm_sampler_unref"

    def __init__(self, policy=None, **values):
        super().__init__(n.make(lib.diffulm_sampler_create, policy.encode() if policy else None,
                                options("diffulm_sampler_options", values)))

    @property
    def name(self):
        return lib.diffulm_sampler_name(self.address).decode()

    @property
    def steps(self):
        return lib.diffulm_sampler_steps(self.address)


class Row:
    """One row that is denoised with logits of any engine: which positions a step needs, and the step."""

    def __init__(self, sampler, tokens, generated, mask_id, seed=0, row_number=0):
        self.sampler, self.mask_id = sampler, mask_id
        length = len(tokens)
        self._tokens = (ctypes.c_int32 * length)(*(mask_id if g else t for t, g in zip(tokens, generated)))
        self._scores = (ctypes.c_float * length)()
        self._noisy = (ctypes.c_uint8 * length)(*(int(bool(g)) for g in generated))
        self._generated = (ctypes.c_uint8 * length)(*self._noisy)
        self._state = sized("diffulm_sampler_state", length=length, tokens=ctypes.addressof(self._tokens),
                            scores=ctypes.addressof(self._scores), noisy=ctypes.addressof(self._noisy),
                            generated=ctypes.addressof(self._generated), quota=0, mask_id=mask_id, seed=seed, row_number=row_number)

    @property
    def tokens(self):
        return list(self._tokens)

    @property
    def scores(self):
        return list(self._scores)

    def needs(self, k):
        """The positions whose logits step k (from 1) uses."""
        wanted = (ctypes.c_uint8 * len(self._tokens))()
        check(lib.diffulm_sampler_needs(self.sampler.address, self._state, k, wanted))
        return [i for i, w in enumerate(wanted) if w]

    def step(self, k, logits):
        """One denoising step; logits: [length, vocabulary], float32 (numpy, or a torch tensor on the CPU: no copy)."""
        address, keep, count = arrays.given(logits, ctypes.c_float)
        if count % len(self._tokens):
            raise ValueError(f"logits have {count} values, expected [{len(self._tokens)}, vocabulary]")
        check(lib.diffulm_sampler_transition(self.sampler.address, self._state, k, address, count // len(self._tokens)))
        del keep


class Session(n.Handle):
    """A batch of canvases. Iterate over it to denoise step by step, or run() it. One thread at a time; only cancel() may come from
    another. `tokenizer` is needed for text."""

    _release = "diffulm_session_destroy"

    def __init__(self, model, sampler=None, tokenizer=None, **values):
        self._sampler = sampler or Sampler()
        self.tokenizer, self.model = tokenizer, model
        if tokenizer is not None and "mask_id" not in values and tokenizer.special.mask is not None:
            values["mask_id"] = tokenizer.special.mask
        super().__init__(n.make(lib.diffulm_session_create, model.address, self._sampler.address,
                                options("diffulm_session_options", values)))
        self._frames = None

    def add(self, tokens, roles, **values):
        """Adds a canvas of token ids with their roles (GIVEN, MASKED, EDITABLE); returns its row."""
        row = ctypes.c_size_t()
        address, keep, count = arrays.given(tokens, ctypes.c_int32)
        flags, keep_flags, flag_count = arrays.given(roles, ctypes.c_uint8)
        if count != flag_count:
            raise ValueError(f"{count} tokens but {flag_count} roles")
        check(lib.diffulm_session_add(self.address, address, count, flags, options("diffulm_row_options", values), ctypes.byref(row)))
        del keep, keep_flags
        return row.value

    def add_text(self, text, length=0, length_head=None, infill=False, row_number=0):
        """Adds a prompt whose answer is to be generated (of `length` tokens, or as the length head says), or with infill a text whose
        mask tokens are the gaps; returns its row."""
        data, row = text.encode(), ctypes.c_size_t()
        wanted = options("diffulm_text_options", {"length": length, "infill": int(infill), "row_number": row_number})
        wanted.length_head = length_head.address if length_head else None
        check(lib.diffulm_session_add_text(self.address, self._needed().address, data, len(data), wanted, ctypes.byref(row)))
        return row.value

    def _needed(self):
        if self.tokenizer is None:
            raise ValueError("this session has no tokenizer: Session(model, sampler, tokenizer=...)")
        return self.tokenizer

    def step(self):
        """One denoising step of every unfinished row: (Step, whether more remain)."""
        report = sized("diffulm_step_report")
        rc = check(lib.diffulm_session_step(self.address, report))
        changes = []
        if report.change_count:
            listed = ctypes.cast(report.changes, ctypes.POINTER(n.structs["diffulm_change"]))
            changes = [Change(c.row, c.position, c.token, KINDS[c.kind], c.score) for c in listed[:report.change_count]]
        return Step(changes, report.active_rows, report.scored, report.steps_done), rc == n.AGAIN

    def __iter__(self):
        """Yields a Step after each step until all rows are done."""
        more = True
        while more:
            step, more = self.step()
            yield step

    def run(self):
        """Steps until all rows are done. Ctrl-C stops within a layer, raises KeyboardInterrupt, and the session can go on."""
        n.interruptible(lambda: check(lib.diffulm_session_run(self.address)), self.cancel)

    def run_for(self, seconds):
        """Steps until `seconds` have passed, at least one; whether more remain."""
        return check(lib.diffulm_session_run_for(self.address, int(seconds * 1e6))) == n.AGAIN

    def cancel(self):
        """Stops the step in progress, or the next, with Cancelled. Any thread."""
        lib.diffulm_session_cancel(self.address)

    def __len__(self):
        return lib.diffulm_session_rows(self.address)

    def _copy(self, function, kind, row):
        length = ctypes.c_size_t()
        check(function(self.address, row, None, 0, ctypes.byref(length)))
        out = (kind * length.value)()
        check(function(self.address, row, out, length.value, ctypes.byref(length)))
        return list(out)

    def tokens(self, row=0):
        return self._copy(lib.diffulm_session_tokens, ctypes.c_int32, row)

    def scores(self, row=0):
        return self._copy(lib.diffulm_session_scores, ctypes.c_float, row)

    def row_score(self, row=0):
        """Mean log-probability of what was generated; -inf if nothing was."""
        score = ctypes.c_float()
        check(lib.diffulm_session_row_score(self.address, row, ctypes.byref(score)))
        return score.value

    def text(self, row=0, whole=False):
        """The generated text of a row; whole: with what was given."""
        tokenizer = self._needed().address
        return n.text_of(lambda b, c, l: lib.diffulm_session_text(self.address, tokenizer, row, int(whole), b, c, l))

    def edit(self, row, begin, end):
        """Masks [begin, end) again and starts the row anew; the rest becomes given."""
        check(lib.diffulm_session_edit(self.address, row, begin, end))

    def pin(self, row, position, token):
        check(lib.diffulm_session_pin(self.address, row, position, token))

    def forbid(self, row, token, position=None):
        """Forbids a token at a position, or everywhere in the row."""
        where = ctypes.c_size_t(-1).value if position is None else position
        check(lib.diffulm_session_forbid(self.address, row, where, token))

    def snapshot(self):
        """The whole state as bytes."""
        return n.bytes_of(lambda *room: lib.diffulm_session_snapshot(self.address, *room))

    def restore(self, state):
        check(lib.diffulm_session_restore(self.address, state, len(state)))

    def watch(self, row=0):
        """Runs to the end and keeps what each step did to a row, for a notebook to show."""
        frames = [(self.tokens(row), {})]
        for step in self:
            frames.append((self.tokens(row), {c.position: c.kind for c in step.changes if c.row == row}))
        return Denoising(self._needed(), frames, self._mask())

    def _mask(self):
        return self.tokenizer.special.mask if self.tokenizer.special.mask is not None else self.model.info.mask_id


class Denoising:
    """The states of one row, as text or as a table in a notebook: a line for each step."""

    COLORS = {"revealed": "#cdeccf", "remasked": "#f6d5c9", "revised": "#f8ecb8"}

    def __init__(self, tokenizer, frames, mask):
        self.tokenizer, self.frames, self.mask = tokenizer, frames, mask

    def _piece(self, token):
        if token == self.mask:
            return "·"
        return (self.tokenizer.piece(token) or "?").replace("▁", " ").replace("Ġ", " ")

    def __str__(self):
        return "\n".join("".join(self._piece(t) for t in tokens) for tokens, _ in self.frames)

    def _repr_html_(self):
        lines = []
        for number, (tokens, kinds) in enumerate(self.frames):
            cells = "".join(f'<span style="background:{self.COLORS.get(kinds.get(i), "none")}">{html.escape(self._piece(t))}</span>'
                            for i, t in enumerate(tokens))
            lines.append(f'<div style="white-space:pre;font-family:monospace"><span style="color:#888">{number:3d} </span>{cells}</div>')
        return "\n".join(lines)
