//! Diffusion language models in any program: safe Rust over libdiffulm's C ABI.
//!
//! Frozen handles ([`Runtime`], [`Model`], [`Tokenizer`], [`Adapter`], [`LengthHead`], [`Sampler`]) are `Send` and `Sync` and cheap to clone; a
//! [`Session`] and a [`Trainer`] are `Send` alone. Errors carry the library's message. What the headers say holds here too.
mod denoising;
mod error;
mod models;
mod options;
mod training;

pub use denoising::{Canceller, Change, Length, Role, Row, Sampler, Session, Step, Steps};
pub use error::{Error, Result};
pub use models::{Adapter, Encoding, LengthHead, Model, ModelInfo, Runtime, SpecialIds, Tokenizer};
pub use options::*;
pub use training::{Report, Trainer, TrainingRow};

/// The library's version.
pub fn version() -> String {
    unsafe { std::ffi::CStr::from_ptr(diffulm_sys::diffulm_version()) }.to_string_lossy().into_owned()
}
