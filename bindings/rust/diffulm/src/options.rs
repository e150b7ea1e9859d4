//! Options and constants; written by generate.py.
use diffulm_sys as sys;
use std::ffi::CString;
use std::mem::MaybeUninit;

/// Options as `struct diffulm_dataset_options` has them; made by `default()`, changed by the methods.
pub struct DatasetOptions {
    pub(crate) raw: sys::diffulm_dataset_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_dataset_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_dataset_options>());
            DatasetOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl DatasetOptions {
    /// DIFFULM_FORM_…; every record must have it
    pub fn form(mut self, value: i32) -> Self {
        self.raw.form = value;
        self
    }

    /// DIFFULM_DAMAGE_…
    pub fn on_damage(mut self, value: i32) -> Self {
        self.raw.on_damage = value;
        self
    }

    /// bytes of a line, at most 2^30 [2^20]; a longer one is damaged
    pub fn max_line(mut self, value: usize) -> Self {
        self.raw.max_line = value;
        self
    }

    /// bytes: a gzip file with more text than that is not held [2^25]
    pub fn gzip_buffer(mut self, value: usize) -> Self {
        self.raw.gzip_buffer = value;
        self
    }

    /// how many of skipped records are kept, at most 10,000 [10]
    pub fn messages(mut self, value: usize) -> Self {
        self.raw.messages = value;
        self
    }

    /// TSV: names in its first line; NULL, both: there is none,
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn source_column(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("source_column holds a NUL");
        self.raw.source_column = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// and lines have two columns
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn target_column(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("target_column holds a NUL");
        self.raw.target_column = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// The source of an instruction: {instruction} and {input} stand for their texts, {{ and }} for braces. The first of these is for records without input or with an empty one. ["{instruction}"]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn instruction_template(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("instruction_template holds a NUL");
        self.raw.instruction_template = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// ["{instruction}\n{input}"]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn input_template(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("input_template holds a NUL");
        self.raw.input_template = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// Of a chat, the last message of the assistant is the target, what follows it is passed over. The source is, for each message before it, prefix, content and suffix of its role, then the prefix of the assistant. Suffixes: ["\n"] ["System: "]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn system_prefix(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("system_prefix holds a NUL");
        self.raw.system_prefix = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// Of a chat, the last message of the assistant is the target, what follows it is passed over. The source is, for each message before it, prefix, content and suffix of its role, then the prefix of the assistant. Suffixes: ["\n"] ["System: "]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn system_suffix(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("system_suffix holds a NUL");
        self.raw.system_suffix = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// ["User: "]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn user_prefix(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("user_prefix holds a NUL");
        self.raw.user_prefix = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// ["User: "]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn user_suffix(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("user_suffix holds a NUL");
        self.raw.user_suffix = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// ["Assistant: "]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn assistant_prefix(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("assistant_prefix holds a NUL");
        self.raw.assistant_prefix = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// ["Assistant: "]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn assistant_suffix(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("assistant_suffix holds a NUL");
        self.raw.assistant_suffix = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// Other records of the data set stand before the source of each, as examples; which ones is a function of the reader's seed, the epoch and the record (stream few-shot). examples, at most 64 and fewer than records [0]
    pub fn few_shot(mut self, value: usize) -> Self {
        self.raw.few_shot = value;
        self
    }

    /// of one example ["{source}\n{target}\n\n"]
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn few_shot_template(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("few_shot_template holds a NUL");
        self.raw.few_shot_template = text.as_ptr();
        self.texts.push(text);
        self
    }
}

/// Options as `struct diffulm_reader_options` has them; made by `default()`, changed by the methods.
pub struct ReaderOptions {
    pub(crate) raw: sys::diffulm_reader_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_reader_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_reader_options>());
            ReaderOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl ReaderOptions {
    /// DIFFULM_ORDER_…
    pub fn order(mut self, value: i32) -> Self {
        self.raw.order = value;
        self
    }

    /// of orders, mixture and few-shot examples
    pub fn seed(mut self, value: u64) -> Self {
        self.raw.seed = value;
        self
    }
}

/// Options as `struct diffulm_likelihood_options` has them; made by `default()`, changed by the methods.
pub struct LikelihoodOptions {
    pub(crate) raw: sys::diffulm_likelihood_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for LikelihoodOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_likelihood_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_likelihood_options>());
            LikelihoodOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl LikelihoodOptions {
    /// corrupted copies of each row, even, 2 to 2^20 [32]
    pub fn samples(mut self, value: i32) -> Self {
        self.raw.samples = value;
        self
    }

    /// T of the linear schedule [50]
    pub fn timesteps(mut self, value: i32) -> Self {
        self.raw.timesteps = value;
        self
    }

    /// the absorbing token; needed
    pub fn mask_id(mut self, value: i32) -> Self {
        self.raw.mask_id = value;
        self
    }

    /// DIFFULM_ATTENTION_…
    pub fn attention(mut self, value: i32) -> Self {
        self.raw.attention = value;
        self
    }

    /// for blockwise attention
    pub fn newline_id(mut self, value: i32) -> Self {
        self.raw.newline_id = value;
        self
    }

    /// of the draws (stream likelihood)
    pub fn seed(mut self, value: u64) -> Self {
        self.raw.seed = value;
        self
    }
}

/// Options as `struct diffulm_bleu_options` has them; made by `default()`, changed by the methods.
pub struct BleuOptions {
    pub(crate) raw: sys::diffulm_bleu_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for BleuOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_bleu_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_bleu_options>());
            BleuOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl BleuOptions {
    /// DIFFULM_BLEU_…
    pub fn tokenizer(mut self, value: i32) -> Self {
        self.raw.tokenizer = value;
        self
    }

    pub fn lowercase(mut self, value: i32) -> Self {
        self.raw.lowercase = value;
        self
    }

    /// DIFFULM_BLEU_SMOOTH_…
    pub fn smoothing(mut self, value: i32) -> Self {
        self.raw.smoothing = value;
        self
    }

    /// 1: orders that the hypothesis is too short for don't count (sentence level)
    pub fn effective_order(mut self, value: i32) -> Self {
        self.raw.effective_order = value;
        self
    }

    /// longest n-gram, 1 to DIFFULM_BLEU_ORDERS [4]
    pub fn max_order(mut self, value: i32) -> Self {
        self.raw.max_order = value;
        self
    }

    /// 0: the method's own, floor 0.1, add-k 1
    pub fn smooth_value(mut self, value: f64) -> Self {
        self.raw.smooth_value = value;
        self
    }
}

/// Options as `struct diffulm_chrf_options` has them; made by `default()`, changed by the methods.
pub struct ChrfOptions {
    pub(crate) raw: sys::diffulm_chrf_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for ChrfOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_chrf_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_chrf_options>());
            ChrfOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl ChrfOptions {
    /// [6]
    pub fn char_order(mut self, value: i32) -> Self {
        self.raw.char_order = value;
        self
    }

    /// 0: chrF, 2: chrF++
    pub fn word_order(mut self, value: i32) -> Self {
        self.raw.word_order = value;
        self
    }

    pub fn lowercase(mut self, value: i32) -> Self {
        self.raw.lowercase = value;
        self
    }

    /// 1: white space counts among the characters
    pub fn whitespace(mut self, value: i32) -> Self {
        self.raw.whitespace = value;
        self
    }

    /// 1: as chrF++.py does, else effective order
    pub fn eps_smoothing(mut self, value: i32) -> Self {
        self.raw.eps_smoothing = value;
        self
    }

    /// weight of recall [2]
    pub fn beta(mut self, value: f64) -> Self {
        self.raw.beta = value;
        self
    }
}

/// Options as `struct diffulm_model_options` has them; made by `default()`, changed by the methods.
pub struct ModelOptions {
    pub(crate) raw: sys::diffulm_model_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_model_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_model_options>());
            ModelOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl ModelOptions {
    /// DIFFULM_HEAD_…
    pub fn head(mut self, value: i32) -> Self {
        self.raw.head = value;
        self
    }

    /// of a fresh head, or of all weights (create)
    pub fn seed(mut self, value: u64) -> Self {
        self.raw.seed = value;
        self
    }

    /// create: deviation of matrices; 0: 1/sqrt(inputs)
    pub fn init_std(mut self, value: f64) -> Self {
        self.raw.init_std = value;
        self
    }
}

/// Options as `struct diffulm_runtime_options` has them; made by `default()`, changed by the methods.
pub struct RuntimeOptions {
    pub(crate) raw: sys::diffulm_runtime_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_runtime_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_runtime_options>());
            RuntimeOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl RuntimeOptions {
    /// 0: one per core the process may use
    pub fn threads(mut self, value: i32) -> Self {
        self.raw.threads = value;
        self
    }

    /// DIFFULM_BACKEND_…
    pub fn backend(mut self, value: i32) -> Self {
        self.raw.backend = value;
        self
    }

    /// the most that may be used, DIFFULM_ISA_…; the reference backend stays at the baseline
    pub fn isa(mut self, value: i32) -> Self {
        self.raw.isa = value;
        self
    }

    /// DIFFULM_PRECISION_…
    pub fn precision(mut self, value: i32) -> Self {
        self.raw.precision = value;
        self
    }

    /// 1: every row's results are the same bits in any batch, and all results with any number of threads, on one kind of CPU and build of oneDNN; docs/performance.md has what it costs. The reference backend and whole-number sums (INT8) are so always. Not with BF16 on oneDNN.
    pub fn deterministic(mut self, value: i32) -> Self {
        self.raw.deterministic = value;
        self
    }

    /// 1: the matrices of a frozen model are copied into the order in which oneDNN's kernels read them, by the model's first pass: faster, most of all by few rows, for memory that no other process shares (docs/performance.md, docs/memory.md). BF16 and INT8 copy so anyway, but for weights stored in 16 bits, which BF16 copies only then. Where a CPU has no such kernels matrices are used as they are. Not in F32 with `deterministic`.
    pub fn pack_weights(mut self, value: i32) -> Self {
        self.raw.pack_weights = value;
        self
    }
}

/// Options as `struct diffulm_sampler_options` has them; made by `default()`, changed by the methods.
pub struct SamplerOptions {
    pub(crate) raw: sys::diffulm_sampler_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_sampler_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_sampler_options>());
            SamplerOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl SamplerOptions {
    /// K, denoising steps; 0: 10
    pub fn steps(mut self, value: i32) -> Self {
        self.raw.steps = value;
        self
    }

    /// DIFFULM_SAMPLING_…
    pub fn sampling(mut self, value: i32) -> Self {
        self.raw.sampling = value;
        self
    }

    /// > 0; 0: 1
    pub fn temperature(mut self, value: f64) -> Self {
        self.raw.temperature = value;
        self
    }

    /// keep ids until their probability passes it; 0: off
    pub fn top_p(mut self, value: f64) -> Self {
        self.raw.top_p = value;
        self
    }

    /// keep the k highest; 0: off
    pub fn top_k(mut self, value: i32) -> Self {
        self.raw.top_k = value;
        self
    }

    /// 1: position i uses the logits of position i - 1 (Dream)
    pub fn shift_logits(mut self, value: i32) -> Self {
        self.raw.shift_logits = value;
        self
    }

    /// llada, fast: generated positions in a block; 0: one block
    pub fn block_length(mut self, value: i32) -> Self {
        self.raw.block_length = value;
        self
    }

    /// llada; 0: steps
    pub fn steps_per_block(mut self, value: i32) -> Self {
        self.raw.steps_per_block = value;
        self
    }

    /// dream; 0: 1e-3
    pub fn eps(mut self, value: f64) -> Self {
        self.raw.eps = value;
        self
    }

    /// dream: noise on the ranking; 0: off
    pub fn alg_temp(mut self, value: f64) -> Self {
        self.raw.alg_temp = value;
        self
    }

    /// fast-threshold; 0: 0.9
    pub fn threshold(mut self, value: f64) -> Self {
        self.raw.threshold = value;
        self
    }

    /// fast-factor; 0: 1
    pub fn factor(mut self, value: f64) -> Self {
        self.raw.factor = value;
        self
    }

    /// eb: entropy bound in nats; 0 is a bound of 0
    pub fn gamma(mut self, value: f64) -> Self {
        self.raw.gamma = value;
        self
    }

    /// eb: 0 entropy, 1 confidence; mdlm-counts: 0 confidence, 1 random
    pub fn order(mut self, value: i32) -> Self {
        self.raw.order = value;
        self
    }
}

/// Options as `struct diffulm_schedule_options` has them; made by `default()`, changed by the methods.
pub struct ScheduleOptions {
    pub(crate) raw: sys::diffulm_schedule_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for ScheduleOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_schedule_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_schedule_options>());
            ScheduleOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl ScheduleOptions {
    /// T, 1 to 2^20; 0: 50
    pub fn timesteps(mut self, value: i32) -> Self {
        self.raw.timesteps = value;
        self
    }

    /// DIFFULM_WEIGHT_…
    pub fn weight(mut self, value: i32) -> Self {
        self.raw.weight = value;
        self
    }

    /// DIFFULM_CORRUPTION_…
    pub fn corruption(mut self, value: i32) -> Self {
        self.raw.corruption = value;
        self
    }

    /// of fixed corruption, above 0, at most 1
    pub fn mask_ratio(mut self, value: f64) -> Self {
        self.raw.mask_ratio = value;
        self
    }
}

/// Options as `struct diffulm_training_row_options` has them; made by `default()`, changed by the methods.
pub struct TrainingRowOptions {
    pub(crate) raw: sys::diffulm_training_row_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for TrainingRowOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_training_row_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_training_row_options>());
            TrainingRowOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl TrainingRowOptions {
    /// tokens of a row, without padding; 0: no limit
    pub fn max_length(mut self, value: usize) -> Self {
        self.raw.max_length = value;
        self
    }

    /// positions to fill with pads; 0: no padding
    pub fn pad_to(mut self, value: usize) -> Self {
        self.raw.pad_to = value;
        self
    }

    /// 1: source positions are maskable too, and not frozen
    pub fn mask_on_source(mut self, value: i32) -> Self {
        self.raw.mask_on_source = value;
        self
    }

    /// 1: pads are maskable, attended to and counted
    pub fn mask_on_padding(mut self, value: i32) -> Self {
        self.raw.mask_on_padding = value;
        self
    }
}

/// Options as `struct diffulm_session_options` has them; made by `default()`, changed by the methods.
pub struct SessionOptions {
    pub(crate) raw: sys::diffulm_session_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_session_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_session_options>());
            SessionOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl SessionOptions {
    /// the absorbing token; -1: from config.json
    pub fn mask_id(mut self, value: i32) -> Self {
        self.raw.mask_id = value;
        self
    }

    /// DIFFULM_ATTENTION_…
    pub fn attention(mut self, value: i32) -> Self {
        self.raw.attention = value;
        self
    }

    /// ends a block (blockwise)
    pub fn newline_id(mut self, value: i32) -> Self {
        self.raw.newline_id = value;
        self
    }

    /// of every draw
    pub fn seed(mut self, value: u64) -> Self {
        self.raw.seed = value;
        self
    }

    /// A row is done when it holds this token, such as eos, with no mask left before it; -1: off. What stands behind it stays mask. Policies that may take tokens back (reparam) do not stop for it.
    pub fn stop_id(mut self, value: i32) -> Self {
        self.raw.stop_id = value;
        self
    }

    /// Under causal and prefix_lm attention the keys and values of positions that see nothing new are kept from step to step: 8 bytes for each of them, layer and feature. Under argmax a row that a step has not changed keeps its scores for the next. 1: all is computed again, to the same results.
    pub fn recompute(mut self, value: i32) -> Self {
        self.raw.recompute = value;
        self
    }

    /// Approximate, under full attention: keys and values of a row's source are computed at every source_refresh-th of its steps and used as they are by those between, so a step computes the rest of the row alone. 0 or 1: at every step, exact. docs/performance.md has what it changes. Memory as above. A restored snapshot computes them anew.
    pub fn source_refresh(mut self, value: i64) -> Self {
        self.raw.source_refresh = value;
        self
    }
}

/// Options as `struct diffulm_row_options` has them; made by `default()`, changed by the methods.
pub struct RowOptions {
    pub(crate) raw: sys::diffulm_row_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for RowOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_row_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_row_options>());
            RowOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl RowOptions {
    /// leading source tokens (prefix_lm, blockwise); 0: the leading given ones; negative: none
    pub fn source_length(mut self, value: i64) -> Self {
        self.raw.source_length = value;
        self
    }

    /// names the row's random draws; 0: its index. Rows with the same number, seed and canvas get the same draws in any batch.
    pub fn row_number(mut self, value: i64) -> Self {
        self.raw.row_number = value;
        self
    }
}

/// Options as `struct diffulm_text_options` has them; made by `default()`, changed by the methods.
pub struct TextOptions {
    pub(crate) raw: sys::diffulm_text_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for TextOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_text_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_text_options>());
            TextOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl TextOptions {
    /// tokens to generate; 0: predicted by length_head
    pub fn length(mut self, value: i64) -> Self {
        self.raw.length = value;
        self
    }

    /// 1: nothing is appended, the text's own mask tokens are the gaps
    pub fn infill(mut self, value: i32) -> Self {
        self.raw.infill = value;
        self
    }

    /// as in diffulm_row_options
    pub fn row_number(mut self, value: i64) -> Self {
        self.raw.row_number = value;
        self
    }
}

/// Options as `struct diffulm_tokenizer_options` has them; made by `default()`, changed by the methods.
pub struct TokenizerOptions {
    pub(crate) raw: sys::diffulm_tokenizer_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for TokenizerOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_tokenizer_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_tokenizer_options>());
            TokenizerOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl TokenizerOptions {
    /// 1: the mask token takes the spaces in front of it, as published XLM-R tokenizers have it; a sentencepiece.bpe.model does not say. 0: as the file says, else it does not.
    pub fn mask_lstrip(mut self, value: i32) -> Self {
        self.raw.mask_lstrip = value;
        self
    }
}

/// Options as `struct diffulm_encode_options` has them; made by `default()`, changed by the methods.
pub struct EncodeOptions {
    pub(crate) raw: sys::diffulm_encode_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_encode_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_encode_options>());
            EncodeOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl EncodeOptions {
    /// 1: leave out bos, eos and the like
    pub fn no_special(mut self, value: i32) -> Self {
        self.raw.no_special = value;
        self
    }
}

/// Options as `struct diffulm_trainer_options` has them; made by `default()`, changed by the methods.
pub struct TrainerOptions {
    pub(crate) raw: sys::diffulm_trainer_options,
    #[allow(dead_code)]
    texts: Vec<CString>,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        let mut raw = MaybeUninit::zeroed();
        unsafe {
            sys::diffulm_trainer_options_init(raw.as_mut_ptr(), std::mem::size_of::<sys::diffulm_trainer_options>());
            TrainerOptions { raw: raw.assume_init(), texts: Vec::new() }
        }
    }
}

impl TrainerOptions {
    /// Optimizer: AdamW. Zeros stand for the values in brackets. peak [5e-5]
    pub fn lr(mut self, value: f64) -> Self {
        self.raw.lr = value;
        self
    }

    /// [0.9, 0.98]
    pub fn beta1(mut self, value: f64) -> Self {
        self.raw.beta1 = value;
        self
    }

    /// [0.9, 0.98]
    pub fn beta2(mut self, value: f64) -> Self {
        self.raw.beta2 = value;
        self
    }

    /// [1e-8]
    pub fn epsilon(mut self, value: f64) -> Self {
        self.raw.epsilon = value;
        self
    }

    /// on matrices only; [0.01], negative: none
    pub fn weight_decay(mut self, value: f64) -> Self {
        self.raw.weight_decay = value;
        self
    }

    /// largest gradient norm [1.0], negative: none
    pub fn clip(mut self, value: f64) -> Self {
        self.raw.clip = value;
        self
    }

    /// DIFFULM_LR_… after the warm-up
    pub fn lr_schedule(mut self, value: i32) -> Self {
        self.raw.lr_schedule = value;
        self
    }

    /// updates from 0 to lr
    pub fn warmup(mut self, value: i64) -> Self {
        self.raw.warmup = value;
        self
    }

    /// where linear and cosine reach 0; needed by those two
    pub fn steps(mut self, value: i64) -> Self {
        self.raw.steps = value;
        self
    }

    /// Objective; causal looks at label_smoothing, attention (must be causal) and mask_on_source alone DIFFULM_OBJECTIVE_…
    pub fn objective(mut self, value: i32) -> Self {
        self.raw.objective = value;
        self
    }

    /// T [50]
    pub fn timesteps(mut self, value: i32) -> Self {
        self.raw.timesteps = value;
        self
    }

    /// DIFFULM_WEIGHT_…
    pub fn weight(mut self, value: i32) -> Self {
        self.raw.weight = value;
        self
    }

    /// DIFFULM_CORRUPTION_…
    pub fn corruption(mut self, value: i32) -> Self {
        self.raw.corruption = value;
        self
    }

    /// of fixed corruption
    pub fn mask_ratio(mut self, value: f64) -> Self {
        self.raw.mask_ratio = value;
        self
    }

    /// [0]
    pub fn label_smoothing(mut self, value: f64) -> Self {
        self.raw.label_smoothing = value;
        self
    }

    /// DIFFULM_ATTENTION_…
    pub fn attention(mut self, value: i32) -> Self {
        self.raw.attention = value;
        self
    }

    /// for blockwise attention
    pub fn newline_id(mut self, value: i32) -> Self {
        self.raw.newline_id = value;
        self
    }

    /// the absorbing token; needed unless rows come corrupted
    pub fn mask_id(mut self, value: i32) -> Self {
        self.raw.mask_id = value;
        self
    }

    /// 1: source positions are maskable too
    pub fn mask_on_source(mut self, value: i32) -> Self {
        self.raw.mask_on_source = value;
        self
    }

    /// The rest 1: at the rates of config.json
    pub fn dropout(mut self, value: i32) -> Self {
        self.raw.dropout = value;
        self
    }

    /// of every draw
    pub fn seed(mut self, value: u64) -> Self {
        self.raw.seed = value;
        self
    }

    /// > 0: train adapters over frozen weights (adapter.h)
    pub fn lora_rank(mut self, value: i32) -> Self {
        self.raw.lora_rank = value;
        self
    }

    /// [lora_rank]
    pub fn lora_alpha(mut self, value: f64) -> Self {
        self.raw.lora_alpha = value;
        self
    }

    /// Which linear maps get adapters: names or their ends between commas, such as "query,value" or "attention.output.dense", or "all-linear". NULL: query and value (ModernBERT: Wqkv).
    ///
    /// # Panics
    /// When the text holds a NUL.
    pub fn lora_targets(mut self, value: &str) -> Self {
        let text = CString::new(value).expect("lora_targets holds a NUL");
        self.raw.lora_targets = text.as_ptr();
        self.texts.push(text);
        self
    }

    /// 1: activation checkpointing (Chen et al. 2016): each block's forward is run again in the backward pass, the memory of activations falls to a few layers' worth, gradients stay the same bit for bit.
    pub fn checkpoint_activations(mut self, value: i32) -> Self {
        self.raw.checkpoint_activations = value;
        self
    }

    /// d: an exponential moving average of all trained weights is kept beside them, e = d e + (1 - d) w after each update, from e = w before the first; w are the weights that update made. Computed in double, kept as float. 0: none; at most 0.999999.
    pub fn ema_decay(mut self, value: f64) -> Self {
        self.raw.ema_decay = value;
        self
    }
}

/// Values of DIFFULM_ATTENTION_….
pub mod attention {
    pub const FULL: i32 = 0;
    pub const PREFIX_LM: i32 = 1;
    pub const CAUSAL: i32 = 2;
    pub const BLOCKWISE: i32 = 3;
}

/// Values of DIFFULM_SAMPLING_….
pub mod sampling {
    pub const ARGMAX: i32 = 0;
    /// inverse CDF of softmax(logits / temperature)
    pub const CATEGORICAL: i32 = 1;
    /// argmax of logits + temperature * Gumbel noise
    pub const GUMBEL: i32 = 2;
}

/// Values of DIFFULM_LR_….
pub mod lr {
    pub const CONSTANT: i32 = 0;
    pub const INVERSE_SQRT: i32 = 1;
    pub const LINEAR: i32 = 2;
    pub const COSINE: i32 = 3;
}

/// Values of DIFFULM_WEIGHT_….
pub mod weight {
    /// w(t) = T - (t - 1)
    pub const LINEAR: i32 = 0;
    /// w(t) = T
    pub const CONSTANT: i32 = 1;
    /// w(t) = -alpha' / (1 - alpha) at t / T; linear: T / t
    pub const MDLM: i32 = 2;
}

/// Values of DIFFULM_CORRUPTION_….
pub mod corruption {
    /// two dependent draws of each row (Zheng et al. 2023)
    pub const COUPLED: i32 = 0;
    /// one draw at a uniform timestep
    pub const SINGLE: i32 = 1;
    /// both draws at ceil(ratio T): masked-LM training
    pub const FIXED: i32 = 2;
}

/// Values of DIFFULM_OBJECTIVE_….
pub mod objective {
    pub const DIFFUSION: i32 = 0;
    pub const CAUSAL: i32 = 1;
}

/// Values of DIFFULM_BACKEND_….
pub mod backend {
    pub const AUTO: i32 = 0;
    pub const REFERENCE: i32 = 1;
    pub const ONEDNN: i32 = 2;
}

/// Values of DIFFULM_ISA_….
pub mod isa {
    pub const AUTO: i32 = 0;
    /// what every CPU of this architecture has
    pub const BASELINE: i32 = 1;
    pub const AVX2: i32 = 2;
    pub const AVX512: i32 = 3;
}

/// Values of DIFFULM_PRECISION_….
pub mod precision {
    pub const F32: i32 = 0;
    pub const BF16: i32 = 1;
    pub const INT8: i32 = 2;
}

/// Values of DIFFULM_HEAD_….
pub mod head {
    /// config.json's class says whether there is one
    pub const AS_CONFIGURED: i32 = 0;
    /// a missing head is made anew, tied to the embeddings
    pub const FRESH: i32 = 1;
}

/// Values of DIFFULM_DTYPE_….
pub mod dtype {
    pub const F32: i32 = 0;
    pub const F16: i32 = 1;
    pub const BF16: i32 = 2;
    /// matrices in 8 bits with a scale for each row, the rest in F32
    pub const I8: i32 = 3;
}

/// Values of DIFFULM_FORM_….
pub mod form {
    /// what the first record is
    pub const AUTO: i32 = 0;
    /// JSONL: source, target
    pub const PAIR: i32 = 1;
    /// JSONL: instruction, input, output
    pub const INSTRUCTION: i32 = 2;
    /// JSONL: text
    pub const TEXT: i32 = 3;
    /// JSONL: messages
    pub const CHAT: i32 = 4;
    pub const TSV: i32 = 5;
    /// two files
    pub const PARALLEL: i32 = 6;
}

/// Values of DIFFULM_DAMAGE_….
pub mod damage {
    /// opening fails at the first damaged record
    pub const FATAL: i32 = 0;
    /// it is left out and counted
    pub const SKIP: i32 = 1;
}

/// Values of DIFFULM_SELECT_….
pub mod select {
    /// highest score
    pub const SCORE: i32 = 0;
    /// highest mean ROUGE-L against each of the others
    pub const MBR: i32 = 1;
}

/// Values of DIFFULM_ROLE_….
pub mod role {
    /// never changes
    pub const GIVEN: i32 = 0;
    /// to be generated: the token given is ignored
    pub const MASKED: i32 = 1;
    /// holds a token that the policy may revise
    pub const EDITABLE: i32 = 2;
}

/// Values of DIFFULM_CHANGE_….
pub mod change {
    /// mask became a token
    pub const REVEALED: i32 = 1;
    /// a token went back to the mask
    pub const REMASKED: i32 = 2;
    /// a token became another token
    pub const REVISED: i32 = 3;
}

/// Values of DIFFULM_ORDER_….
pub mod order {
    /// each epoch in the order of diffulm_shuffle(seed, epoch, count)
    pub const SHUFFLED: i32 = 0;
    pub const FILE: i32 = 1;
}

/// Values of DIFFULM_MATCH_….
pub mod matching {
    /// equal without white space at both ends
    pub const EXACT: i32 = 0;
    /// equal without case, ASCII punctuation, a/an/the and repeated white space
    pub const SQUAD: i32 = 1;
}

/// Values of DIFFULM_ROUGE_….
pub mod rouge {
    pub const L: i32 = 2;
    /// sentences between newlines
    pub const LSUM: i32 = 3;
    /// words between white space, case kept, any script
    pub const L_WHITE_SPACE: i32 = 4;
}

/// Values of DIFFULM_LAST_….
pub mod last {
    /// digits, with commas among them, as the paper's script has it
    pub const INTEGER: i32 = 0;
    /// with sign, currency, groups of three and fraction
    pub const NUMBER: i32 = 1;
}

/// Values of DIFFULM_BLEU_….
pub mod bleu {
    /// mteval-v14, international
    pub const INTL: i32 = 1;
    /// every character a token
    pub const CHAR: i32 = 2;
    /// white space alone
    pub const NONE: i32 = 3;
    pub const SMOOTH_EXP: i32 = 0;
    pub const SMOOTH_FLOOR: i32 = 1;
    pub const SMOOTH_ADD_K: i32 = 2;
    pub const SMOOTH_NONE: i32 = 3;
    pub const ORDERS: i32 = 8;
}

/// Values of DIFFULM_E_….
pub mod status {
    pub const OUT_OF_MEMORY: i32 = -10;
    /// an argument is out of its documented range
    pub const ARGUMENT: i32 = -20;
    /// the call is not allowed in the handle's present state
    pub const STATE: i32 = -30;
    /// a file could not be opened, read or written
    pub const IO: i32 = -40;
    /// data is malformed: file, line, key or byte is named
    pub const FORMAT: i32 = -50;
    /// well-formed, but this build or version cannot do it
    pub const UNSUPPORTED: i32 = -60;
    /// text is not valid UTF-8: the byte offset is named
    pub const UTF8: i32 = -70;
    /// a size exceeds a limit: too long a row, too large a file
    pub const LIMIT: i32 = -80;
    /// stopped by diffulm_session_cancel or by a callback
    pub const CANCELLED: i32 = -90;
    /// a loss or logit is NaN or infinite
    pub const NUMERIC: i32 = -100;
    /// a defect in the library or in a library beneath it
    pub const INTERNAL: i32 = -110;
}
