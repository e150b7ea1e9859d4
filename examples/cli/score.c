/* score.c: `diffulm score`: how probable a model finds the answers of a file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rows.h"

#define ME "score"
#define SLICE 16

struct scoring {
    struct cli_bundle bundle;
    struct rows rows;
    struct diffulm_likelihood_options options;
    bool pseudo, json;
    double log_probability, variance, tokens;
};

static diffulm_status score_slice(struct scoring *s, size_t first, size_t n,
                                  struct diffulm_likelihood *out)
{
    size_t offsets[SLICE + 1];
    const size_t base = s->rows.offsets[first];
    for (size_t r = 0; r <= n; r++)
        offsets[r] = s->rows.offsets[first + r] - base;
    const struct diffulm_rows rows = {sizeof rows, n, offsets, s->rows.tokens.ids + base,
                                      s->rows.source_lengths + first};
    out[0].struct_size = sizeof *out;
    return s->pseudo ? diffulm_likelihood_pseudo(s->bundle.model, &rows, &s->options, out)
                     : diffulm_likelihood_bound(s->bundle.model, &rows, (uint32_t)first,
                                                &s->options, out);
}

static int score_all(struct scoring *s)
{
    struct diffulm_likelihood found[SLICE];
    const bool tell = isatty(2);
    double shown = cli_seconds();
    for (size_t r = 0; r < s->rows.count; r += SLICE) {
        const size_t n = s->rows.count - r < SLICE ? s->rows.count - r : SLICE;
        if (score_slice(s, r, n, found) < 0)
            return cli_fail(ME);
        for (size_t i = 0; i < n; i++) {
            s->log_probability += found[i].log_probability;
            s->variance += found[i].standard_error * found[i].standard_error;
            s->tokens += (double)found[i].tokens;
            if (s->json)
                printf("{\"row\": %zu, \"tokens\": %zu, \"log_probability\": %.9g, "
                       "\"standard_error\": %.4g}\n",
                       r + i + 1, found[i].tokens, found[i].log_probability,
                       found[i].standard_error);
        }
        if (tell && cli_seconds() - shown > 1) {
            shown = cli_seconds();
            fprintf(stderr, "\r%zu of %zu rows", r + n, s->rows.count);
        }
    }
    if (tell)
        fputs("\r\x1b[K", stderr);
    return 0;
}

static void print_summary(const struct scoring *s)
{
    const double nats = -s->log_probability / s->tokens, error = sqrt(s->variance) / s->tokens;
    printf("%zu rows, %.0f tokens\n", s->rows.count, s->tokens);
    if (s->pseudo)
        printf("pseudo-log-likelihood %.4f nats a token, pseudo-perplexity %.4f\n", -nats,
               exp(nats));
    else
        printf("at most %.4f nats a token (standard error %.4f), %.4f bits, perplexity %.4f\n",
               nats, error, nats / log(2.0), exp(nats));
}

static int score(const char *folder, const char *path, const struct cli_compute *compute,
                 const char *adapter, struct scoring *s)
{
    if (cli_bundle_open(folder, compute, &s->bundle) < 0 ||
        cli_bundle_adapt(&s->bundle, adapter) < 0)
        return cli_fail(ME);
    const int32_t mask = s->bundle.ids.mask;
    s->options.mask_id = mask >= 0 ? mask : s->bundle.info.mask_id;
    s->options.newline_id = s->bundle.newline;
    int code = rows_read_path(ME, path, &s->bundle, &s->rows);
    if (code == 0 && s->rows.too_long)
        fprintf(stderr, "%s: %zu rows are too long for the model and left out\n", path,
                s->rows.too_long);
    if (code == 0)
        code = score_all(s);
    if (code == 0 && !s->json)
        print_summary(s);
    return code;
}

int cli_score(int argc, char **argv)
{
    static const struct cli_command command = {
        ME, "MODEL FILE.jsonl",
        "Bounds how improbable a model finds the targets of a file: nats, bits, perplexity.", NULL};
    struct scoring s = {.options = DIFFULM_LIKELIHOOD_OPTIONS_INIT};
    const char *adapter = NULL;
    int64_t samples = 32, timesteps = 50, seed = 0;
    struct cli_compute compute = {0};
    const struct cli_option options[] = {
        {"samples", "N", "corrupted copies of each row, even [32]", CLI_INT, &samples},
        {"timesteps", "T", "of the noise schedule [50]", CLI_INT, &timesteps},
        {"pseudo", NULL, "each token masked alone: the pseudo-likelihood", CLI_FLAG, &s.pseudo},
        {"seed", "N", "of random draws [0]", CLI_INT, &seed},
        CLI_COMPUTE_ROWS(compute),
        {"adapter", "FOLDER", "add this LoRA adapter to the model", CLI_TEXT, &adapter},
        {"json", NULL, "print one JSON object a row", CLI_FLAG, &s.json},
        {0}};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code < 0)
        code = cli_compute_check(ME, &compute);
    if (code >= 0)
        return code;
    if (rest != 2)
        return cli_error(ME, CLI_USAGE, "expected MODEL and a file; see diffulm score --help");
    if (samples < 2 || samples % 2 || samples > 1 << 20 || timesteps < 1 || timesteps > 1 << 20)
        return cli_error(ME, CLI_USAGE,
                         "--samples must be even and from 2, --timesteps from 1, both to 1048576");
    s.options.samples = (int32_t)samples;
    s.options.timesteps = (int32_t)timesteps;
    s.options.seed = (uint64_t)seed;
    code = score(argv[0], argv[1], &compute, adapter, &s);
    rows_release(&s.rows);
    cli_bundle_close(&s.bundle);
    return code;
}
