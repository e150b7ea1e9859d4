-- The part of libdiffulm's C ABI that the plugin uses; written by generate.py.
local ffi = require('ffi')

-- What is declared stays so in this Lua state, though the module be loaded again.
if not pcall(ffi.typeof, 'diffulm_status') then
  ffi.cdef([[
typedef int32_t diffulm_status;
static const int DIFFULM_OK = 0;
static const int DIFFULM_DONE = 1;
static const int DIFFULM_BUFFER_TOO_SMALL = 3;
static const int DIFFULM_E_CANCELLED = -90;
static const int DIFFULM_SAMPLING_CATEGORICAL = 1;
typedef struct diffulm_length_head diffulm_length_head;
typedef struct diffulm_model diffulm_model;
typedef struct diffulm_runtime diffulm_runtime;
typedef struct diffulm_sampler diffulm_sampler;
typedef struct diffulm_session diffulm_session;
typedef struct diffulm_tokenizer diffulm_tokenizer;
struct diffulm_model_options;
struct diffulm_model_info;
struct diffulm_runtime_options;
struct diffulm_sampler_options;
struct diffulm_session_options;
struct diffulm_change;
struct diffulm_step_report;
struct diffulm_text_options;
struct diffulm_tokenizer_options;
struct diffulm_encode_options;
struct diffulm_encoding;
struct diffulm_special_ids;
struct diffulm_model_options {
  size_t struct_size;
  diffulm_runtime *runtime;
  int32_t head;
  uint64_t seed;
  double init_std;
};
struct diffulm_model_info {
  size_t struct_size;
  const char *family;
  int64_t vocabulary;
  int64_t hidden;
  int64_t layers;
  int64_t heads;
  int64_t ffn;
  int64_t positions;
  int64_t parameters;
  int64_t longest_row;
  int32_t dtype;
  int32_t tied;
  int32_t has_head;
  int32_t pad_id;
  int32_t bos_id;
  int32_t eos_id;
  int32_t mask_id;
  int32_t first_position;
  int64_t tensors_skipped;
};
struct diffulm_runtime_options {
  size_t struct_size;
  int32_t threads;
  int32_t backend;
  int32_t isa;
  int32_t precision;
  int32_t deterministic;
  int32_t pack_weights;
};
struct diffulm_sampler_options {
  size_t struct_size;
  int32_t steps;
  int32_t sampling;
  double temperature;
  double top_p;
  int32_t top_k;
  int32_t shift_logits;
  int32_t block_length;
  int32_t steps_per_block;
  double eps;
  double alg_temp;
  double threshold;
  double factor;
  double gamma;
  int32_t order;
};
struct diffulm_session_options {
  size_t struct_size;
  int32_t mask_id;
  int32_t attention;
  int32_t newline_id;
  uint64_t seed;
  int32_t stop_id;
  int32_t recompute;
  int64_t source_refresh;
};
struct diffulm_change {
  size_t row;
  size_t position;
  int32_t token;
  int32_t kind;
  float score;
};
struct diffulm_step_report {
  size_t struct_size;
  const struct diffulm_change *changes;
  size_t change_count;
  size_t active_rows;
  size_t scored;
  int64_t steps_done;
};
struct diffulm_text_options {
  size_t struct_size;
  int64_t length;
  diffulm_length_head *length_head;
  int32_t infill;
  int64_t row_number;
};
struct diffulm_tokenizer_options {
  size_t struct_size;
  int32_t mask_lstrip;
};
struct diffulm_encode_options {
  size_t struct_size;
  int32_t no_special;
};
struct diffulm_encoding {
  size_t struct_size;
  size_t capacity;
  int32_t *ids;
  size_t *begins;
  size_t *ends;
  int32_t *sequences;
  int32_t *types;
  size_t count;
};
struct diffulm_special_ids {
  size_t struct_size;
  int32_t bos;
  int32_t eos;
  int32_t pad;
  int32_t unk;
  int32_t mask;
};
const char *diffulm_error_message(void);
diffulm_status diffulm_length_head_open(diffulm_model *model, const char *folder, diffulm_length_head **out);
void diffulm_length_head_unref(diffulm_length_head *head);
diffulm_status diffulm_model_open(const char *folder, const struct diffulm_model_options *options, diffulm_model **out);
void diffulm_model_unref(diffulm_model *model);
diffulm_status diffulm_model_get_info(const diffulm_model *model, struct diffulm_model_info *info);
diffulm_status diffulm_runtime_create(const struct diffulm_runtime_options *options, diffulm_runtime **out);
void diffulm_runtime_unref(diffulm_runtime *runtime);
void diffulm_runtime_describe(const diffulm_runtime *runtime, char *buffer, size_t capacity);
const char *diffulm_version(void);
diffulm_status diffulm_sampler_create(const char *policy, const struct diffulm_sampler_options *options, diffulm_sampler **out);
void diffulm_sampler_unref(diffulm_sampler *sampler);
diffulm_status diffulm_session_create(diffulm_model *model, diffulm_sampler *sampler, const struct diffulm_session_options *options, diffulm_session **out);
void diffulm_session_destroy(diffulm_session *session);
diffulm_status diffulm_session_step(diffulm_session *session, struct diffulm_step_report *report);
void diffulm_session_cancel(diffulm_session *session);
diffulm_status diffulm_session_tokens(const diffulm_session *session, size_t row, int32_t *out, size_t capacity, size_t *length);
diffulm_status diffulm_session_add_text(diffulm_session *session, const diffulm_tokenizer *tokenizer, const char *text, size_t length, const struct diffulm_text_options *options, size_t *row);
diffulm_status diffulm_tokenizer_open(const char *path, const struct diffulm_tokenizer_options *options, diffulm_tokenizer **out);
void diffulm_tokenizer_unref(diffulm_tokenizer *tokenizer);
diffulm_status diffulm_tokenizer_encode(const diffulm_tokenizer *tokenizer, const char *text, size_t length, const char *pair, size_t pair_length, const struct diffulm_encode_options *options, struct diffulm_encoding *encoding);
diffulm_status diffulm_tokenizer_decode(const diffulm_tokenizer *tokenizer, const int32_t *ids, size_t count, int32_t skip_special, char *buffer, size_t capacity, size_t *length);
const char *diffulm_tokenizer_piece(const diffulm_tokenizer *tokenizer, int32_t id, size_t *length);
int32_t diffulm_tokenizer_id(const diffulm_tokenizer *tokenizer, const char *piece, size_t length);
diffulm_status diffulm_tokenizer_special_ids(const diffulm_tokenizer *tokenizer, struct diffulm_special_ids *out);
]])
end

return ffi
