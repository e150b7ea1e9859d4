//! Finetuning.
use crate::error::{c_text, check, Result};
use crate::models::{Adapter, Model};
use crate::options::TrainerOptions;
use diffulm_sys as sys;
use std::cell::Cell;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{null_mut, NonNull};

/// What a call of a trainer came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    pub step: i64,
    pub loss: f64,
    pub cross_entropy: f64,
    pub grad_norm: f64,
    pub lr: f64,
}

/// A row of tokens whose first `source` stay as they are.
pub struct TrainingRow<'a> {
    pub tokens: &'a [i32],
    pub source: usize,
}

/// Diffusive adaptation of a model. It may move to another thread, but belongs to one at a time.
pub struct Trainer {
    raw: NonNull<sys::diffulm_trainer>,
    one_thread: PhantomData<Cell<()>>,
}

unsafe impl Send for Trainer {}

impl Drop for Trainer {
    fn drop(&mut self) {
        unsafe { sys::diffulm_trainer_destroy(self.raw.as_ptr()) }
    }
}

impl Trainer {
    pub fn new(model: &Model, options: &TrainerOptions) -> Result<Trainer> {
        let mut out = null_mut();
        check(unsafe { sys::diffulm_trainer_create(model.as_ptr(), &options.raw, &mut out) })?;
        Ok(Trainer { raw: NonNull::new(out).expect("a trainer after success"), one_thread: PhantomData })
    }

    fn reported(call: impl FnOnce(*mut sys::diffulm_trainer_report) -> i32) -> Result<Report> {
        let mut r: sys::diffulm_trainer_report = unsafe { std::mem::zeroed() };
        r.struct_size = std::mem::size_of_val(&r);
        check(call(&mut r))?;
        Ok(Report { step: r.step, loss: r.loss, cross_entropy: r.cross_entropy, grad_norm: r.grad_norm, lr: r.lr })
    }

    fn with_rows(rows: &[TrainingRow<'_>], call: impl FnOnce(*const sys::diffulm_rows) -> Result<Report>) -> Result<Report> {
        let tokens: Vec<i32> = rows.iter().flat_map(|row| row.tokens.iter().copied()).collect();
        let sources: Vec<usize> = rows.iter().map(|row| row.source).collect();
        let mut offsets = vec![0];
        for row in rows {
            offsets.push(offsets[offsets.len() - 1] + row.tokens.len());
        }
        let mut raw: sys::diffulm_rows = unsafe { std::mem::zeroed() };
        raw.struct_size = std::mem::size_of_val(&raw);
        raw.rows = rows.len();
        raw.offsets = offsets.as_ptr();
        raw.tokens = tokens.as_ptr();
        raw.source_lengths = sources.as_ptr();
        call(&raw)
    }

    /// Adds the gradient of rows to what was accumulated.
    pub fn accumulate(&mut self, rows: &[TrainingRow<'_>]) -> Result<Report> {
        let raw = self.raw.as_ptr();
        Trainer::with_rows(rows, |rows| {
            Trainer::reported(|report| unsafe { sys::diffulm_trainer_accumulate(raw, rows, report) })
        })
    }

    /// One update with the mean of what was accumulated.
    pub fn apply(&mut self) -> Result<Report> {
        let raw = self.raw.as_ptr();
        Trainer::reported(|report| unsafe { sys::diffulm_trainer_apply(raw, report) })
    }

    /// The loss of rows without gradients or dropout.
    pub fn evaluate(&mut self, rows: &[TrainingRow<'_>], seed: u64) -> Result<Report> {
        let raw = self.raw.as_ptr();
        Trainer::with_rows(rows, |rows| {
            Trainer::reported(|report| unsafe { sys::diffulm_trainer_evaluate(raw, rows, seed, report) })
        })
    }

    /// How many values it trains.
    pub fn parameters(&self) -> i64 {
        unsafe { sys::diffulm_trainer_parameters(self.raw.as_ptr()) }
    }

    /// A frozen model of the present weights.
    pub fn export(&self) -> Result<Model> {
        Model::made(|out| unsafe { sys::diffulm_trainer_export(self.raw.as_ptr(), out) })
    }

    pub fn export_adapter(&self) -> Result<Adapter> {
        Adapter::made(|out| unsafe { sys::diffulm_trainer_export_adapter(self.raw.as_ptr(), out) })
    }

    /// A checkpoint with `note`, bytes of the caller's own: complete or absent.
    pub fn save(&self, path: impl AsRef<Path>, note: &[u8]) -> Result<()> {
        let path = c_text(path)?;
        let raw = self.raw.as_ptr();
        check(unsafe { sys::diffulm_trainer_save(raw, path.as_ptr(), note.as_ptr().cast(), note.len()) }).map(drop)
    }

    /// Goes back to a checkpoint, bit for bit; returns its note.
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = c_text(path)?;
        let raw = self.raw.as_ptr();
        crate::error::filled::<u8>(|note, capacity, length| unsafe {
            sys::diffulm_trainer_restore(raw, path.as_ptr(), note.cast(), capacity, length)
        })
    }
}
