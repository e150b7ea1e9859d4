/* denoise.h: denoising canvases for `generate` and `infill`: options, the live view, results. */
#ifndef DIFFULM_CLI_DENOISE_H
#define DIFFULM_CLI_DENOISE_H

#include "cli.h"

struct canvas {
    struct cli_tokens tokens;
    uint8_t *roles;      /* [tokens.count] DIFFULM_ROLE_… */
    size_t answer_begin; /* what the user sees: [answer_begin, answer_end) */
    size_t answer_end;
    const char *given; /* infill: the text, with the mask's piece for each gap token; else NULL */
};
/* infill.c: the text of a canvas with `given`, its gaps filled from `tokens`; the caller frees it. */
char *canvas_filled(const struct cli_bundle *bundle, const struct canvas *canvas,
                    const int32_t *tokens);
void canvas_release(struct canvas *canvas);

struct denoise_options {
    const char *policy, *trace, *attention, *adapter;
    int64_t steps, seed, source_refresh;
    struct cli_compute compute;
    double temperature;
    bool json, quiet, mbr;
    bool causal; /* the model was trained to predict the next token: left to right until eos */
};
#define DENOISE_OPTIONS_INIT                                                                       \
    {                                                                                              \
        NULL, NULL, "full", NULL, 10, 0, 0, {0}, 0, false, false, false, false                     \
    }
#define SOURCE_REFRESH_ROW(o)                                                                      \
    {                                                                                              \
        "source-refresh", "N",                                                                     \
            "compute the source at every Nth step only: faster, approximate [1]", CLI_INT,         \
            &(o).source_refresh                                                                    \
    }
/* Rows of an option table for these options; needs `o` in scope. */
#define DENOISE_OPTION_ROWS(o)                                                                     \
    {"steps", "K", "denoising steps [10]", CLI_INT, &(o).steps},                                   \
        {"policy", "NAME", "unmasking policy [reparam-uncond-deterministic-cosine]", CLI_TEXT,     \
         &(o).policy},                                                                             \
        {"temperature", "X", "draw tokens at this temperature; 0: the best token [0]", CLI_REAL,   \
         &(o).temperature},                                                                        \
        {"seed", "N", "of random draws [0]", CLI_INT, &(o).seed},                                  \
        {"attention", "KIND", "full, prefix_lm, causal or blockwise [full]", CLI_TEXT,             \
         &(o).attention},                                                                          \
        SOURCE_REFRESH_ROW(o),                                                                     \
        {"causal", NULL,                                                                           \
         "a model of the causal objective: left to right, one token a step, until eos", CLI_FLAG,  \
         &(o).causal},                                                                             \
        CLI_COMPUTE_ROWS((o).compute),                                                             \
        {"adapter", "FOLDER", "add this LoRA adapter to the model", CLI_TEXT, &(o).adapter},       \
        {"json", NULL, "print one JSON object", CLI_FLAG, &(o).json},                              \
        {"quiet", NULL, "no live view", CLI_FLAG, &(o).quiet},                                     \
    {                                                                                              \
        "trace", "FILE.html", "write a page with a slider over the steps", CLI_TEXT, &(o).trace    \
    }

/* Checks options and makes the sampler; prints what is wrong. Returns 0 or an exit code. */
int denoise_sampler(const char *command, const struct denoise_options *options,
                    struct diffulm_session_options *session, diffulm_sampler **sampler);

/* Denoises all canvases, keeps the best by score (or MBR), prints it. `prompt` is for JSON and trace. */
int denoise(const char *command, const struct cli_bundle *bundle,
            const struct denoise_options *options, const struct canvas *canvases, size_t count,
            const char *prompt);

/* One state of the canvas that is watched. */
struct frame {
    int32_t *tokens;
    float *scores;
    uint8_t *change; /* DIFFULM_CHANGE_… in this step, 0: none */
};
struct frames {
    const struct canvas *canvas;
    struct frame *list;
    size_t count;
};

/* live.c: draws a frame over the last one on a terminal. */
void live_draw(const struct cli_bundle *bundle, const struct frames *frames, int32_t mask);
void live_clear(void);
/* trace.c: the page. Returns 0 or an exit code. */
int trace_write(const char *command, const char *path, const struct cli_bundle *bundle,
                const struct frames *frames, const char *prompt, int32_t mask);

/* Readable text of one piece: the vocabulary's space marks become spaces. The caller frees it. */
char *piece_text(const diffulm_tokenizer *tokenizer, int32_t id);

#endif
