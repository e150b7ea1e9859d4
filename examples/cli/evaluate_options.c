/* evaluate_options.c: the command line of `diffulm evaluate`: its options, checked against each other, and the combinations
 * they ask for. */
#include "evaluate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The most lines of a picture that colours and dashes tell apart. */
#define PICTURE_LINES 21

#define NOT_GIVEN INT64_MIN

/* The command line before it is understood; NULL and NOT_GIVEN: not given. */
struct arguments {
    const char *steps, *policies, *beams, *metrics, *bleu_tokenizer, *select, *choose, *normalise;
    int64_t length, trim, resamples, draws;
    bool oracle, infill, lowercase;
};

/* Whole numbers between commas, brought into rising order. */
struct numbers {
    int64_t *values;
    size_t count;
};

static int rising(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int parse_numbers(const char *option, const char *text, int64_t most, struct numbers *out)
{
    const char *at = text;
    for (;;) {
        char *end;
        errno = 0;
        const long long value = strtoll(at, &end, 10);
        if (end == at || errno || value < 1 || value > most || (*end && *end != ','))
            return cli_error(EVALUATE, CLI_USAGE,
                             "--%s is %s, expected numbers from 1 to %lld as in 1,4,10", option,
                             text, (long long)most);
        out->values = cli_grow(out->values, out->count + 1, sizeof *out->values);
        out->values[out->count++] = value;
        if (!*end)
            break;
        at = end + 1;
    }
    qsort(out->values, out->count, sizeof *out->values, rising);
    for (size_t i = 1; i < out->count; i++)
        if (out->values[i] == out->values[i - 1])
            return cli_error(EVALUATE, CLI_USAGE, "--%s has %lld twice", option,
                             (long long)out->values[i]);
    return 0;
}

static int index_in(const char *const *names, const char *text, size_t length)
{
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0)
            return i;
    return -1;
}

static int parse_metrics(struct evaluation *e, const char *text)
{
    for (bool more = true; more;) {
        const size_t length = strcspn(text, ",");
        const int metric = index_in(metric_names, text, length);
        if (metric < 0 || e->metric_count == METRICS)
            return cli_error(EVALUATE, CLI_USAGE,
                             "--metrics is wrong at %s, expected exact, squad, last-number, "
                             "rouge-l, accuracy, bleu and chrf between commas",
                             text);
        if ((metric == ACCURACY && !e->choosing) ||
            (metric != ACCURACY && e->choosing == CHOOSE_LIKELIHOOD))
            return cli_error(EVALUATE, CLI_USAGE,
                             metric == ACCURACY ? "--metrics accuracy needs --choose"
                                                : "--choose likelihood has accuracy alone");
        e->metrics[e->metric_count++] = (enum metric)metric;
        more = text[length] == ',';
        text += length + more;
    }
    return 0;
}

/* Two texts at least, none of them empty. */
static bool is_list(const char *text)
{
    const size_t length = strlen(text);
    return strchr(text, ',') && !strstr(text, ",,") && text[0] != ',' && text[length - 1] != ',';
}

/* *out: the place of `text` among `names`; NULL: 0. */
static int parse_name(const char *option, const char *text, const char *const *names,
                      const char *expected, int *out)
{
    const int i = text ? index_in(names, text, strlen(text)) : 0;
    if (i < 0)
        return cli_error(EVALUATE, CLI_USAGE, "--%s is %s, expected %s", option, text, expected);
    *out = i;
    return 0;
}

static int parse_names(struct evaluation *e, const struct arguments *a)
{
    static const char *const tokenizers[] = {"13a", "intl", "char", "none", NULL};
    static const char *const selections[] = {"score", "mbr", NULL};
    static const char *const choosings[] = {"none", "likelihood", "generation", NULL};
    static const char *const units[] = {"tokens", "none", NULL};
    int tokenizer = 0, select = 0, choose = 0, unit = 0;
    int code = parse_name("bleu-tokenize", a->bleu_tokenizer, tokenizers, "13a, intl, char or none",
                          &tokenizer);
    if (code == 0)
        code = parse_name("select", a->select, selections, "score or mbr", &select);
    if (code == 0)
        code =
            parse_name("choose", a->choose, choosings, "none, likelihood or generation", &choose);
    if (code == 0)
        code = parse_name("normalise", a->normalise, units, "tokens or none", &unit);
    e->scoring.bleu.tokenizer = tokenizer;
    e->scoring.bleu.lowercase = e->scoring.chrf.lowercase = a->lowercase;
    e->select = select;
    e->choosing = (enum choosing)choose;
    e->by_token = unit == 0;
    return code;
}

/* Options that change nothing together with others are refused. */
static int check_likelihood(const struct evaluation *e, const struct arguments *a)
{
    const struct {
        bool given;
        const char *name;
    } denoising[] = {{a->steps, "steps"},
                     {a->policies, "policy"},
                     {a->beams, "length-beam"},
                     {a->select, "select"},
                     {e->picture, "picture"},
                     {a->oracle, "oracle"},
                     {a->infill, "infill"},
                     {a->length != NOT_GIVEN, "length"},
                     {a->trim != NOT_GIVEN, "trim"},
                     {e->mbr != 1, "mbr"},
                     {e->unique, "unique-lengths"},
                     {e->batch, "batch"},
                     {e->options.causal, "causal"},
                     {e->options.temperature != 0, "temperature"}};
    for (size_t i = 0; i < sizeof denoising / sizeof *denoising; i++)
        if (denoising[i].given)
            return cli_error(EVALUATE, CLI_USAGE,
                             "--choose likelihood denoises nothing and takes no --%s",
                             denoising[i].name);
    if (e->draws < 2 || e->draws % 2 || e->draws > 1 << 20)
        return cli_error(EVALUATE, CLI_USAGE, "--draws is %lld, expected 2 to 1048576 and even",
                         (long long)e->draws);
    return 0;
}

static int check_lengths(struct evaluation *e, const struct arguments *a)
{
    const bool fixed = a->length != NOT_GIVEN, trim = a->trim != NOT_GIVEN;
    const int64_t length = fixed ? a->length : a->trim;
    if (a->oracle + a->infill + fixed + trim > 1)
        return cli_error(EVALUATE, CLI_USAGE,
                         "expected one of --oracle, --infill, --length and --trim");
    if ((fixed || trim) && (length < 1 || length > INT32_MAX))
        return cli_error(EVALUATE, CLI_USAGE, "--%s is %lld, expected 1 to %d",
                         fixed ? "length" : "trim", (long long)length, INT32_MAX);
    if (e->options.causal && (!trim || a->steps))
        return cli_error(EVALUATE, CLI_USAGE,
                         "--causal takes a step for each token: expected --trim N, the most tokens "
                         "of an answer, and no --steps");
    e->answer_length = a->oracle   ? LENGTH_REFERENCE
                       : a->infill ? LENGTH_INFILL
                       : fixed     ? LENGTH_FIXED
                       : trim      ? LENGTH_TRIM
                                   : LENGTH_PREDICTED;
    e->length = length;
    if (e->answer_length != LENGTH_PREDICTED && (a->beams || e->unique))
        return cli_error(EVALUATE, CLI_USAGE,
                         "--length-beam and --unique-lengths are for predicted lengths, not for "
                         "--oracle, --infill, --length or --trim");
    return 0;
}

static int check(struct evaluation *e, struct arguments *a)
{
    int code = parse_names(e, a);
    if (code == 0 && (e->seeds < 1 || e->seeds > 1000 || e->mbr < 1 || e->mbr > 1000))
        code = cli_error(EVALUATE, CLI_USAGE, "--seeds and --mbr must be 1 to 1000");
    if (code == 0 && (e->batch < 0 || e->batch > INT32_MAX))
        code = cli_error(EVALUATE, CLI_USAGE, "--batch is %lld, expected 0 (as many as fit) to %d",
                         (long long)e->batch, INT32_MAX);
    e->resamples = a->resamples == NOT_GIVEN ? (e->choosing ? 1000 : 0) : a->resamples;
    if (code == 0 && (e->resamples < 0 || e->resamples > 1000000))
        code = cli_error(EVALUATE, CLI_USAGE, "--confidence must be 0 to 1000000");
    if (code == 0 && e->given_choices && !is_list(e->given_choices))
        code = cli_error(EVALUATE, CLI_USAGE,
                         "--choices is %s, expected at least two texts as in A,B,C,D",
                         e->given_choices);
    if (code == 0 && !e->choosing && e->given_choices)
        code = cli_error(EVALUATE, CLI_USAGE, "--choices needs --choose");
    if (code == 0 && e->choosing != CHOOSE_LIKELIHOOD && (a->draws != NOT_GIVEN || a->normalise))
        code =
            cli_error(EVALUATE, CLI_USAGE, "--draws and --normalise are for --choose likelihood");
    e->draws = a->draws == NOT_GIVEN ? 32 : a->draws;
    if (code == 0)
        code = e->choosing == CHOOSE_LIKELIHOOD ? check_likelihood(e, a) : check_lengths(e, a);
    if (!a->metrics)
        a->metrics = e->choosing == CHOOSE_LIKELIHOOD   ? "accuracy"
                     : e->choosing == CHOOSE_GENERATION ? "accuracy,exact"
                                                        : "exact,bleu";
    return code == 0 ? parse_metrics(e, a->metrics) : code;
}

/* One combination; its sampler says the policy's full name. */
static int add_combination(struct evaluation *e, const char *policy, int64_t beam, int64_t steps)
{
    e->combinations = cli_grow(e->combinations, e->combination_count + 1, sizeof *e->combinations);
    struct combination *c = &e->combinations[e->combination_count];
    *c = (struct combination){.beam = beam, .steps = steps};
    e->options.policy = policy;
    e->options.steps = steps;
    const int code = denoise_sampler(EVALUATE, &e->options, &e->session, &c->sampler);
    if (code != 0)
        return code;
    c->policy = diffulm_sampler_name(c->sampler);
    e->combination_count++;
    return 0;
}

static int add_policy(struct evaluation *e, const char *policy, const struct numbers *beams,
                      const struct numbers *steps)
{
    int code = 0;
    for (size_t b = 0; code == 0 && b < beams->count; b++)
        for (size_t k = 0; code == 0 && k < steps->count; k++)
            code = add_combination(e, policy, beams->values[b], steps->values[k]);
    return code;
}

static int make_combinations(struct evaluation *e, const struct arguments *a)
{
    const bool choose = e->choosing == CHOOSE_LIKELIHOOD;
    struct numbers beams = {0}, steps = {0};
    char *names = NULL;
    int code = parse_numbers("length-beam", a->beams ? a->beams : "1", 1000, &beams);
    char most[24]; /* a causal answer's steps */
    snprintf(most, sizeof most, "%lld", (long long)e->length);
    if (code == 0)
        code = parse_numbers("steps",
                             a->steps            ? a->steps
                             : choose            ? "1"
                             : e->options.causal ? most
                                                 : "1,4,10",
                             100000, &steps);
    e->step_count = steps.count;
    if (code == 0 && !a->policies)
        code = add_policy(e, NULL, &beams, &steps);
    else if (code == 0) {
        names = cli_copy(a->policies);
        for (char *name = names, *next; code == 0 && name; name = next) {
            next = strchr(name, ',');
            if (next)
                *next++ = 0;
            code = add_policy(e, name, &beams, &steps);
        }
    }
    const bool several = beams.count > 0 && beams.values[beams.count - 1] * e->mbr > 1;
    if (code == 0 && e->select == DIFFULM_SELECT_MBR && !several)
        code = cli_error(EVALUATE, CLI_USAGE,
                         "--select mbr needs several candidates: --length-beam or --mbr");
    if (code == 0 && e->picture && e->combination_count / e->step_count > PICTURE_LINES)
        code = cli_error(EVALUATE, CLI_USAGE,
                         "--picture draws at most %d lines, this would be %zu: fewer policies or "
                         "length beams",
                         PICTURE_LINES, e->combination_count / e->step_count);
    free(names);
    free(beams.values);
    free(steps.values);
    return code;
}

static int read_arguments(int argc, char **argv, struct evaluation *e, struct arguments *a)
{
    static const struct cli_command command = {
        EVALUATE, "MODEL DATA",
        "Scores the answers to each task of a file, for every policy, length beam and number of "
        "steps.",
        NULL};
    const struct cli_option options[] = {
        {"steps", "K,K,…", "denoising steps [1,4,10]", CLI_TEXT, &a->steps},
        {"policy", "NAME,NAME,…", "unmasking policies [reparam-uncond-deterministic-cosine]",
         CLI_TEXT, &a->policies},
        {"length-beam", "N,N,…", "predicted lengths to try for each row [1]", CLI_TEXT, &a->beams},
        {"unique-lengths", NULL, "try equal predicted lengths once", CLI_FLAG, &e->unique},
        {"oracle", NULL, "use the reference's length instead of the predicted one", CLI_FLAG,
         &a->oracle},
        {"length", "N", "N masks for every answer", CLI_INT, &a->length},
        {"trim", "N", "N masks without an eos behind; the answer ends at the first eos", CLI_INT,
         &a->trim},
        {"infill", NULL, "mask the middle third of each answer only", CLI_FLAG, &a->infill},
        {"mbr", "N", "candidates of each length [1]", CLI_INT, &e->mbr},
        {"select", "HOW",
         "keep the candidate with the best score, or mbr: most like the others "
         "[score]",
         CLI_TEXT, &a->select},
        {"temperature", "X", "draw tokens at this temperature; 0: the best token [0]", CLI_REAL,
         &e->options.temperature},
        {"seed", "N", "of random draws [0]", CLI_INT, &e->options.seed},
        {"seeds", "N", "run with N seeds from --seed on; mean and deviation [1]", CLI_INT,
         &e->seeds},
        {"batch", "N", "rows answered together; 1 tells the time of one alone [as many as fit]",
         CLI_INT, &e->batch},
        {"choose", "HOW", "DATA has choices: take one by likelihood or generation [none]", CLI_TEXT,
         &a->choose},
        {"choices", "T,T,…", "choices of rows that have none", CLI_TEXT, &e->given_choices},
        {"draws", "N", "corrupted copies that score a choice, even [32]", CLI_INT, &a->draws},
        {"normalise", "BY", "likelihood by tokens, or none: of the whole choice [tokens]", CLI_TEXT,
         &a->normalise},
        {"causal", NULL, "a model of the causal objective: left to right until eos, or --trim N",
         CLI_FLAG, &e->options.causal},
        {"attention", "KIND", "full, prefix_lm, causal or blockwise [full]", CLI_TEXT,
         &e->options.attention},
        SOURCE_REFRESH_ROW(e->options),
        {"metrics", "M,M,…",
         "exact, squad, last-number, rouge-l, accuracy, bleu, chrf [exact,bleu]", CLI_TEXT,
         &a->metrics},
        {"bleu-tokenize", "NAME", "13a, intl, char or none [13a]", CLI_TEXT, &a->bleu_tokenizer},
        {"lowercase", NULL, "BLEU and chrF without case", CLI_FLAG, &a->lowercase},
        {"confidence", "N", "95 % intervals from N resamples of the rows [0; with --choose 1000]",
         CLI_INT, &a->resamples},
        {"adapter", "FOLDER", "add this LoRA adapter to the model", CLI_TEXT, &e->options.adapter},
        CLI_COMPUTE_ROWS(e->options.compute),
        {"predictions", "FILE", "write every answer as JSONL", CLI_TEXT, &e->predictions_path},
        {"picture", "FILE.svg", "draw the first metric against steps", CLI_TEXT, &e->picture},
        {"json", NULL, "print a JSON array", CLI_FLAG, &e->options.json},
        {0}};
    int rest;
    int code = cli_parse(&command, options, argc, argv, &rest);
    if (code < 0)
        code = cli_compute_check(EVALUATE, &e->options.compute);
    if (code >= 0)
        return code;
    if (rest != 2)
        return cli_error(EVALUATE, CLI_USAGE,
                         "expected MODEL and DATA; see diffulm evaluate --help");
    e->folder = argv[0];
    e->data = argv[1];
    return -1;
}

int evaluation_read_options(int argc, char **argv, struct evaluation *e)
{
    struct arguments a = {
        .length = NOT_GIVEN, .trim = NOT_GIVEN, .resamples = NOT_GIVEN, .draws = NOT_GIVEN};
    int code = read_arguments(argc, argv, e, &a);
    if (code >= 0)
        return code;
    code = check(e, &a);
    if (code == 0)
        code = make_combinations(e, &a);
    return code == 0 ? -1 : code;
}
