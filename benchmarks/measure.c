/* measure.c: one thing in a process of its own, of a model of any dimensions: its time and the process's peak memory, as a JSON
 * line. benchmarks/memory.py, scaling.py and predict.py start it; what it is told is in the usage below.
 *   nothing     a runtime and a model of nearly no weights: what the process and its libraries need
 *   packing     and oneDNN's plans for packed matrices, as loading in 8 bits makes them
 *   products    and products as a step takes them: what their compiled code and oneDNN need
 *   stored      those by matrices as they lie, as a file in bfloat16 has them
 *   gradients   and as an update takes them
 *   load        a folder is opened
 *   step        one denoising step of rows that are masked after their sources (halves, where --source does not say), logits of what is masked
 *   generation  the same rows in --steps steps
 *   update      one training step: accumulate, clip, AdamW
 * --make FOLDER writes the model in float32, bfloat16 and int8 into folders of these names instead. With --rounds 0 the thing is
 * done once, cold, as for memory; otherwise once unseen, then the best of the rounds counts. */
#include <time.h>

#include "base/thread.h"
#include "geometry.h"
#include "nn/int8.h"
#include "nn/copy.h"

enum thing {
    NOTHING,
    PACKING,
    PRODUCTS,
    STORED,
    GRADIENTS,
    LOAD,
    STEP,
    GENERATION,
    UPDATE,
    THINGS
};

static const char *const things[THINGS] = {"nothing", "packing",    "products",
                                           "stored",  "gradients",  "load",
                                           "step",    "generation", "update"};
static const char *const precisions[] = {"float32", "bfloat16", "int8"};
static const char *const attentions[] = {"full", "prefix_lm", "causal"};

struct task {
    int thing, precision, attention;
    int rows, tokens, source, steps, threads, rounds, lora,
        recompute;         /* source: of a row, tokens */
    int isa;               /* the most that our kernels use, DIFFULM_ISA_… */
    int draw, top_k, pack; /* tokens are drawn, from so many of the best; 0: from all */
    const char *make, *folder;
    struct geometry geometry;

    diffulm_runtime *runtime;
    diffulm_model *model;
    diffulm_sampler *sampler;
    diffulm_session *session;
    diffulm_trainer *trainer;
    int32_t *ids;
    uint8_t *roles;
    size_t *offsets, *sources;
};

enum { MASK = 4, FIRST = 5 };

static const struct geometry nearly_nothing = {"nothing", 1, 4, 1, 4, 16, 16};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(diffulm_status rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "measure: %s\n", diffulm_error_message());
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block)
        must(DIFFULM_E_OUT_OF_MEMORY);
    return block;
}

/* KiB of a line of /proc/self/status; 0 where there is none. */
static long kib_of(const char *name)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = atol(line + strlen(name) + 1);
    if (file)
        fclose(file);
    return kib;
}

/* Never written, as the other factors are. */
static struct dulm_packed *packed_of(const struct task *t, size_t n, size_t k)
{
    struct dulm_packed *packed = NULL;
    static const enum dulm_packed_type types[] = {[DIFFULM_PRECISION_F32] = DULM_PACKED_F32,
                                                  [DIFFULM_PRECISION_BF16] = DULM_PACKED_BF16,
                                                  [DIFFULM_PRECISION_INT8] = DULM_PACKED_INT8};
    if (t->thing < STORED && (t->precision != DIFFULM_PRECISION_F32 || t->pack))
        must(dulm_packed_create(t->runtime, types[t->precision], n, k, n, &packed));
    return packed;
}

/* One product of this shape, and with gradients those that follow from it. */
static void multiply(const struct task *t, size_t m, size_t n, size_t k, float *a, float *b,
                     const int32_t *sums, float *c)
{
    struct dulm_packed *packed = packed_of(t, n, k);
    const struct dulm_matrix8 bytes = {(const int8_t *)b, b, sums, packed, 0};
    const struct dulm_copy rounded = {(const uint16_t *)(const void *)b, packed, 0};
    if (t->precision == DIFFULM_PRECISION_INT8)
        must(dulm_gemm_int8(t->runtime, m, n, k, a, &bytes, 0, NULL, DULM_IDENTITY, c, n));
    else if (packed || t->thing == STORED)
        must(dulm_gemm_copy(t->runtime, m, n, k, a, k, &rounded, 0, b, DULM_IDENTITY, c, n));
    else
        must(dulm_gemm(t->runtime, false, true, m, n, k, a, k, b, k, true, c, n));
    dulm_packed_destroy(packed);
    if (t->thing != GRADIENTS)
        return;
    must(dulm_gemm(t->runtime, false, false, m, k, n, a, n, b, k, false, c, k));
    must(dulm_gemm(t->runtime, true, false, n, k, m, a, n, b, k, true, c, k));
}

/* What attention does on every thread, unless it is rounded: that needs nothing of oneDNN. */
static void attend(void *user, size_t begin, size_t end, int worker)
{
    enum { N = 64 };
    static float a[N * N], results[64][N * N];
    (void)begin, (void)end;
    float *c = results[worker % 64];
    must(dulm_gemm_single(user, false, true, N, N, N, a, N, a, N, false, c, N));
    must(dulm_gemm_single(user, false, false, N, N, N, a, N, a, N, false, c, N));
}

/* As many shapes as a step has, each with code of its own, by factors that were never written: reading them takes no memory, so
 * what is left is code, oneDNN's own rooms, and the result and copies of the largest, which memory.py takes off. */
static void multiply_much(const struct task *t)
{
    enum { N = 1024 };
    const size_t rows = (size_t)t->rows * (size_t)t->tokens, most = rows > N ? rows : N;
    float *a = room(most * N, sizeof *a), *b = room(most * N, sizeof *b);
    float *c = room(most * N, sizeof *c);
    int32_t *sums = room(N, sizeof *sums);
    for (size_t m = (rows + 1) / 2; m <= rows; m += rows / 2)
        for (size_t n = N / 2; n <= N; n *= 2)
            for (size_t k = N / 2; k <= N; k *= 2)
                multiply(t, m, n, k, a, b, sums, c);
    if (t->thing == GRADIENTS || t->precision == DIFFULM_PRECISION_F32 || !t->runtime->head)
        dulm_parallel(t->threads, (size_t)t->threads, 1, attend, t->runtime);
    free(a);
    free(b);
    free(c);
    free(sums);
}

static void open_model(struct task *t)
{
    struct diffulm_model_options options = DIFFULM_MODEL_OPTIONS_INIT;
    options.runtime = t->runtime;
    if (t->folder)
        must(diffulm_model_open(t->folder, &options, &t->model));
    else
        t->model = make_geometry(t->runtime, &t->geometry);
}

static void fill_rows(struct task *t)
{
    struct diffulm_model_info info = {.struct_size = sizeof info};
    must(diffulm_model_get_info(t->model, &info));
    const size_t rows = (size_t)t->rows, n = (size_t)t->tokens;
    t->ids = room(rows * n, sizeof *t->ids);
    t->roles = room(n, 1);
    t->offsets = room(rows + 1, sizeof *t->offsets);
    t->sources = room(rows, sizeof *t->sources);
    for (size_t i = 0; i < rows * n; i++)
        t->ids[i] = (int32_t)(FIRST + i * 7919 % (size_t)(info.vocabulary - FIRST));
    for (size_t r = 0; r < rows; r++) {
        t->offsets[r + 1] = (r + 1) * n;
        t->sources[r] = (size_t)t->source;
    }
    for (size_t i = (size_t)t->source; i < n; i++)
        t->roles[i] = DIFFULM_ROLE_MASKED;
}

/* recompute: the repeated step of the same canvases would be known. */
static void open_session(struct task *t, bool recompute)
{
    struct diffulm_session_options options = DIFFULM_SESSION_OPTIONS_INIT;
    const size_t n = (size_t)t->tokens;
    size_t row;
    options.mask_id = MASK;
    options.attention = t->attention;
    options.recompute = recompute;
    must(diffulm_session_create(t->model, t->sampler, &options, &t->session));
    for (size_t r = 0; r < (size_t)t->rows; r++)
        must(diffulm_session_add(t->session, t->ids + r * n, n, t->roles, NULL, &row));
}

static void prepare(struct task *t)
{
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_trainer_options to = DIFFULM_TRAINER_OPTIONS_INIT;
    if (t->thing <= LOAD)
        return;
    open_model(t);
    fill_rows(t);
    so.steps = t->thing == STEP ? 1 : t->steps;
    so.sampling = t->draw ? DIFFULM_SAMPLING_CATEGORICAL : DIFFULM_SAMPLING_ARGMAX;
    so.top_k = t->draw ? t->top_k : 0;
    to.corruption = DIFFULM_CORRUPTION_SINGLE;
    to.mask_id = MASK;
    to.lora_rank = t->lora;
    to.checkpoint_activations = t->recompute;
    must(diffulm_sampler_create(NULL, &so, &t->sampler));
    if (t->thing == STEP)
        open_session(t, true);
    if (t->thing == UPDATE)
        must(diffulm_trainer_create(t->model, &to, &t->trainer));
}

static void again(struct task *t)
{
    for (size_t r = 0; r < (size_t)t->rows; r++)
        must(diffulm_session_edit(t->session, r, (size_t)t->source, (size_t)t->tokens));
}

static void act(struct task *t)
{
    const struct diffulm_rows rows = {sizeof rows, (size_t)t->rows, t->offsets, t->ids, t->sources};
    switch ((enum thing)t->thing) {
    case NOTHING:
        diffulm_model_unref(make_geometry(t->runtime, &nearly_nothing));
        break;
    case PACKING:
        diffulm_model_unref(make_geometry(t->runtime, &nearly_nothing));
        for (size_t k = 256; k <= 1024; k *= 2)
            dulm_packed_destroy(packed_of(t, 2 * k, k));
        break;
    case THINGS:
        break;
    case PRODUCTS:
    case STORED:
    case GRADIENTS:
        multiply_much(t);
        break;
    case LOAD:
        diffulm_model_unref(t->model);
        open_model(t);
        break;
    case STEP:
        must(diffulm_session_step(t->session, NULL));
        break;
    case GENERATION:
        open_session(t, false);
        must(diffulm_session_run(t->session));
        diffulm_session_destroy(t->session);
        t->session = NULL;
        break;
    case UPDATE:
        must(diffulm_trainer_accumulate(t->trainer, &rows, NULL));
        must(diffulm_trainer_apply(t->trainer, NULL));
        break;
    }
}

static void measure(struct task *t)
{
    double best = 1e9;
    prepare(t);
    for (int i = t->rounds ? -1 : 0; i < (t->rounds ? t->rounds : 1); i++) {
        const double start = now();
        act(t);
        const double took = now() - start;
        best = i >= 0 && took < best ? took : best;
        if (t->session)
            again(t);
    }
    printf("{\"do\": \"%s\", \"rows\": %d, \"tokens\": %d, \"steps\": %d, \"threads\": %d, "
           "\"draw\": %d, \"precision\": \"%s\", \"ms\": %.4f, \"peak_kib\": %ld, \"file_kib\": "
           "%ld}\n",
           things[t->thing], t->rows, t->tokens, t->steps, t->threads, t->draw,
           precisions[t->precision], 1e3 * best, kib_of("VmHWM:"), kib_of("RssFile:"));
}

static void make(struct task *t)
{
    static const int32_t types[] = {DIFFULM_DTYPE_F32, DIFFULM_DTYPE_BF16, DIFFULM_DTYPE_I8};
    char path[4096];
    t->model = make_geometry(t->runtime, &t->geometry);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", t->make, precisions[i]);
        must(diffulm_model_save(t->model, path, types[i]));
    }
}

static int find(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static bool read_options(int argc, char **argv, struct task *t)
{
    const struct {
        const char *name;
        int *value;
    } numbers[] = {{"--rows", &t->rows},           {"--tokens", &t->tokens}, {"--steps", &t->steps},
                   {"--threads", &t->threads},     {"--rounds", &t->rounds}, {"--lora", &t->lora},
                   {"--recompute", &t->recompute}, {"--draw", &t->draw},     {"--top-k", &t->top_k},
                   {"--pack-weights", &t->pack},   {"--source", &t->source}};
    bool good = argc % 2 == 1;
    for (int i = 1; good && i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--do") == 0)
            good = (t->thing = find(things, THINGS, value)) >= 0;
        else if (strcmp(name, "--precision") == 0)
            good = (t->precision = find(precisions, 3, value)) >= 0;
        else if (strcmp(name, "--attention") == 0)
            good = (t->attention = find(attentions, 3, value)) >= 0;
        else if (strcmp(name, "--isa") == 0)
            t->isa = strcmp(value, "avx2") == 0 ? DIFFULM_ISA_AVX2 : -1;
        else if (strcmp(name, "--geometry") == 0)
            good = read_geometry(value, &t->geometry);
        else if (strcmp(name, "--model") == 0)
            t->folder = value;
        else if (strcmp(name, "--make") == 0)
            t->make = value;
        else {
            size_t k = 0;
            while (k < sizeof numbers / sizeof *numbers && strcmp(numbers[k].name, name) != 0)
                k++;
            good = k < sizeof numbers / sizeof *numbers;
            if (good)
                *numbers[k].value = atoi(value);
        }
    }
    if (t->source < 0)
        t->source = t->tokens / 2;
    return good && t->rows > 0 && t->tokens > t->source && t->steps > 0 && t->rounds >= 0;
}

int main(int argc, char **argv)
{
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    struct task t = {.rows = 8, .tokens = 64, .source = -1, .steps = 10, .threads = 2, .rounds = 3};
    (void)read_geometry("small", &t.geometry);
    if (!read_options(argc, argv, &t)) {
        fprintf(stderr,
                "usage: measure [--do nothing|products|gradients|load|step|generation|update] "
                "[--model FOLDER]\n"
                "  [--geometry " GEOMETRY_USAGE "]\n"
                "  [--make FOLDER] [--rows N] [--tokens N] [--source N] [--steps N] [--threads N]\n"
                "  [--rounds N]\n"
                "  [--attention full|prefix_lm|causal] [--precision float32|bfloat16|int8]\n"
                "  [--lora RANK] [--recompute 0|1] [--draw 0|1] [--top-k N] [--pack-weights 0|1]\n"
                "  [--isa avx2]\n");
        return 2;
    }
    ro.threads = t.threads;
    ro.precision = t.precision;
    ro.pack_weights = t.pack;
    ro.isa = t.isa;
    must(diffulm_runtime_create(&ro, &t.runtime));
    if (t.make)
        make(&t);
    else
        measure(&t);
    diffulm_session_destroy(t.session);
    diffulm_trainer_destroy(t.trainer);
    diffulm_sampler_unref(t.sampler);
    diffulm_model_unref(t.model);
    diffulm_runtime_unref(t.runtime);
    free(t.ids);
    free(t.roles);
    free(t.offsets);
    free(t.sources);
    return 0;
}
