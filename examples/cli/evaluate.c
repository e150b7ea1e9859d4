/* evaluate.c: `diffulm evaluate`: opens what it needs, runs, and shows the figures. */
#include "evaluate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int open_model(struct evaluation *e)
{
    if (cli_bundle_open(e->folder, &e->options.compute, &e->bundle) < 0 ||
        cli_bundle_adapt(&e->bundle, e->options.adapter) < 0)
        return cli_fail(EVALUATE);
    e->session.mask_id = e->bundle.ids.mask >= 0 ? e->bundle.ids.mask : e->bundle.info.mask_id;
    e->session.newline_id = e->bundle.newline;
    e->session.stop_id = e->options.causal ? e->bundle.ids.eos : -1;
    if (e->answer_length == LENGTH_TRIM && e->bundle.ids.eos < 0)
        return cli_error(EVALUATE, CLI_FAILED,
                         "this model's tokenizer has no eos for --trim to cut at; use --length");
    if (e->answer_length == LENGTH_PREDICTED && e->choosing != CHOOSE_LIKELIHOOD &&
        diffulm_length_head_open(e->bundle.model, e->folder, &e->head) < 0)
        return cli_error(EVALUATE, CLI_FAILED,
                         "this model predicts no length (%s); use --oracle, --length or --trim",
                         diffulm_error_message());
    return 0;
}

static int read_data(struct evaluation *e)
{
    e->rows.keep_texts = true;
    const int code =
        e->choosing ? choices_read(e->data, e->given_choices, &e->bundle, &e->rows, &e->choices)
                    : rows_read_path(EVALUATE, e->data, &e->bundle, &e->rows);
    if (code == 0 && e->rows.too_long)
        fprintf(stderr, "%s: %zu rows are too long for the model and left out\n", e->data,
                e->rows.too_long);
    return code;
}

static int run(struct evaluation *e)
{
    const char *path = e->predictions_path;
    for (size_t i = 0; i < e->combination_count; i++) {
        struct combination *c = &e->combinations[i];
        c->answers = cli_alloc((size_t)e->seeds, sizeof *c->answers);
        for (size_t s = 0; s < (size_t)e->seeds; s++)
            c->answers[s] = cli_alloc(e->rows.count, sizeof **c->answers);
    }
    if (path && !(e->predictions = fopen(path, "wb")))
        return cli_error(EVALUATE, CLI_FAILED, "%s: %s", path, strerror(errno));
    int code = e->choosing == CHOOSE_LIKELIHOOD ? evaluation_choose(e) : evaluation_generate(e);
    const bool failed = e->predictions && ferror(e->predictions);
    if (e->predictions && (fclose(e->predictions) != 0 || failed) && code == 0)
        code = cli_error(EVALUATE, CLI_FAILED, "%s: could not be written", path);
    if (code == 0)
        evaluation_summarise(e);
    return code;
}

static int evaluate(struct evaluation *e)
{
    int code = open_model(e);
    if (code == 0)
        code = read_data(e);
    if (code == 0)
        code = run(e);
    if (code == 0 && e->options.json)
        evaluation_print_json(e);
    else if (code == 0)
        code = evaluation_print_table(e);
    if (code == 0 && e->picture)
        code = evaluation_write_picture(e, e->picture);
    return code;
}

static void release(struct evaluation *e)
{
    for (size_t i = 0; i < e->combination_count; i++) {
        struct combination *c = &e->combinations[i];
        for (size_t s = 0; c->answers && s < (size_t)e->seeds; s++)
            free(c->answers[s]);
        free(c->answers);
        diffulm_sampler_unref(c->sampler);
    }
    for (size_t t = 0; t < e->task_count; t++)
        free(e->tasks[t].rows);
    free(e->combinations);
    free(e->tasks);
    free(e->figures);
    choices_release(&e->choices);
    rows_release(&e->rows);
    diffulm_length_head_unref(e->head);
    cli_bundle_close(&e->bundle);
}

int cli_evaluate(int argc, char **argv)
{
    struct evaluation e = {.options = DENOISE_OPTIONS_INIT,
                           .session = DIFFULM_SESSION_OPTIONS_INIT,
                           .seeds = 1,
                           .mbr = 1,
                           .scoring = {DIFFULM_BLEU_OPTIONS_INIT, DIFFULM_CHRF_OPTIONS_INIT}};
    int code = evaluation_read_options(argc, argv, &e);
    if (code < 0)
        code = evaluate(&e);
    release(&e);
    return code;
}
