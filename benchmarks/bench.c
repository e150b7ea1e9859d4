/* bench.c: kernels, memory, tokenizer, denoising and training, one JSON line for each measurement.
 *   bench [--threads N] [--rounds N] [--geometry small|base] [--only kernels|memory|tokenizer|denoise|train]
 *         [--tokenizer FOLDER --text FILE] [--bfloat16 0|1] [--int8 0|1] [--deterministic 0|1] [--pack-weights 0|1] [--isa avx2]
 * --isa keeps our kernels from wider instructions; oneDNN's are ONEDNN_MAX_CPU_ISA's (compare.py sets both).
 * The geometries and cases are those of the peers' scripts, so that lines can be compared. */
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "geometry.h"
#include "nn/int8.h"

static int rounds = 5, threads = 2;
static int32_t precision, deterministic, pack_weights, isa;
static int32_t lora, recompute; /* of training: adapters of this rank; activation checkpointing */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double seconds_of(diffulm_status (*work)(void *), void *user)
{
    const double start = now();
    if (work(user) < 0) {
        fprintf(stderr, "bench: %s\n", diffulm_error_message());
        exit(1);
    }
    return now() - start;
}

/* Until a new team's threads have cores of their own, small work takes twice as long. */
#define WARM 0.1

/* Minimum and median in milliseconds of `rounds` calls, after one or WARM seconds of them that are not counted. */
static void measure(diffulm_status (*work)(void *), void *user, double *best, double *median)
{
    double times[101];
    for (double warm = 0; warm < WARM;)
        warm += seconds_of(work, user);
    for (int i = 0; i < rounds; i++)
        times[i] = 1e3 * seconds_of(work, user);
    qsort(times, (size_t)rounds, sizeof *times, by_value);
    *best = times[0];
    *median = times[rounds / 2];
}

struct product {
    diffulm_runtime *runtime;
    size_t m, n, k;
    float *a, *b, *c;
    struct dulm_packed *packed; /* of zeros, as b is */
};

static void pack(struct product *p)
{
    if (precision != DIFFULM_PRECISION_INT8)
        return;
    if (dulm_packed_create(p->runtime, DULM_PACKED_INT8, p->n, p->k, p->n, &p->packed) < 0)
        exit(1);
    if (p->packed)
        dulm_packed_write(p->runtime, p->packed, 0, p->n, p->b);
}

static diffulm_status multiply(void *user)
{
    struct product *p = user;
    if (precision == DIFFULM_PRECISION_INT8) {
        /* Zeros, whose sums are zeros too. */
        const struct dulm_matrix8 w = {.values = (const int8_t *)p->b,
                                       .scales = p->c,
                                       .sums = (const int32_t *)(void *)p->b,
                                       .packed = p->packed};
        return dulm_gemm_int8(p->runtime, p->m, p->n, p->k, p->a, &w, 0, NULL, DULM_IDENTITY, p->c,
                              p->n);
    }
    return dulm_gemm(p->runtime, false, true, p->m, p->n, p->k, p->a, p->k, p->b, p->k, false, p->c,
                     p->n);
}

static void bench_kernels(diffulm_runtime *runtime)
{
    static const size_t shapes[][3] = {
        {512, 768, 768}, {512, 3072, 768}, {512, 768, 3072}, {32, 768, 768}, {64, 64, 64}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct product p = {runtime, shapes[i][0], shapes[i][1], shapes[i][2],
                            NULL,    NULL,         NULL,         NULL};
        p.a = calloc(p.m * p.k, sizeof(float));
        p.b = calloc(p.n * p.k, sizeof(float));
        p.c = calloc(p.m * p.n, sizeof(float));
        pack(&p);
        double best, median;
        measure(multiply, &p, &best, &median);
        printf("{\"bench\": \"gemm\", \"m\": %zu, \"n\": %zu, \"k\": %zu, \"threads\": %d, \"ms\": "
               "%.4f, "
               "\"median_ms\": %.4f, \"gflops\": %.1f}\n",
               p.m, p.n, p.k, threads, best, median,
               2e-6 * (double)p.m * (double)p.n * (double)p.k / best);
        dulm_packed_destroy(p.packed);
        free(p.a);
        free(p.b);
        free(p.c);
    }
}

/* Processor time, which other work on the machine leaves alone. */
static double thread_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct arrays {
    float *a, *b, *c;
    size_t count;
};

static void triad_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct arrays *x = user;
    float *restrict a = x->a;
    for (size_t i = begin; i < end; i++)
        a[i] = x->b[i] + 3 * x->c[i];
}

static diffulm_status triad(void *user)
{
    struct arrays *x = user;
    dulm_parallel(threads, x->count, 4096, triad_part, x);
    return DIFFULM_OK;
}

/* a = b + 3 c over arrays that no cache holds: 12 bytes counted for each number. */
static void bench_memory(void)
{
    struct arrays x = {.count = (size_t)48 << 20};
    x.a = malloc(x.count * sizeof *x.a);
    x.b = malloc(x.count * sizeof *x.b);
    x.c = malloc(x.count * sizeof *x.c);
    if (!x.a || !x.b || !x.c)
        exit(1);
    for (size_t i = 0; i < x.count; i++)
        x.b[i] = x.c[i] = 1;
    double best, median;
    measure(triad, &x, &best, &median);
    printf("{\"bench\": \"triad\", \"mib\": %zu, \"threads\": %d, \"ms\": %.3f, "
           "\"median_ms\": %.3f, \"gb_per_s\": %.2f}\n",
           3 * x.count * sizeof *x.a >> 20, threads, best, median, 12e-6 * (double)x.count / best);
    free(x.a);
    free(x.b);
    free(x.c);
}

struct text {
    diffulm_tokenizer *tokenizer;
    char *bytes;
    size_t length, tokens;
    double first,
        least; /* seconds of the thread of one round; the first fills the tokenizer's cache of words */
};

static diffulm_status encode_lines(void *user)
{
    struct text *t = user;
    const double start = thread_time();
    static int32_t ids[1 << 16];
    static size_t begins[1 << 16], ends[1 << 16];
    t->tokens = 0;
    for (char *line = t->bytes, *end = t->bytes + t->length; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        const size_t n = (size_t)((stop ? stop : end) - line);
        struct diffulm_encoding e = {.struct_size = sizeof e,
                                     .capacity = 1 << 16,
                                     .ids = ids,
                                     .begins = begins,
                                     .ends = ends};
        const diffulm_status rc =
            diffulm_tokenizer_encode(t->tokenizer, line, n, NULL, 0, NULL, &e);
        if (rc != DIFFULM_OK)
            return rc < 0 ? rc : DIFFULM_E_LIMIT;
        t->tokens += e.count;
        line += n + 1;
    }
    const double took = thread_time() - start;
    t->first = t->first > 0 ? t->first : took;
    t->least = t->least > 0 && t->least < took ? t->least : took;
    return DIFFULM_OK;
}

static void bench_tokenizer(const char *folder, const char *path)
{
    struct text t = {0};
    FILE *file = fopen(path, "rb");
    if (!file || diffulm_tokenizer_open(folder, NULL, &t.tokenizer) < 0) {
        fprintf(stderr, "bench: %s or %s: %s\n", folder, path, diffulm_error_message());
        exit(1);
    }
    t.bytes = malloc(64u << 20);
    t.length = t.bytes ? fread(t.bytes, 1, 64u << 20, file) : 0;
    fclose(file);
    double best, median;
    measure(encode_lines, &t, &best, &median);
    printf("{\"bench\": \"tokenizer\", \"folder\": \"%s\", \"bytes\": %zu, \"tokens\": %zu, "
           "\"threads\": 1, "
           "\"ms\": %.3f, \"median_ms\": %.3f, \"mb_per_s\": %.2f, \"mb_per_cpu_s\": %.2f, "
           "\"first_mb_per_cpu_s\": %.2f}\n",
           folder, t.length, t.tokens, best, median, (double)t.length / best / 1e3,
           (double)t.length / t.least / 1e6, (double)t.length / t.first / 1e6);
    free(t.bytes);
    diffulm_tokenizer_unref(t.tokenizer);
}

static const size_t lengths[4][8] = {
    {64}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 32, 48, 64, 80, 96, 112, 128}, {512}};
static const size_t row_counts[4] = {1, 8, 8, 1};

struct step {
    diffulm_model *model;
    diffulm_trainer *trainer;
    struct diffulm_batch batch;
    size_t offsets[17], sources[16];
    int32_t tokens[1024];
    size_t wanted[1024], wanted_count;
    float *out;
    bool head;
};

static diffulm_status one_step(void *user)
{
    struct step *s = user;
    if (!s->head)
        return diffulm_model_hidden(s->model, &s->batch, s->out);
    return diffulm_model_logits(s->model, &s->batch, s->wanted, s->wanted_count, s->out);
}

static void fill_rows(struct step *s, const size_t *rows, size_t count, int64_t vocabulary)
{
    size_t at = 0;
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < rows[r]; i++, at++)
            s->tokens[at] = (int32_t)(5 + (at * 7919) % (size_t)(vocabulary - 5));
        s->offsets[r + 1] = at;
    }
    s->batch = (struct diffulm_batch){
        .struct_size = sizeof s->batch, .rows = count, .offsets = s->offsets, .tokens = s->tokens};
}

static void bench_denoise(diffulm_model *model, const char *geometry)
{
    static const char names[] = "abcd";
    struct diffulm_model_info info = {.struct_size = sizeof info};
    struct step *s = calloc(1, sizeof *s);
    if (!s || diffulm_model_get_info(model, &info) < 0)
        exit(1);
    s->model = model;
    for (int c = 0; c < 4; c++) {
        fill_rows(s, lengths[c], row_counts[c], info.vocabulary);
        const size_t total = s->offsets[row_counts[c]];
        s->out = malloc(total * (size_t)info.vocabulary * sizeof(float));
        /* Parts: the encoder alone, logits of all rows, of every second, of every fourth. */
        static const char *const parts[] = {"encoder", "step", "step half", "step quarter"};
        for (int part = 0; part < 4; part++) {
            double best, median;
            s->head = part > 0;
            s->wanted_count = 0;
            for (size_t i = 0; i < total; i += part < 2 ? 1 : part == 2 ? 2 : 4)
                s->wanted[s->wanted_count++] = i;
            measure(one_step, s, &best, &median);
            printf(
                "{\"bench\": \"encode\", \"geometry\": \"%s\", \"case\": \"%c\", \"part\": \"%s\", "
                "\"threads\": %d, \"ms\": %.3f, \"median_ms\": %.3f}\n",
                geometry, names[c], parts[part], threads, best, median);
            fflush(stdout);
        }
        free(s->out);
    }
    free(s);
}

static diffulm_status train_step(void *user)
{
    struct step *s = user;
    const struct diffulm_rows rows = {sizeof rows, 16, s->offsets, s->tokens, s->sources};
    const diffulm_status rc = diffulm_trainer_accumulate(s->trainer, &rows, NULL);
    return rc < 0 ? rc : diffulm_trainer_apply(s->trainer, NULL);
}

/* Peak resident memory in MiB since the last call with `reset`; Linux alone tells, elsewhere 0. */
static double peak_mib(bool reset)
{
    char line[128];
    double kib = 0;
    FILE *file = fopen(reset ? "/proc/self/clear_refs" : "/proc/self/status", reset ? "w" : "r");
    if (file && reset)
        fputs("5\n", file);
    while (file && !reset && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = atof(line + 6);
    if (file)
        fclose(file);
    return kib / 1024;
}

static void bench_train(diffulm_model *model, const char *geometry)
{
    struct diffulm_model_info info = {.struct_size = sizeof info};
    struct diffulm_trainer_options options = DIFFULM_TRAINER_OPTIONS_INIT;
    struct step *s = calloc(1, sizeof *s);
    size_t rows[16];
    options.corruption = DIFFULM_CORRUPTION_SINGLE;
    options.mask_id = 4;
    options.lora_rank = lora;
    options.checkpoint_activations = recompute;
    peak_mib(true);
    if (!s || diffulm_model_get_info(model, &info) < 0 ||
        diffulm_trainer_create(model, &options, &s->trainer) < 0)
        exit(1);
    for (int r = 0; r < 16; r++) {
        rows[r] = 64;
        s->sources[r] = 32;
    }
    fill_rows(s, rows, 16, info.vocabulary);
    double best, median;
    measure(train_step, s, &best, &median);
    printf("{\"bench\": \"train\", \"geometry\": \"%s\", \"rows\": 16, \"tokens\": 1024, "
           "\"threads\": %d, \"lora\": %d, \"recompute\": %d, "
           "\"ms\": %.2f, \"median_ms\": %.2f, \"weights_mib\": %.0f, \"peak_mib\": %.0f}\n",
           geometry, threads, lora, recompute, best, median,
           (double)info.parameters * 4 / (1 << 20), peak_mib(false));
    diffulm_trainer_destroy(s->trainer);
    free(s);
}

int main(int argc, char **argv)
{
    const char *geometry = "small", *only = NULL, *tokenizer = NULL, *text = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--lora") == 0)
            lora = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--recompute") == 0)
            recompute = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--bfloat16") == 0)
            precision = atoi(argv[i + 1]) ? DIFFULM_PRECISION_BF16 : DIFFULM_PRECISION_F32;
        else if (strcmp(argv[i], "--deterministic") == 0)
            deterministic = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--pack-weights") == 0)
            pack_weights = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--int8") == 0)
            precision = atoi(argv[i + 1]) ? DIFFULM_PRECISION_INT8 : DIFFULM_PRECISION_F32;
        else if (strcmp(argv[i], "--isa") == 0)
            isa = strcmp(argv[i + 1], "avx2") == 0 ? DIFFULM_ISA_AVX2 : -1;
        else if (strcmp(argv[i], "--geometry") == 0)
            geometry = argv[i + 1];
        else if (strcmp(argv[i], "--only") == 0)
            only = argv[i + 1];
        else if (strcmp(argv[i], "--tokenizer") == 0)
            tokenizer = argv[i + 1];
        else if (strcmp(argv[i], "--text") == 0)
            text = argv[i + 1];
        else
            argc = 0;
    }
    struct geometry g;
    if (argc % 2 != 1 || rounds < 1 || rounds > 100 || !read_geometry(geometry, &g)) {
        fprintf(
            stderr,
            "usage: bench [--threads N] [--rounds 1-100] [--geometry " GEOMETRY_USAGE "]\n"
            "  [--only kernels|memory|tokenizer|denoise|train] [--tokenizer FOLDER --text FILE]\n"
            "  [--lora RANK] [--recompute 0|1] [--bfloat16 0|1] [--int8 0|1]\n"
            "  [--deterministic 0|1] [--pack-weights 0|1] [--isa avx2]\n");
        return 2;
    }
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    diffulm_runtime *runtime = NULL;
    ro.threads = threads;
    ro.precision = precision;
    ro.deterministic = deterministic;
    ro.pack_weights = pack_weights;
    ro.isa = isa;
    if (diffulm_runtime_create(&ro, &runtime) < 0) {
        fprintf(stderr, "bench: %s\n", diffulm_error_message());
        return 1;
    }
    if (!only || strcmp(only, "kernels") == 0)
        bench_kernels(runtime);
    if (!only || strcmp(only, "memory") == 0)
        bench_memory();
    if (tokenizer && text && (!only || strcmp(only, "tokenizer") == 0))
        bench_tokenizer(tokenizer, text);
    if (!only || strcmp(only, "denoise") == 0 || strcmp(only, "train") == 0) {
        diffulm_model *model = make_geometry(runtime, &g);
        if (!only || strcmp(only, "denoise") == 0)
            bench_denoise(model, geometry);
        if (!only || strcmp(only, "train") == 0)
            bench_train(model, geometry);
        diffulm_model_unref(model);
    }
    diffulm_runtime_unref(runtime);
    return 0;
}
