"""diffulm: diffusion language models in any program.

    import diffulm

    with diffulm.Model("folder") as model, diffulm.Tokenizer("folder") as tokenizer:
        session = diffulm.Session(model, diffulm.Sampler(steps=10), tokenizer)
        session.add_text("Write 42 in English words.", length=4)
        for step in session:
            print(step.changes)
        print(session.text())

A binding by ctypes: every class owns a handle of the C library, whose headers say what is not said here. Calls release the
interpreter's lock. Frozen handles (Runtime, Tokenizer, Model, Adapter, LengthHead, Sampler, Schedule, Dataset) may be shared by threads;
a Session, a Reader or a Trainer belongs to one thread at a time. A forked child computes on one thread; start processes by
"spawn" where they are to use more.
"""
from ._native import (Cancelled, Error, FileError, FormatError, InvalidArgument, InvalidState, InvalidText, LimitExceeded, NotFinite,
                      OutOfMemory, Unsupported, lib as _lib)
from .data import Dataset, Loss, Reader, Record, Schedule, shuffle
from .denoising import EDITABLE, GIVEN, MASKED, Change, Denoising, Row, Sampler, Session, Step, policies
from .models import Adapter, Encoding, LengthHead, Model, ModelInfo, Runtime, SpecialIds, Tokenizer
from .metrics import Rouge, bleu, chrf, last_number, match, rouge
from .training import LengthTrainer, Report, Trainer, encode_row

__version__ = _lib.diffulm_version().decode()

__all__ = [name for name in dir() if not name.startswith("_") and name not in ("data", "denoising", "metrics", "models", "training")]
