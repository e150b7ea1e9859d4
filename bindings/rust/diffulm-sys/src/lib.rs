//! The C ABI of libdiffulm as the headers declare it; written by generate.py. The crate `diffulm` is safe.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

pub const DIFFULM_OK: i32 = 0;
/// nothing is left to do
pub const DIFFULM_DONE: i32 = 1;
/// call again: more steps remain
pub const DIFFULM_AGAIN: i32 = 2;
/// the required length was written, the data was not
pub const DIFFULM_BUFFER_TOO_SMALL: i32 = 3;
pub const DIFFULM_E_OUT_OF_MEMORY: i32 = -10;
/// an argument is out of its documented range
pub const DIFFULM_E_ARGUMENT: i32 = -20;
/// the call is not allowed in the handle's present state
pub const DIFFULM_E_STATE: i32 = -30;
/// a file could not be opened, read or written
pub const DIFFULM_E_IO: i32 = -40;
/// data is malformed: file, line, key or byte is named
pub const DIFFULM_E_FORMAT: i32 = -50;
/// well-formed, but this build or version cannot do it
pub const DIFFULM_E_UNSUPPORTED: i32 = -60;
/// text is not valid UTF-8: the byte offset is named
pub const DIFFULM_E_UTF8: i32 = -70;
/// a size exceeds a limit: too long a row, too large a file
pub const DIFFULM_E_LIMIT: i32 = -80;
/// stopped by diffulm_session_cancel or by a callback
pub const DIFFULM_E_CANCELLED: i32 = -90;
/// a loss or logit is NaN or infinite
pub const DIFFULM_E_NUMERIC: i32 = -100;
/// a defect in the library or in a library beneath it
pub const DIFFULM_E_INTERNAL: i32 = -110;
/// what the first record is
pub const DIFFULM_FORM_AUTO: i32 = 0;
/// JSONL: source, target
pub const DIFFULM_FORM_PAIR: i32 = 1;
/// JSONL: instruction, input, output
pub const DIFFULM_FORM_INSTRUCTION: i32 = 2;
/// JSONL: text
pub const DIFFULM_FORM_TEXT: i32 = 3;
/// JSONL: messages
pub const DIFFULM_FORM_CHAT: i32 = 4;
pub const DIFFULM_FORM_TSV: i32 = 5;
/// two files
pub const DIFFULM_FORM_PARALLEL: i32 = 6;
/// opening fails at the first damaged record
pub const DIFFULM_DAMAGE_FATAL: i32 = 0;
/// it is left out and counted
pub const DIFFULM_DAMAGE_SKIP: i32 = 1;
/// each epoch in the order of diffulm_shuffle(seed, epoch, count)
pub const DIFFULM_ORDER_SHUFFLED: i32 = 0;
pub const DIFFULM_ORDER_FILE: i32 = 1;
/// what a callback returns when there is no such file
pub const DIFFULM_FILE_ABSENT: i32 = 1;
/// highest score
pub const DIFFULM_SELECT_SCORE: i32 = 0;
/// highest mean ROUGE-L against each of the others
pub const DIFFULM_SELECT_MBR: i32 = 1;
/// mteval-v13a
pub const DIFFULM_BLEU_13A: i32 = 0;
/// mteval-v14, international
pub const DIFFULM_BLEU_INTL: i32 = 1;
/// every character a token
pub const DIFFULM_BLEU_CHAR: i32 = 2;
/// white space alone
pub const DIFFULM_BLEU_NONE: i32 = 3;
pub const DIFFULM_BLEU_SMOOTH_EXP: i32 = 0;
pub const DIFFULM_BLEU_SMOOTH_FLOOR: i32 = 1;
pub const DIFFULM_BLEU_SMOOTH_ADD_K: i32 = 2;
pub const DIFFULM_BLEU_SMOOTH_NONE: i32 = 3;
pub const DIFFULM_BLEU_ORDERS: i32 = 8;
/// characters and words together
pub const DIFFULM_CHRF_ORDERS: i32 = 16;
pub const DIFFULM_ROUGE_1: i32 = 0;
pub const DIFFULM_ROUGE_2: i32 = 1;
pub const DIFFULM_ROUGE_L: i32 = 2;
/// sentences between newlines
pub const DIFFULM_ROUGE_LSUM: i32 = 3;
/// words between white space, case kept, any script
pub const DIFFULM_ROUGE_L_WHITE_SPACE: i32 = 4;
/// equal without white space at both ends
pub const DIFFULM_MATCH_EXACT: i32 = 0;
/// equal without case, ASCII punctuation, a/an/the and repeated white space
pub const DIFFULM_MATCH_SQUAD: i32 = 1;
/// digits, with commas among them, as the paper's script has it
pub const DIFFULM_LAST_INTEGER: i32 = 0;
/// with sign, currency, groups of three and fraction
pub const DIFFULM_LAST_NUMBER: i32 = 1;
pub const DIFFULM_ATTENTION_FULL: i32 = 0;
pub const DIFFULM_ATTENTION_PREFIX_LM: i32 = 1;
pub const DIFFULM_ATTENTION_CAUSAL: i32 = 2;
pub const DIFFULM_ATTENTION_BLOCKWISE: i32 = 3;
/// config.json's class says whether there is one
pub const DIFFULM_HEAD_AS_CONFIGURED: i32 = 0;
/// a missing head is made anew, tied to the embeddings
pub const DIFFULM_HEAD_FRESH: i32 = 1;
pub const DIFFULM_DTYPE_F32: i32 = 0;
pub const DIFFULM_DTYPE_F16: i32 = 1;
pub const DIFFULM_DTYPE_BF16: i32 = 2;
/// matrices in 8 bits with a scale for each row, the rest in F32
pub const DIFFULM_DTYPE_I8: i32 = 3;
pub const DIFFULM_BACKEND_AUTO: i32 = 0;
pub const DIFFULM_BACKEND_REFERENCE: i32 = 1;
pub const DIFFULM_BACKEND_ONEDNN: i32 = 2;
pub const DIFFULM_ISA_AUTO: i32 = 0;
/// what every CPU of this architecture has
pub const DIFFULM_ISA_BASELINE: i32 = 1;
pub const DIFFULM_ISA_AVX2: i32 = 2;
pub const DIFFULM_ISA_AVX512: i32 = 3;
pub const DIFFULM_PRECISION_F32: i32 = 0;
pub const DIFFULM_PRECISION_BF16: i32 = 1;
pub const DIFFULM_PRECISION_INT8: i32 = 2;
pub const DIFFULM_SAMPLING_ARGMAX: i32 = 0;
/// inverse CDF of softmax(logits / temperature)
pub const DIFFULM_SAMPLING_CATEGORICAL: i32 = 1;
/// argmax of logits + temperature * Gumbel noise
pub const DIFFULM_SAMPLING_GUMBEL: i32 = 2;
/// w(t) = T - (t - 1)
pub const DIFFULM_WEIGHT_LINEAR: i32 = 0;
/// w(t) = T
pub const DIFFULM_WEIGHT_CONSTANT: i32 = 1;
/// w(t) = -alpha' / (1 - alpha) at t / T; linear: T / t
pub const DIFFULM_WEIGHT_MDLM: i32 = 2;
/// two dependent draws of each row (Zheng et al. 2023)
pub const DIFFULM_CORRUPTION_COUPLED: i32 = 0;
/// one draw at a uniform timestep
pub const DIFFULM_CORRUPTION_SINGLE: i32 = 1;
/// both draws at ceil(ratio T): masked-LM training
pub const DIFFULM_CORRUPTION_FIXED: i32 = 2;
/// never changes
pub const DIFFULM_ROLE_GIVEN: i32 = 0;
/// to be generated: the token given is ignored
pub const DIFFULM_ROLE_MASKED: i32 = 1;
/// holds a token that the policy may revise
pub const DIFFULM_ROLE_EDITABLE: i32 = 2;
/// mask became a token
pub const DIFFULM_CHANGE_REVEALED: i32 = 1;
/// a token went back to the mask
pub const DIFFULM_CHANGE_REMASKED: i32 = 2;
/// a token became another token
pub const DIFFULM_CHANGE_REVISED: i32 = 3;
pub const DIFFULM_OBJECTIVE_DIFFUSION: i32 = 0;
pub const DIFFULM_OBJECTIVE_CAUSAL: i32 = 1;
pub const DIFFULM_LR_CONSTANT: i32 = 0;
pub const DIFFULM_LR_INVERSE_SQRT: i32 = 1;
pub const DIFFULM_LR_LINEAR: i32 = 2;
pub const DIFFULM_LR_COSINE: i32 = 3;

/// Frozen and reference-counted; used from any number of threads; keeps a reference to its model. Since 0.1.
#[repr(C)]
pub struct diffulm_adapter {
    _private: [u8; 0],
}

/// An index over files, which stay open. Frozen and reference-counted; used from any number of threads. Since 0.1.
#[repr(C)]
pub struct diffulm_dataset {
    _private: [u8; 0],
}

/// A walk through one or several data sets. One thread at a time. Since 0.1.
#[repr(C)]
pub struct diffulm_reader {
    _private: [u8; 0],
}

/// One post-norm Transformer layer over the encoder's last states, their mean, and a classifier over max_position_embeddings classes; class c means c + 1 tokens, eos not counted. Frozen and reference-counted, any number of threads; keeps a reference to its model. Since 0.1.
#[repr(C)]
pub struct diffulm_length_head {
    _private: [u8; 0],
}

/// Trains a head alone; the encoder stays frozen. One thread at a time. Since 0.1.
#[repr(C)]
pub struct diffulm_length_trainer {
    _private: [u8; 0],
}

/// Frozen and reference-counted; used from any number of threads. Since 0.1.
#[repr(C)]
pub struct diffulm_model {
    _private: [u8; 0],
}

/// Frozen and reference-counted; used from any number of threads. Since 0.1.
#[repr(C)]
pub struct diffulm_runtime {
    _private: [u8; 0],
}

/// Frozen and reference-counted; used from any number of threads. Since 0.1.
#[repr(C)]
pub struct diffulm_sampler {
    _private: [u8; 0],
}

/// A noise schedule with its timesteps, loss weights and kind of corruption. Frozen and reference-counted; used from any number of threads. Since 0.1.
#[repr(C)]
pub struct diffulm_schedule {
    _private: [u8; 0],
}

/// All mutable state of one batch. One thread at a time; only diffulm_session_cancel may be called from any thread. Since 0.1.
#[repr(C)]
pub struct diffulm_session {
    _private: [u8; 0],
}

/// Frozen and reference-counted; used from any number of threads. Since 0.1.
#[repr(C)]
pub struct diffulm_tokenizer {
    _private: [u8; 0],
}

/// All mutable state of one training run. One thread at a time. Since 0.1.
#[repr(C)]
pub struct diffulm_trainer {
    _private: [u8; 0],
}

/// Texts end with NUL; NULL: the default. They are copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_dataset_options {
    pub struct_size: usize,
    /// DIFFULM_FORM_…; every record must have it
    pub form: i32,
    /// DIFFULM_DAMAGE_…
    pub on_damage: i32,
    /// bytes of a line, at most 2^30 [2^20]; a longer one is damaged
    pub max_line: usize,
    /// bytes: a gzip file with more text than that is not held [2^25]
    pub gzip_buffer: usize,
    /// how many of skipped records are kept, at most 10,000 [10]
    pub messages: usize,
    /// TSV: names in its first line; NULL, both: there is none,
    pub source_column: *const c_char,
    /// and lines have two columns
    pub target_column: *const c_char,
    /// The source of an instruction: {instruction} and {input} stand for their texts, {{ and }} for braces. The first of these is for records without input or with an empty one. ["{instruction}"]
    pub instruction_template: *const c_char,
    /// ["{instruction}\n{input}"]
    pub input_template: *const c_char,
    /// Of a chat, the last message of the assistant is the target, what follows it is passed over. The source is, for each message before it, prefix, content and suffix of its role, then the prefix of the assistant. Suffixes: ["\n"] ["System: "]
    pub system_prefix: *const c_char,
    /// Of a chat, the last message of the assistant is the target, what follows it is passed over. The source is, for each message before it, prefix, content and suffix of its role, then the prefix of the assistant. Suffixes: ["\n"] ["System: "]
    pub system_suffix: *const c_char,
    /// ["User: "]
    pub user_prefix: *const c_char,
    /// ["User: "]
    pub user_suffix: *const c_char,
    /// ["Assistant: "]
    pub assistant_prefix: *const c_char,
    /// ["Assistant: "]
    pub assistant_suffix: *const c_char,
    /// Other records of the data set stand before the source of each, as examples; which ones is a function of the reader's seed, the epoch and the record (stream few-shot). examples, at most 64 and fewer than records [0]
    pub few_shot: usize,
    /// of one example ["{source}\n{target}\n\n"]
    pub few_shot_template: *const c_char,
    /// Called on the thread that opens, about once for each MiB read and at the end: bytes read so far and in all, as they are on disk. Anything but 0 stops the opening.
    pub progress: Option<unsafe extern "C" fn(*mut c_void, u64, u64) -> i32>,
    pub user: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_dataset_info {
    pub struct_size: usize,
    /// records
    pub count: usize,
    /// damaged records left out
    pub skipped: usize,
    /// bytes held
    pub memory: usize,
    /// DIFFULM_FORM_…, not AUTO
    pub form: i32,
    /// 1: a gzip file that was not held, to be read in file order only
    pub in_order: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_reader_options {
    pub struct_size: usize,
    /// DIFFULM_ORDER_…
    pub order: i32,
    /// of orders, mixture and few-shot examples
    pub seed: u64,
}

/// Texts are UTF-8, end with a NUL that their length leaves out, and belong to the reader until its next call. The host sets struct_size.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_record {
    pub struct_size: usize,
    pub source: *const c_char,
    pub target: *const c_char,
    /// bytes
    pub source_length: usize,
    /// bytes
    pub target_length: usize,
    /// the string "task" of JSONL, else empty
    pub task: *const c_char,
    pub task_length: usize,
    /// which data set, and which of its records, from 0
    pub dataset: usize,
    /// which data set, and which of its records, from 0
    pub index: usize,
    /// from 0: rows drawn before this one; of diffulm_reader_next alone
    pub row: u64,
    /// of this data set, from 0
    pub epoch: u32,
}

/// Where files come from: `map`, or `size` and `read`, or all; `map` is asked first, what it calls absent is read. Names are those of a Hugging Face folder ("config.json"), without any folder. The callbacks return 0, DIFFULM_FILE_ABSENT, or any other number to stop: the call fails with E_IO and that number in its message. They run on the thread of the call that opens, and must not call the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_files {
    pub struct_size: usize,
    /// in front of file names in messages; NULL: "files"
    pub label: *const c_char,
    /// handed to the callbacks; must live until the last handle opened from it is gone
    pub user: *mut c_void,
    /// The number of bytes of a file.
    pub size: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *mut u64) -> i32>,
    /// Copies `bytes` bytes from `offset` on, at most 16 MiB a call, in order.
    pub read: Option<unsafe extern "C" fn(*mut c_void, *const c_char, u64, *mut c_void, usize) -> i32>,
    /// The address of a whole file in memory. It is borrowed, unchanged, until unmap; F32 weights at a multiple of 4 bytes are used where they are, without a copy.
    pub map: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *mut *const c_void, *mut u64) -> i32>,
    /// Gives a mapped file back, on any thread, at the latest when the last handle that uses it is released; may be NULL.
    pub unmap: Option<unsafe extern "C" fn(*mut c_void, *const c_void, u64)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_hypothesis {
    /// without bos, eos, pad and mask
    pub tokens: *const i32,
    pub length: usize,
    /// mean log-probability; -inf when empty
    pub score: f32,
}

/// likelihood.h: how probable a model finds given rows. A masked diffusion model has no exact likelihood; it has a bound, estimated here with its error, and the older pseudo-likelihood of masked language models.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_likelihood_options {
    pub struct_size: usize,
    /// corrupted copies of each row, even, 2 to 2^20 [32]
    pub samples: i32,
    /// T of the linear schedule [50]
    pub timesteps: i32,
    /// the absorbing token; needed
    pub mask_id: i32,
    /// DIFFULM_ATTENTION_…
    pub attention: i32,
    /// for blockwise attention
    pub newline_id: i32,
    /// of the draws (stream likelihood)
    pub seed: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_likelihood {
    pub struct_size: usize,
    /// nats; of the target given the source, all its maskable tokens together
    pub log_probability: f64,
    /// of its estimation; 0 for the pseudo-likelihood, which draws nothing
    pub standard_error: f64,
    /// maskable ones, eos included
    pub tokens: usize,
}

/// The callbacks run on whichever thread needs memory, several at a time, and must not call the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_allocator {
    pub struct_size: usize,
    /// handed to the callbacks
    pub user: *mut c_void,
    /// `bytes` (never 0) at a multiple of `alignment`, 16 or 64; NULL: there are none, and the call fails with E_OUT_OF_MEMORY.
    pub allocate: Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>,
    /// Gives back what allocate returned. `bytes` is what was asked for.
    pub release: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize)>,
}

/// metrics.h: what the field reports of texts: BLEU, chrF, ROUGE, matches and numbers, and confidence intervals. Scores equal those of sacrebleu 2.6, rouge_score 0.1 and the SQuAD script; statistics of single texts add up, so that a corpus needs one pass and a resample none. All calls: any thread; texts are UTF-8, lengths in bytes; errors are E_ARGUMENT, E_UTF8 (names the byte) and E_OUT_OF_MEMORY, and outputs are then untouched.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_string {
    /// may hold NUL
    pub data: *const c_char,
    pub length: usize,
}

/// ---- BLEU (Papineni et al. 2002; Post 2018)
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_bleu_options {
    pub struct_size: usize,
    /// DIFFULM_BLEU_…
    pub tokenizer: i32,
    pub lowercase: i32,
    /// DIFFULM_BLEU_SMOOTH_…
    pub smoothing: i32,
    /// 1: orders that the hypothesis is too short for don't count (sentence level)
    pub effective_order: i32,
    /// longest n-gram, 1 to DIFFULM_BLEU_ORDERS [4]
    pub max_order: i32,
    /// 0: the method's own, floor 0.1, add-k 1
    pub smooth_value: f64,
}

/// Start: zero but for struct_size. Two of them add up field by field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_bleu_statistics {
    pub struct_size: usize,
    /// n-grams matched, and of the hypothesis
    pub correct: [i64; 8],
    /// n-grams matched, and of the hypothesis
    pub total: [i64; 8],
    /// tokens; the closest reference's
    pub hypothesis_length: i64,
    /// tokens; the closest reference's
    pub reference_length: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_bleu {
    pub struct_size: usize,
    /// percent
    pub score: f64,
    /// percent, smoothed
    pub precision: [f64; 8],
    pub brevity_penalty: f64,
}

/// ---- chrF and chrF++ (Popović 2015, 2017)
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_chrf_options {
    pub struct_size: usize,
    /// [6]
    pub char_order: i32,
    /// 0: chrF, 2: chrF++
    pub word_order: i32,
    pub lowercase: i32,
    /// 1: white space counts among the characters
    pub whitespace: i32,
    /// 1: as chrF++.py does, else effective order
    pub eps_smoothing: i32,
    /// weight of recall [2]
    pub beta: f64,
}

/// Start: zero but for struct_size; adds up field by field. Characters' orders first, then words'.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_chrf_statistics {
    pub struct_size: usize,
    pub hypothesis: [i64; 16],
    pub reference: [i64; 16],
    pub matched: [i64; 16],
}

/// ---- ROUGE (Lin 2004)
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_rouge {
    pub struct_size: usize,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_model_options {
    pub struct_size: usize,
    /// NULL: the defaults; the model keeps a reference
    pub runtime: *mut diffulm_runtime,
    /// DIFFULM_HEAD_…
    pub head: i32,
    /// of a fresh head, or of all weights (create)
    pub seed: u64,
    /// create: deviation of matrices; 0: 1/sqrt(inputs)
    pub init_std: f64,
}

/// NULL is allowed
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_model_info {
    pub struct_size: usize,
    /// config.json's model_type; constant text
    pub family: *const c_char,
    pub vocabulary: i64,
    pub hidden: i64,
    pub layers: i64,
    pub heads: i64,
    pub ffn: i64,
    pub positions: i64,
    pub parameters: i64,
    /// tokens
    pub longest_row: i64,
    /// DIFFULM_DTYPE_… of the file
    pub dtype: i32,
    /// 0 or 1
    pub tied: i32,
    /// 0 or 1
    pub has_head: i32,
    /// from config.json, -1 if it does not say
    pub pad_id: i32,
    /// from config.json, -1 if it does not say
    pub bos_id: i32,
    /// from config.json, -1 if it does not say
    pub eos_id: i32,
    /// from config.json, -1 if it does not say
    pub mask_id: i32,
    /// position id of a row's first token
    pub first_position: i32,
    pub tensors_skipped: i64,
}

/// A ragged batch, rows packed end to end. Arrays are borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_batch {
    pub struct_size: usize,
    pub rows: usize,
    /// [rows + 1], offsets[0] = 0; row r is offsets[r] … offsets[r+1]
    pub offsets: *const usize,
    /// [offsets[rows]]
    pub tokens: *const i32,
    /// position ids, or NULL for the family's rule
    pub positions: *const i32,
    /// 1: source token (prefix_lm, blockwise), or NULL
    pub source: *const u8,
    /// 0: nobody attends to it, or NULL: all are attended to
    pub attended: *const u8,
    /// DIFFULM_ATTENTION_…
    pub attention: i32,
    /// ends a block (blockwise)
    pub newline_id: i32,
}

/// Weights in 8 bits with a scale for each row, made once, activations rounded row by row, sums in whole numbers: two to four times as fast as F32. For inference: trainers refuse it. On CPUs without VNNI activations have 7 bits (tried at the start, not read off a list), so results differ a little between the two kinds of CPU. Attention is BF16's where the CPU has AVX512_BF16, and on the reference backend.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_runtime_options {
    pub struct_size: usize,
    /// 0: one per core the process may use
    pub threads: i32,
    /// DIFFULM_BACKEND_…
    pub backend: i32,
    /// the most that may be used, DIFFULM_ISA_…; the reference backend stays at the baseline
    pub isa: i32,
    /// DIFFULM_PRECISION_…
    pub precision: i32,
    /// 1: every row's results are the same bits in any batch, and all results with any number of threads, on one kind of CPU and build of oneDNN; docs/performance.md has what it costs. The reference backend and whole-number sums (INT8) are so always. Not with BF16 on oneDNN.
    pub deterministic: i32,
    /// 1: the matrices of a frozen model are copied into the order in which oneDNN's kernels read them, by the model's first pass: faster, most of all by few rows, for memory that no other process shares (docs/performance.md, docs/memory.md). BF16 and INT8 copy so anyway, but for weights stored in 16 bits, which BF16 copies only then. Where a CPU has no such kernels matrices are used as they are. Not in F32 with `deterministic`.
    pub pack_weights: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_sampler_options {
    pub struct_size: usize,
    /// K, denoising steps; 0: 10
    pub steps: i32,
    /// DIFFULM_SAMPLING_…
    pub sampling: i32,
    /// > 0; 0: 1
    pub temperature: f64,
    /// keep ids until their probability passes it; 0: off
    pub top_p: f64,
    /// keep the k highest; 0: off
    pub top_k: i32,
    /// 1: position i uses the logits of position i - 1 (Dream)
    pub shift_logits: i32,
    /// llada, fast: generated positions in a block; 0: one block
    pub block_length: i32,
    /// llada; 0: steps
    pub steps_per_block: i32,
    /// dream; 0: 1e-3
    pub eps: f64,
    /// dream: noise on the ranking; 0: off
    pub alg_temp: f64,
    /// fast-threshold; 0: 0.9
    pub threshold: f64,
    /// fast-factor; 0: 1
    pub factor: f64,
    /// eb: entropy bound in nats; 0 is a bound of 0
    pub gamma: f64,
    /// eb: 0 entropy, 1 confidence; mdlm-counts: 0 confidence, 1 random
    pub order: i32,
}

/// One row in the middle of its denoising; the host's arrays, `length` entries each. Start: tokens with the mask at generated positions, scores 0, noisy = generated, quota 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_sampler_state {
    pub struct_size: usize,
    pub length: usize,
    pub tokens: *mut i32,
    /// log-probability at which each token was set
    pub scores: *mut f32,
    /// 1: still mask-noise
    pub noisy: *mut u8,
    /// 1: may be changed
    pub generated: *const u8,
    /// kept by the sampler from step to step
    pub quota: usize,
    pub mask_id: i32,
    /// of the draws, with row_number (design: RNG)
    pub seed: u64,
    pub row_number: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_schedule_options {
    pub struct_size: usize,
    /// T, 1 to 2^20; 0: 50
    pub timesteps: i32,
    /// DIFFULM_WEIGHT_…
    pub weight: i32,
    /// DIFFULM_CORRUPTION_…
    pub corruption: i32,
    /// of fixed corruption, above 0, at most 1
    pub mask_ratio: f64,
}

/// An encoded pair. Every id may be set, 0 too; -1: the tokenizer has no such token.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_pair {
    pub struct_size: usize,
    pub source_length: usize,
    pub target_length: usize,
    /// [source_length], with bos and eos where the tokenizer sets them
    pub source: *const i32,
    /// [target_length], the same
    pub target: *const i32,
    pub bos_id: i32,
    pub eos_id: i32,
    pub pad_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_training_row_options {
    pub struct_size: usize,
    /// tokens of a row, without padding; 0: no limit
    pub max_length: usize,
    /// positions to fill with pads; 0: no padding
    pub pad_to: usize,
    /// 1: source positions are maskable too, and not frozen
    pub mask_on_source: i32,
    /// 1: pads are maskable, attended to and counted
    pub mask_on_padding: i32,
}

/// A training row. The host sets capacity and the arrays, diffulm_training_row_build the rest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_training_row {
    pub struct_size: usize,
    /// of each array
    pub capacity: usize,
    /// [padded]
    pub tokens: *mut i32,
    /// [padded] 1: given, never masked; or NULL
    pub frozen: *mut u8,
    /// [padded] 1: may be masked; or NULL
    pub maskable: *mut u8,
    /// [padded] 1: takes part in attention; or NULL
    pub attended: *mut u8,
    /// tokens without padding
    pub length: usize,
    /// positions with padding: pad_to, or length
    pub padded: usize,
    /// source tokens that are left, bos included
    pub source_length: usize,
    /// n of the loss
    pub maskable_count: usize,
    /// what the length head is to learn: max(2, target tokens) - 2
    pub length_class: i32,
}

/// A row to corrupt. Masks are drawn from (seed, step, row, position), or from the host's uniforms.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_clean_row {
    pub struct_size: usize,
    pub length: usize,
    /// [length]
    pub tokens: *const i32,
    /// [length], or NULL: every position
    pub maskable: *const u8,
    /// [length] in [0, 1), or NULL: drawn
    pub u_hi: *const f64,
    /// [length] in [0, 1), or NULL: drawn
    pub u_lo: *const f64,
    pub seed: u64,
    /// update, and number of the row in it
    pub step: u32,
    /// update, and number of the row in it
    pub row: u32,
    pub mask_id: i32,
}

/// Where the corrupted copies go, [length] each; NULL: not wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_corrupted_pair {
    pub struct_size: usize,
    pub x_hi: *mut i32,
    pub x_lo: *mut i32,
    /// 1: masked in that copy
    pub masked_hi: *mut u8,
    /// 1: masked in that copy
    pub masked_lo: *mut u8,
}

/// The rows of a training batch; a coupled pair is two rows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_loss_rows {
    pub struct_size: usize,
    pub rows: usize,
    /// [rows], 1 to T
    pub t: *const i32,
    /// [rows] n: maskable positions, masked or not
    pub maskable: *const usize,
    /// 0 to 1
    pub label_smoothing: f64,
}

/// The host's logits at the masked positions of a batch, in any order.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_loss_logits {
    pub struct_size: usize,
    pub count: usize,
    pub vocabulary: usize,
    /// [count] which row of the batch a position is in
    pub row: *const usize,
    /// [count] its clean token
    pub target: *const i32,
    /// [count, vocabulary]
    pub logits: *const f32,
}

/// Results; the host sets struct_size.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_loss {
    pub struct_size: usize,
    /// (1 - label_smoothing) weighted_ce + label_smoothing uniform
    pub loss: f64,
    /// 1/rows sum w(t)/n sum CE
    pub weighted_ce: f64,
    /// 1/rows sum T/n sum uniform CE; infinite if a logit is -inf
    pub uniform: f64,
    /// mean over the positions, nats; 0 if there are none
    pub cross_entropy: f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_session_options {
    pub struct_size: usize,
    /// the absorbing token; -1: from config.json
    pub mask_id: i32,
    /// DIFFULM_ATTENTION_…
    pub attention: i32,
    /// ends a block (blockwise)
    pub newline_id: i32,
    /// of every draw
    pub seed: u64,
    /// A row is done when it holds this token, such as eos, with no mask left before it; -1: off. What stands behind it stays mask. Policies that may take tokens back (reparam) do not stop for it.
    pub stop_id: i32,
    /// Under causal and prefix_lm attention the keys and values of positions that see nothing new are kept from step to step: 8 bytes for each of them, layer and feature. Under argmax a row that a step has not changed keeps its scores for the next. 1: all is computed again, to the same results.
    pub recompute: i32,
    /// Approximate, under full attention: keys and values of a row's source are computed at every source_refresh-th of its steps and used as they are by those between, so a step computes the rest of the row alone. 0 or 1: at every step, exact. docs/performance.md has what it changes. Memory as above. A restored snapshot computes them anew.
    pub source_refresh: i64,
}

/// NULL is allowed
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_row_options {
    pub struct_size: usize,
    /// leading source tokens (prefix_lm, blockwise); 0: the leading given ones; negative: none
    pub source_length: i64,
    /// names the row's random draws; 0: its index. Rows with the same number, seed and canvas get the same draws in any batch.
    pub row_number: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_change {
    pub row: usize,
    pub position: usize,
    /// after the step
    pub token: i32,
    /// DIFFULM_CHANGE_…
    pub kind: i32,
    /// log-probability of the token; -inf for a mask
    pub score: f32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_step_report {
    pub struct_size: usize,
    /// owned by the session, valid until its next call
    pub changes: *const diffulm_change,
    pub change_count: usize,
    /// rows that still have steps to do
    pub active_rows: usize,
    /// positions whose logits were computed
    pub scored: usize,
    /// by the whole session
    pub steps_done: i64,
}

/// text.h: text into sessions and out of them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_text_options {
    pub struct_size: usize,
    /// tokens to generate; 0: predicted by length_head
    pub length: i64,
    /// of the session's model; borrowed for the call
    pub length_head: *mut diffulm_length_head,
    /// 1: nothing is appended, the text's own mask tokens are the gaps
    pub infill: i32,
    /// as in diffulm_row_options
    pub row_number: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_tokenizer_options {
    pub struct_size: usize,
    /// 1: the mask token takes the spaces in front of it, as published XLM-R tokenizers have it; a sentencepiece.bpe.model does not say. 0: as the file says, else it does not.
    pub mask_lstrip: i32,
}

/// NULL is allowed
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_encode_options {
    pub struct_size: usize,
    /// 1: leave out bos, eos and the like
    pub no_special: i32,
}

/// The caller's arrays, `capacity` entries each; any may be NULL. count is always set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_encoding {
    pub struct_size: usize,
    pub capacity: usize,
    pub ids: *mut i32,
    /// bytes of the text the token stands for; 0, 0 for special tokens
    pub begins: *mut usize,
    /// bytes of the text the token stands for; 0, 0 for special tokens
    pub ends: *mut usize,
    /// 0: text, 1: pair, -1: special
    pub sequences: *mut i32,
    /// token type ids
    pub types: *mut i32,
    pub count: usize,
}

/// -1: the tokenizer has none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_special_ids {
    pub struct_size: usize,
    pub bos: i32,
    pub eos: i32,
    pub pad: i32,
    pub unk: i32,
    pub mask: i32,
}

/// Next-token prediction, the autoregressive baseline: nothing is masked, position i is predicted from the state at i - 1 under causal attention. loss = 1/rows sum_rows 1/n sum_i CE_i over the n target tokens of a row (with mask_on_source over every token but the first), label smoothing as in diffusion with T = 1. Decode with the policy ar, shift_logits and causal attention.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_trainer_options {
    pub struct_size: usize,
    /// Optimizer: AdamW. Zeros stand for the values in brackets. peak [5e-5]
    pub lr: f64,
    /// [0.9, 0.98]
    pub beta1: f64,
    /// [0.9, 0.98]
    pub beta2: f64,
    /// [1e-8]
    pub epsilon: f64,
    /// on matrices only; [0.01], negative: none
    pub weight_decay: f64,
    /// largest gradient norm [1.0], negative: none
    pub clip: f64,
    /// DIFFULM_LR_… after the warm-up
    pub lr_schedule: i32,
    /// updates from 0 to lr
    pub warmup: i64,
    /// where linear and cosine reach 0; needed by those two
    pub steps: i64,
    /// Objective; causal looks at label_smoothing, attention (must be causal) and mask_on_source alone DIFFULM_OBJECTIVE_…
    pub objective: i32,
    /// T [50]
    pub timesteps: i32,
    /// DIFFULM_WEIGHT_…
    pub weight: i32,
    /// DIFFULM_CORRUPTION_…
    pub corruption: i32,
    /// of fixed corruption
    pub mask_ratio: f64,
    /// [0]
    pub label_smoothing: f64,
    /// DIFFULM_ATTENTION_…
    pub attention: i32,
    /// for blockwise attention
    pub newline_id: i32,
    /// the absorbing token; needed unless rows come corrupted
    pub mask_id: i32,
    /// 1: source positions are maskable too
    pub mask_on_source: i32,
    /// The rest 1: at the rates of config.json
    pub dropout: i32,
    /// of every draw
    pub seed: u64,
    /// > 0: train adapters over frozen weights (adapter.h)
    pub lora_rank: i32,
    /// [lora_rank]
    pub lora_alpha: f64,
    /// Which linear maps get adapters: names or their ends between commas, such as "query,value" or "attention.output.dense", or "all-linear". NULL: query and value (ModernBERT: Wqkv).
    pub lora_targets: *const c_char,
    /// 1: activation checkpointing (Chen et al. 2016): each block's forward is run again in the backward pass, the memory of activations falls to a few layers' worth, gradients stay the same bit for bit.
    pub checkpoint_activations: i32,
    /// d: an exponential moving average of all trained weights is kept beside them, e = d e + (1 - d) w after each update, from e = w before the first; w are the weights that update made. Computed in double, kept as float. 0: none; at most 0.999999.
    pub ema_decay: f64,
}

/// Clean rows, packed: [bos] source target [eos]. The first source_lengths[r] tokens of a row are given, the rest may be masked (definition: rows).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_rows {
    pub struct_size: usize,
    pub rows: usize,
    /// [rows + 1]
    pub offsets: *const usize,
    /// [offsets[rows]]
    pub tokens: *const i32,
    /// [rows], or NULL: 0
    pub source_lengths: *const usize,
}

/// Rows already corrupted by the host; for the diffusion objective only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_corrupted_rows {
    pub struct_size: usize,
    pub rows: usize,
    /// [rows + 1]
    pub offsets: *const usize,
    /// [total] corrupted and clean tokens
    pub x_t: *const i32,
    /// [total] corrupted and clean tokens
    pub x_0: *const i32,
    /// [total]
    pub maskable: *const u8,
    /// [total] the positions whose cross entropy counts
    pub masked: *const u8,
    /// [rows] timesteps, 1..T
    pub t: *const i32,
    /// [rows], or NULL: 0
    pub source_lengths: *const usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct diffulm_trainer_report {
    pub struct_size: usize,
    /// updates done
    pub step: i64,
    /// of the last call
    pub loss: f64,
    /// mean over masked positions, nats
    pub cross_entropy: f64,
    /// before clipping
    pub grad_norm: f64,
    /// used in the last update
    pub lr: f64,
    /// since the last update
    pub tokens: i64,
    /// since the last update
    pub masked: i64,
}

extern "C" {
    /// Opens a PEFT folder (adapter_config.json, adapter_model.safetensors; F32, F16 or BF16) for a model. On success *out is the caller's (unref). Errors: E_IO, E_FORMAT name the file and the tensor or key; E_UNSUPPORTED what PEFT can do and this library does not (biases, DoRA, patterns of ranks, other kinds of adapters); E_STATE for a model that has an adapter already. Any thread. Since 0.1.
    pub fn diffulm_adapter_open(model: *mut diffulm_model, folder: *const c_char, out: *mut *mut diffulm_adapter) -> i32;
    /// The adapter a trainer has now. E_STATE when it trains no adapter. The trainer's thread. Since 0.1.
    pub fn diffulm_trainer_export_adapter(trainer: *const diffulm_trainer, out: *mut *mut diffulm_adapter) -> i32;
    /// The same with the averages of A and of B. E_STATE also when ema_decay is 0. Since 0.1.
    pub fn diffulm_trainer_export_adapter_ema(trainer: *const diffulm_trainer, out: *mut *mut diffulm_adapter) -> i32;
    pub fn diffulm_adapter_ref(adapter: *mut diffulm_adapter) -> *mut diffulm_adapter;
    pub fn diffulm_adapter_unref(adapter: *mut diffulm_adapter);
    /// Writes the two files into `folder` (made when absent), each replaced atomically; PEFT opens it. Any thread. Since 0.1.
    pub fn diffulm_adapter_save(adapter: *const diffulm_adapter, folder: *const c_char) -> i32;
    /// A model that scores with the adapter and shares the memory of its weights. It can't be trained or pruned; saved, it is merged. *out is the caller's (unref). Any thread. Since 0.1.
    pub fn diffulm_adapter_attach(adapter: *mut diffulm_adapter, out: *mut *mut diffulm_model) -> i32;
    /// A model with weights of its own, W + (alpha / r) B A. Otherwise as attach. Since 0.1.
    pub fn diffulm_adapter_merge(adapter: *const diffulm_adapter, out: *mut *mut diffulm_model) -> i32;
    /// Fills the options with the defaults, as the static initialiser does. Since 0.1.
    pub fn diffulm_dataset_options_init(options: *mut diffulm_dataset_options, struct_size: usize);
    /// Opens one file, or two parallel ones, source first; reads them through, checks every record and notes where it starts: 8 bytes of memory for each record and file. Files must not change while they are open. gzip has no way back: a file with more than gzip_buffer bytes of text is unpacked as it is read, in file order; shuffling it and few-shot examples from it are refused, since a row would cost the unpacking of megabytes. options may be NULL. On success *out is the caller's (unref), on failure it is untouched. Errors, with file and line where there is one: E_ARGUMENT (options, byte of a template), E_IO, E_FORMAT (a damaged record, another form than the first record's, no record, files with different numbers of lines, damaged gzip), E_UTF8, E_LIMIT (long lines, more than 2^28 records), E_UNSUPPORTED, E_CANCELLED, E_OUT_OF_MEMORY. Any thread. Since 0.1.
    pub fn diffulm_dataset_open(paths: *const *const c_char, path_count: usize, options: *const diffulm_dataset_options, out: *mut *mut diffulm_dataset) -> i32;
    /// One more reference; returns its argument, NULL too. Any thread. Since 0.1.
    pub fn diffulm_dataset_ref(dataset: *mut diffulm_dataset) -> *mut diffulm_dataset;
    /// Drops a reference, frees with the last. NULL is allowed. Any thread. Since 0.1.
    pub fn diffulm_dataset_unref(dataset: *mut diffulm_dataset);
    /// Records, without those skipped; at least 1. Any thread. Since 0.1.
    pub fn diffulm_dataset_count(dataset: *const diffulm_dataset) -> usize;
    /// Errors: E_ARGUMENT; *info is then untouched. Any thread. Since 0.1.
    pub fn diffulm_dataset_get_info(dataset: *const diffulm_dataset, info: *mut diffulm_dataset_info) -> i32;
    /// What was wrong with skipped record `index`, file and line first; NULL past those kept. Owned by the data set. Any thread. Since 0.1.
    pub fn diffulm_dataset_message(dataset: *const diffulm_dataset, index: usize) -> *const c_char;
    /// Fills the options with the defaults, as the static initialiser does. Since 0.1.
    pub fn diffulm_reader_options_init(options: *mut diffulm_reader_options, struct_size: usize);
    /// A reader of `count` data sets, to which it keeps references. Row r comes from the data set that diffulm_mixture_pick(seed, r, count, weights) names, and is the next of that one's own epochs, which go on without end. weights: [count], not negative; NULL: the numbers of records. options may be NULL. On success *out is the caller's (destroy), on failure it is untouched. Errors: E_ARGUMENT; E_UNSUPPORTED where a data set can be read in file order only; E_OUT_OF_MEMORY. Any thread. Since 0.1.
    pub fn diffulm_reader_create(datasets: *const *mut diffulm_dataset, weights: *const f64, count: usize, options: *const diffulm_reader_options, out: *mut *mut diffulm_reader) -> i32;
    /// NULL is allowed. Since 0.1.
    pub fn diffulm_reader_destroy(reader: *mut diffulm_reader);
    /// The next row. Errors: E_ARGUMENT; E_IO, E_FORMAT and E_UTF8 where a file changed since it was opened; E_OUT_OF_MEMORY. *record is then untouched, and the same row comes next. Since 0.1.
    pub fn diffulm_reader_next(reader: *mut diffulm_reader, record: *mut diffulm_record) -> i32;
    /// Record `index` of a data set as it is in `epoch` (which few-shot examples depend on); the reader's position stays. Errors: as diffulm_reader_next. Since 0.1.
    pub fn diffulm_reader_record(reader: *mut diffulm_reader, dataset: usize, epoch: u32, index: usize, record: *mut diffulm_record) -> i32;
    /// Writes the reader's position, to be kept beside a run: rows drawn, and epoch and index within it of each data set, 40 bytes and 24 for each data set. *length is set always; BUFFER_TOO_SMALL where capacity is less, and nothing is written. Errors: E_ARGUMENT. Since 0.1.
    pub fn diffulm_reader_position(reader: *const diffulm_reader, buffer: *mut c_void, capacity: usize, length: *mut usize) -> i32;
    /// Goes to a position of a reader over the same data sets with the same seed and order; the next row is the one that would have come there. Errors: E_FORMAT where the bytes are no position, E_ARGUMENT where it is that of other data sets, seed or order; the reader is then where it was. Since 0.1.
    pub fn diffulm_reader_seek(reader: *mut diffulm_reader, position: *const c_void, length: usize) -> i32;
    /// Bytes held, without those of the data sets. Since 0.1.
    pub fn diffulm_reader_memory(reader: *const diffulm_reader) -> usize;
    /// The message of the last failed call on the calling thread: one line of UTF-8 that names the file, tensor, key, line or position at fault and what was expected. Empty if the last fallible call succeeded. Owned by the library; valid until the next library call on this thread. Since 0.1.
    pub fn diffulm_error_message() -> *const c_char;
    /// A short constant name of a status, such as "out of memory". Never NULL. Since 0.1.
    pub fn diffulm_status_name(status: i32) -> *const c_char;
    /// The like of diffulm_model_open, with the same errors. `files` is copied. Any thread, as long as the callbacks allow it. Since 0.1.
    pub fn diffulm_model_open_files(files: *const diffulm_files, options: *const diffulm_model_options, out: *mut *mut diffulm_model) -> i32;
    /// The like of diffulm_tokenizer_open on a folder. Since 0.1.
    pub fn diffulm_tokenizer_open_files(files: *const diffulm_files, options: *const diffulm_tokenizer_options, out: *mut *mut diffulm_tokenizer) -> i32;
    /// The like of diffulm_length_head_open. Since 0.1.
    pub fn diffulm_length_head_open_files(model: *mut diffulm_model, files: *const diffulm_files, out: *mut *mut diffulm_length_head) -> i32;
    /// The like of diffulm_adapter_open. Since 0.1.
    pub fn diffulm_adapter_open_files(model: *mut diffulm_model, files: *const diffulm_files, out: *mut *mut diffulm_adapter) -> i32;
    /// A model from the texts of its config.json and its model.safetensors in memory. The weights are borrowed: they must stay unchanged until the last reference to the model is released; the config is not needed after the call. Since 0.1.
    pub fn diffulm_model_open_memory(config: *const c_void, config_size: usize, weights: *const c_void, weights_size: usize, options: *const diffulm_model_options, out: *mut *mut diffulm_model) -> i32;
    /// Opens length_head.safetensors in `folder` for a model of the same sizes. On success *out is the caller's (unref). Errors name the file and tensor. Any thread. Since 0.1.
    pub fn diffulm_length_head_open(model: *mut diffulm_model, folder: *const c_char, out: *mut *mut diffulm_length_head) -> i32;
    /// One with fresh weights drawn by `seed` (stream init). Since 0.1.
    pub fn diffulm_length_head_create(model: *mut diffulm_model, seed: u64, out: *mut *mut diffulm_length_head) -> i32;
    pub fn diffulm_length_head_ref(head: *mut diffulm_length_head) -> *mut diffulm_length_head;
    pub fn diffulm_length_head_unref(head: *mut diffulm_length_head);
    /// Writes length_head.safetensors into an existing folder, replaced atomically. dtype: DIFFULM_DTYPE_…. Since 0.1.
    pub fn diffulm_length_head_save(head: *const diffulm_length_head, folder: *const c_char, dtype: i32) -> i32;
    /// Number of classes. Since 0.1.
    pub fn diffulm_length_head_classes(head: *const diffulm_length_head) -> usize;
    /// Class logits [rows, classes] of sources ([bos] source, without eos), packed as in struct diffulm_batch. Any thread. Since 0.1.
    pub fn diffulm_length_head_logits(head: *const diffulm_length_head, rows: usize, offsets: *const usize, tokens: *const i32, out: *mut f32) -> i32;
    /// The best `length_beam` lengths by class logits, best first, the smaller first among equals, each at most positions - 3 - source_length (source_length with bos). unique: later repetitions are dropped. out: [length_beam]; *count is set. E_LIMIT when no token fits. Any thread. Since 0.1.
    pub fn diffulm_length_candidates(logits: *const f32, classes: usize, length_beam: usize, positions: usize, source_length: usize, unique: i32, out: *mut usize, count: *mut usize) -> i32;
    /// best: the index chosen, the first among equals. mean_rouge_l: [count] or NULL. Since 0.1.
    pub fn diffulm_select_hypothesis(hypotheses: *const diffulm_hypothesis, count: usize, method: i32, best: *mut usize, mean_rouge_l: *mut f64) -> i32;
    /// Starts from a copy of `head`. Of the options lr, betas, epsilon, weight_decay, clip, lr_schedule, warmup and steps are used. On success *out is the caller's (destroy). Since 0.1.
    pub fn diffulm_length_trainer_create(head: *const diffulm_length_head, options: *const diffulm_trainer_options, out: *mut *mut diffulm_length_trainer) -> i32;
    pub fn diffulm_length_trainer_destroy(trainer: *mut diffulm_length_trainer);
    /// One update on clean rows: the target class of a row is max(2, tokens after its source, eos included) - 2; the loss is the mean cross entropy. report may be NULL. Since 0.1.
    pub fn diffulm_length_trainer_step(trainer: *mut diffulm_length_trainer, rows: *const diffulm_rows, report: *mut diffulm_trainer_report) -> i32;
    /// A frozen head of the present weights; *out is the caller's. Since 0.1.
    pub fn diffulm_length_trainer_export(trainer: *const diffulm_length_trainer, out: *mut *mut diffulm_length_head) -> i32;
    /// Checkpoints, as diffulm_trainer_save and diffulm_trainer_restore; the encoder must have the same weights. Since 0.1.
    pub fn diffulm_length_trainer_save(trainer: *const diffulm_length_trainer, path: *const c_char, note: *const c_void, note_length: usize) -> i32;
    pub fn diffulm_length_trainer_restore(trainer: *mut diffulm_length_trainer, path: *const c_char, note: *mut c_void, capacity: usize, note_length: *mut usize) -> i32;
    pub fn diffulm_likelihood_options_init(options: *mut diffulm_likelihood_options, struct_size: usize);
    /// The lower bound on log p(target | source) of each row: - sum over t = 1..T of 1/t · E[cross entropies at the positions masked at rate t/T], the evidence lower bound of absorbing diffusion with T steps (Austin et al. 2021; Sahoo et al. 2024), estimated from `samples` timesteps, two in each of samples/2 equal strata, whose differences give the standard error. The mask token itself has probability 0. rows: as for training; a row without a target has log-probability 0. first_row: the number of rows[0] in the draws, so that results do not depend on how rows are cut into calls. out: [rows->rows], struct_size of the first set. Errors: E_ARGUMENT names the option or row, E_LIMIT too long a row, E_NUMERIC, E_UNSUPPORTED without a head; out is then untouched. Any thread. Since 0.1.
    pub fn diffulm_likelihood_bound(model: *const diffulm_model, rows: *const diffulm_rows, first_row: u32, options: *const diffulm_likelihood_options, out: *mut diffulm_likelihood) -> i32;
    /// The pseudo-log-likelihood (Salazar et al. 2020): the sum over the target's tokens of log p(token | all others), each masked alone; exp(-sum / tokens) is the pseudo-perplexity. samples, timesteps and seed are not used. Otherwise as diffulm_likelihood_bound. Since 0.1.
    pub fn diffulm_likelihood_pseudo(model: *const diffulm_model, rows: *const diffulm_rows, options: *const diffulm_likelihood_options, out: *mut diffulm_likelihood) -> i32;
    /// Takes all memory of the library's own from the host, in the whole process, from now on; NULL: from the C library, as at the start. The struct is copied. What oneDNN, JSON and regular expressions allocate inside is not the library's own, nor are mapped files. Call it before anything else: E_STATE while a block is in use. Not beside any other call. Since 0.1.
    pub fn diffulm_set_allocator(allocator: *const diffulm_allocator) -> i32;
    /// Blocks of memory that the library holds now: 0 when every handle has been given back, so a host can look for those it forgot. A default runtime's team of threads holds none. Any thread. Since 0.1.
    pub fn diffulm_memory_blocks() -> usize;
    pub fn diffulm_bleu_options_init(options: *mut diffulm_bleu_options, struct_size: usize);
    /// Adds one hypothesis with its `count` references. options may be NULL. Since 0.1.
    pub fn diffulm_bleu_add(options: *const diffulm_bleu_options, hypothesis: *const diffulm_string, references: *const diffulm_string, count: usize, statistics: *mut diffulm_bleu_statistics) -> i32;
    /// The score of what was added. Since 0.1.
    pub fn diffulm_bleu_score(options: *const diffulm_bleu_options, statistics: *const diffulm_bleu_statistics, out: *mut diffulm_bleu) -> i32;
    /// The text after tokenization, as sacrebleu has it (its words are the tokens), and a NUL; *length without it, BUFFER_TOO_SMALL when capacity is not more. Since 0.1.
    pub fn diffulm_bleu_tokenize(options: *const diffulm_bleu_options, text: *const diffulm_string, buffer: *mut c_char, capacity: usize, length: *mut usize) -> i32;
    /// How a score was made, as in nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:diffulm-0.1.0; references: of each hypothesis, 0: it varies. As diffulm_bleu_tokenize. Since 0.1.
    pub fn diffulm_bleu_signature(options: *const diffulm_bleu_options, references: usize, buffer: *mut c_char, capacity: usize, length: *mut usize) -> i32;
    pub fn diffulm_chrf_options_init(options: *mut diffulm_chrf_options, struct_size: usize);
    /// Adds one hypothesis against the reference that it fits best. options may be NULL. Since 0.1.
    pub fn diffulm_chrf_add(options: *const diffulm_chrf_options, hypothesis: *const diffulm_string, references: *const diffulm_string, count: usize, statistics: *mut diffulm_chrf_statistics) -> i32;
    /// score: percent. Since 0.1.
    pub fn diffulm_chrf_score(options: *const diffulm_chrf_options, statistics: *const diffulm_chrf_statistics, score: *mut f64) -> i32;
    /// One hypothesis against one reference. stem: 1: with Porter's stemmer (not for the white-space kind). Since 0.1.
    pub fn diffulm_rouge_score(kind: i32, stem: i32, hypothesis: *const diffulm_string, reference: *const diffulm_string, out: *mut diffulm_rouge) -> i32;
    /// equal: 0 or 1. Since 0.1.
    pub fn diffulm_match(kind: i32, a: *const diffulm_string, b: *const diffulm_string, equal: *mut i32) -> i32;
    /// The last number of a text in a canonical form (equal strings: equal numbers); *length 0: there is none. As diffulm_bleu_tokenize otherwise. Since 0.1.
    pub fn diffulm_last_number(kind: i32, text: *const diffulm_string, buffer: *mut c_char, capacity: usize, length: *mut usize) -> i32;
    /// Which of `count` items (at least 1) stands at place `item` of resample `resample`: a function of its arguments alone. Add the statistics of the items drawn to score a resample. Since 0.1.
    pub fn diffulm_bootstrap_draw(seed: u64, resample: u32, item: u32, count: usize) -> usize;
    /// The percentile interval of the mean of values [count] at `level` (0.95) from `resamples` resamples. Since 0.1.
    pub fn diffulm_bootstrap_mean(values: *const f64, count: usize, resamples: u32, level: f64, seed: u64, low: *mut f64, high: *mut f64) -> i32;
    pub fn diffulm_model_options_init(options: *mut diffulm_model_options, struct_size: usize);
    /// Opens a Hugging Face folder: config.json and model.safetensors (or its index and shards). F32 and I8 weights stay in the mapped file; so do matrices in F16 and BF16, which are widened on the way into products. A model in I8 multiplies in 8 bits on any runtime; it can be saved and adapters attached, but not trained, pruned or merged. On success *out is the caller's (unref). Errors: E_IO, E_FORMAT and E_UNSUPPORTED name the file and the key or tensor. Any thread. Since 0.1.
    pub fn diffulm_model_open(folder: *const c_char, options: *const diffulm_model_options, out: *mut *mut diffulm_model) -> i32;
    /// A model with fresh weights from the text of a config.json (`length` bytes): matrices normal, what writes to the residual stream divided by sqrt(2 layers), norms 1, biases 0; drawn by `seed` (stream init). On success *out is the caller's (unref). Errors name the key. Any thread. Since 0.1.
    pub fn diffulm_model_create(config: *const c_char, length: usize, options: *const diffulm_model_options, out: *mut *mut diffulm_model) -> i32;
    pub fn diffulm_model_ref(model: *mut diffulm_model) -> *mut diffulm_model;
    pub fn diffulm_model_unref(model: *mut diffulm_model);
    /// info->struct_size must be set. Since 0.1.
    pub fn diffulm_model_get_info(model: *const diffulm_model, info: *mut diffulm_model_info) -> i32;
    /// Name of a tensor in the file that the model does not use, index < tensors_skipped; else NULL. Lives as long as the model. Since 0.1.
    pub fn diffulm_model_skipped_tensor(model: *const diffulm_model, index: usize) -> *const c_char;
    /// Name and shape of a parameter, index from 0; NULL past the last. shape: 2 entries, rank 1 has 1 in the second. Since 0.1.
    pub fn diffulm_model_parameter(model: *const diffulm_model, index: usize, shape: *mut i64) -> *const c_char;
    /// Scores chosen positions: out[i] = logits of packed position wanted[i], [wanted_count, vocabulary]. wanted NULL: all positions in order. Errors: E_ARGUMENT names the row and token at fault; E_LIMIT for too long a row; E_UNSUPPORTED without a head. Any thread. Since 0.1.
    pub fn diffulm_model_logits(model: *const diffulm_model, batch: *const diffulm_batch, wanted: *const usize, wanted_count: usize, out: *mut f32) -> i32;
    /// The encoder's last states instead, [total tokens, hidden]. Since 0.1.
    pub fn diffulm_model_hidden(model: *const diffulm_model, batch: *const diffulm_batch, out: *mut f32) -> i32;
    /// Writes config.json and model.safetensors into `folder` (made when absent), each replaced atomically; transformers loads it to the same logits, unless dtype is I8: NAME in I8 and NAME_scale [rows, 1] in F32. Tokenizer files are the caller's. Since 0.1.
    pub fn diffulm_model_save(model: *const diffulm_model, folder: *const c_char, dtype: i32) -> i32;
    /// Writes `to`, a tokenizer.json, from the tokenizer.json `from`, replaced atomically. What stays: the ids in `used` (any order), added tokens, ids of templates and the unknown token, byte pieces, the characters of byte-level models, and what the merges of a kept piece are made of. A text all of whose tokens are in `used` is cut into the same pieces as before. kept: the old id of each new one, ascending, `capacity` entries; *count is set. BUFFER_TOO_SMALL when capacity is less: nothing is written then. Errors: E_ARGUMENT names an id outside the vocabulary; E_UNSUPPORTED when added tokens are not numbered behind the others; those of reading and writing. Any thread. Since 0.1.
    pub fn diffulm_tokenizer_prune(from: *const c_char, to: *const c_char, used: *const i32, used_count: usize, kept: *mut i32, capacity: usize, count: *mut usize) -> i32;
    /// A model with the embedding and head rows of `kept` (ascending old ids) alone; row i is that of kept[i]. The special ids of its configuration are numbered anew. On success *out is the caller's (unref). Errors: E_ARGUMENT names an entry that does not ascend or is outside the vocabulary, and a special id that is not kept; E_UNSUPPORTED when the pad id, which position ids count from, would change. Any thread. Since 0.1.
    pub fn diffulm_model_prune(model: *const diffulm_model, kept: *const i32, count: usize, out: *mut *mut diffulm_model) -> i32;
    /// Fills the options with the defaults, as the static initialiser does. struct_size: sizeof *options as the caller's headers have it; so it is with every function of this kind. Since 0.1.
    pub fn diffulm_runtime_options_init(options: *mut diffulm_runtime_options, struct_size: usize);
    /// Makes a runtime. `options` may be NULL. On success *out is owned by the caller (unref). Errors: E_ARGUMENT, E_UNSUPPORTED for a backend that was not built in or a precision that this CPU (or `isa`) lacks, E_OUT_OF_MEMORY. Any thread. Since 0.1.
    pub fn diffulm_runtime_create(options: *const diffulm_runtime_options, out: *mut *mut diffulm_runtime) -> i32;
    pub fn diffulm_runtime_ref(runtime: *mut diffulm_runtime) -> *mut diffulm_runtime;
    pub fn diffulm_runtime_unref(runtime: *mut diffulm_runtime);
    /// What was chosen, as constant text: "onednn 2.6 + avx2, 2 threads" and the like, at most `capacity` bytes with its NUL. Since 0.1.
    pub fn diffulm_runtime_describe(runtime: *const diffulm_runtime, buffer: *mut c_char, capacity: usize);
    /// "0.1.0". Since 0.1.
    pub fn diffulm_version() -> *const c_char;
    pub fn diffulm_sampler_options_init(options: *mut diffulm_sampler_options, struct_size: usize);
    /// Makes a sampler by the name of its policy: reparam-{cond|uncond}-{deterministic|stochasticX}-{linear|cosine}  (Zheng et al. 2023; Ye et al. 2023; X is the noise's scale), cmlm (Ghazvininejad et al. 2019), ar, llada-{low_confidence|random} (Nie et al. 2025), dream-{origin|maskgit_plus|topk_margin|entropy} (Ye et al. 2025), fast-{threshold|factor} (Wu et al. 2025), eb (Ben-Hamu et al. 2025), mdlm-{ancestral|counts}-{linear|cosine} (Sahoo et al. 2024). NULL: reparam-uncond-deterministic-cosine. On success *out is the caller's (unref). Errors: E_ARGUMENT names the policy or option. Any thread. Since 0.1.
    pub fn diffulm_sampler_create(policy: *const c_char, options: *const diffulm_sampler_options, out: *mut *mut diffulm_sampler) -> i32;
    pub fn diffulm_sampler_ref(sampler: *mut diffulm_sampler) -> *mut diffulm_sampler;
    pub fn diffulm_sampler_unref(sampler: *mut diffulm_sampler);
    /// Its full name, and its number of steps. Since 0.1.
    pub fn diffulm_sampler_name(sampler: *const diffulm_sampler) -> *const c_char;
    pub fn diffulm_sampler_steps(sampler: *const diffulm_sampler) -> i32;
    /// The name pattern of policy `index`, NULL past the last. Since 0.1.
    pub fn diffulm_sampler_policy(index: usize) -> *const c_char;
    /// Sets wanted[i] = 1 where step k (from 1) needs the logits of position i. Since 0.1.
    pub fn diffulm_sampler_needs(sampler: *const diffulm_sampler, state: *const diffulm_sampler_state, k: i32, wanted: *mut u8) -> i32;
    /// One denoising step. logits: [length, vocabulary], only the rows that diffulm_sampler_needs asked for are read. On failure the state is unchanged: E_NUMERIC names a position whose logits are NaN, infinite (-inf forbids a token) or leave none, E_ARGUMENT a position whose flags or score cannot be. Since 0.1.
    pub fn diffulm_sampler_transition(sampler: *const diffulm_sampler, state: *mut diffulm_sampler_state, k: i32, logits: *const f32, vocabulary: usize) -> i32;
    /// Fills the options with the defaults, as the static initialiser does. Since 0.1.
    pub fn diffulm_schedule_options_init(options: *mut diffulm_schedule_options, struct_size: usize);
    /// Makes a schedule by the name of its alpha, the probability that a token is clean at time t, 0 to 1: linear     1 - t (RDM; the paper's: the rate at timestep t of T is t / T), cosine     1 - cos(pi/2 (1 - t)), loglinear  1 - 0.999 t, geometric  exp(-sigma), sigma = 0.001^(1 - t) (the last three: Sahoo et al. 2024). NULL: linear. Timestep t of T is time t / T. options may be NULL. On success *out is the caller's (unref); on failure it is untouched. Errors: E_ARGUMENT names the schedule or option; E_OUT_OF_MEMORY. Any thread. Since 0.1.
    pub fn diffulm_schedule_create(name: *const c_char, options: *const diffulm_schedule_options, out: *mut *mut diffulm_schedule) -> i32;
    /// One more reference; returns its argument, NULL too. Any thread. Since 0.1.
    pub fn diffulm_schedule_ref(schedule: *mut diffulm_schedule) -> *mut diffulm_schedule;
    /// Drops a reference, frees with the last. NULL is allowed. Any thread. Since 0.1.
    pub fn diffulm_schedule_unref(schedule: *mut diffulm_schedule);
    /// Its name, constant and owned by the library. Any thread. Since 0.1.
    pub fn diffulm_schedule_name(schedule: *const diffulm_schedule) -> *const c_char;
    /// Its T. Any thread. Since 0.1.
    pub fn diffulm_schedule_timesteps(schedule: *const diffulm_schedule) -> i32;
    /// The name of schedule `index`, NULL past the last. Any thread. Since 0.1.
    pub fn diffulm_schedule_known(index: usize) -> *const c_char;
    /// The probability that a maskable token is masked at timestep t, 1 to T. Errors: E_ARGUMENT; *rate is then untouched. Any thread. RDM, absorbing diffusion. Since 0.1.
    pub fn diffulm_schedule_mask_rate(schedule: *const diffulm_schedule, t: i32, rate: *mut f64) -> i32;
    /// w(t), the weight of cross entropies at timestep t, 1 to T. Errors: E_ARGUMENT; *weight is then untouched. Any thread. RDM; MDLM: Sahoo et al. 2024. Since 0.1.
    pub fn diffulm_schedule_loss_weight(schedule: *const diffulm_schedule, t: i32, weight: *mut f64) -> i32;
    /// In continuous time, 0 to 1: alpha, the mask rate 1 - alpha, and the weight -alpha' / (1 - alpha) of the likelihood bound, which needs a time above 0 and does not depend on the options. Each output may be NULL. Errors: E_ARGUMENT; the outputs are then untouched. Any thread. Sahoo et al. 2024. Since 0.1.
    pub fn diffulm_schedule_at_time(schedule: *const diffulm_schedule, time: f64, alpha: *mut f64, mask_rate: *mut f64, weight: *mut f64) -> i32;
    /// Fills the options with the defaults, as the static initialiser does. Since 0.1.
    pub fn diffulm_training_row_options_init(options: *mut diffulm_training_row_options, struct_size: usize);
    /// Builds [bos] source target [eos]: the source without its eos, then the target without its bos. Too long a row keeps its last max_length tokens, and may lose its bos or all of its source. options may be NULL. BUFFER_TOO_SMALL where capacity is below `padded` (with capacity 0, tokens may be NULL): length, padded, source_length and length_class are written, the rest is not. Errors: E_ARGUMENT, also where pad_to is less than the row, or pads are needed and pad_id is negative; the row is then untouched. Any thread. The paper's rows. Since 0.1.
    pub fn diffulm_training_row_build(pair: *const diffulm_pair, options: *const diffulm_training_row_options, row: *mut diffulm_training_row) -> i32;
    /// The timesteps of training row number `row` in update `step`, each uniform in 1..T: independent for coupled corruption, one and the same for single, ceil(mask_ratio T) for fixed. A function of its arguments alone. Errors: E_ARGUMENT; the outputs are then untouched. Any thread. RDM, coupled training. Since 0.1.
    pub fn diffulm_schedule_draw_timesteps(schedule: *const diffulm_schedule, seed: u64, step: u32, row: u32, t1: *mut i32, t2: *mut i32) -> i32;
    /// Masks a row at timesteps t1 and t2, in any order; hi is the larger. Each maskable position is masked in x_hi at the rate of hi; one that is masked there stays so in x_lo with probability rate(lo) / rate(hi), the others are clean. Equal timesteps: x_lo is a second independent draw. With single corruption t2 is not looked at, and x_lo and masked_lo must be NULL. Comparisons are strict, and exact for the linear schedule. Outputs overlap nothing else. Errors: E_ARGUMENT, E_OUT_OF_MEMORY; nothing is written then. Any thread. RDM, coupled training. Since 0.1.
    pub fn diffulm_schedule_corrupt(schedule: *const diffulm_schedule, row: *const diffulm_clean_row, t1: i32, t2: i32, out: *mut diffulm_corrupted_pair) -> i32;
    /// The derivatives of the loss by the cross entropy -log p(target) (d_ce) and by -mean over the vocabulary of log p (d_uniform_ce; 0 without label smoothing) of each masked position of a row, so that loss = sum over rows, over their masked positions, of d_ce CE + d_uniform_ce uniform_CE. Both outputs are [rows]. A row with n = 0 gets zeros. Errors: E_ARGUMENT; nothing is written then. Any thread. The paper's loss. Since 0.1.
    pub fn diffulm_schedule_loss_coefficients(schedule: *const diffulm_schedule, rows: *const diffulm_loss_rows, d_ce: *mut f64, d_uniform_ce: *mut f64) -> i32;
    /// Loss of a batch and, unless d_logits is NULL, its gradient [count, vocabulary]; d_logits may not overlap the logits. A logit of -inf (an id that the host rules out) is allowed where label_smoothing is 0 and it is no target's. Errors: E_ARGUMENT names the position, before anything is written; E_NUMERIC where the loss is not finite, E_OUT_OF_MEMORY: *loss is untouched, d_logits unspecified. Any thread. The paper's loss. Since 0.1.
    pub fn diffulm_schedule_loss(schedule: *const diffulm_schedule, rows: *const diffulm_loss_rows, logits: *const diffulm_loss_logits, loss: *mut diffulm_loss, d_logits: *mut f32) -> i32;
    /// The order of the n items of an epoch: sorted by a 64-bit draw of (seed, epoch, item), then by number; a function of its arguments alone. order: [n]. Errors: E_ARGUMENT, E_OUT_OF_MEMORY. Any thread. Since 0.1.
    pub fn diffulm_shuffle(seed: u64, epoch: u32, n: usize, order: *mut usize) -> i32;
    /// Which of n sources row `number` of a mixture comes from: inverse CDF of one draw over the weights (not negative, any positive sum). *source is set. Errors: E_ARGUMENT. Any thread. Since 0.1.
    pub fn diffulm_mixture_pick(seed: u64, number: u32, n: usize, weights: *const f64, source: *mut usize) -> i32;
    pub fn diffulm_session_options_init(options: *mut diffulm_session_options, struct_size: usize);
    /// The session keeps references to model and sampler. On success *out is the caller's (destroy). Errors: E_ARGUMENT, E_UNSUPPORTED for a model without a head, E_OUT_OF_MEMORY. Since 0.1.
    pub fn diffulm_session_create(model: *mut diffulm_model, sampler: *mut diffulm_sampler, options: *const diffulm_session_options, out: *mut *mut diffulm_session) -> i32;
    pub fn diffulm_session_destroy(session: *mut diffulm_session);
    pub fn diffulm_row_options_init(options: *mut diffulm_row_options, struct_size: usize);
    /// Adds a canvas. tokens, roles: [length] (DIFFULM_ROLE_…), copied. *row is its index. It starts at its own first step, whatever the other rows have done. Errors name the position. Since 0.1.
    pub fn diffulm_session_add(session: *mut diffulm_session, tokens: *const i32, length: usize, roles: *const u8, options: *const diffulm_row_options, row: *mut usize) -> i32;
    /// One denoising step of every unfinished row. DIFFULM_AGAIN: more steps remain; DIFFULM_DONE: none. report may be NULL. On failure (E_CANCELLED too) no canvas has changed and the step can be repeated. Since 0.1.
    pub fn diffulm_session_step(session: *mut diffulm_session, report: *mut diffulm_step_report) -> i32;
    /// Steps until all rows are done: DIFFULM_DONE. Since 0.1.
    pub fn diffulm_session_run(session: *mut diffulm_session) -> i32;
    /// Steps until `microseconds` have passed, but at least one: AGAIN or DONE. Since 0.1.
    pub fn diffulm_session_run_for(session: *mut diffulm_session, microseconds: i64) -> i32;
    /// Makes the step in progress, or the next one, fail with E_CANCELLED. Any thread. Since 0.1.
    pub fn diffulm_session_cancel(session: *mut diffulm_session);
    /// Copies the tokens (masks included) or scores of a row; *length is always set. BUFFER_TOO_SMALL if capacity is less. Since 0.1.
    pub fn diffulm_session_tokens(session: *const diffulm_session, row: usize, out: *mut i32, capacity: usize, length: *mut usize) -> i32;
    pub fn diffulm_session_scores(session: *const diffulm_session, row: usize, out: *mut f32, capacity: usize, length: *mut usize) -> i32;
    /// Mean score over the generated positions that hold a token other than bos, eos, pad and mask (by config.json); -inf if there is none. Since 0.1.
    pub fn diffulm_session_row_score(session: *const diffulm_session, row: usize, score: *mut f32) -> i32;
    pub fn diffulm_session_rows(session: *const diffulm_session) -> usize;
    /// Masks positions [begin, end) again and starts the row's steps anew; every other position becomes given. Since 0.1.
    pub fn diffulm_session_edit(session: *mut diffulm_session, row: usize, begin: usize, end: usize) -> i32;
    /// Sets a position to a token for good. Since 0.1.
    pub fn diffulm_session_pin(session: *mut diffulm_session, row: usize, position: usize, token: i32) -> i32;
    /// Forbids a token at a position, or with position SIZE_MAX at every position of the row. Since 0.1.
    pub fn diffulm_session_forbid(session: *mut diffulm_session, row: usize, position: usize, token: i32) -> i32;
    /// Writes the whole state (not model, sampler, options) into the buffer; *length is always set. Since 0.1.
    pub fn diffulm_session_snapshot(session: *const diffulm_session, buffer: *mut c_void, capacity: usize, length: *mut usize) -> i32;
    /// Replaces the state by a snapshot; every byte is checked, and a bad one changes nothing. Since 0.1.
    pub fn diffulm_session_restore(session: *mut diffulm_session, buffer: *const c_void, length: usize) -> i32;
    pub fn diffulm_text_options_init(options: *mut diffulm_text_options, struct_size: usize);
    /// Adds a canvas from `length` bytes of UTF-8. A prompt becomes [bos] text [newline] masks [eos], where newline is the tokenizer's token "\n" if it has one, left out after an empty prompt; with infill, [bos] text [eos], and each mask token in the text is a position to generate; what stands before and behind its first newline is encoded apart, as prompt and answer are. *row is its index. Errors: E_ARGUMENT when no length is known or no gap is in the text, E_UTF8, E_LIMIT; the session is unchanged then. The session's thread. Since 0.1.
    pub fn diffulm_session_add_text(session: *mut diffulm_session, tokenizer: *const diffulm_tokenizer, text: *const c_char, length: usize, options: *const diffulm_text_options, row: *mut usize) -> i32;
    /// Text of a row, UTF-8 with a NUL if it fits: the generated positions (whole: all of them) without special tokens. *length (without NUL) is always set; BUFFER_TOO_SMALL when capacity is not more than it. Since 0.1.
    pub fn diffulm_session_text(session: *const diffulm_session, tokenizer: *const diffulm_tokenizer, row: usize, whole: i32, buffer: *mut c_char, capacity: usize, length: *mut usize) -> i32;
    pub fn diffulm_tokenizer_options_init(options: *mut diffulm_tokenizer_options, struct_size: usize);
    /// Opens a folder (tokenizer.json, else sentencepiece.bpe.model read as XLM-R's, else vocab.txt as WordPiece, else vocab.json with merges.txt as byte-level BPE) or one such file by its suffix. On success *out is the caller's (unref). Errors name the file and what is wrong. Any thread. Since 0.1.
    pub fn diffulm_tokenizer_open(path: *const c_char, options: *const diffulm_tokenizer_options, out: *mut *mut diffulm_tokenizer) -> i32;
    /// A tokenizer.json in memory. Since 0.1.
    pub fn diffulm_tokenizer_open_memory(bytes: *const c_void, size: usize, options: *const diffulm_tokenizer_options, out: *mut *mut diffulm_tokenizer) -> i32;
    pub fn diffulm_tokenizer_ref(tokenizer: *mut diffulm_tokenizer) -> *mut diffulm_tokenizer;
    pub fn diffulm_tokenizer_unref(tokenizer: *mut diffulm_tokenizer);
    pub fn diffulm_encode_options_init(options: *mut diffulm_encode_options, struct_size: usize);
    /// Encodes `length` bytes of UTF-8 (NUL not needed), with `pair` (may be NULL) as a second text. BUFFER_TOO_SMALL when count > capacity: nothing but count was written. Errors: E_UTF8 names the byte. Any thread. Since 0.1.
    pub fn diffulm_tokenizer_encode(tokenizer: *const diffulm_tokenizer, text: *const c_char, length: usize, pair: *const c_char, pair_length: usize, options: *const diffulm_encode_options, encoding: *mut diffulm_encoding) -> i32;
    /// Text of ids, UTF-8 with a NUL if it fits. *length (without NUL) is always set; BUFFER_TOO_SMALL when capacity is not more than it. E_ARGUMENT names position and id when an id is out of range. Any thread. Since 0.1.
    pub fn diffulm_tokenizer_decode(tokenizer: *const diffulm_tokenizer, ids: *const i32, count: usize, skip_special: i32, buffer: *mut c_char, capacity: usize, length: *mut usize) -> i32;
    /// The piece of an id as the vocabulary writes it; lives as long as the tokenizer; NULL if there is none. Since 0.1.
    pub fn diffulm_tokenizer_piece(tokenizer: *const diffulm_tokenizer, id: i32, length: *mut usize) -> *const c_char;
    /// The id of a piece, -1 if there is none. Since 0.1.
    pub fn diffulm_tokenizer_id(tokenizer: *const diffulm_tokenizer, piece: *const c_char, length: usize) -> i32;
    /// Largest id + 1. Since 0.1.
    pub fn diffulm_tokenizer_vocabulary(tokenizer: *const diffulm_tokenizer) -> usize;
    /// By the usual names: <s> [CLS], </s> [SEP], <pad> [PAD], <unk> [UNK], <mask> [MASK]. Since 0.1.
    pub fn diffulm_tokenizer_special_ids(tokenizer: *const diffulm_tokenizer, out: *mut diffulm_special_ids) -> i32;
    /// Replaces each maximal ill-formed sequence by U+FFFD, as WHATWG decoders do: *repaired bytes, without a NUL. BUFFER_TOO_SMALL when capacity is less than that. Since 0.1.
    pub fn diffulm_utf8_repair(text: *const c_char, length: usize, buffer: *mut c_char, capacity: usize, repaired: *mut usize) -> i32;
    pub fn diffulm_trainer_options_init(options: *mut diffulm_trainer_options, struct_size: usize);
    /// A trainer on a copy of the model's weights (LoRA: on the model's own, which it keeps). On success *out is the caller's (destroy). Errors: E_ARGUMENT names the option; E_OUT_OF_MEMORY. Since 0.1.
    pub fn diffulm_trainer_create(model: *mut diffulm_model, options: *const diffulm_trainer_options, out: *mut *mut diffulm_trainer) -> i32;
    pub fn diffulm_trainer_destroy(trainer: *mut diffulm_trainer);
    /// Corrupts the rows, adds the gradient of their loss to what was accumulated. Several calls make one update of their mean. report may be NULL (struct_size set otherwise). On failure nothing is accumulated that counts: call diffulm_trainer_discard. E_NUMERIC names update, row of the update (from 0, over all calls) and position when the loss is not finite. Since 0.1.
    pub fn diffulm_trainer_accumulate(trainer: *mut diffulm_trainer, rows: *const diffulm_rows, report: *mut diffulm_trainer_report) -> i32;
    pub fn diffulm_trainer_accumulate_corrupted(trainer: *mut diffulm_trainer, rows: *const diffulm_corrupted_rows, report: *mut diffulm_trainer_report) -> i32;
    /// One AdamW update with the mean of what was accumulated. E_STATE if nothing was; E_NUMERIC names the tensor when the gradient is not finite, and the weights stay. Since 0.1.
    pub fn diffulm_trainer_apply(trainer: *mut diffulm_trainer, report: *mut diffulm_trainer_report) -> i32;
    /// Drops what was accumulated. Since 0.1.
    pub fn diffulm_trainer_discard(trainer: *mut diffulm_trainer);
    /// Loss without gradients or dropout, corrupted by `seed` (step 0); of the averages where the trainer keeps them. Since 0.1.
    pub fn diffulm_trainer_evaluate(trainer: *mut diffulm_trainer, rows: *const diffulm_rows, seed: u64, report: *mut diffulm_trainer_report) -> i32;
    /// How many values it trains: all parameters, or those of the adapters; -1 when `trainer` is NULL. Since 0.1.
    pub fn diffulm_trainer_parameters(trainer: *const diffulm_trainer) -> i64;
    /// A frozen model of the present weights (LoRA: merged). *out is the caller's. Since 0.1.
    pub fn diffulm_trainer_export(trainer: *const diffulm_trainer, out: *mut *mut diffulm_model) -> i32;
    /// The same of the averages (LoRA: the averages of A and of B, merged). E_STATE when ema_decay is 0. Since 0.1.
    pub fn diffulm_trainer_export_ema(trainer: *const diffulm_trainer, out: *mut *mut diffulm_model) -> i32;
    /// Checkpoints: one file (docs/formats.md) with all that the continuation needs: weights or adapters, both moments, the averages if they are kept, the number of updates, the options that matter, and `note_length` bytes of the host's own (note may be NULL when there are none). It is complete or absent: an older file of the name stays on any failure, also a full disk. Errors: E_STATE between accumulate and apply; E_IO names the path. Thread: the trainer's. Since 0.1.
    pub fn diffulm_trainer_save(trainer: *const diffulm_trainer, path: *const c_char, note: *const c_void, note_length: usize) -> i32;
    /// Gives a trainer the state of a checkpoint; from there its losses, gradients and weights are those of the run that saved it, bit for bit on the same backend. The trainer: created with the same options, on a model of the same configuration (LoRA: the same weights too). note: `capacity` bytes; *note_length is set; BUFFER_TOO_SMALL: nothing else was done; both may be NULL. On any failure the trainer stays as it was. Errors: E_FORMAT names the file and what is damaged; E_ARGUMENT names the option or tensor that differs. Thread: the trainer's. Since 0.1.
    pub fn diffulm_trainer_restore(trainer: *mut diffulm_trainer, path: *const c_char, note: *mut c_void, capacity: usize, note_length: *mut usize) -> i32;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{size_of, MaybeUninit};

    macro_rules! offset {
        ($kind:ty, $field:ident) => {{
            let place = MaybeUninit::<$kind>::uninit();
            let base = place.as_ptr();
            unsafe { std::ptr::addr_of!((*base).$field) as usize - base as usize }
        }};
    }

    #[test]
    fn layouts_are_those_of_the_headers() {
        assert_eq!(size_of::<diffulm_dataset_options>(), 152);
        assert_eq!(offset!(diffulm_dataset_options, struct_size), 0);
        assert_eq!(offset!(diffulm_dataset_options, form), 8);
        assert_eq!(offset!(diffulm_dataset_options, on_damage), 12);
        assert_eq!(offset!(diffulm_dataset_options, max_line), 16);
        assert_eq!(offset!(diffulm_dataset_options, gzip_buffer), 24);
        assert_eq!(offset!(diffulm_dataset_options, messages), 32);
        assert_eq!(offset!(diffulm_dataset_options, source_column), 40);
        assert_eq!(offset!(diffulm_dataset_options, target_column), 48);
        assert_eq!(offset!(diffulm_dataset_options, instruction_template), 56);
        assert_eq!(offset!(diffulm_dataset_options, input_template), 64);
        assert_eq!(offset!(diffulm_dataset_options, system_prefix), 72);
        assert_eq!(offset!(diffulm_dataset_options, system_suffix), 80);
        assert_eq!(offset!(diffulm_dataset_options, user_prefix), 88);
        assert_eq!(offset!(diffulm_dataset_options, user_suffix), 96);
        assert_eq!(offset!(diffulm_dataset_options, assistant_prefix), 104);
        assert_eq!(offset!(diffulm_dataset_options, assistant_suffix), 112);
        assert_eq!(offset!(diffulm_dataset_options, few_shot), 120);
        assert_eq!(offset!(diffulm_dataset_options, few_shot_template), 128);
        assert_eq!(offset!(diffulm_dataset_options, progress), 136);
        assert_eq!(offset!(diffulm_dataset_options, user), 144);
        assert_eq!(size_of::<diffulm_dataset_info>(), 40);
        assert_eq!(offset!(diffulm_dataset_info, struct_size), 0);
        assert_eq!(offset!(diffulm_dataset_info, count), 8);
        assert_eq!(offset!(diffulm_dataset_info, skipped), 16);
        assert_eq!(offset!(diffulm_dataset_info, memory), 24);
        assert_eq!(offset!(diffulm_dataset_info, form), 32);
        assert_eq!(offset!(diffulm_dataset_info, in_order), 36);
        assert_eq!(size_of::<diffulm_reader_options>(), 24);
        assert_eq!(offset!(diffulm_reader_options, struct_size), 0);
        assert_eq!(offset!(diffulm_reader_options, order), 8);
        assert_eq!(offset!(diffulm_reader_options, seed), 16);
        assert_eq!(size_of::<diffulm_record>(), 88);
        assert_eq!(offset!(diffulm_record, struct_size), 0);
        assert_eq!(offset!(diffulm_record, source), 8);
        assert_eq!(offset!(diffulm_record, target), 16);
        assert_eq!(offset!(diffulm_record, source_length), 24);
        assert_eq!(offset!(diffulm_record, target_length), 32);
        assert_eq!(offset!(diffulm_record, task), 40);
        assert_eq!(offset!(diffulm_record, task_length), 48);
        assert_eq!(offset!(diffulm_record, dataset), 56);
        assert_eq!(offset!(diffulm_record, index), 64);
        assert_eq!(offset!(diffulm_record, row), 72);
        assert_eq!(offset!(diffulm_record, epoch), 80);
        assert_eq!(size_of::<diffulm_files>(), 56);
        assert_eq!(offset!(diffulm_files, struct_size), 0);
        assert_eq!(offset!(diffulm_files, label), 8);
        assert_eq!(offset!(diffulm_files, user), 16);
        assert_eq!(offset!(diffulm_files, size), 24);
        assert_eq!(offset!(diffulm_files, read), 32);
        assert_eq!(offset!(diffulm_files, map), 40);
        assert_eq!(offset!(diffulm_files, unmap), 48);
        assert_eq!(size_of::<diffulm_hypothesis>(), 24);
        assert_eq!(offset!(diffulm_hypothesis, tokens), 0);
        assert_eq!(offset!(diffulm_hypothesis, length), 8);
        assert_eq!(offset!(diffulm_hypothesis, score), 16);
        assert_eq!(size_of::<diffulm_likelihood_options>(), 40);
        assert_eq!(offset!(diffulm_likelihood_options, struct_size), 0);
        assert_eq!(offset!(diffulm_likelihood_options, samples), 8);
        assert_eq!(offset!(diffulm_likelihood_options, timesteps), 12);
        assert_eq!(offset!(diffulm_likelihood_options, mask_id), 16);
        assert_eq!(offset!(diffulm_likelihood_options, attention), 20);
        assert_eq!(offset!(diffulm_likelihood_options, newline_id), 24);
        assert_eq!(offset!(diffulm_likelihood_options, seed), 32);
        assert_eq!(size_of::<diffulm_likelihood>(), 32);
        assert_eq!(offset!(diffulm_likelihood, struct_size), 0);
        assert_eq!(offset!(diffulm_likelihood, log_probability), 8);
        assert_eq!(offset!(diffulm_likelihood, standard_error), 16);
        assert_eq!(offset!(diffulm_likelihood, tokens), 24);
        assert_eq!(size_of::<diffulm_allocator>(), 32);
        assert_eq!(offset!(diffulm_allocator, struct_size), 0);
        assert_eq!(offset!(diffulm_allocator, user), 8);
        assert_eq!(offset!(diffulm_allocator, allocate), 16);
        assert_eq!(offset!(diffulm_allocator, release), 24);
        assert_eq!(size_of::<diffulm_string>(), 16);
        assert_eq!(offset!(diffulm_string, data), 0);
        assert_eq!(offset!(diffulm_string, length), 8);
        assert_eq!(size_of::<diffulm_bleu_options>(), 40);
        assert_eq!(offset!(diffulm_bleu_options, struct_size), 0);
        assert_eq!(offset!(diffulm_bleu_options, tokenizer), 8);
        assert_eq!(offset!(diffulm_bleu_options, lowercase), 12);
        assert_eq!(offset!(diffulm_bleu_options, smoothing), 16);
        assert_eq!(offset!(diffulm_bleu_options, effective_order), 20);
        assert_eq!(offset!(diffulm_bleu_options, max_order), 24);
        assert_eq!(offset!(diffulm_bleu_options, smooth_value), 32);
        assert_eq!(size_of::<diffulm_bleu_statistics>(), 152);
        assert_eq!(offset!(diffulm_bleu_statistics, struct_size), 0);
        assert_eq!(offset!(diffulm_bleu_statistics, correct), 8);
        assert_eq!(offset!(diffulm_bleu_statistics, total), 72);
        assert_eq!(offset!(diffulm_bleu_statistics, hypothesis_length), 136);
        assert_eq!(offset!(diffulm_bleu_statistics, reference_length), 144);
        assert_eq!(size_of::<diffulm_bleu>(), 88);
        assert_eq!(offset!(diffulm_bleu, struct_size), 0);
        assert_eq!(offset!(diffulm_bleu, score), 8);
        assert_eq!(offset!(diffulm_bleu, precision), 16);
        assert_eq!(offset!(diffulm_bleu, brevity_penalty), 80);
        assert_eq!(size_of::<diffulm_chrf_options>(), 40);
        assert_eq!(offset!(diffulm_chrf_options, struct_size), 0);
        assert_eq!(offset!(diffulm_chrf_options, char_order), 8);
        assert_eq!(offset!(diffulm_chrf_options, word_order), 12);
        assert_eq!(offset!(diffulm_chrf_options, lowercase), 16);
        assert_eq!(offset!(diffulm_chrf_options, whitespace), 20);
        assert_eq!(offset!(diffulm_chrf_options, eps_smoothing), 24);
        assert_eq!(offset!(diffulm_chrf_options, beta), 32);
        assert_eq!(size_of::<diffulm_chrf_statistics>(), 392);
        assert_eq!(offset!(diffulm_chrf_statistics, struct_size), 0);
        assert_eq!(offset!(diffulm_chrf_statistics, hypothesis), 8);
        assert_eq!(offset!(diffulm_chrf_statistics, reference), 136);
        assert_eq!(offset!(diffulm_chrf_statistics, matched), 264);
        assert_eq!(size_of::<diffulm_rouge>(), 32);
        assert_eq!(offset!(diffulm_rouge, struct_size), 0);
        assert_eq!(offset!(diffulm_rouge, precision), 8);
        assert_eq!(offset!(diffulm_rouge, recall), 16);
        assert_eq!(offset!(diffulm_rouge, f1), 24);
        assert_eq!(size_of::<diffulm_model_options>(), 40);
        assert_eq!(offset!(diffulm_model_options, struct_size), 0);
        assert_eq!(offset!(diffulm_model_options, runtime), 8);
        assert_eq!(offset!(diffulm_model_options, head), 16);
        assert_eq!(offset!(diffulm_model_options, seed), 24);
        assert_eq!(offset!(diffulm_model_options, init_std), 32);
        assert_eq!(size_of::<diffulm_model_info>(), 120);
        assert_eq!(offset!(diffulm_model_info, struct_size), 0);
        assert_eq!(offset!(diffulm_model_info, family), 8);
        assert_eq!(offset!(diffulm_model_info, vocabulary), 16);
        assert_eq!(offset!(diffulm_model_info, hidden), 24);
        assert_eq!(offset!(diffulm_model_info, layers), 32);
        assert_eq!(offset!(diffulm_model_info, heads), 40);
        assert_eq!(offset!(diffulm_model_info, ffn), 48);
        assert_eq!(offset!(diffulm_model_info, positions), 56);
        assert_eq!(offset!(diffulm_model_info, parameters), 64);
        assert_eq!(offset!(diffulm_model_info, longest_row), 72);
        assert_eq!(offset!(diffulm_model_info, dtype), 80);
        assert_eq!(offset!(diffulm_model_info, tied), 84);
        assert_eq!(offset!(diffulm_model_info, has_head), 88);
        assert_eq!(offset!(diffulm_model_info, pad_id), 92);
        assert_eq!(offset!(diffulm_model_info, bos_id), 96);
        assert_eq!(offset!(diffulm_model_info, eos_id), 100);
        assert_eq!(offset!(diffulm_model_info, mask_id), 104);
        assert_eq!(offset!(diffulm_model_info, first_position), 108);
        assert_eq!(offset!(diffulm_model_info, tensors_skipped), 112);
        assert_eq!(size_of::<diffulm_batch>(), 64);
        assert_eq!(offset!(diffulm_batch, struct_size), 0);
        assert_eq!(offset!(diffulm_batch, rows), 8);
        assert_eq!(offset!(diffulm_batch, offsets), 16);
        assert_eq!(offset!(diffulm_batch, tokens), 24);
        assert_eq!(offset!(diffulm_batch, positions), 32);
        assert_eq!(offset!(diffulm_batch, source), 40);
        assert_eq!(offset!(diffulm_batch, attended), 48);
        assert_eq!(offset!(diffulm_batch, attention), 56);
        assert_eq!(offset!(diffulm_batch, newline_id), 60);
        assert_eq!(size_of::<diffulm_runtime_options>(), 32);
        assert_eq!(offset!(diffulm_runtime_options, struct_size), 0);
        assert_eq!(offset!(diffulm_runtime_options, threads), 8);
        assert_eq!(offset!(diffulm_runtime_options, backend), 12);
        assert_eq!(offset!(diffulm_runtime_options, isa), 16);
        assert_eq!(offset!(diffulm_runtime_options, precision), 20);
        assert_eq!(offset!(diffulm_runtime_options, deterministic), 24);
        assert_eq!(offset!(diffulm_runtime_options, pack_weights), 28);
        assert_eq!(size_of::<diffulm_sampler_options>(), 96);
        assert_eq!(offset!(diffulm_sampler_options, struct_size), 0);
        assert_eq!(offset!(diffulm_sampler_options, steps), 8);
        assert_eq!(offset!(diffulm_sampler_options, sampling), 12);
        assert_eq!(offset!(diffulm_sampler_options, temperature), 16);
        assert_eq!(offset!(diffulm_sampler_options, top_p), 24);
        assert_eq!(offset!(diffulm_sampler_options, top_k), 32);
        assert_eq!(offset!(diffulm_sampler_options, shift_logits), 36);
        assert_eq!(offset!(diffulm_sampler_options, block_length), 40);
        assert_eq!(offset!(diffulm_sampler_options, steps_per_block), 44);
        assert_eq!(offset!(diffulm_sampler_options, eps), 48);
        assert_eq!(offset!(diffulm_sampler_options, alg_temp), 56);
        assert_eq!(offset!(diffulm_sampler_options, threshold), 64);
        assert_eq!(offset!(diffulm_sampler_options, factor), 72);
        assert_eq!(offset!(diffulm_sampler_options, gamma), 80);
        assert_eq!(offset!(diffulm_sampler_options, order), 88);
        assert_eq!(size_of::<diffulm_sampler_state>(), 80);
        assert_eq!(offset!(diffulm_sampler_state, struct_size), 0);
        assert_eq!(offset!(diffulm_sampler_state, length), 8);
        assert_eq!(offset!(diffulm_sampler_state, tokens), 16);
        assert_eq!(offset!(diffulm_sampler_state, scores), 24);
        assert_eq!(offset!(diffulm_sampler_state, noisy), 32);
        assert_eq!(offset!(diffulm_sampler_state, generated), 40);
        assert_eq!(offset!(diffulm_sampler_state, quota), 48);
        assert_eq!(offset!(diffulm_sampler_state, mask_id), 56);
        assert_eq!(offset!(diffulm_sampler_state, seed), 64);
        assert_eq!(offset!(diffulm_sampler_state, row_number), 72);
        assert_eq!(size_of::<diffulm_schedule_options>(), 32);
        assert_eq!(offset!(diffulm_schedule_options, struct_size), 0);
        assert_eq!(offset!(diffulm_schedule_options, timesteps), 8);
        assert_eq!(offset!(diffulm_schedule_options, weight), 12);
        assert_eq!(offset!(diffulm_schedule_options, corruption), 16);
        assert_eq!(offset!(diffulm_schedule_options, mask_ratio), 24);
        assert_eq!(size_of::<diffulm_pair>(), 56);
        assert_eq!(offset!(diffulm_pair, struct_size), 0);
        assert_eq!(offset!(diffulm_pair, source_length), 8);
        assert_eq!(offset!(diffulm_pair, target_length), 16);
        assert_eq!(offset!(diffulm_pair, source), 24);
        assert_eq!(offset!(diffulm_pair, target), 32);
        assert_eq!(offset!(diffulm_pair, bos_id), 40);
        assert_eq!(offset!(diffulm_pair, eos_id), 44);
        assert_eq!(offset!(diffulm_pair, pad_id), 48);
        assert_eq!(size_of::<diffulm_training_row_options>(), 32);
        assert_eq!(offset!(diffulm_training_row_options, struct_size), 0);
        assert_eq!(offset!(diffulm_training_row_options, max_length), 8);
        assert_eq!(offset!(diffulm_training_row_options, pad_to), 16);
        assert_eq!(offset!(diffulm_training_row_options, mask_on_source), 24);
        assert_eq!(offset!(diffulm_training_row_options, mask_on_padding), 28);
        assert_eq!(size_of::<diffulm_training_row>(), 88);
        assert_eq!(offset!(diffulm_training_row, struct_size), 0);
        assert_eq!(offset!(diffulm_training_row, capacity), 8);
        assert_eq!(offset!(diffulm_training_row, tokens), 16);
        assert_eq!(offset!(diffulm_training_row, frozen), 24);
        assert_eq!(offset!(diffulm_training_row, maskable), 32);
        assert_eq!(offset!(diffulm_training_row, attended), 40);
        assert_eq!(offset!(diffulm_training_row, length), 48);
        assert_eq!(offset!(diffulm_training_row, padded), 56);
        assert_eq!(offset!(diffulm_training_row, source_length), 64);
        assert_eq!(offset!(diffulm_training_row, maskable_count), 72);
        assert_eq!(offset!(diffulm_training_row, length_class), 80);
        assert_eq!(size_of::<diffulm_clean_row>(), 72);
        assert_eq!(offset!(diffulm_clean_row, struct_size), 0);
        assert_eq!(offset!(diffulm_clean_row, length), 8);
        assert_eq!(offset!(diffulm_clean_row, tokens), 16);
        assert_eq!(offset!(diffulm_clean_row, maskable), 24);
        assert_eq!(offset!(diffulm_clean_row, u_hi), 32);
        assert_eq!(offset!(diffulm_clean_row, u_lo), 40);
        assert_eq!(offset!(diffulm_clean_row, seed), 48);
        assert_eq!(offset!(diffulm_clean_row, step), 56);
        assert_eq!(offset!(diffulm_clean_row, row), 60);
        assert_eq!(offset!(diffulm_clean_row, mask_id), 64);
        assert_eq!(size_of::<diffulm_corrupted_pair>(), 40);
        assert_eq!(offset!(diffulm_corrupted_pair, struct_size), 0);
        assert_eq!(offset!(diffulm_corrupted_pair, x_hi), 8);
        assert_eq!(offset!(diffulm_corrupted_pair, x_lo), 16);
        assert_eq!(offset!(diffulm_corrupted_pair, masked_hi), 24);
        assert_eq!(offset!(diffulm_corrupted_pair, masked_lo), 32);
        assert_eq!(size_of::<diffulm_loss_rows>(), 40);
        assert_eq!(offset!(diffulm_loss_rows, struct_size), 0);
        assert_eq!(offset!(diffulm_loss_rows, rows), 8);
        assert_eq!(offset!(diffulm_loss_rows, t), 16);
        assert_eq!(offset!(diffulm_loss_rows, maskable), 24);
        assert_eq!(offset!(diffulm_loss_rows, label_smoothing), 32);
        assert_eq!(size_of::<diffulm_loss_logits>(), 48);
        assert_eq!(offset!(diffulm_loss_logits, struct_size), 0);
        assert_eq!(offset!(diffulm_loss_logits, count), 8);
        assert_eq!(offset!(diffulm_loss_logits, vocabulary), 16);
        assert_eq!(offset!(diffulm_loss_logits, row), 24);
        assert_eq!(offset!(diffulm_loss_logits, target), 32);
        assert_eq!(offset!(diffulm_loss_logits, logits), 40);
        assert_eq!(size_of::<diffulm_loss>(), 40);
        assert_eq!(offset!(diffulm_loss, struct_size), 0);
        assert_eq!(offset!(diffulm_loss, loss), 8);
        assert_eq!(offset!(diffulm_loss, weighted_ce), 16);
        assert_eq!(offset!(diffulm_loss, uniform), 24);
        assert_eq!(offset!(diffulm_loss, cross_entropy), 32);
        assert_eq!(size_of::<diffulm_session_options>(), 48);
        assert_eq!(offset!(diffulm_session_options, struct_size), 0);
        assert_eq!(offset!(diffulm_session_options, mask_id), 8);
        assert_eq!(offset!(diffulm_session_options, attention), 12);
        assert_eq!(offset!(diffulm_session_options, newline_id), 16);
        assert_eq!(offset!(diffulm_session_options, seed), 24);
        assert_eq!(offset!(diffulm_session_options, stop_id), 32);
        assert_eq!(offset!(diffulm_session_options, recompute), 36);
        assert_eq!(offset!(diffulm_session_options, source_refresh), 40);
        assert_eq!(size_of::<diffulm_row_options>(), 24);
        assert_eq!(offset!(diffulm_row_options, struct_size), 0);
        assert_eq!(offset!(diffulm_row_options, source_length), 8);
        assert_eq!(offset!(diffulm_row_options, row_number), 16);
        assert_eq!(size_of::<diffulm_change>(), 32);
        assert_eq!(offset!(diffulm_change, row), 0);
        assert_eq!(offset!(diffulm_change, position), 8);
        assert_eq!(offset!(diffulm_change, token), 16);
        assert_eq!(offset!(diffulm_change, kind), 20);
        assert_eq!(offset!(diffulm_change, score), 24);
        assert_eq!(size_of::<diffulm_step_report>(), 48);
        assert_eq!(offset!(diffulm_step_report, struct_size), 0);
        assert_eq!(offset!(diffulm_step_report, changes), 8);
        assert_eq!(offset!(diffulm_step_report, change_count), 16);
        assert_eq!(offset!(diffulm_step_report, active_rows), 24);
        assert_eq!(offset!(diffulm_step_report, scored), 32);
        assert_eq!(offset!(diffulm_step_report, steps_done), 40);
        assert_eq!(size_of::<diffulm_text_options>(), 40);
        assert_eq!(offset!(diffulm_text_options, struct_size), 0);
        assert_eq!(offset!(diffulm_text_options, length), 8);
        assert_eq!(offset!(diffulm_text_options, length_head), 16);
        assert_eq!(offset!(diffulm_text_options, infill), 24);
        assert_eq!(offset!(diffulm_text_options, row_number), 32);
        assert_eq!(size_of::<diffulm_tokenizer_options>(), 16);
        assert_eq!(offset!(diffulm_tokenizer_options, struct_size), 0);
        assert_eq!(offset!(diffulm_tokenizer_options, mask_lstrip), 8);
        assert_eq!(size_of::<diffulm_encode_options>(), 16);
        assert_eq!(offset!(diffulm_encode_options, struct_size), 0);
        assert_eq!(offset!(diffulm_encode_options, no_special), 8);
        assert_eq!(size_of::<diffulm_encoding>(), 64);
        assert_eq!(offset!(diffulm_encoding, struct_size), 0);
        assert_eq!(offset!(diffulm_encoding, capacity), 8);
        assert_eq!(offset!(diffulm_encoding, ids), 16);
        assert_eq!(offset!(diffulm_encoding, begins), 24);
        assert_eq!(offset!(diffulm_encoding, ends), 32);
        assert_eq!(offset!(diffulm_encoding, sequences), 40);
        assert_eq!(offset!(diffulm_encoding, types), 48);
        assert_eq!(offset!(diffulm_encoding, count), 56);
        assert_eq!(size_of::<diffulm_special_ids>(), 32);
        assert_eq!(offset!(diffulm_special_ids, struct_size), 0);
        assert_eq!(offset!(diffulm_special_ids, bos), 8);
        assert_eq!(offset!(diffulm_special_ids, eos), 12);
        assert_eq!(offset!(diffulm_special_ids, pad), 16);
        assert_eq!(offset!(diffulm_special_ids, unk), 20);
        assert_eq!(offset!(diffulm_special_ids, mask), 24);
        assert_eq!(size_of::<diffulm_trainer_options>(), 184);
        assert_eq!(offset!(diffulm_trainer_options, struct_size), 0);
        assert_eq!(offset!(diffulm_trainer_options, lr), 8);
        assert_eq!(offset!(diffulm_trainer_options, beta1), 16);
        assert_eq!(offset!(diffulm_trainer_options, beta2), 24);
        assert_eq!(offset!(diffulm_trainer_options, epsilon), 32);
        assert_eq!(offset!(diffulm_trainer_options, weight_decay), 40);
        assert_eq!(offset!(diffulm_trainer_options, clip), 48);
        assert_eq!(offset!(diffulm_trainer_options, lr_schedule), 56);
        assert_eq!(offset!(diffulm_trainer_options, warmup), 64);
        assert_eq!(offset!(diffulm_trainer_options, steps), 72);
        assert_eq!(offset!(diffulm_trainer_options, objective), 80);
        assert_eq!(offset!(diffulm_trainer_options, timesteps), 84);
        assert_eq!(offset!(diffulm_trainer_options, weight), 88);
        assert_eq!(offset!(diffulm_trainer_options, corruption), 92);
        assert_eq!(offset!(diffulm_trainer_options, mask_ratio), 96);
        assert_eq!(offset!(diffulm_trainer_options, label_smoothing), 104);
        assert_eq!(offset!(diffulm_trainer_options, attention), 112);
        assert_eq!(offset!(diffulm_trainer_options, newline_id), 116);
        assert_eq!(offset!(diffulm_trainer_options, mask_id), 120);
        assert_eq!(offset!(diffulm_trainer_options, mask_on_source), 124);
        assert_eq!(offset!(diffulm_trainer_options, dropout), 128);
        assert_eq!(offset!(diffulm_trainer_options, seed), 136);
        assert_eq!(offset!(diffulm_trainer_options, lora_rank), 144);
        assert_eq!(offset!(diffulm_trainer_options, lora_alpha), 152);
        assert_eq!(offset!(diffulm_trainer_options, lora_targets), 160);
        assert_eq!(offset!(diffulm_trainer_options, checkpoint_activations), 168);
        assert_eq!(offset!(diffulm_trainer_options, ema_decay), 176);
        assert_eq!(size_of::<diffulm_rows>(), 40);
        assert_eq!(offset!(diffulm_rows, struct_size), 0);
        assert_eq!(offset!(diffulm_rows, rows), 8);
        assert_eq!(offset!(diffulm_rows, offsets), 16);
        assert_eq!(offset!(diffulm_rows, tokens), 24);
        assert_eq!(offset!(diffulm_rows, source_lengths), 32);
        assert_eq!(size_of::<diffulm_corrupted_rows>(), 72);
        assert_eq!(offset!(diffulm_corrupted_rows, struct_size), 0);
        assert_eq!(offset!(diffulm_corrupted_rows, rows), 8);
        assert_eq!(offset!(diffulm_corrupted_rows, offsets), 16);
        assert_eq!(offset!(diffulm_corrupted_rows, x_t), 24);
        assert_eq!(offset!(diffulm_corrupted_rows, x_0), 32);
        assert_eq!(offset!(diffulm_corrupted_rows, maskable), 40);
        assert_eq!(offset!(diffulm_corrupted_rows, masked), 48);
        assert_eq!(offset!(diffulm_corrupted_rows, t), 56);
        assert_eq!(offset!(diffulm_corrupted_rows, source_lengths), 64);
        assert_eq!(size_of::<diffulm_trainer_report>(), 64);
        assert_eq!(offset!(diffulm_trainer_report, struct_size), 0);
        assert_eq!(offset!(diffulm_trainer_report, step), 8);
        assert_eq!(offset!(diffulm_trainer_report, loss), 16);
        assert_eq!(offset!(diffulm_trainer_report, cross_entropy), 24);
        assert_eq!(offset!(diffulm_trainer_report, grad_norm), 32);
        assert_eq!(offset!(diffulm_trainer_report, lr), 40);
        assert_eq!(offset!(diffulm_trainer_report, tokens), 48);
        assert_eq!(offset!(diffulm_trainer_report, masked), 56);
    }
}
