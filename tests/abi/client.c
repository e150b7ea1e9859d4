/* client.c: a program of older headers: client MODEL_FOLDER PROMPT ANSWER
 *
 * It sees no header of ours. Its structs are shorter than ours: some as development had them before 0.1 (session options
 * without `stop_id` and `recompute`, trainer options without `ema_decay`), the others end earlier still. They lie in
 * memory of just their size, so that a sanitizer sees where the library goes past it. Never change what is declared here;
 * each released minor version gets a client of its own. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct diffulm_runtime diffulm_runtime;
typedef struct diffulm_model diffulm_model;
typedef struct diffulm_tokenizer diffulm_tokenizer;
typedef struct diffulm_length_head diffulm_length_head;
typedef struct diffulm_sampler diffulm_sampler;
typedef struct diffulm_session diffulm_session;
typedef struct diffulm_trainer diffulm_trainer;

struct runtime_options {
    size_t struct_size;
    int32_t threads, backend, isa;
};
struct model_options {
    size_t struct_size;
    diffulm_runtime *runtime;
    int32_t head;
};
struct sampler_options {
    size_t struct_size;
    int32_t steps, sampling;
};
struct session_options {
    size_t struct_size;
    int32_t mask_id, attention, newline_id;
    uint64_t seed;
};
struct text_options {
    size_t struct_size;
    int64_t length;
    diffulm_length_head *length_head;
};
struct step_report {
    size_t struct_size;
    const void *changes;
    size_t change_count;
};
struct trainer_options {
    size_t struct_size;
    double lr, beta1, beta2, epsilon, weight_decay, clip;
    int32_t lr_schedule;
    int64_t warmup, steps;
    int32_t objective, timesteps, weight, corruption;
    double mask_ratio, label_smoothing;
    int32_t attention, newline_id, mask_id, mask_on_source, dropout;
    uint64_t seed;
    int32_t lora_rank;
    double lora_alpha;
    const char *lora_targets;
    int32_t checkpoint_activations;
};
struct rows {
    size_t struct_size, rows;
    const size_t *offsets;
    const int32_t *tokens;
    const size_t *source_lengths;
};
struct trainer_report {
    size_t struct_size;
    int64_t step;
    double loss;
};
_Static_assert(sizeof(struct session_options) == 32 && sizeof(struct trainer_options) == 176 &&
                   sizeof(struct step_report) == 24 && sizeof(struct trainer_report) == 24,
               "the layouts of old");

const char *diffulm_error_message(void);
int32_t diffulm_runtime_create(const struct runtime_options *, diffulm_runtime **);
void diffulm_runtime_unref(diffulm_runtime *);
int32_t diffulm_model_open(const char *, const struct model_options *, diffulm_model **);
void diffulm_model_unref(diffulm_model *);
int32_t diffulm_tokenizer_open(const char *, const void *, diffulm_tokenizer **);
void diffulm_tokenizer_unref(diffulm_tokenizer *);
int32_t diffulm_length_head_open(diffulm_model *, const char *, diffulm_length_head **);
void diffulm_length_head_unref(diffulm_length_head *);
int32_t diffulm_sampler_create(const char *, const struct sampler_options *, diffulm_sampler **);
void diffulm_sampler_unref(diffulm_sampler *);
int32_t diffulm_session_create(diffulm_model *, diffulm_sampler *, const struct session_options *,
                               diffulm_session **);
void diffulm_session_destroy(diffulm_session *);
int32_t diffulm_session_add_text(diffulm_session *, const diffulm_tokenizer *, const char *, size_t,
                                 const struct text_options *, size_t *);
int32_t diffulm_session_step(diffulm_session *, struct step_report *);
int32_t diffulm_session_text(const diffulm_session *, const diffulm_tokenizer *, size_t, int32_t,
                             char *, size_t, size_t *);
int32_t diffulm_trainer_create(diffulm_model *, const struct trainer_options *, diffulm_trainer **);
void diffulm_trainer_destroy(diffulm_trainer *);
int32_t diffulm_trainer_accumulate(diffulm_trainer *, const struct rows *, struct trainer_report *);
int32_t diffulm_trainer_apply(diffulm_trainer *, struct trainer_report *);

static void *alone(size_t size)
{
    char *s = calloc(1, size);
    if (!s)
        exit(3);
    memcpy(s, &size, sizeof size);
    return s;
}
#define ALONE(type) ((struct type *)alone(sizeof(struct type)))

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "client: %s: %s\n", what, diffulm_error_message());
        exit(1);
    }
}
#define CHECK(condition) check(condition, #condition)

static void generate(diffulm_model *model, const char *folder, const char *prompt,
                     const char *expected)
{
    diffulm_tokenizer *tokenizer = NULL;
    diffulm_length_head *head = NULL;
    diffulm_sampler *sampler = NULL;
    diffulm_session *session = NULL;
    struct sampler_options *steps = ALONE(sampler_options);
    struct session_options *options = ALONE(session_options);
    struct text_options *text = ALONE(text_options);
    struct step_report *report = ALONE(step_report);
    size_t row, length, changed = 0;
    char answer[256];
    int32_t rc;
    steps->steps = 16;
    options->mask_id = options->newline_id = -1;
    CHECK(diffulm_tokenizer_open(folder, NULL, &tokenizer) == 0);
    CHECK(diffulm_length_head_open(model, folder, &head) == 0);
    CHECK(diffulm_sampler_create(NULL, steps, &sampler) == 0);
    CHECK(diffulm_session_create(model, sampler, options, &session) == 0);
    text->length_head = head;
    CHECK(diffulm_session_add_text(session, tokenizer, prompt, strlen(prompt), text, &row) == 0);
    do {
        rc = diffulm_session_step(session, report);
        CHECK(rc >= 0);
        changed += report->change_count;
    } while (rc == 2);
    CHECK(changed > 0);
    CHECK(diffulm_session_text(session, tokenizer, row, 0, answer, sizeof answer, &length) == 0);
    printf("%s\n", answer);
    CHECK(strcmp(answer, expected) == 0);
    diffulm_session_destroy(session);
    diffulm_sampler_unref(sampler);
    diffulm_length_head_unref(head);
    diffulm_tokenizer_unref(tokenizer);
    free(steps);
    free(options);
    free(text);
    free(report);
}

static void train(diffulm_model *model)
{
    diffulm_trainer *trainer = NULL;
    struct trainer_options *options = ALONE(trainer_options);
    struct trainer_report *report = ALONE(trainer_report);
    const size_t offsets[2] = {0, 6}, sources[1] = {2};
    const int32_t tokens[6] = {5, 6, 7, 8, 9, 10};
    const struct rows rows = {sizeof rows, 1, offsets, tokens, sources};
    options->mask_id = 4;
    CHECK(diffulm_trainer_create(model, options, &trainer) == 0);
    CHECK(diffulm_trainer_accumulate(trainer, &rows, report) == 0);
    CHECK(report->loss >= 0 && report->step == 0);
    CHECK(diffulm_trainer_apply(trainer, report) == 0 && report->step == 1);
    diffulm_trainer_destroy(trainer);
    free(options);
    free(report);
}

int main(int argc, char **argv)
{
    diffulm_runtime *runtime = NULL;
    diffulm_model *model = NULL;
    struct runtime_options *r = ALONE(runtime_options);
    struct model_options *m = ALONE(model_options);
    if (argc != 4)
        return 2;
    r->threads = r->backend = 1;
    CHECK(diffulm_runtime_create(r, &runtime) == 0);
    m->runtime = runtime;
    CHECK(diffulm_model_open(argv[1], m, &model) == 0);
    generate(model, argv[1], argv[2], argv[3]);
    train(model);
    diffulm_model_unref(model);
    diffulm_runtime_unref(runtime);
    free(r);
    free(m);
    return 0;
}
