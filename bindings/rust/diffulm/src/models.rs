//! What is opened once, never changes and may be shared by threads.
use crate::error::{argument, c_text, check, filled_text, Result};
use crate::options::*;
use diffulm_sys as sys;
use std::ffi::CStr;
use std::path::Path;
use std::ptr::{null, null_mut, NonNull};

/// A reference-counted handle: `clone` takes a reference, dropping gives it back.
macro_rules! frozen {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $take:ident, $give:ident) => {
        $(#[$doc])*
        pub struct $name(NonNull<sys::$raw>);

        // The library's thread rule: frozen, any number of threads; the count is atomic.
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}

        impl $name {
            pub(crate) fn as_ptr(&self) -> *mut sys::$raw {
                self.0.as_ptr()
            }

            /// Takes over what `call` writes to its argument.
            pub(crate) fn made(call: impl FnOnce(*mut *mut sys::$raw) -> i32) -> Result<Self> {
                let mut out = null_mut();
                check(call(&mut out))?;
                Ok($name(NonNull::new(out).expect("a handle after success")))
            }
        }

        impl Clone for $name {
            fn clone(&self) -> Self {
                unsafe { sys::$take(self.as_ptr()) };
                $name(self.0)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                unsafe { sys::$give(self.as_ptr()) }
            }
        }
    };
}
pub(crate) use frozen;

frozen!(
    /// How the library computes: threads, backend, instruction set, precision.
    Runtime, diffulm_runtime, diffulm_runtime_ref, diffulm_runtime_unref
);
frozen!(
    /// Text to token ids and back, equal to Hugging Face's tokenizers.
    Tokenizer, diffulm_tokenizer, diffulm_tokenizer_ref, diffulm_tokenizer_unref
);
frozen!(
    /// A pretrained masked language model.
    Model, diffulm_model, diffulm_model_ref, diffulm_model_unref
);
frozen!(
    /// A LoRA adapter in PEFT's format.
    Adapter, diffulm_adapter, diffulm_adapter_ref, diffulm_adapter_unref
);
frozen!(
    /// Predicts how many tokens an answer has.
    LengthHead, diffulm_length_head, diffulm_length_head_ref, diffulm_length_head_unref
);

impl Runtime {
    pub fn new(options: &RuntimeOptions) -> Result<Runtime> {
        Runtime::made(|out| unsafe { sys::diffulm_runtime_create(&options.raw, out) })
    }

    /// What was chosen, for people to read.
    pub fn describe(&self) -> String {
        let mut buffer = [0; 256];
        unsafe {
            sys::diffulm_runtime_describe(self.as_ptr(), buffer.as_mut_ptr(), buffer.len());
            CStr::from_ptr(buffer.as_ptr()).to_string_lossy().into_owned()
        }
    }
}

/// Token ids of a text, and the bytes of it that each stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    pub ids: Vec<i32>,
    pub begins: Vec<usize>,
    pub ends: Vec<usize>,
}

/// Ids of special tokens, where there are such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    pub bos: Option<i32>,
    pub eos: Option<i32>,
    pub pad: Option<i32>,
    pub unk: Option<i32>,
    pub mask: Option<i32>,
}

fn known(id: i32) -> Option<i32> {
    if id < 0 {
        None
    } else {
        Some(id)
    }
}

impl Tokenizer {
    pub fn open(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = c_text(path)?;
        Tokenizer::made(|out| unsafe { sys::diffulm_tokenizer_open(path.as_ptr(), null(), out) })
    }

    /// `special`: with the tokens that the tokenizer puts around a text.
    pub fn encode(&self, text: &str, special: bool) -> Result<Encoding> {
        let mut options = EncodeOptions::default();
        options.raw.no_special = (!special).into();
        let mut out = Encoding::default();
        let mut capacity = text.len() + 8;
        loop {
            out.ids.resize(capacity, 0);
            out.begins.resize(capacity, 0);
            out.ends.resize(capacity, 0);
            let mut encoding: sys::diffulm_encoding = unsafe { std::mem::zeroed() };
            encoding.struct_size = std::mem::size_of_val(&encoding);
            encoding.capacity = capacity;
            encoding.ids = out.ids.as_mut_ptr();
            encoding.begins = out.begins.as_mut_ptr();
            encoding.ends = out.ends.as_mut_ptr();
            let outcome = check(unsafe {
                let (text, length) = (text.as_ptr().cast(), text.len());
                sys::diffulm_tokenizer_encode(self.as_ptr(), text, length, null(), 0, &options.raw, &mut encoding)
            })?;
            capacity = encoding.count;
            if outcome != sys::DIFFULM_BUFFER_TOO_SMALL {
                out.ids.truncate(capacity);
                out.begins.truncate(capacity);
                out.ends.truncate(capacity);
                return Ok(out);
            }
        }
    }

    pub fn decode(&self, ids: &[i32], skip_special: bool) -> Result<String> {
        filled_text(|buffer, capacity, length| unsafe {
            let (count, skip) = (ids.len(), skip_special.into());
            sys::diffulm_tokenizer_decode(self.as_ptr(), ids.as_ptr(), count, skip, buffer, capacity, length)
        })
    }

    /// The text of one token.
    pub fn piece(&self, id: i32) -> Option<String> {
        let mut length = 0;
        let text = unsafe { sys::diffulm_tokenizer_piece(self.as_ptr(), id, &mut length) };
        if text.is_null() {
            return None;
        }
        let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    pub fn id(&self, piece: &str) -> Option<i32> {
        known(unsafe { sys::diffulm_tokenizer_id(self.as_ptr(), piece.as_ptr().cast(), piece.len()) })
    }

    pub fn vocabulary(&self) -> usize {
        unsafe { sys::diffulm_tokenizer_vocabulary(self.as_ptr()) }
    }

    pub fn special(&self) -> Result<SpecialIds> {
        let mut ids: sys::diffulm_special_ids = unsafe { std::mem::zeroed() };
        ids.struct_size = std::mem::size_of_val(&ids);
        check(unsafe { sys::diffulm_tokenizer_special_ids(self.as_ptr(), &mut ids) })?;
        Ok(SpecialIds { bos: known(ids.bos), eos: known(ids.eos), pad: known(ids.pad), unk: known(ids.unk), mask: known(ids.mask) })
    }
}

/// Family and sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    pub family: String,
    pub vocabulary: i64,
    pub hidden: i64,
    pub layers: i64,
    pub heads: i64,
    pub ffn: i64,
    pub positions: i64,
    pub parameters: i64,
    pub longest_row: i64,
    pub mask_id: Option<i32>,
}

impl Model {
    pub fn open(folder: impl AsRef<Path>) -> Result<Model> {
        Model::open_with(folder, None, &ModelOptions::default())
    }

    pub fn open_with(folder: impl AsRef<Path>, runtime: Option<&Runtime>, options: &ModelOptions) -> Result<Model> {
        let folder = c_text(folder)?;
        let mut raw = options.raw;
        raw.runtime = runtime.map_or(null_mut(), Runtime::as_ptr);
        Model::made(|out| unsafe { sys::diffulm_model_open(folder.as_ptr(), &raw, out) })
    }

    /// Fresh weights for the text of a config.json.
    pub fn create(config: &str, runtime: Option<&Runtime>, options: &ModelOptions) -> Result<Model> {
        let mut raw = options.raw;
        raw.runtime = runtime.map_or(null_mut(), Runtime::as_ptr);
        Model::made(|out| unsafe { sys::diffulm_model_create(config.as_ptr().cast(), config.len(), &raw, out) })
    }

    pub fn info(&self) -> Result<ModelInfo> {
        let mut info: sys::diffulm_model_info = unsafe { std::mem::zeroed() };
        info.struct_size = std::mem::size_of_val(&info);
        check(unsafe { sys::diffulm_model_get_info(self.as_ptr(), &mut info) })?;
        let family = unsafe { CStr::from_ptr(info.family) }.to_string_lossy().into_owned();
        Ok(ModelInfo {
            family,
            vocabulary: info.vocabulary,
            hidden: info.hidden,
            layers: info.layers,
            heads: info.heads,
            ffn: info.ffn,
            positions: info.positions,
            parameters: info.parameters,
            longest_row: info.longest_row,
            mask_id: known(info.mask_id),
        })
    }

    /// Logits [tokens, vocabulary] of rows of token ids packed end to end, under full attention.
    pub fn logits(&self, rows: &[&[i32]]) -> Result<Vec<f32>> {
        let tokens: Vec<i32> = rows.iter().flat_map(|row| row.iter().copied()).collect();
        let mut offsets = vec![0];
        for row in rows {
            offsets.push(offsets[offsets.len() - 1] + row.len());
        }
        let vocabulary = self.info()?.vocabulary as usize;
        let size = tokens.len().checked_mul(vocabulary).ok_or_else(|| argument("too many logits"))?;
        let mut out = vec![0.0; size];
        let mut batch: sys::diffulm_batch = unsafe { std::mem::zeroed() };
        batch.struct_size = std::mem::size_of_val(&batch);
        batch.rows = rows.len();
        batch.offsets = offsets.as_ptr();
        batch.tokens = tokens.as_ptr();
        check(unsafe { sys::diffulm_model_logits(self.as_ptr(), &batch, null(), tokens.len(), out.as_mut_ptr()) })?;
        Ok(out)
    }

    /// A Hugging Face folder; `dtype` is one of [`crate::dtype`].
    pub fn save(&self, folder: impl AsRef<Path>, dtype: i32) -> Result<()> {
        let folder = c_text(folder)?;
        check(unsafe { sys::diffulm_model_save(self.as_ptr(), folder.as_ptr(), dtype) }).map(drop)
    }
}

impl Adapter {
    pub fn open(model: &Model, folder: impl AsRef<Path>) -> Result<Adapter> {
        let folder = c_text(folder)?;
        Adapter::made(|out| unsafe { sys::diffulm_adapter_open(model.as_ptr(), folder.as_ptr(), out) })
    }

    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = c_text(folder)?;
        check(unsafe { sys::diffulm_adapter_save(self.as_ptr(), folder.as_ptr()) }).map(drop)
    }

    /// A model that scores with the adapter over shared weights.
    pub fn attach(&self) -> Result<Model> {
        Model::made(|out| unsafe { sys::diffulm_adapter_attach(self.as_ptr(), out) })
    }

    /// A model with weights of its own.
    pub fn merge(&self) -> Result<Model> {
        Model::made(|out| unsafe { sys::diffulm_adapter_merge(self.as_ptr(), out) })
    }
}

impl LengthHead {
    pub fn open(model: &Model, folder: impl AsRef<Path>) -> Result<LengthHead> {
        let folder = c_text(folder)?;
        LengthHead::made(|out| unsafe { sys::diffulm_length_head_open(model.as_ptr(), folder.as_ptr(), out) })
    }

    pub fn classes(&self) -> usize {
        unsafe { sys::diffulm_length_head_classes(self.as_ptr()) }
    }

    /// The best `beam` lengths for a source of token ids ([bos] source), best first.
    pub fn candidates(&self, source: &[i32], beam: usize, unique: bool) -> Result<Vec<usize>> {
        let classes = self.classes();
        let offsets = [0, source.len()];
        let mut logits = vec![0.0; classes];
        check(unsafe {
            sys::diffulm_length_head_logits(self.as_ptr(), 1, offsets.as_ptr(), source.as_ptr(), logits.as_mut_ptr())
        })?;
        let mut out = vec![0; beam];
        let mut count = 0;
        check(unsafe {
            let (logits, out) = (logits.as_ptr(), out.as_mut_ptr());
            sys::diffulm_length_candidates(logits, classes, beam, classes, source.len(), unique.into(), out, &mut count)
        })?;
        out.truncate(count);
        Ok(out)
    }
}
