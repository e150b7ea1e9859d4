//! Samplers, and sessions that denoise step by step.
use crate::error::{argument, c_text, check, filled, filled_text, Result};
use crate::models::{frozen, LengthHead, Model, Tokenizer};
use crate::options::*;
use diffulm_sys as sys;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{null, null_mut, NonNull};
use std::sync::Arc;

frozen!(
    /// An unmasking policy with its options.
    Sampler, diffulm_sampler, diffulm_sampler_ref, diffulm_sampler_unref
);

impl Sampler {
    /// `policy`: None for `reparam-uncond-deterministic-cosine`.
    pub fn new(policy: Option<&str>, options: &SamplerOptions) -> Result<Sampler> {
        let policy = policy.map(c_text).transpose()?;
        let name = policy.as_ref().map_or(null(), |p| p.as_ptr());
        Sampler::made(|out| unsafe { sys::diffulm_sampler_create(name, &options.raw, out) })
    }

    pub fn steps(&self) -> i32 {
        unsafe { sys::diffulm_sampler_steps(self.as_ptr()) }
    }
}

/// What a token of a canvas is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Stays as it is.
    Given = sys::DIFFULM_ROLE_GIVEN as u8,
    /// Is generated.
    Masked = sys::DIFFULM_ROLE_MASKED as u8,
    /// Is there, and may be revised.
    Editable = sys::DIFFULM_ROLE_EDITABLE as u8,
}

/// What a step did to a position; `kind` is one of [`crate::change`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub row: usize,
    pub position: usize,
    pub token: i32,
    pub kind: i32,
    pub score: f32,
}

/// One denoising step of every unfinished row.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub changes: Vec<Change>,
    pub active_rows: usize,
    /// Positions whose logits were computed.
    pub scored: usize,
    /// Whether more steps remain.
    pub more: bool,
}

struct Owned(NonNull<sys::diffulm_session>);

// Cancelling is all that a shared reference does.
unsafe impl Send for Owned {}
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        unsafe { sys::diffulm_session_destroy(self.0.as_ptr()) }
    }
}

/// A batch of canvases. It may move to another thread, but belongs to one at a time.
///
/// ```
/// use diffulm::*;
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/mini");
/// let (model, tokenizer) = (Model::open(folder)?, Tokenizer::open(folder)?);
/// let sampler = Sampler::new(None, &SamplerOptions::default().steps(10))?;
/// let mut session = Session::new(&model, &sampler, Some(&tokenizer), &SessionOptions::default())?;
/// let head = LengthHead::open(&model, folder)?;
/// let row = session.add_text("Write 42 in English words.", Length::Predicted(&head))?;
/// for step in session.steps() {
///     println!("{} positions changed", step?.changes.len());
/// }
/// assert_eq!(session.text(row, false)?, "forty-two");
/// # Ok::<(), Error>(())
/// ```
pub struct Session {
    owned: Arc<Owned>,
    tokenizer: Option<Tokenizer>,
    one_thread: PhantomData<Cell<()>>,
}

/// Stops a session from any thread. The session itself cannot be shared:
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<diffulm::Session>();
/// ```
#[derive(Clone)]
pub struct Canceller(Arc<Owned>);

impl Canceller {
    /// The step in progress, or the next, fails with [`crate::status::CANCELLED`] and leaves the canvases as they were.
    pub fn cancel(&self) {
        unsafe { sys::diffulm_session_cancel((self.0).0.as_ptr()) }
    }
}

/// How long an answer is.
pub enum Length<'a> {
    Tokens(usize),
    Predicted(&'a LengthHead),
}

impl Session {
    /// The tokenizer is needed for text.
    pub fn new(model: &Model, sampler: &Sampler, tokenizer: Option<&Tokenizer>, options: &SessionOptions) -> Result<Session> {
        let mut raw = options.raw;
        if let (Some(tokenizer), true) = (tokenizer, raw.mask_id < 0) {
            raw.mask_id = tokenizer.special()?.mask.unwrap_or(-1);
        }
        let mut out = null_mut();
        check(unsafe { sys::diffulm_session_create(model.as_ptr(), sampler.as_ptr(), &raw, &mut out) })?;
        let owned = Arc::new(Owned(NonNull::new(out).expect("a session after success")));
        Ok(Session { owned, tokenizer: tokenizer.cloned(), one_thread: PhantomData })
    }

    fn ptr(&self) -> *mut sys::diffulm_session {
        self.owned.0.as_ptr()
    }

    fn needed(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_ref().ok_or_else(|| argument("this session has no tokenizer"))
    }

    pub fn canceller(&self) -> Canceller {
        Canceller(self.owned.clone())
    }

    /// Adds a canvas and returns its row.
    pub fn add(&mut self, tokens: &[i32], roles: &[Role], options: &RowOptions) -> Result<usize> {
        if tokens.len() != roles.len() {
            return Err(argument("tokens and roles differ in number"));
        }
        let mut row = 0;
        check(unsafe {
            let roles = roles.as_ptr().cast();
            sys::diffulm_session_add(self.ptr(), tokens.as_ptr(), tokens.len(), roles, &options.raw, &mut row)
        })?;
        Ok(row)
    }

    /// Adds a prompt whose answer is to be generated, and returns its row.
    pub fn add_text(&mut self, prompt: &str, length: Length<'_>) -> Result<usize> {
        let mut raw = TextOptions::default().raw;
        match length {
            Length::Tokens(count) => raw.length = count as _,
            Length::Predicted(head) => raw.length_head = head.as_ptr(),
        }
        self.add_prompt(prompt, &raw)
    }

    /// Adds a text whose mask tokens are the gaps to fill, and returns its row.
    pub fn add_infill(&mut self, text: &str) -> Result<usize> {
        let mut raw = TextOptions::default().raw;
        raw.infill = 1;
        self.add_prompt(text, &raw)
    }

    fn add_prompt(&mut self, text: &str, options: &sys::diffulm_text_options) -> Result<usize> {
        let tokenizer = self.needed()?.as_ptr();
        let mut row = 0;
        check(unsafe {
            sys::diffulm_session_add_text(self.ptr(), tokenizer, text.as_ptr().cast(), text.len(), options, &mut row)
        })?;
        Ok(row)
    }

    pub fn step(&mut self) -> Result<Step> {
        let mut report: sys::diffulm_step_report = unsafe { std::mem::zeroed() };
        report.struct_size = std::mem::size_of_val(&report);
        let outcome = check(unsafe { sys::diffulm_session_step(self.ptr(), &mut report) })?;
        let changes = if report.change_count == 0 {
            Vec::new()
        } else {
            // The session's until its next call; copied.
            let listed = unsafe { std::slice::from_raw_parts(report.changes, report.change_count) };
            listed
                .iter()
                .map(|c| Change { row: c.row, position: c.position, token: c.token, kind: c.kind, score: c.score })
                .collect()
        };
        let more = outcome == sys::DIFFULM_AGAIN;
        Ok(Step { changes, active_rows: report.active_rows as usize, scored: report.scored, more })
    }

    /// Steps until all rows are done, or one fails.
    pub fn steps(&mut self) -> Steps<'_> {
        Steps { session: self, more: true }
    }

    /// Steps until all rows are done.
    pub fn run(&mut self) -> Result<()> {
        check(unsafe { sys::diffulm_session_run(self.ptr()) }).map(drop)
    }

    /// Steps until the time has passed, at least one; whether more remain.
    pub fn run_for(&mut self, time: std::time::Duration) -> Result<bool> {
        let microseconds = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Ok(check(unsafe { sys::diffulm_session_run_for(self.ptr(), microseconds) })? == sys::DIFFULM_AGAIN)
    }

    pub fn rows(&self) -> usize {
        unsafe { sys::diffulm_session_rows(self.ptr()) }
    }

    pub fn tokens(&self, row: usize) -> Result<Vec<i32>> {
        filled(|out, capacity, length| unsafe { sys::diffulm_session_tokens(self.ptr(), row, out, capacity, length) })
    }

    pub fn scores(&self, row: usize) -> Result<Vec<f32>> {
        filled(|out, capacity, length| unsafe { sys::diffulm_session_scores(self.ptr(), row, out, capacity, length) })
    }

    /// Mean log-probability of what was generated.
    pub fn row_score(&self, row: usize) -> Result<f32> {
        let mut score = 0.0;
        check(unsafe { sys::diffulm_session_row_score(self.ptr(), row, &mut score) })?;
        Ok(score)
    }

    /// The generated text; `whole`: with what was given.
    pub fn text(&self, row: usize, whole: bool) -> Result<String> {
        let tokenizer = self.needed()?.as_ptr();
        filled_text(|buffer, capacity, length| unsafe {
            sys::diffulm_session_text(self.ptr(), tokenizer, row, whole.into(), buffer, capacity, length)
        })
    }

    /// Masks a span again and starts the row anew; the rest becomes given.
    pub fn edit(&mut self, row: usize, span: std::ops::Range<usize>) -> Result<()> {
        check(unsafe { sys::diffulm_session_edit(self.ptr(), row, span.start, span.end) }).map(drop)
    }

    pub fn pin(&mut self, row: usize, position: usize, token: i32) -> Result<()> {
        check(unsafe { sys::diffulm_session_pin(self.ptr(), row, position, token) }).map(drop)
    }

    /// Forbids a token at a position, or with None everywhere in the row.
    pub fn forbid(&mut self, row: usize, position: Option<usize>, token: i32) -> Result<()> {
        let position = position.unwrap_or(usize::MAX);
        check(unsafe { sys::diffulm_session_forbid(self.ptr(), row, position, token) }).map(drop)
    }

    /// The whole state.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        filled::<u8>(|out, capacity, length| unsafe {
            sys::diffulm_session_snapshot(self.ptr(), out.cast(), capacity, length)
        })
    }

    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        check(unsafe { sys::diffulm_session_restore(self.ptr(), state.as_ptr().cast(), state.len()) }).map(drop)
    }
}

/// The steps of a session, until all rows are done or one fails.
pub struct Steps<'a> {
    session: &'a mut Session,
    more: bool,
}

impl Iterator for Steps<'_> {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.more {
            return None;
        }
        let step = self.session.step();
        self.more = matches!(&step, Ok(step) if step.more);
        Some(step)
    }
}

/// One row that is denoised with the logits of any engine.
pub struct Row<'a> {
    sampler: &'a Sampler,
    pub tokens: Vec<i32>,
    pub scores: Vec<f32>,
    noisy: Vec<u8>,
    generated: Vec<u8>,
    state: sys::diffulm_sampler_state,
}

impl<'a> Row<'a> {
    /// `generated`: the positions to denoise, which become masks.
    pub fn new(sampler: &'a Sampler, tokens: &[i32], generated: &[bool], mask_id: i32, seed: u64) -> Result<Row<'a>> {
        if tokens.len() != generated.len() {
            return Err(argument("tokens and generated differ in number"));
        }
        let mut state: sys::diffulm_sampler_state = unsafe { std::mem::zeroed() };
        state.struct_size = std::mem::size_of_val(&state);
        state.length = tokens.len();
        state.mask_id = mask_id;
        state.seed = seed;
        let flags: Vec<u8> = generated.iter().map(|&g| g.into()).collect();
        let masked = tokens.iter().zip(generated).map(|(&t, &g)| if g { mask_id } else { t }).collect();
        Ok(Row { sampler, tokens: masked, scores: vec![0.0; tokens.len()], noisy: flags.clone(), generated: flags, state })
    }

    fn bind(&mut self) -> Result<()> {
        if self.tokens.len() != self.state.length || self.scores.len() != self.state.length {
            return Err(argument("tokens or scores of a row were resized"));
        }
        self.state.tokens = self.tokens.as_mut_ptr();
        self.state.scores = self.scores.as_mut_ptr();
        self.state.noisy = self.noisy.as_mut_ptr();
        self.state.generated = self.generated.as_ptr();
        Ok(())
    }

    /// The positions whose logits step k (from 1) uses.
    pub fn needs(&mut self, k: i32) -> Result<Vec<usize>> {
        self.bind()?;
        let mut wanted = vec![0; self.tokens.len()];
        check(unsafe { sys::diffulm_sampler_needs(self.sampler.as_ptr(), &self.state, k, wanted.as_mut_ptr()) })?;
        Ok((0..wanted.len()).filter(|&i| wanted[i] != 0).collect())
    }

    /// Step k with logits [length, vocabulary].
    pub fn step(&mut self, k: i32, logits: &[f32], vocabulary: usize) -> Result<()> {
        self.bind()?;
        if logits.len() != self.tokens.len() * vocabulary {
            return Err(argument("logits are not [length, vocabulary]"));
        }
        check(unsafe {
            sys::diffulm_sampler_transition(self.sampler.as_ptr(), &mut self.state, k, logits.as_ptr(), vocabulary)
        })
        .map(drop)
    }
}
